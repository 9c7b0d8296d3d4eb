"""How the work is laid over the GPUs."""

from __future__ import annotations

from typing import Literal

from planner.plan.section import Section, choice, quantity

Recompute = Literal["none", "selective", "full"]
Schedule = Literal["1f1b", "gpipe"]
ContextExchange = Literal["ring", "all-gather"]


class Layout(Section):
    """Parallel degrees and what goes with them. GPUs = tp · pp · cp · dp; experts are placed inside the others."""

    tp: int = quantity("Tensor parallel", "GPUs that share each layer's matrices [t]", default=1, ge=1, le=100_000)
    pp: int = quantity("Pipeline parallel", "Stages the layers are cut into [p]", default=1, ge=1, le=100_000)
    cp: int = quantity("Context parallel", "GPUs that share one sequence [c]", default=1, ge=1, le=100_000)
    dp: int | None = quantity(
        "Data parallel",
        "Copies that see different data [D]; blank: GPUs ÷ (tp · pp · cp)",
        default=None,
        ge=1,
        le=10**7,
    )
    ep: int = quantity(
        "Expert parallel", "GPUs that share a mixture's experts [e]", default=1, ge=1, le=100_000, advanced=True
    )
    virtual_stages: int = quantity(
        "Virtual stages",
        "Model chunks a GPU holds in the interleaved schedule [v]",
        default=1,
        ge=1,
        le=10_000,
        advanced=True,
    )
    schedule: Schedule = choice("Schedule", "Order of the pipeline's work", default="1f1b", advanced=True)
    zero_stage: Literal[0, 1, 2, 3] = choice(
        "ZeRO stage", "What data-parallel ranks share: 1 optimizer, 2 + gradients, 3 + weights (FSDP)", default=1
    )
    zero_group: int | None = quantity(
        "Sharding group",
        "Ranks that share in hybrid sharding (HSDP); blank: all",
        "GPUs",
        default=None,
        ge=1,
        le=10**7,
        advanced=True,
    )
    sequence_parallel: bool = choice(
        "Sequence parallel", "Split norms and residuals over the tensor-parallel group", default=True
    )
    micro_batch: int = quantity(
        "Micro-batch", "Sequences a GPU takes at once [b]", "sequences", default=1, ge=1, le=10**6
    )
    recompute: Recompute = choice(
        "Recompute", "What backward computes again: nothing, the attention core, whole layers", default="none"
    )
    recompute_layers: int | None = quantity(
        "Recomputed layers",
        "Layers a stage that recompute; blank: all",
        "layers",
        default=None,
        ge=0,
        le=10_000,
        advanced=True,
    )
    context_exchange: ContextExchange = choice(
        "Context exchange",
        "How context-parallel ranks see all keys and values: around a ring, hidden behind attention, or gathered first",
        default="ring",
        advanced=True,
    )
    optimizer_offload: bool = choice(
        "Optimizer offload", "Keep optimizer states in host memory", default=False, advanced=True
    )
    activation_offload: bool = choice(
        "Activation offload", "Keep saved activations in host memory", default=False, advanced=True
    )

    def resolved_dp(self, gpus: int) -> int:
        """The data-parallel degree: as given, else what remains of the GPUs (at least 1)."""
        return self.dp or max(1, gpus // (self.tp * self.pp * self.cp))
