"""Where a step's time goes by kind of kernel, from `torch.profiler`: products, attention, norms, loss, optimizer …"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

KINDS: dict[str, tuple[str, ...]] = {
    "attention": ("scaled_dot_product", "flash_attention", "efficient_attention", "cudnn_attention"),
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::matmul", "aten::linear", "extern_kernels"),
    "norms": ("layer_norm", "rms_norm"),
    "loss": ("log_softmax", "nll_loss", "cross_entropy"),
    "optimizer": ("fused_adam", "fused_sgd", "_foreach"),
    "embedding": ("embedding",),
    "communication": ("nccl", "gloo", "c10d", "all_gather", "reduce_scatter", "all_reduce"),
    "copies": ("copy_", "clone", "contiguous", "aten::cat", "aten::to", "memcpy", "memset", "fill_", "zero_"),
}
"""Words in the name of an operator, the first that fits; whatever else runs is elementwise."""


def kernel_seconds(kind: str, step: Callable[[], Any]) -> dict[str, float]:
    """One more step under the profiler: seconds by kind of kernel, on the device that does the work."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if kind == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as found:
        step()
        if kind == "cuda":
            torch.cuda.synchronize()
    seconds: dict[str, float] = {}
    for row in found.key_averages():
        spent = row.self_device_time_total if kind == "cuda" else row.self_cpu_time_total
        # On a GPU an operator's device time is that of its kernels, which are listed by themselves as well.
        if spent > 0 and not (kind == "cuda" and row.device_type != torch.autograd.DeviceType.CPU):
            name = kind_of(row.key)
            seconds[name] = seconds.get(name, 0.0) + spent * 1e-6
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def kind_of(operator: str) -> str:
    """The kind of an operator, by its name."""
    name = operator.casefold()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "elementwise")
