"""Linear layers whose three products run in fp8, each operand scaled by the largest element of its tensor.

The recipe of Micikevicius et al. (2022, arXiv 2209.05433): E4M3 for weights and activations, E5M2 for gradients; scales
are found anew each time, as in torchao's tensorwise recipe. Weights stay in bf16. Eager, the casts are kernels of their
own; `torch.compile` fuses them. Left out: delayed scaling, gathering weights in fp8, scales of rows and blocks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

Tensor = Any
FORWARD, BACKWARD = torch.float8_e4m3fn, torch.float8_e5m2
ALIGNMENT = 16
"""Sizes of the operands are to be multiples of this (`torch._scaled_mm`)."""


def cast(x: Tensor, dtype: Any) -> tuple[Tensor, Tensor]:
    """x in fp8 and the scale (fp32, a scalar) that it is to be multiplied by afterwards."""
    scale = torch.finfo(dtype).max / x.detach().abs().amax().float().clamp(min=1e-12)
    return (x.float() * scale).to(dtype), scale.reciprocal()


def product(a: Tensor, b: Tensor, scale_a: Tensor, scale_b: Tensor, dtype: Any) -> Tensor:
    """a[m, k] · b[k, n] of two fp8 matrices, b column-major, summed in fp32 and written in `dtype`."""
    return torch._scaled_mm(a, b, scale_a=scale_a, scale_b=scale_b, out_dtype=dtype)


def column_major(x: Tensor) -> Tensor:
    """The same matrix with its columns contiguous."""
    return x.t().contiguous().t()


class _Linear(torch.autograd.Function):
    """y[n, m] = x[n, k] · wᵀ[k, m]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x8, x_scale = cast(x, FORWARD)
        w8, w_scale = cast(weight, FORWARD)
        ctx.save_for_backward(x8, x_scale, w8, w_scale)
        return product(x8, w8.t(), x_scale, w_scale, x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x8, x_scale, w8, w_scale = ctx.saved_tensors
        g8, g_scale = cast(gradient, BACKWARD)
        dx = product(g8, column_major(w8), g_scale, w_scale, gradient.dtype)
        dw = product(g8.t().contiguous(), column_major(x8), g_scale, x_scale, gradient.dtype)
        return dx, dw


class Float8Linear(nn.Linear):
    """A linear layer in fp8."""

    def forward(self, x: Tensor) -> Tensor:
        y = _Linear.apply(x.flatten(0, -2), self.weight).view(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias


def convert(module: Any) -> Any:
    """Let the linear layers of a module run in fp8, all but those whose sizes the product refuses; in place."""
    for part in module.modules():
        if type(part) is nn.Linear and not part.in_features % ALIGNMENT and not part.out_features % ALIGNMENT:
            part.__class__ = Float8Linear
    return module
