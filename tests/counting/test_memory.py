"""Memory against the papers' closed formulas, and the laws that sharding obeys."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.counting import memory, parameters
from planner.counting.activations import layer_saved_bytes
from planner.counting.memory import Memory
from planner.plan import file
from planner.plan.model import Model
from planner.plan.shipped import model
from planner.plan.workload import Workload, of_model, workload

PARTS = [field.name for field in fields(Memory) if field.name != "total"]
GPT3 = of_model(model("gpt3-175b")).where(sequence=2048.0, flash=0.0, dropout=1.0)


def held(w: Workload) -> Memory:
    return memory.count(w, parameters.count(w))


def gpt(hidden: int, heads: int) -> Workload:
    """A GPT as Korthikanti counts it: LayerNorm, dropout, GELU, 4h feed-forward, attention written out."""
    architecture = Model(
        layers=24, hidden=hidden, heads=heads, kv_heads=heads, head_dim=hidden // heads, ffn=4 * hidden,
        activation="gelu", vocabulary=51_200, max_sequence=2048, norm="layernorm", positions="learned",
    )  # fmt: skip
    return of_model(architecture).where(flash=0.0, dropout=1.0)


@given(
    st.sampled_from([(2048, 16), (6144, 64), (12288, 96)]), st.sampled_from([512, 1024, 2048]), st.integers(1, 8),
    st.sampled_from([1, 2, 4, 8]),
)  # fmt: skip
def test_a_layer_saves_korthikantis_34_sbh_and_5_as2b(shape: tuple[int, int], s: int, b: int, t: int) -> None:
    """Equations 1, 2 and 4: sbh(34 + 5as/h); /t with tensor and sequence parallelism; 10 + 24/t without the latter."""
    h, a = shape
    w = gpt(h, a).where(sequence=float(s), micro_batch=float(b), tp=float(t))
    whole, scores, stream = layer_saved_bytes(w.where(sequence_parallel=1.0))
    assert scores == pytest.approx(5 * a * s**2 * b / t)
    assert whole == pytest.approx((34 * s * b * h + 5 * a * s**2 * b) / t, rel=0.01)
    assert stream == pytest.approx(2 * s * b * h / t)
    alone, scores_alone, _ = layer_saved_bytes(w)
    assert alone - scores_alone == pytest.approx(s * b * h * (10 + 24 / t), rel=0.01)


def test_flash_attention_saves_no_scores() -> None:
    _, scores, _ = layer_saved_bytes(GPT3.where(flash=1.0))
    assert scores == 0


@pytest.mark.parametrize("name", ["gpt2", "llama-2-7b", "mixtral-8x7b"])
def test_mixed_precision_adam_holds_16_bytes_a_parameter_and_4_more_for_fp32_gradients(name: str) -> None:
    """Rajbhandari 2020 §3.1: 2 + 2 + 12; gradients kept in fp32 take 4."""
    w = of_model(model(name))
    total = parameters.count(w).total
    counted = held(w.where(gradient_bytes=2.0))
    assert counted.weights + counted.gradients + counted.optimizer == pytest.approx(16 * total)
    assert held(w).gradients == pytest.approx(4 * total)


@pytest.mark.parametrize(("stage", "bytes_a_parameter"), [(0, 16), (1, 4 + 12 / 64), (2, 2 + 14 / 64), (3, 16 / 64)])
def test_zero_shares_what_its_paper_says(stage: int, bytes_a_parameter: float) -> None:
    """Rajbhandari 2020 figure 1: 7.5 B parameters on 64 GPUs take 120, 31.4, 16.6 and 1.9 GB."""
    w = of_model(model("llama-2-7b")).where(
        gradient_bytes=2.0, zero_stage=float(stage), zero_group=64.0, dp=64.0, gpus=64.0, batch=64.0
    )
    counted = held(w)
    states = counted.weights + counted.gradients + counted.optimizer
    assert states == pytest.approx(bytes_a_parameter * parameters.count(w).total)
    assert (counted.gathered > 0) == (stage == 3)


def test_the_fullest_stage_of_a_pipeline_holds_its_share_of_the_layers() -> None:
    one, eight = (held(GPT3.where(pp=p, batch=64.0)) for p in (1.0, 8.0))
    assert one.weights / 8 < eight.weights < one.weights / 8 * 1.1


def test_the_first_stage_of_1f1b_holds_as_many_micro_batches_as_there_are_stages() -> None:
    """Narayanan 2021 §2.2: the total of activations does not fall with the stages, until micro-batches run out."""

    def activations(pp: float, batch: float) -> float:
        return float(held(GPT3.where(pp=pp, batch=batch, gpipe=0.0, vocabulary=1.0)).activations)

    assert activations(8.0, 64.0) == pytest.approx(activations(1.0, 64.0))
    assert activations(8.0, 2.0) == pytest.approx(activations(8.0, 64.0) * 2 / 8)


def test_gpipe_holds_every_micro_batch() -> None:
    one, many = (float(held(GPT3.where(pp=4.0, batch=m, gpipe=1.0)).activations) for m in (4.0, 32.0))
    assert many == pytest.approx(8 * one)


def test_interleaving_holds_a_little_more_as_korthikanti_says() -> None:
    """§4.2.3: 1 + (p − 1)/(p·v) of the plain schedule's."""
    p, v = 8.0, 4.0
    plain, interleaved = (float(held(GPT3.where(pp=p, virtual_stages=x, batch=64.0)).activations) for x in (1.0, v))
    assert interleaved / plain == pytest.approx(1 + (p - 1) / (p * v), rel=0.01)


def test_offloading_takes_its_part_out() -> None:
    base = held(GPT3)
    assert held(GPT3.where(optimizer_offload=1.0)).optimizer == 0 < base.optimizer
    assert held(GPT3.where(activation_offload=1.0)).activations == 0 < base.activations


def test_the_logits_of_a_large_vocabulary_are_the_peak_of_a_small_model() -> None:
    w = of_model(model("gpt2")).where(sequence=1024.0, micro_batch=16.0, batch=16.0)
    assert held(w).logits > 16 * 1024 * 50_257 * 6
    assert held(w).logits > held(w).weights + held(w).gradients + held(w).optimizer


powers = st.sampled_from([1.0, 2.0, 4.0, 8.0])
layouts = st.fixed_dictionaries({
    "tp": powers, "pp": powers, "cp": st.sampled_from([1.0, 2.0]), "dp": st.sampled_from([1.0, 4.0, 64.0]),
    "virtual_stages": st.sampled_from([1.0, 2.0]), "gpipe": st.sampled_from([0.0, 1.0]),
    "zero_stage": st.sampled_from([0.0, 1.0, 2.0, 3.0]), "sequence_parallel": st.sampled_from([0.0, 1.0]),
    "micro_batch": powers, "recompute": st.sampled_from(["none", "selective", "full"]),
    "flash": st.sampled_from([0.0, 1.0]), "batch": st.sampled_from([512.0, 4096.0]),
})  # fmt: skip
names = st.sampled_from(["gpt3-175b", "llama-2-70b", "llama-2-7b", "mixtral-8x7b", "gpt2-xl"])


def laid_out(name: str, layout: dict[str, object]) -> Workload:
    numbers = {key: value for key, value in layout.items() if key != "recompute"}
    numbers |= {
        "recompute_full": float(layout["recompute"] == "full"), "sequence": 2048.0,
        "recompute_selective": float(layout["recompute"] == "selective"),
        "zero_group": layout["dp"] * layout["cp"], "gpus": layout["dp"] * layout["cp"] * layout["tp"] * layout["pp"],  # type: ignore[operator]
    }  # fmt: skip
    return of_model(model(name)).where(**numbers)  # type: ignore[arg-type]


@settings(deadline=None)
@given(names, layouts)
def test_the_parts_sum_to_the_total_and_none_is_negative(name: str, layout: dict[str, object]) -> None:
    counted = held(laid_out(name, layout))
    assert counted.total == pytest.approx(sum(float(getattr(counted, part)) for part in PARTS), rel=1e-12)
    assert all(float(getattr(counted, part)) >= 0 for part in PARTS)


@settings(deadline=None)
@given(
    names, layouts, st.sampled_from(["tp", "zero_stage", "zero_group", "sequence_parallel", "flash", "recompute", "pp"])
)
def test_more_sharding_or_recompute_never_takes_more_memory(name: str, layout: dict[str, object], knob: str) -> None:
    w = laid_out(name, layout)
    match knob:
        case "tp":
            more = w.where(tp=w.tp * 2, gpus=w.gpus * 2)
        case "zero_stage":
            if w.zero_stage >= 2 or w.zero_group < 4:
                return
            more = w.where(zero_stage=w.zero_stage + 1)
        case "zero_group":
            more = w.where(zero_group=w.zero_group * 2, dp=w.dp * 2, batch=w.batch * 2, gpus=w.gpus * 2)
        case "sequence_parallel":
            more = w.where(sequence_parallel=1.0)
        case "flash":
            w, more = w.where(flash=0.0), w.where(flash=1.0)
            assert held(more).total <= held(w).total * 1.001  # a log-sum-exp a head is kept for the scores
            return
        case "recompute":
            w, more = (
                w.where(recompute_full=0.0, flash=0.0),
                w.where(recompute_full=0.0, recompute_selective=1.0, flash=0.0),
            )
        case _:
            w = w.where(gpipe=0.0, virtual_stages=1.0)
            more = w.where(pp=w.pp * 2, gpus=w.gpus * 2)
            assert held(more).weights <= held(w).weights * (1 + 1e-12)
            return
    assert held(more).total <= held(w).total * (1 + 1e-12)


@settings(deadline=None)
@given(names, layouts)
def test_a_larger_micro_batch_never_takes_less_memory(name: str, layout: dict[str, object]) -> None:
    w = laid_out(name, layout)
    # GPipe holds the whole batch whatever the micro-batch is; elsewhere as many micro-batches as there are stages.
    assert held(w.where(micro_batch=w.micro_batch * 2)).total >= held(w).total * (1 - 1e-12)


@settings(deadline=None, max_examples=30)
@given(names, st.lists(layouts, min_size=1, max_size=8))
def test_many_layouts_at_once_are_each_as_it_is_alone(name: str, several: list[dict[str, object]]) -> None:
    alone = [laid_out(name, layout) for layout in several]
    columns = {f.name: np.array([getattr(w, f.name) for w in alone]) for f in fields(Workload)}
    together = held(Workload(**columns))
    for i, w in enumerate(alone):
        one = held(w)
        for part in (*PARTS, "total"):
            many = np.broadcast_to(getattr(together, part), len(alone))[i]
            assert many == pytest.approx(float(getattr(one, part)), rel=1e-12)


def test_llama_2_70b_does_not_fit_one_gpu_and_fits_metas_cluster() -> None:
    plan = file.load("llama-2-70b")
    assert held(workload(plan)).total < plan.cluster.accelerator.memory_bytes
    alone = plan.replace(**{"layout.tp": 1, "layout.pp": 1, "layout.virtual_stages": 1, "layout.zero_stage": 0})
    assert held(workload(alone)).total > 10 * plan.cluster.accelerator.memory_bytes
