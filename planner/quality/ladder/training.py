"""One small decoder trained on windows of tokens, and its held-out loss.

Every budget is a run of its own from new weights: warm-up, constant learning rate, and a cooldown (1 − √) to zero over
the last fifth, which costs no tuning to a length as a cosine does (Hägele 2024, arXiv 2405.18392, sections 3 and 4).
Learning rates and new weights follow μP for AdamW (Yang 2022, arXiv 2203.03466, table 3): hidden matrices and head get
the base rate divided by the width's ratio to the base width, embedding and gains the base rate itself; hidden weights
start with deviation 1/√(fan-in), the head at zero. Heads keep their dimension, so attention's 1/√d is a constant. With
the batch the rate grows as its square root (Malladi 2022, arXiv 2205.10287). Depth is not corrected for (a shipped
ladder's rungs are all as deep), beyond the 1/√(2·layers) of new weights that write to the residual stream (GPT-2).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from planner.errors import CancelledError
from planner.plan.model import Model
from planner.profiling.decoder import Decoder, build
from planner.profiling.devices import synchronize
from planner.quality.ladder.rungs import Budget
from planner.quality.ladder.vocabulary import Tokens

COOLDOWN_SHARE = 0.2
"""Of a run's steps; 10 to 20 % come within noise of a full cosine (Hägele 2024, section 3)."""
BETAS = (0.9, 0.99)
"""Batches are small: with 0.95 seeds differ twice as much (Porian 2024, arXiv 2406.19146, has 0.99 and more)."""
WEIGHT_DECAY = 0.1
"""Of matrices alone; GPT-3's (Brown 2020, appendix B)."""
EPSILON = 1e-9
CLIPPED_NORM = 1.0
EMBEDDING_DEVIATION = 0.5
EVALUATED_TOKENS = 8192
"""Tokens of a forward pass without gradient."""
TIMED_STEPS = 4


@dataclass(frozen=True)
class Rate:
    """The learning rate that all rungs' rates follow from: that of the base width at the base batch (sequences)."""

    base: float
    width: int
    batch: int

    def shared(self, batch: int) -> float:
        """Of embedding and gains, at a batch."""
        return self.base * math.sqrt(batch / self.batch)

    def hidden(self, width: int, batch: int) -> float:
        """Of hidden matrices and head, at a width and a batch."""
        return self.shared(batch) * self.width / width


def rate_share(index: int, budget: Budget) -> float:
    """Share of the peak learning rate at a step: rising, constant, then 1 − √ to zero over the last steps."""
    cooldown = round(COOLDOWN_SHARE * budget.steps)
    left = budget.steps - index
    if left <= cooldown:
        return 1.0 - math.sqrt(1.0 - left / cooldown)
    return min(1.0, (index + 1) / budget.warmup)


class Trainer:
    """A decoder to be trained on `windows` [n, s + 1], which are drawn without replacement in the seed's order."""

    def __init__(self, model: Model, windows: Tokens, budget: Budget, rate: Rate, *, seed: int, device: str) -> None:
        self.budget, self.device = budget, device
        torch.manual_seed(seed)
        self.decoder = build(Decoder, model, device=device, dtype=torch.float32)
        self._windows = torch.from_numpy(np.asarray(windows)).to(device)
        self._order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(seed))
        shared, hidden = rate.shared(budget.batch), rate.hidden(model.hidden, budget.batch)
        matrices, others = self._start(model)
        groups = [
            {"params": matrices, "lr": hidden, "peak": hidden, "weight_decay": WEIGHT_DECAY},
            {"params": others, "lr": shared, "peak": shared, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, betas=BETAS, eps=EPSILON, fused=True)

    def _start(self, model: Model) -> tuple[list[Any], list[Any]]:
        """New weights in place: hidden matrices with the head, and the others."""
        hidden, others = [], []
        for name, weight in self.decoder.named_parameters():
            if weight.dim() < 2:
                others.append(weight)
            elif name.startswith("embedding."):
                torch.nn.init.normal_(weight, std=EMBEDDING_DEVIATION)
                others.append(weight)
            elif name.startswith("head."):
                torch.nn.init.zeros_(weight)
                hidden.append(weight)
            else:
                branches = 2 * model.layers if name.endswith(("output.weight", "down.weight")) else 1
                torch.nn.init.normal_(weight, std=(weight.shape[1] * branches) ** -0.5)
                hidden.append(weight)
        return hidden, others

    def run(self, cancelled: Callable[[], bool]) -> Iterator[int]:
        """Train for the whole budget: after each step its number, from 1. Raises `CancelledError` between two steps."""
        for index in range(self.budget.steps):
            if cancelled():
                raise CancelledError("the ladder was cancelled")
            self.step(index, rate_share(index, self.budget))
            yield index + 1

    def step(self, index: int, share: float) -> None:
        """One optimizer step on the batch of that index, at a share of the peak learning rate."""
        chosen = self._order[index * self.budget.batch : (index + 1) * self.budget.batch]
        self._loss(self._windows[chosen.to(self.device)]).backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), CLIPPED_NORM)
        for group in self._optimizer.param_groups:
            group["lr"] = share * group["peak"]
        self._optimizer.step()
        self._optimizer.zero_grad()

    def evaluate(self, windows: Tokens) -> float:
        """Mean loss of windows [n, s + 1], nats a token."""
        rows = max(1, EVALUATED_TOKENS // (windows.shape[1] - 1))
        total = 0.0
        with torch.no_grad():
            for begin in range(0, len(windows), rows):
                part = torch.from_numpy(windows[begin : begin + rows]).to(self.device)
                total += float(self._loss(part)) * len(part)
        return total / len(windows)

    def seconds_a_step(self) -> float:
        """The fastest of a few steps at a learning rate of zero."""
        fastest = math.inf
        for index in range(TIMED_STEPS):
            began = time.perf_counter()
            self.step(index, 0.0)
            synchronize(self.device)
            fastest = min(fastest, time.perf_counter() - began)
        return fastest

    def _loss(self, windows: Any) -> Any:
        """Mean loss; on a GPU with bf16 units the matrices are multiplied in bf16."""
        with torch.autocast(self.device, torch.bfloat16, enabled=_has_bfloat16(self.device)):
            tokens = windows.long()
            return self.decoder(tokens[:, :-1], tokens[:, 1:])


def _has_bfloat16(device: str) -> bool:
    """A CPU is trained in fp32: most would emulate bf16."""
    return bool(device == "cuda" and torch.cuda.get_device_capability()[0] >= 8)
