"""The plan that can be trained on this machine: its devices, what PyTorch's own modules do, as much of it as fits.

Whatever of a plan has to give way is told, field by field, and the prediction is made for the plan that remains: what
is compared is one and the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner import units
from planner.errors import MissingError
from planner.plan.check import check, divisors
from planner.plan.cluster import Accelerator, Cluster
from planner.plan.derive import named_model
from planner.plan.file import with_settings
from planner.plan.layout import Layout
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.plan.recipe import Recipe
from planner.plan.section import PlanError
from planner.plan.shipped import accelerator as shipped_accelerator
from planner.plan.shipped import fabric
from planner.timing import selection
from planner.timing.profile import Device

MICRO_BATCHES = 2
"""Of one step, where the user asks for no other number: with two, gradients are also added up."""
DEFAULT_SHAPE = {"cpu": (1, 256), "cuda": (4, 2048)}
"""(micro-batch, longest sequence) where the user gives no plan."""
PRECISIONS = ("bf16", "fp16", "fp32")
OPTIMIZERS = ("adamw", "sgd")
GENERATIONS = ("pytorch", "compiled")
"""The software generations that training here is: PyTorch's eager kernels, or its layers compiled."""
FABRIC = "ethernet-100"
"""Between the nodes of a verification's ranks, where no plan names another."""


@dataclass(frozen=True)
class Here:
    """This machine: one of its devices, the precision it is made for, how many ranks train together."""

    device: Device
    dtype: str
    ranks: int = 1
    ranks_per_node: int = 1

    @property
    def accelerator(self) -> Accelerator:
        """The accelerator that the device is. Raises `MissingError` where its data sheet is not known."""
        if self.device.kind == "cpu":
            return shipped_accelerator("CPU")
        found = selection.data_sheet(self.device)
        if found is None:
            size = units.show_bytes(self.device.memory_bytes)
            raise MissingError(
                f"{self.device.name} with {size} is not among the accelerators: copy the file of a like one into the "
                "folder `accelerators` of your own (doctor names it) and fill in its peaks"
            )
        return found


@dataclass(frozen=True)
class Trainable:
    """A plan to be trained here, and what had to change for it."""

    plan: Plan
    notes: tuple[str, ...]


def wanted(named: Plan | None, model: str, here: Here, settings: list[tuple[str, Any]], pieces: int | None) -> Plan:
    """What the user asks for: a plan, or a small one for a model, with settings made, its step in so many pieces."""
    plan = with_settings(named or default(named_model(model)[0], here), settings)
    if pieces is None and named is None and "recipe.global_batch" not in dict(settings):
        pieces = MICRO_BATCHES
    return plan if pieces is None else with_micro_batches(plan, pieces)


def default(model: Model, here: Here) -> Plan:
    """A small plan for a model on this machine: a few sequences, two micro-batches, sharded over the ranks."""
    batch, longest = DEFAULT_SHAPE[here.device.kind]
    sequence = min(longest, model.max_sequence)
    global_batch = batch * MICRO_BATCHES * here.ranks
    return Plan(
        name=f"verification of {model.name}", model=model,
        recipe=Recipe(
            tokens=1000 * global_batch * sequence, sequence_length=sequence, global_batch=global_batch,
            precision=here.dtype, framework=GENERATIONS[0],
        ),
        cluster=_cluster(here, fabric(FABRIC)),
        layout=Layout(zero_stage=3 if here.ranks > 1 else 0, micro_batch=batch, sequence_parallel=False),
    )  # fmt: skip


def adapted(plan: Plan, here: Here, *, whole_step: bool) -> Trainable:
    """The plan on this machine's devices, with what cannot be trained here put right.

    The micro-batch stays. Without `whole_step` a step has at most `MICRO_BATCHES` of them on each data-parallel rank.
    Raises `PlanError` where what remains contradicts itself.
    """
    changes = {**dict(_layout_changes(plan, here)), **dict(_recipe_changes(plan, here))}
    changed = plan.model_copy(update={"cluster": _cluster(here, plan.cluster.fabric), "profile": ""}).replace(**changes)
    notes = [
        f"{path}: {_value(plan, path)} → {_value(changed, path)}{_WHY.get(path, '')}"
        for path in changes
        if path not in _SILENT and _value(plan, path) != _value(changed, path)
    ]
    pieces = max(1, plan.recipe.global_batch // (plan.dp * plan.layout.micro_batch))
    kept = pieces if whole_step else min(pieces, MICRO_BATCHES)
    if kept < pieces:
        notes.append(f"a step of {kept} micro-batches in place of {pieces}: the others would repeat them")
    changed = with_micro_batches(changed, kept)
    errors = [(one.path, one.message) for one in check(changed) if one.severity == "error"]
    if changed.layout.pp > 1 and changed.model.tied_embeddings:
        errors.append(("model.tied_embeddings", _NOT_TIED))
    if errors:
        raise PlanError("plan", errors)
    return Trainable(changed, tuple(notes))


_NOT_TIED = (
    "embedding and head are on different stages, and PyTorch's pipelining ties no weights; set it to false, "
    "or layout.pp=1"
)


def with_micro_batches(plan: Plan, count: int) -> Plan:
    """The plan with so many micro-batches a step on each data-parallel rank."""
    return plan.replace(**{"recipe.global_batch": count * plan.layout.micro_batch * plan.dp})


def micro_batches(plan: Plan) -> int:
    """Micro-batches of one step on one data-parallel rank."""
    return max(1, plan.recipe.global_batch // (plan.layout.micro_batch * plan.dp))


def smaller(plan: Plan) -> Iterator[tuple[Plan, str]]:
    """Ever smaller plans of the same layer, the largest first, with what is left: fewer layers, then fewer tokens."""
    fewest, pieces = plan.layout.pp * plan.layout.virtual_stages, micro_batches(plan)
    for count in range(plan.model.layers - fewest, 0, -fewest):
        yield _with_layers(plan, count), f"{count} of {plan.model.layers} layers"
    cut, words = _with_layers(plan, fewest), f"{fewest} of {plan.model.layers} layers"
    for batch in sorted(divisors(plan.layout.micro_batch), reverse=True)[1:]:
        cut = with_micro_batches(cut.replace(**{"layout.micro_batch": batch}), pieces)
        yield cut, f"{words}, micro-batches of {batch} in place of {plan.layout.micro_batch}"
    length = plan.recipe.sequence_length
    while length >= 32 and length % 2 == 0:
        length //= 2
        cut = cut.replace(**{"recipe.sequence_length": length})
        yield cut, f"{words}, micro-batches of 1, {length} of {plan.recipe.sequence_length} tokens"


def _with_layers(plan: Plan, count: int) -> Plan:
    dense = min(plan.model.dense_layers, max(0, count - 1))
    return plan.replace(**{"model.layers": count, "model.dense_layers": dense, "layout.recompute_layers": None})


def _cluster(here: Here, network: Any) -> Cluster:
    nodes = max(1, here.ranks // here.ranks_per_node)
    return Cluster(accelerator=here.accelerator, gpus_per_node=here.ranks_per_node, nodes=nodes, fabric=network)


def _layout_changes(plan: Plan, here: Here) -> Iterator[tuple[str, Any]]:
    layout = plan.layout
    fits = here.ranks % (layout.tp * layout.pp) == 0 and layout.cp == layout.ep == 1
    if not fits:
        yield from {"layout.tp": 1, "layout.pp": 1, "layout.cp": 1, "layout.ep": 1, "layout.virtual_stages": 1}.items()
    yield "layout.dp", None
    yield "layout.zero_group", None
    if here.ranks == 1:
        yield "layout.zero_stage", 0
    elif layout.zero_stage == 1:
        yield "layout.zero_stage", 2
    yield "layout.sequence_parallel", fits and layout.tp > 1
    for offload in ("optimizer_offload", "activation_offload"):
        yield f"layout.{offload}", False


def _recipe_changes(plan: Plan, here: Here) -> Iterator[tuple[str, Any]]:
    recipe, kind = plan.recipe, here.device.kind
    able = [
        name for name in PRECISIONS if here.accelerator.peak(name) and (kind == "cuda" or name in (here.dtype, "fp32"))
    ]
    if recipe.precision not in able:
        yield "recipe.precision", here.dtype
    if recipe.optimizer not in OPTIMIZERS:
        yield "recipe.optimizer", OPTIMIZERS[0]
    if recipe.framework not in GENERATIONS:
        yield "recipe.framework", GENERATIONS[0]
    fixed = {"master_weights": True, "gradient_bytes": 4, "attention": "flash", "causal": True, "dropout": False}
    yield from ((f"recipe.{name}", value) for name, value in fixed.items())
    yield "recipe.expert_capacity", None


_WHY = {
    "recipe.framework": ": what is trained here are PyTorch's own modules",
    "recipe.optimizer": ": PyTorch has no fused form of it",
    "recipe.precision": ": what this device is made for",
    "recipe.attention": ": the real decoder's attention is fused",
    "recipe.dropout": ": the real decoder has none",
}  # fmt: skip
_SILENT = ("layout.dp", "layout.zero_group", "layout.zero_stage", "layout.sequence_parallel")


def _value(plan: Plan, path: str) -> Any:
    section, name = path.split(".")
    return getattr(getattr(plan, section), name)
