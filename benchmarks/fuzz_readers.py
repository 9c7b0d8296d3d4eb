"""Every reader of a file or a text that a user may hand to the program, with real ones to begin with.

`fuzz.py` damages them. What a reader takes is used as the program would: a plan is checked, estimated and given its
life's and its task's cost, a law asked for a loss, a table of runs scored, points fitted.
"""

from __future__ import annotations

import bz2
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner import library, units
from planner.estimate import estimate
from planner.interchange import catalogue, formats
from planner.plan import derive, file, offers
from planner.plan.check import check
from planner.plan.plan import Plan
from planner.profiling import journal
from planner.quality import fit, laws, lifetime, observed, points, task, tokenizers
from planner.quality.ladder import forecast, text
from planner.quality.ladder.result import Trained, points_of, seed_noise
from planner.timing import calibration, fabric, profile, profile_history, selection
from planner.validation import own, run_list, run_table, validate

UNKNOWN_GPU = profile.Device(kind="cuda", name="none of them", memory_bytes=2**30)
"""Every data sheet is looked at for one of its name."""
SHIPPED = library.SHIPPED
BASE = "llama-2-7b"
WORDS = b"A line of words, 12 of them.\n" * 4000
MEASURED = Path(__file__).resolve().parent.parent / "tests" / "data" / "gpt2-cpu.json"


@dataclass(frozen=True)
class Reader:
    """One kind of file: real ones to begin with, the name that it has within the user's folder, and what reads it."""

    seeds: list[bytes]
    place: str
    read: Callable[[Path], object]


def readers() -> dict[str, Reader]:
    """Every reader by name."""
    return {**_of_plans(), **_of_own_things(), **_of_measurements(), **_of_quality(), **_of_prices(), **_of_the_app()}


def _of_plans() -> dict[str, Reader]:
    base, plans = file.load(BASE), _files("plans", 6)
    rich = [_json(plan) for plan in _rich_plans()]
    configs = _model_configs()
    launch = {name: [_launch(one, name) for one in _launched(base, name)] for name in formats.READERS}
    places = {"torchtitan": "a.toml", "megatron": "a.sh", "deepspeed": "a.json", "nanotron": "a.yaml"}
    return {
        "plan": Reader(plans, "a.json", lambda path: _used(file.load(path))),
        "plan with all sections": Reader(rich, "a.json", lambda path: _used(file.load(path))),
        "model": Reader([*configs, *_files("models", 4)], "config.json", lambda path: _modelled(base, path)),
        **{name: Reader(launch[name], place, _importing(name, base)) for name, place in places.items()},
        "any config": Reader(
            plans + configs + [one for some in launch.values() for one in some], "b.json", formats.is_training_config
        ),
        "quantity": Reader([b"80 GiB", b"2.5e12", b"1,024 MB", b"$3"], "q", _quantity),
        "setting": Reader(SETTINGS, "s", _setting),
    }  # fmt: skip


def _of_own_things() -> dict[str, Reader]:
    base = file.load(BASE)
    return {
        "own accelerator": Reader(_files("accelerators", 6), "accelerators/mine.json", _own_accelerator),
        "own fabric": Reader(_files("fabrics", 6), "fabrics/mine.json", lambda path: _own("fabrics", base)),
        "own software": Reader(
            _files("frameworks", 4), "frameworks/mine.json",
            lambda path: _used(file.with_settings(base, [("recipe.framework", "mine")])),
        ),
        "own post-training": Reader(
            _files("post_training", 1), "post_training/mine.json",
            lambda path: lifetime.life_of(file.with_settings(base, [("post_training", "mine")])).to_json(),
        ),
        "own text": Reader([_described_text()], "texts/mine.json", _read_text),
    }  # fmt: skip


def _of_measurements() -> dict[str, Reader]:
    base, measured = file.load(BASE), MEASURED.read_bytes()
    runs = b"".join((SHIPPED / "runs.csv").read_bytes().splitlines(keepends=True)[:12])
    corrected = {
        "format": calibration.FORMAT, "version": calibration.VERSION, "name": "a", "created": "2026-01-01",
        "device": json.loads(measured)["device"], "software": "2.11", "framework": "pytorch", "model": "gpt2",
        "shape": "", "precision": "bf16", "profile": "gpt2-cpu", "ratio": 1.1,
    }  # fmt: skip
    found = profile.load(MEASURED)
    few = profile.to_text(found.model_copy(update={"rows": found.rows[::2]})).encode()
    head = json.loads(measured) | {"rows": [], "complete": False}
    partial = b"".join(
        json.dumps(one).encode() + b"\n"
        for one in (head, *(row.model_dump(mode="json", exclude_defaults=True) for row in found.rows[:12]))
    )
    listed = {"name": "mine", "rows": [_run(row) for row in range(3)]}
    return {
        "profile": Reader([measured], "p.json", lambda path: profile.summarize(profile.load(path).rows)),
        "own profile": Reader([few], "measured/mine.json", lambda path: _measured(base)),
        "collectives": Reader([_collectives()], "measured/mine.json", _exchanged),
        "partial profile": Reader([partial], f"p.json{journal.SUFFIX}", journal.recover),
        "runs": Reader([runs], "runs.csv", validate),
        "own runs": Reader([runs], "runs.csv", lambda path: own.append(base, {"as_of": "today"})),
        "run list": Reader([_json(listed)], "run_lists/mine.json", lambda path: (run_list.own(), validate(path))),
        "calibration": Reader([_json(corrected)], "calibrations/a.json", lambda path: calibration.load("a")),
    }  # fmt: skip


def _of_quality() -> dict[str, Reader]:
    losses = [b"%de6,%de9,%.3f,a\n" % (n, d, 1.7 + 4 / n**0.3 + 3 / d**0.3) for n in (1, 4, 9) for d in (2, 7, 30)]
    rungs = [
        {
            "purpose": "point", "width": 64 * n, "layers": 4, "parameters": 10**5 * n**2, "seconds": 1.5, "seed": seed,
            "non_embedding_parameters": 9 * 10**4 * n**2, "steps": 100 * n, "batch_tokens": 4096,
            "tokens": 2 * 10**6 * n**2, "learning_rate": 0.01, "loss": 3 - n / 9 + seed / 1000,
        }
        for n in (1, 2, 3, 4) for seed in (0, 1)
    ]  # fmt: skip
    ladder = b"".join(json.dumps(one).encode() + b"\n" for one in ({"format": "ladder", "text": "a"}, *rungs))
    perplexities = b"".join((SHIPPED / "perplexities.csv").read_bytes().splitlines(keepends=True)[:20])
    return {
        "law": Reader(_files("laws", 8), "law.json", _asked),
        "points": Reader([b"parameters,tokens,loss,run\n" + b"".join(losses)], "points.csv", _fitted),
        "ladder": Reader([ladder], f"points.csv{journal.SUFFIX}", _climbed),
        "perplexities": Reader([perplexities], "seen.csv", _seen),
        "text": Reader([b"A line of words, 12 of them.\n" * 20], "words.txt", _counted),
    }


def _of_prices() -> dict[str, Reader]:
    asked = [
        {"accelerator": "H100-80GB-SXM", "usd_per_gpu_hour": 2.5, "provider": "me", "region": "here", "gpus": 8,
         "instance": "big", "as_of": "2026-11", "default": True, "confidence": "seen", "low": 1, "high": 4},
        {"accelerator": "A100-80GB-SXM", "usd_per_gpu_hour": 1.2, "purchase": "spot", "as_of": "2026-11-23"},
    ]  # fmt: skip
    item = {
        "provider": "aws", "instance_name": "p5.48xlarge", "location": "us-east-1", "price": 55.04, "gpu_count": 8,
        "gpu_name": "H100", "gpu_memory": 80, "spot": False,
    }  # fmt: skip
    fetched = {"gpuhunt": "0.1", "versions": {"aws": "20261120"}, "items": [item, {**item, "spot": True}]}
    prices = _json({"name": "mine", "notes": "n", "source": "s", "as_of": "2026-11", "rows": asked})
    return {
        "price list": Reader([prices], "prices/mine.json", lambda path: _priced()),
        "kept offers": Reader([prices], offers.KEPT, lambda path: _priced()),
        "catalogue": Reader([_json(fetched)], "fetched.json", _fetched),
    }


def _of_the_app() -> dict[str, Reader]:
    try:  # the program's window is not needed to plan
        from gui.recovery import leftovers
        from gui.scenario_shelf import Shelf
        from gui.settings import Settings
    except ImportError:
        return {}
    plan = json.loads(_files("plans", 6)[0])

    def settings(path: Path) -> object:
        made = Settings()
        return made.theme, made.page, made.geometry, made.recent

    ini = b"[General]\ntheme=dark\npage=search\nrecent=/a.json, /b.json\ngeometry=@ByteArray(\\x1\\xd9)\n"
    recovery = _json({"path": None, "saved_at": "now", "plan": plan})
    shelf = _json({"scenarios": [{"name": "a", "plan": plan}]})
    return {
        "recovery": Reader([recovery], "recovery/a.json", lambda path: leftovers()),
        "scenarios": Reader([shelf], "scenarios.json", lambda path: Shelf()),
        "settings": Reader([ini], "settings.ini", settings),
    }


SETTINGS = [
    b"recipe.tokens=2T", b"layout.dp=auto", b"prices.pue=1.2", b"cluster.nodes=64", b"cluster.accelerator=L40S",
    b"layout.tp=8", b"layout.recompute=full", b"model=deepseek-v3", b"recipe.precision=fp8", b"prices.purchase=spot",
    b"prices.purchase=reserved", b"prices.reserved.term_days=365", b"post_training=llama-2", b"lifetime.load=50 %",
    b"post_training.annotators=50", b"lifetime.served_tokens=1T", b"lifetime.accelerator=L40S", b"name=my plan",
    b"lifetime.task.small_model=bert-base-cased", b"cluster.failures_per_node_day=0.01", b"notes=some words",
]  # fmt: skip
"""Texts of `--set`."""


def _rich_plans() -> list[dict[str, Any]]:
    """Plans with latent attention and experts, with everything that a plan may lack, and with each way to pay."""
    base = json.loads(file.to_text(file.load(BASE)))
    life = file.with_settings(
        file.load("gpt2"), [("lifetime.served_tokens", "1T"), ("lifetime.task.small_model", "bert-base-cased")]
    )
    post = file.with_settings(file.load(BASE), [("post_training", "llama-2")])
    ways = [{**base, "prices": {**base["prices"], "purchase": way, way: {}}} for way in ("reserved", "spot", "owned")]
    latent = [json.loads(file.to_text(file.load(name))) for name in ("deepseek-v3", "mixtral-8x7b")]
    return [*latent, *(json.loads(file.to_text(plan)) for plan in (life, post)), *ways]


def _model_configs() -> list[bytes]:
    """Models as Hugging Face describes them."""
    config = {
        "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096,
        "hidden_act": "gelu", "activation_function": "gelu", "tie_word_embeddings": False, "ffn_dim": 16384,
        "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "n_layer": 12, "n_head": 12,
        "n_embd": 768, "n_positions": 1024,
    }  # fmt: skip
    experts = {
        "n_routed_experts": 64, "num_experts_per_tok": 6, "n_shared_experts": 2, "moe_intermediate_size": 1408,
        "first_k_dense_replace": 1, "kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "v_head_dim": 128, "num_local_experts": 8, "sliding_window": 4096,
    }  # fmt: skip
    plain = [config | {"model_type": name} for name in ("llama", "gemma", "opt", "t5", "falcon", "gpt2", "bert")]
    mixed = [config | experts | {"model_type": name} for name in ("deepseek_v2", "deepseek_v3", "mixtral", "mistral")]
    return [_json(one) for one in plain + mixed]


def _launched(base: Plan, name: str) -> list[Plan]:
    """The plans whose launch files are read back: those that the engine can do."""
    wished = [
        base.replace(**{"layout.zero_stage": 1}),
        file.with_settings(base, [("layout.zero_stage", 3), ("layout.tp", 2), ("layout.recompute", "full")]),
        *map(file.load, ("mixtral-8x7b", "deepseek-v3", "gpt3-175b")),
    ]
    able = []
    for plan in wished:
        with suppress(formats.InputError):
            formats.render(plan, name)
            able.append(plan)
    return able


def _run(row: int) -> dict[str, Any]:
    """A shipped run as a list of runs has it."""
    runs = run_table.read(SHIPPED / "runs.csv")
    told = {name: str(runs.words[name][row]) for name in ("id", "gpu", "framework", "model_name", "precision")}
    numbers = {
        name: float(value[row]) for name, value in runs.numbers.items() if value[row] == value[row] and value[row] >= 0
    }
    return told | numbers


def _collectives() -> bytes:
    """A profile of an H100 that holds collectives alone, with all five of them inside a node and across two."""
    rows = [
        fabric.Collective.model_validate({
            "operation": operation, "ranks": ranks, "ranks_per_node": local, "bytes": size, "n": 9, "median_s": time_s,
            "lower_quartile_s": 0.97 * time_s, "upper_quartile_s": 1.03 * time_s,
        })
        for operation in ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send")
        for ranks, local in ((2, 2), (8, 8), (2, 1), (16, 8)) if operation != "send" or ranks == 2
        for size in (1e3, 1e5, 1e7, 1e9) if (time_s := 1e-4 + size / 20e9)
    ]  # fmt: skip
    section = fabric.Collectives(
        created="2026-11-01T00:00:00+00:00", backend="nccl", nodes=2, ranks_per_node=8, rows=tuple(rows),
        curves=fabric.curves(rows),
    )  # fmt: skip
    made = profile.load(MEASURED).model_copy(
        update={
            "device": profile.Device(kind="cuda", name="NVIDIA H100 80GB HBM3", memory_bytes=85e9),
            "rows": (), "suite": "collectives", "collectives": section,
        }
    )  # fmt: skip
    return profile.to_text(made).encode()


def _used(plan: Plan) -> object:
    """What the program does with a plan that it has read."""
    if any(problem.severity == "error" for problem in check(plan)):
        return None
    found = estimate(plan)
    if plan.lifetime or plan.post_training:
        return lifetime.life_of(plan, result=found).to_json(), task.compare(plan, found).to_json()
    return found.figures


def _modelled(base: Plan, path: Path) -> object:
    return _used(derive.with_model(base, str(path))[0])


def _importing(name: str, base: Plan) -> Callable[[Path], object]:
    """Reads a training config of a format that is named, or of one that its content tells."""
    named = None if name == "torchtitan" else name
    return lambda path: _used(formats.read(path, named, base)[0])


def _asked(path: Path) -> object:
    law, found = laws.law(path), []
    if law.gives_loss:
        found += [law.perplexity(N, D) for N in (1e3, 7e9, 1e18) for D in (1e3, 2e12, 1e18)]
        found += [law.loss_within(7e9, 1e36), law.cheapest(2.0)]
        samples = law.samples(8)
        found += [samples.alpha] if samples else []
    if law.gives_optimum:
        found += [law.optimum(flops).parameters for flops in (1e9, 1e23, 1e36)]
    return found, law.words, law.outside(7e9, 2e12, 1e23)


def _own(kind: str, base: Plan) -> object:
    library.names(kind)
    section = kind.removesuffix("s")
    return _used(file.with_settings(base, [(f"cluster.{section}", "mine")]))


def _own_accelerator(path: Path) -> object:
    selection.data_sheet(UNKNOWN_GPU)
    return _own("accelerators", file.load(BASE))


def _described_text() -> bytes:
    """A text of the ladder as its file describes it; `_read_text` lays the packed words beside it."""
    told = {"name": "mine", "title": "Mine", "file": "mine.txt.bz2", "source": "s", "licence": "l"}
    return _json(told | {"sha256": hashlib.sha256(WORDS).hexdigest(), "bytes": len(WORDS)})


def _read_text(path: Path) -> object:
    path.with_name("mine.txt.bz2").write_bytes(bz2.compress(WORDS))
    return text.divide(text.read("mine").content)


def _measured(base: Plan) -> object:
    plan = file.with_settings(base, [("cluster.accelerator", "CPU"), ("recipe.precision", "fp32")])
    profile_history.entries()
    found = selection.known(plan)  # as the profile that is chosen, or left out with a warning
    return _used(plan.model_copy(update={"profile": "mine"})) if found.fit else selection.why_not(plan, "mine")


def _exchanged(path: Path) -> object:
    settings = [("cluster.accelerator", "H100-80GB-SXM"), ("cluster.nodes", 2), ("layout.tp", 8), ("layout.dp", 2)]
    plan = file.with_settings(file.load(BASE), settings)
    return fabric.curves(found.rows if (found := profile.load(path).collectives) else ()), _used(
        plan.model_copy(update={"profile": "mine"})
    )


def _fitted(path: Path) -> object:
    found = fit.fit(points.read(path))
    return found.to_json(), found.law().perplexity(7e9, 2e12)


def _climbed(path: Path) -> object:
    """What an interrupted ladder takes over, and what it would then say of a larger rung."""
    kept: Any = journal.Journal(path, {"format": "ladder", "text": "a"}, Trained, lambda head: "")
    kept.close(remove=True)
    path.with_name(f"{path.name}.old").unlink(missing_ok=True)
    if len({row.parameters for row in kept.rows if row.purpose == "point"}) < 2:
        return None
    return forecast.forecast(points_of(kept.rows), 1e9, 2e10, seed_noise(kept.rows))


def _seen(path: Path) -> object:
    return [(group.title, [row.perplexity for row in group.rows]) for group in observed.groups(observed.read(path))]


def _counted(path: Path) -> object:
    found = tokenizers.count(tokenizers.read_text(str(path)), names=["bytes"])
    return [one.to_json() for one in found], text.divide(library.read_text(path))


def _priced() -> object:
    plan = file.with_settings(file.load(BASE), [("cluster.accelerator", "H100-80GB-SXM")])
    return offers.known("H100-80GB-SXM"), offers.default("A100-80GB-SXM"), _used(plan)


def _fetched(path: Path) -> object:
    from datetime import date

    return list(catalogue.price_list(catalogue.read(path.read_bytes()), date(2026, 11, 24)).offers())


def _quantity(path: Path) -> object:
    return units.parse(path.read_text("utf-8", "replace"), "B")


def _setting(path: Path) -> object:
    name, _, value = path.read_text("utf-8", "replace").partition("=")
    return _used(file.with_settings(file.load(BASE), [(name, value)]))


def _files(kind: str, most: int) -> list[bytes]:
    paths = sorted((SHIPPED / kind).glob("*.json"))
    return [path.read_bytes() for path in paths[:: max(1, len(paths) // most)]]


def _launch(plan: Plan, name: str) -> bytes:
    return formats.render(plan, name).text.encode()


def _json(data: Any) -> bytes:
    return json.dumps(data).encode()
