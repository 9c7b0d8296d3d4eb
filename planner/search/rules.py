"""Which layouts are possible: the rules of `planner.plan.check` about divisibility, elementwise on integers.

`check` says them in sentences with suggestions for one plan; here each is one mask for a whole table of layouts. A test
holds the two against each other on random layouts, so that neither can drift.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.plan.plan import Plan

Integers = Any
"""A whole number or an integer array; fields of one `Trial` broadcast against each other."""
Flags = Any
"""True or false, or a mask of them."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The whole numbers that the rules are about: of the plan, and of one or many layouts."""

    gpus: int
    heads: int
    kv_heads: int
    layers: int
    """Decoder and encoder together."""
    experts: int
    sequence: int
    batch: int
    tp: Integers = 1
    pp: Integers = 1
    cp: Integers = 1
    ep: Integers = 1
    virtual_stages: Integers = 1
    gpipe: Integers = 0
    micro_batch: Integers = 1
    sequence_parallel: Integers = 0

    @staticmethod
    def of(plan: Plan) -> Trial:
        """A plan's own numbers and its layout's."""
        model, recipe, layout = plan.model, plan.recipe, plan.layout
        return Trial(
            gpus=plan.cluster.gpus, heads=model.heads, kv_heads=model.kv_heads,
            layers=model.layers + model.encoder_layers, experts=model.experts, sequence=recipe.sequence_length,
            batch=recipe.global_batch, tp=layout.tp, pp=layout.pp, cp=layout.cp, ep=layout.ep,
            virtual_stages=layout.virtual_stages, gpipe=int(layout.schedule == "gpipe"),
            micro_batch=layout.micro_batch, sequence_parallel=int(layout.sequence_parallel),
        )  # fmt: skip

    @property
    def shards(self) -> Integers:
        """GPUs that hold one copy of the model and share one sequence."""
        return self.tp * self.pp * self.cp

    @property
    def dp(self) -> Integers:
        """The data-parallel degree: what remains of the GPUs."""
        return np.maximum(1, self.gpus // self.shards)

    def of_layout(self) -> dict[str, Integers]:
        """The layout's fields by name."""
        return {name: getattr(self, name) for name in LAYOUT}

    def taken(self, index: Any) -> Trial:
        """The layouts that an index or a mask picks from arrays of one length."""
        picked: dict[str, Any] = {name: np.asarray(value)[index] for name, value in self.of_layout().items()}
        return replace(self, **picked)


LAYOUT = tuple(field.name for field in fields(Trial))[7:]


def gpus_do_not_divide(x: Trial) -> Flags:
    """A copy of the model is a whole part of the GPUs."""
    return x.gpus % x.shards != 0


def heads_do_not_divide(x: Trial) -> Flags:
    """Each tensor-parallel rank takes whole heads."""
    return x.heads % x.tp != 0


def kv_heads_do_not_divide(x: Trial) -> Flags:
    """Key/value heads are split evenly, or each is repeated equally often."""
    return (x.heads % x.tp == 0) & (x.kv_heads % x.tp != 0) & (x.tp % x.kv_heads != 0)


def more_stages_than_layers(x: Trial) -> Flags:
    """Every stage and chunk has a layer."""
    return x.pp * x.virtual_stages > x.layers


def layers_do_not_divide(x: Trial) -> Flags:
    """The chunks of the interleaved schedule are equal, or both ends lack one layer. (Plain stages need not be.)"""
    chunks = x.pp * x.virtual_stages
    return (x.virtual_stages > 1) & (chunks <= x.layers) & (x.layers % chunks != 0) & ((x.layers + 2) % chunks != 0)


def virtual_without_pipeline(x: Trial) -> Flags:
    """Virtual stages interleave the stages of a pipeline."""
    return (x.virtual_stages > 1) & (x.pp == 1)


def experts_do_not_divide(x: Trial) -> Flags:
    """Each expert-parallel rank holds whole experts; a dense model has none."""
    return (x.ep > 1) & (x.experts % x.ep != 0 if x.experts else True)


def expert_group_does_not_divide(x: Trial) -> Flags:
    """The expert-parallel group lies inside the ranks of a stage."""
    return (x.ep > 1) & (x.experts > 0) & (x.dp * x.cp * x.tp % x.ep != 0)


def sequence_does_not_divide(x: Trial) -> Flags:
    """Each context-parallel rank takes an equal part of a sequence."""
    return x.sequence % x.cp != 0


def batch_does_not_divide(x: Trial) -> Flags:
    """Each data-parallel rank takes whole micro-batches."""
    return x.batch % (x.dp * x.micro_batch) != 0


def micro_batches_do_not_fill_stages(x: Trial) -> Flags:
    """The interleaved schedule takes micro-batches in groups of as many as there are stages."""
    a_pass = x.dp * x.micro_batch
    return (x.virtual_stages > 1) & (x.batch % a_pass == 0) & (x.batch // a_pass % x.pp != 0)


def sequence_does_not_split(x: Trial) -> Flags:
    """Sequence parallelism splits a rank's tokens over the tensor-parallel group."""
    return (x.sequence_parallel > 0) & (x.sequence % x.cp == 0) & (x.sequence // x.cp % x.tp != 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason for which a layout is impossible, with the path under which `check` reports it."""

    reason: str
    path: str
    is_broken: Callable[[Trial], Flags]


OF_DEGREES = (
    Rule("GPUs do not divide", "layout.tp", gpus_do_not_divide),
    Rule("heads do not divide", "layout.tp", heads_do_not_divide),
    Rule("key/value heads do not divide", "layout.tp", kv_heads_do_not_divide),
    Rule("more stages than layers", "layout.pp", more_stages_than_layers),
    Rule("layers do not divide", "layout.virtual_stages", layers_do_not_divide),
    Rule("virtual stages without a pipeline", "layout.virtual_stages", virtual_without_pipeline),
    Rule("experts do not divide", "layout.ep", experts_do_not_divide),
    Rule("expert group does not divide", "layout.ep", expert_group_does_not_divide),
    Rule("sequence does not divide", "layout.cp", sequence_does_not_divide),
)
"""Rules about the parallel degrees alone."""

OF_BATCH = (
    Rule("batch does not divide", "layout.micro_batch", batch_does_not_divide),
    Rule("micro-batches do not fill the stages", "layout.virtual_stages", micro_batches_do_not_fill_stages),
    Rule("sequence does not split over tensor parallel", "layout.sequence_parallel", sequence_does_not_split),
)
"""Rules that need the micro-batch or sequence parallelism as well."""


def possible(
    trial: Trial, rules: tuple[Rule, ...], shape: tuple[int, ...], rejected: Counter[str], weight: int = 1
) -> Mask:
    """Where no rule is broken. Each layout that falls is counted, `weight` times, under the first rule it breaks."""
    allowed = np.ones(shape, dtype=bool)
    for rule in rules:
        falls = allowed & rule.is_broken(trial)
        count = int(np.count_nonzero(falls))
        if count:
            rejected[rule.reason] += count * weight
            allowed &= ~falls
    return allowed
