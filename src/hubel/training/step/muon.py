"""Muon: momentum made orthogonal, which torch has for matrices alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from hubel.training.step.precision import emulates_bfloat16
from hubel.training.step.uncompiled import Uncompiled

ITERATIONS = 3
"""Newton-Schulz steps: three bring singular values near enough to 1 for a direction."""


class Muon(Uncompiled):
    """Momentum made orthogonal: every filter bank moves by a matrix whose singular values are near 1.

    A bank of k filters is a k x n matrix, kept at the norm sqrt(k), so that the rate is relative.
    Source: Jordan et al. 2024, Muon; the normalisation from Jordan's CIFAR-10 speed record, 2024.
    """

    def __init__(self, params: Iterable[Any], lr: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves every filter bank that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad.add(momentum, alpha=group["momentum"])  # Nesterov's
                weight.mul_(len(weight) ** 0.5 / weight.norm().clamp(min=1e-7))
                weight.sub_(orthogonal(ahead.flatten(1)).mul_(group["lr"]).view_as(weight))


def orthogonal(matrix: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """The matrix with its singular values brought near 1, k x n, float32; made in bfloat16 unless emulated.

    Source: Jordan et al. 2024, quintic Newton-Schulz iteration.
    """
    first, second, third = 3.4445, -4.7750, 2.0315
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    kind = torch.float32 if emulates_bfloat16(matrix.device) else torch.bfloat16
    x = (wide / wide.norm().clamp(min=1e-7)).to(kind)
    for _ in range(iterations):
        square = x @ x.T
        polynomial = torch.addmm(square, square, square, beta=second, alpha=third)
        x = torch.addmm(x, polynomial, x, beta=first)
    found: Tensor = x if matrix.shape[0] <= matrix.shape[1] else x.T
    return found.float()
