"""The machines: accelerator, node, links, and how reliable they are."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationInfo, field_validator

from planner.plan.section import Section, choice, quantity, read_by_name, words

Confidence = Literal["seen", "recalled", "recalled+seen", "assumed"]


MOST_A_NODE = 100_000
"""Accelerators of one node: far above any."""


class PeakFlops(Section):
    """Dense peak rates by number format, FLOP/s; None where the device has no units for it. Never 'with sparsity'."""

    fp32: float | None = quantity("fp32", "fp32 units, TF32 off", "FLOP/s", default=None, ge=1e3, le=1e21)
    tf32: float | None = quantity("tf32", "fp32 data, TF32 products", "FLOP/s", default=None, ge=1e3, le=1e21)
    bf16: float | None = quantity("bf16", "bf16, dense", "FLOP/s", default=None, ge=1e3, le=1e21)
    fp16: float | None = quantity("fp16", "fp16, dense", "FLOP/s", default=None, ge=1e3, le=1e21)
    fp8: float | None = quantity("fp8", "fp8, dense", "FLOP/s", default=None, ge=1e3, le=1e21)
    fp4: float | None = quantity("fp4", "fp4, dense", "FLOP/s", default=None, ge=1e3, le=1e21)


class Accelerator(Section):
    """One GPU (or TPU, or CPU) as its data sheet describes it, each figure with its source."""

    name: str = words("Accelerator", "Name of the device", max_length=100)
    vendor: str = words("Vendor", "Maker", max_length=100, advanced=True)
    architecture: str = words("Architecture", "Chip generation", max_length=100, advanced=True)
    kind: Literal["gpu", "tpu", "cpu", "other"] = choice(
        "Kind", "GPUs have layouts; others are counted and costed", default="gpu", advanced=True
    )
    memory_bytes: float = quantity("Memory", "Device memory", "B", ge=1, le=1e16)
    memory_bandwidth_bytes_per_s: float = quantity(
        "Memory bandwidth", "Peak of the device memory", "B/s", ge=1, le=1e17
    )
    peak_flops: PeakFlops = choice("Peak rates", "Dense peaks by number format")
    multiprocessors: int | None = quantity(
        "Multiprocessors", "Streaming multiprocessors (waves of tiles)", default=None, ge=1, le=10**6, advanced=True
    )
    link: str = words("Scale-up link", "Name of the link inside a node", max_length=100)
    link_bytes_per_s: float | None = quantity(
        "Scale-up bandwidth", "Per GPU and direction", "B/s", default=None, ge=1, le=1e16
    )
    link_domain: int = quantity(
        "Scale-up domain", "GPUs joined by the scale-up link", "GPUs", default=1, ge=1, le=100_000
    )
    host_bytes_per_s: float | None = quantity(
        "Host link",
        "Per GPU and direction, to the host's memory; blank: PCIe 4.0 x16",
        "B/s",
        default=None,
        ge=1,
        le=1e15,
        advanced=True,
    )
    tdp_w: float | None = quantity("Power limit", "Board power", "W", default=None, ge=0.1, le=1e6)
    source: str = words("Source", "Where the figures are from", advanced=True)
    as_of: str = words("As of", "Date of the source", max_length=60, advanced=True)
    confidence: Confidence = choice("Confidence", "Seen in the source, or recalled", default="assumed", advanced=True)
    notes: str = words("Notes", "Traps of the figures", advanced=True)

    def peak(self, precision: str) -> float | None:
        """Dense peak FLOP/s of the matrix products in a recipe's precision; None where the device cannot."""
        return {
            "fp32": self.peak_flops.fp32, "tf32": self.peak_flops.tf32, "bf16": self.peak_flops.bf16,
            "fp16": self.peak_flops.fp16, "fp8": self.peak_flops.fp8, "mxfp8": self.peak_flops.fp8,
            "nvfp4": self.peak_flops.fp4,
        }[precision]  # fmt: skip


class Fabric(Section):
    """The network between nodes."""

    name: str = words("Fabric", "Name of the network", max_length=100)
    bits_per_s_per_gpu: float = quantity(
        "Bandwidth a GPU", "Network bandwidth per GPU and direction", "bit/s", ge=1, le=1e15
    )
    latency_s: float = quantity(
        "Latency", "One message's start-up time across the network", "s", default=5e-6, ge=0, le=10
    )
    efficiency: float = quantity(
        "Achievable share", "Share of the line rate that large messages reach", "fraction", default=0.85, ge=1e-6, le=1
    )
    price_share: float = quantity(
        "Price share", "Premium of the network on the price of a GPU-hour", "fraction", default=0.0, ge=0, le=10
    )
    source: str = words("Source", "Where the figures are from", advanced=True)
    as_of: str = words("As of", "Date of the source", max_length=60, advanced=True)
    confidence: Confidence = choice("Confidence", "Seen in the source, or recalled", default="assumed", advanced=True)


class Cluster(Section):
    """Nodes of equal accelerators, joined by a fabric. Accelerator and fabric may be given by a shipped name."""

    accelerator: Accelerator = choice("Accelerator", "The device, by name or in full")
    gpus_per_node: int = quantity("GPUs a node", "Accelerators in one node", "GPUs", default=8, ge=1, le=MOST_A_NODE)
    nodes: int = quantity("Nodes", "Nodes of the cluster", default=1, ge=1, le=1_000_000)
    fabric: Fabric = choice("Fabric", "The network between nodes, by name or in full")
    failures_per_node_day: float = quantity(
        "Failures",
        "Unexpected interruptions a node and day; Llama 3 405B: 419 in 54 days on 2,048 nodes = 0.0038 "
        "(arXiv 2407.21783, table 5)",
        "1/day", default=419 / 54 / 2048, ge=0, le=1000, advanced=True,
    )  # fmt: skip
    restart_s: float = quantity(
        "Restart time", "From a failure to the first new step", "s", default=600.0, ge=0, le=1e7, advanced=True
    )
    checkpoint_s: float = quantity(
        "Checkpoint time",
        "Training stands still while one checkpoint is written",
        "s",
        default=30.0,
        ge=0,
        le=1e6,
        advanced=True,
    )
    other_losses: float = quantity(
        "Other losses",
        "Share of wall time lost to evaluations, loss spikes and slow phases; Llama 3 405B's hours imply 140 tokens/s "
        "a GPU where its steps ran at 158–170: 11–18 %, failures included (model card; arXiv 2407.21783, table 4)",
        "fraction", default=0.10, ge=0, le=0.99, advanced=True,
    )  # fmt: skip

    @field_validator("accelerator", "fabric", mode="before")
    @classmethod
    def _by_name(cls, value: Any, info: ValidationInfo) -> Any:
        return read_by_name("accelerators" if info.field_name == "accelerator" else "fabrics", value)

    @property
    def gpus(self) -> int:
        """Accelerators of the whole cluster."""
        return self.gpus_per_node * self.nodes
