"""Each row of a table of measured runs as the planner's numbers: its work, machine and layout.

A blank layout field takes its framework's documented default of that time, and the row says so in `assumed`. A row
that cannot be expressed (dimensions missing, the device no GPU) says why in `skipped`; it is never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner import library
from planner.counting import allocation
from planner.errors import UnknownNameError
from planner.estimate import Machine
from planner.formula import Array
from planner.plan.cluster import MOST_A_NODE, Accelerator, Cluster
from planner.plan.model import Model
from planner.plan.shipped import accelerator
from planner.plan.shipped import fabric as shipped_fabric
from planner.plan.workload import BYTES_OF_PRECISION, Workload
from planner.timing import collectives, software
from planner.timing import device as devices
from planner.validation.run_table import Runs, Text


@dataclass(frozen=True)
class Expressed:
    """The rows as the planner's numbers. `index` maps them to the table's rows."""

    runs: Runs
    workload: Workload
    machine: Machine
    accelerators: list[Accelerator]
    device_index: NDArray[np.intp]
    device_sources: Text
    software_names: Text
    skipped: Text
    assumed: list[list[str]] = field(repr=False)

    def of_device(self, value: Callable[[Accelerator], float]) -> Array:
        """A figure of each row's accelerator."""
        return np.array([value(one) for one in self.accelerators], dtype=float)[self.device_index]


def express(runs: Runs) -> Expressed:
    """Every row's numbers; rows that cannot be expressed carry harmless ones and a reason in `skipped`."""
    n = len(runs)
    skipped = np.full(n, "", dtype="<U200")
    assumed: list[list[str]] = [[] for _ in range(n)]
    runs = _known_nodes(runs, assumed)
    kinds, kind_index, problems = _accelerators(runs)
    for i, reason in problems.items():
        skipped[i] = reason
    names = generations(runs)
    defaults = [_defaults(name) for name in names]

    for name in ("n_layers", "hidden", "seq_len"):
        missing = np.isnan(runs.numbers[name]) & (skipped == "")
        skipped[missing] = f"{name} is not stated"
    hybrid = np.char.find(np.char.lower(runs.words["model_name"]), "nemotron-h") >= 0
    hybrid |= np.char.find(np.char.lower(runs.words["model_name"]), "nemotronh") >= 0
    skipped[hybrid & (skipped == "")] = "a hybrid with state-space layers, which the planner does not express"
    known = _Known.of(runs)
    w = _workload(_completed(runs, known, assumed), defaults, assumed, skipped)
    w = replace(w, **_latents(w, known))
    pairs, pair_index = _pairs(kind_index, runs, kinds)
    per_device = [devices.device(kinds[i], precision) for i, precision in pairs]
    links, link_index = _networks(runs, kinds, kind_index, w)
    unique, software_index = np.unique(names, return_inverse=True)
    machine = Machine(
        device=devices.gather(per_device, pair_index), network=collectives.gather(links, link_index),
        software=software.gather([software.software(str(name)) for name in unique], software_index),
        allocation=allocation.gather([allocation.allocation(str(name)) for name in unique], software_index),
    )  # fmt: skip
    sources = np.array([one.source for one in per_device], dtype=np.str_)[pair_index]
    return Expressed(runs, w, machine, kinds, kind_index, sources, names, skipped, assumed)


@dataclass(frozen=True)
class _Known:
    """The shipped model that each row names; −1 for none."""

    models: tuple[Model, ...]
    index: NDArray[np.intp]

    @classmethod
    def of(cls, runs: Runs) -> _Known:
        """By a row's name and widths; the longest name of a model that a row's holds."""
        models = _decoders()
        index = np.full(len(runs), -1)
        names = np.array([_letters(name) for name in runs.words["model_name"].tolist()], dtype=np.str_)
        for position, model in enumerate(models):
            is_it = (index < 0) & (np.char.find(names, _letters(model.name)) >= 0)
            index[is_it & (runs.numbers["hidden"] == model.hidden) & (runs.numbers["n_heads"] == model.heads)] = (
                position
            )
        return cls(models, index)

    def value(self, field_name: str) -> Array:
        """A number of each row's model; NaN where it names none."""
        return np.array([*(float(getattr(model, field_name)) for model in self.models), np.nan])[self.index]


@cache
def _decoders() -> tuple[Model, ...]:
    """The shipped decoders, the longest names first. One's own models say nothing of published runs."""
    every = (Model.model_validate(library.read_json(path)) for path in (library.SHIPPED / "models").glob("*.json"))
    return tuple(
        sorted((one for one in every if one.architecture == "decoder"), key=lambda one: (-len(one.name), one.name))
    )


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.casefold())


def _completed(runs: Runs, known: _Known, assumed: list[list[str]]) -> Runs:
    """The rows with the dimensions that a source leaves blank, where it names a shipped model."""
    numbers = dict(runs.numbers)
    whole = known.value("layers") == runs.numbers["n_layers"]
    for name, field_name in _DIMENSIONS.items():
        values = known.value(field_name)
        fills = np.isnan(numbers[name]) & (values > 0) & (whole | (name != "n_dense_layers"))
        numbers[name] = np.where(fills, values, numbers[name])
        for i in np.flatnonzero(fills & (values != runs.numbers["n_heads"])):
            assumed[i].append(f"{name} of {known.models[known.index[i]].name}")
    return replace(runs, numbers=numbers)


_DIMENSIONS = {
    "n_kv_heads": "kv_heads", "n_experts": "experts", "experts_per_token": "experts_per_token",
    "expert_ffn": "expert_ffn", "n_shared_experts": "shared_experts", "n_dense_layers": "dense_layers",
}  # fmt: skip
"""Columns of a table of runs that sources often leave blank, and the model's fields that tell them."""


def _latents(w: Workload, known: _Known) -> dict[str, Array]:
    """The numbers of latent attention, for which a table of runs has no columns, of the rows whose model has it."""
    is_latent = known.value("latent_rank") > 0
    fields = {
        "value_dim": "value_width",
        **{one: one for one in ("latent_rank", "query_rank", "rotary_dim", "head_dim")},
    }
    return {name: np.where(is_latent, known.value(told), getattr(w, name)) for name, told in fields.items()}


_NODES = {("jean zay", "A100"): (8.0, 50.0)}
"""Machines whose nodes tables have wrong, by a word of the interconnect and the GPU's beginning: GPUs a node and Gb/s a
GPU. Jean Zay's A100 nodes have eight and four Omni-Path links of 100 Gb/s (BLOOM, arXiv 2211.05100, §3.4: 384 GPUs in
48 nodes); the four GPUs a node that are told of it are those of its V100 part."""


def _known_nodes(runs: Runs, assumed: list[list[str]]) -> Runs:
    """The rows with the nodes that their machine is known to have."""
    numbers, place = dict(runs.numbers), np.char.lower(runs.words["interconnect"])
    for (word, gpu), (per_node, gigabits) in _NODES.items():
        known = (np.char.find(place, word) >= 0) & np.char.startswith(runs.words["gpu"], gpu)
        known &= numbers["gpus_per_node"] != per_node
        numbers["gpus_per_node"] = np.where(known, per_node, numbers["gpus_per_node"])
        numbers["nic_gbit_per_s_per_gpu"] = np.where(known, gigabits, numbers["nic_gbit_per_s_per_gpu"])
        for i in np.flatnonzero(known):
            assumed[i].append(f"{per_node:.0f} GPUs a node, as this machine has")
    return replace(runs, numbers=numbers)


def _accelerators(runs: Runs) -> tuple[list[Accelerator], NDArray[np.intp], dict[int, str]]:
    unique, index = np.unique(runs.words["gpu"], return_inverse=True)
    kinds: list[Accelerator] = []
    problems: dict[int, str] = {}
    for position, name in enumerate(unique):
        reason = ""
        try:
            kind = accelerator(str(name))
            if kind.kind != "gpu":
                reason = f"{name} is not a GPU"
        except UnknownNameError as error:
            kind, reason = accelerator("A100-80GB-SXM"), str(error) if name else "gpu is not stated"
        kinds.append(kind)
        if reason:
            problems |= {int(i): reason for i in np.flatnonzero(index == position)}
    return kinds, index, problems


def _pairs(
    kind_index: NDArray[np.intp], runs: Runs, kinds: list[Accelerator]
) -> tuple[list[tuple[int, str]], NDArray[np.intp]]:
    """Each distinct (device, precision), and which of them each row is. A precision the device lacks becomes fp16's."""
    precision = np.where(runs.words["precision"] == "", "bf16", runs.words["precision"])
    keys = np.array([f"{i}|{p}" for i, p in zip(kind_index, precision, strict=True)])
    unique, index = np.unique(keys, return_inverse=True)
    pairs = []
    for key in unique:
        position, _, name = str(key).partition("|")
        kind = kinds[int(position)]
        able = name in BYTES_OF_PRECISION and kind.peak(name)
        pairs.append(
            (int(position), name if able else next(p for p in ("bf16", "fp16", "fp32", "tf32", "fp8") if kind.peak(p)))
        )
    return pairs, index


def _networks(
    runs: Runs, kinds: list[Accelerator], kind_index: NDArray[np.intp], w: Workload
) -> tuple[list[collectives.Network], NDArray[np.intp]]:
    default = np.array([400.0 if kind.name[:1] in "HGB" else 200.0 for kind in kinds])[kind_index]
    rate = runs.number("nic_gbit_per_s_per_gpu", default)
    families = [fabric_family(text) for text in runs.words["interconnect"]]
    family = np.array([list(FABRIC_FAMILIES.values()).index(name) for name in families], dtype=float)
    rows = np.stack(
        [kind_index, rate, np.asarray(w.gpus_per_node), np.asarray(w.gpus) > np.asarray(w.gpus_per_node), family]
    )
    unique, index = np.unique(rows, axis=1, return_inverse=True)
    links = []
    for position, gigabits, per_node, several, which in unique.T:
        like = shipped_fabric(list(FABRIC_FAMILIES.values())[int(which)])
        fabric = like.model_copy(update={"name": "as published", "bits_per_s_per_gpu": gigabits * 1e9})
        cluster = Cluster(
            accelerator=kinds[int(position)], gpus_per_node=int(per_node), nodes=2 if several else 1, fabric=fabric
        )
        links.append(collectives.network(cluster))
    return links, index.reshape(-1)


FABRIC_FAMILIES = {
    "efa": "efa-400", "omnipath": "opa-100x4", "roce": "roce-400", "tcpx": "ethernet-100",
    "gbps per node": "ethernet-100", "": "infiniband-hdr-200",
}  # fmt: skip
"""A word of a source's interconnect, and the shipped fabric whose achievable share and latency it has."""


def fabric_family(interconnect: str) -> str:
    """The shipped fabric that an interconnect's words name; InfiniBand where they name none."""
    text = interconnect.casefold()
    return next(name for word, name in FABRIC_FAMILIES.items() if word in text)


@dataclass(frozen=True)
class _Blanks:
    """What fills a source's blanks: each row's software defaults, and the note of it in `assumed`."""

    runs: Runs
    defaults: list[dict[str, Any]]
    assumed: list[list[str]]

    def say(self, mask: NDArray[np.bool_], text: str) -> None:
        """Note for the rows of a mask what was assumed."""
        for i in np.flatnonzero(mask):
            self.assumed[i].append(text)

    def default(self, key: str) -> Array:
        """A numeric default of each row's software."""
        return np.array([float(one[key]) for one in self.defaults], dtype=float)

    def word(self, name: str) -> Text:
        """A column of words with its blanks filled by the software's default."""
        column = self.runs.words[name]
        if not len(column):
            return column
        self.say(column == "", name)
        return np.where(column == "", np.array([str(one[name]) for one in self.defaults]), column)


def _workload(runs: Runs, defaults: list[dict[str, Any]], assumed: list[list[str]], skipped: Text) -> Workload:
    """Each row's work and layout; what a source leaves blank is the software's default and noted in `assumed`."""
    blanks = _Blanks(runs, defaults, assumed)
    tp, pp, cp, dp = _degrees(blanks, skipped)
    gpus, sequence = runs.number("n_gpus", 1.0), runs.number("seq_len", 1.0)
    stated = runs.number("gpus_per_node", 8.0)
    beyond = (stated < 1) | (stated > MOST_A_NODE)
    skipped[beyond & (skipped == "")] = f"gpus_per_node is not from 1 to {MOST_A_NODE:,}"
    per_node = np.minimum(np.clip(stated, 1.0, MOST_A_NODE), np.maximum(1.0, gpus))
    batch, micro_batch = _batches(blanks, sequence, dp, pp)
    words, default = runs.words, blanks.default
    recompute = blanks.word("recompute")
    parallel = words["sequence_parallel"]
    shards_sequence = np.where(parallel == "", default("sequence_parallel"), parallel == "yes") > 0
    unfused = np.where(words["attention"] == "", default("flash") == 0, words["attention"] == "unfused")
    interleaved = np.char.find(np.char.lower(words["notes"]), "interleaved") >= 0
    virtual_stages = runs.number("virtual_stages", np.where(interleaved, 2.0, 1.0))
    wide = np.isin(words["precision"], ("fp32", "tf32"))
    model = _model(runs)
    return replace(
        model,
        tokens=runs.number("total_tokens", batch * sequence), sequence=sequence, batch=batch,
        flash=np.where(unfused, 0.0, 1.0), dropout=default("dropout"),
        activation_bytes=np.where(wide, 4.0, 2.0), weight_bytes=np.where(wide, 4.0, 2.0),
        gradient_bytes=np.where(wide, 4.0, default("gradient_bytes")),
        optimizer_bytes=np.where(wide, 8.0, default("optimizer_bytes")),
        gpus=gpus, gpus_per_node=per_node, tp=tp, pp=pp, cp=cp, dp=dp,
        ep=np.where(np.asarray(model.experts) > 0, runs.number("ep", 1.0), 1.0),
        virtual_stages=np.where(pp > 1, virtual_stages, 1.0),
        zero_stage=runs.number("zero_stage", default("zero_stage")),
        zero_group=_groups(words["zero_group"], dp * cp, per_node, tp),
        sequence_parallel=np.where(shards_sequence & (tp > 1), 1.0, 0.0), micro_batch=micro_batch,
        recompute_full=np.where(recompute == "full", 1.0, 0.0),
        recompute_selective=np.where(recompute == "selective", 1.0, 0.0),
    )  # fmt: skip


def _model(runs: Runs) -> Workload:
    """Each row's decoder; a blank width follows the usual ratios (heads of 128, feed-forward 4 h, or 8/3 h gated)."""
    hidden, layers, number = runs.number("hidden", 1.0), runs.number("n_layers", 1.0), runs.number
    heads = number("n_heads", np.maximum(1.0, np.round(hidden / 128)))
    gated = np.isin(runs.words["ffn_type"], ("swiglu", "geglu"))
    ffn = number("ffn_hidden", np.where(gated, np.ceil(hidden * 8 / 3 / 256) * 256, 4 * hidden))
    head_dim = np.where(hidden % heads == 0, hidden / heads, 128.0)
    experts = number("n_experts", 0.0)
    biases = np.where(gated, 0.0, 1.0)
    return Workload(
        layers=layers, encoder_layers=0.0, hidden=hidden, heads=heads, kv_heads=number("n_kv_heads", heads),
        head_dim=head_dim, value_dim=head_dim, ffn=ffn, ffn_matrices=np.where(gated, 3.0, 2.0),
        vocabulary=number("vocab", 51200.0), tied=np.where(runs.words["tied_embeddings"] == "yes", 1.0, 0.0),
        has_head=1.0, norm_vectors=1.0 + biases, final_norm=1.0, embedding_norm=0.0, qk_norm=0.0, position_rows=0.0,
        token_types=0.0, relative_buckets=0.0, qkv_bias=biases, output_bias=biases, ffn_bias=biases, experts=experts,
        experts_per_token=number("experts_per_token", 0.0), expert_ffn=number("expert_ffn", ffn),
        shared_experts=number("n_shared_experts", 0.0),
        dense_layers=np.where(experts > 0, number("n_dense_layers", 0.0), layers),
    )  # fmt: skip


def _degrees(blanks: _Blanks, skipped: Text) -> tuple[Array, Array, Array, Array]:
    """(tp, pp, cp, dp); a data-parallel degree that contradicts the GPUs gives way to them."""
    runs = blanks.runs
    gpus = runs.number("n_gpus", 1.0)
    tp, pp, cp = runs.number("tp", 1.0), runs.number("pp", 1.0), runs.number("cp", 1.0)
    remaining = np.maximum(1.0, np.floor(gpus / (tp * pp * cp)))
    dp = runs.number("dp", remaining)
    mismatch = (tp * pp * cp * dp != gpus) & (skipped == "") & ~np.isnan(runs.numbers["n_gpus"])
    blanks.say(mismatch, "dp from the GPUs")
    return tp, pp, cp, np.where(mismatch, remaining, dp)


def _batches(blanks: _Blanks, sequence: Array, dp: Array, pp: Array) -> tuple[Array, Array]:
    """(global batch, micro-batch) in sequences."""
    number = blanks.runs.number
    accumulation, micro = number("grad_accum"), number("micro_batch")
    batch = number("global_batch", number("global_batch_tokens") / sequence)
    whole = np.where(np.isnan(micro), 1.0, micro) * dp * np.where(np.isnan(accumulation), 1.0, accumulation)
    usual = (blanks.runs.words["kind"] == "run") & np.isnan(batch) & np.isnan(accumulation) & np.isnan(micro)
    blanks.say(usual, "global_batch of GPT-3 at this size")
    each = np.round(usual_batch_tokens(number("params_b", 0.0)) / sequence / dp)
    whole = np.where(usual, np.maximum(1.0, each) * dp, whole)
    batch = np.where(np.isnan(batch), whole, batch)
    blanks.say(np.isnan(micro), "micro_batch")
    at_once = number("zero_stage", blanks.default("zero_stage")) >= 3  # sharded weights: a rank's batch in one piece
    pieces = np.where(np.isnan(accumulation), np.where(at_once, 1.0, batch / dp), accumulation)
    share = batch / (dp * pieces)  # in one piece on average, where a batch does not go evenly into its ranks
    micro = np.where(np.isnan(micro), np.maximum(1.0, np.where(at_once, share, np.floor(share))), micro)
    # A framework whose batch setting is per rank cuts it into as many micro-batches as there are stages.
    split = (blanks.default("local_batch_is_split") > 0) & (pp > 1)
    blanks.say(split, "micro-batches = stages")
    micro = np.where(split, np.maximum(1.0, micro / pp), micro)
    return batch, np.minimum(micro, np.maximum(1.0, np.ceil(batch / dp)))


def usual_batch_tokens(params_b: Array) -> Array:
    """Tokens in a batch of a whole training that states none: GPT-3's at its size (Brown 2020, arXiv 2005.14165, table
    2.1: 0.5 M to 0.76e9 parameters, 1 M to 2.7e9, 2 M to 13e9, 3.2 M)."""
    return np.array([0.5e6, 1e6, 2e6, 3.2e6])[np.searchsorted([1.0, 5.0, 50.0], params_b)]


def _groups(words: Text, ranks: Array, per_node: Array, tp: Array) -> Array:
    stated = np.array([float(text) if re.fullmatch(r"\d+(\.0)?", text) else np.nan for text in words], dtype=float)
    stated = np.where(words == "node", np.maximum(1.0, per_node / tp), stated)
    return np.minimum(np.where(np.isnan(stated), ranks, stated), ranks)


def generations(runs: Runs) -> Text:
    """Each row's software generation: by its framework's name, by its date where a later release does much otherwise,
    and by ZeRO-3 where a generation does that otherwise."""
    shards_weights = runs.numbers["zero_stage"] >= 3
    return np.array(
        [
            _generation(text, date, bool(zero))
            for text, date, zero in zip(runs.words["framework"], runs.words["as_of"], shards_weights, strict=True)
        ],
        dtype=np.str_,
    )


@cache
def _generation(framework: str, as_of: str, shards_weights: bool) -> str:
    name = generation(framework)
    later = _shipped_generations()[name].get("later", {})
    name = max(((date, then) for date, then in later.items() if as_of >= date), default=("", name))[1]
    return str(_shipped_generations()[name].get("with_zero_3", name)) if shards_weights else name


@cache
def generation(framework: str) -> str:
    """The software generation of a framework as a source prints it: the longest pattern that it contains."""
    text = framework.casefold()
    best, name = -1, "pytorch"
    for candidate, data in _shipped_generations().items():
        for pattern in data.get("frameworks", []):
            if pattern.casefold() in text and len(pattern) > best:
                best, name = len(pattern), candidate
    return name


@cache
def _shipped_generations() -> dict[str, dict[str, Any]]:
    """How published sources print a generation, and its defaults: the user's own files of software do not say."""
    return {path.stem: library.read_json(path) for path in sorted((library.SHIPPED / "frameworks").glob("*.json"))}


@cache
def _defaults(name: str) -> dict[str, Any]:
    """A generation's documented defaults for what a source leaves blank."""
    return {
        "zero_stage": 1, "sequence_parallel": 0, "flash": 1, "dropout": 0, "recompute": "none", "gradient_bytes": 4,
        "local_batch_is_split": 0, "optimizer_bytes": 12, **_shipped_generations()[name].get("defaults", {}),
    }  # fmt: skip
