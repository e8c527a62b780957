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


COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Those of the polynomial of a Newton-Schulz step: of a singular value, its cube and its fifth power."""


def orthogonal(matrix: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """The matrix with its singular values brought near 1, k x n, float32; made in bfloat16 unless emulated.

    Source: Jordan et al. 2024, quintic Newton-Schulz iteration.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-7)
    emulated = emulates_bfloat16(matrix.device)
    found = _by_square(x, iterations) if emulated else _directly(x.bfloat16(), iterations).float()
    return found if matrix.shape[0] <= matrix.shape[1] else found.T


def _directly(x: Tensor, iterations: int) -> Tensor:
    """Iterates on the matrix, as published: bfloat16 is exact enough for that."""
    for _ in range(iterations):
        x = torch.addmm(x, _powers(x @ x.T), x, beta=COEFFICIENTS[0])
    return x


def _by_square(x: Tensor, iterations: int) -> Tensor:
    """The same by its square, k x k, alone: all factors are polynomials of it, and commute.

    It takes half of the products, but the square has the squares of the singular values: too small for
    bfloat16.
    """
    square = x @ x.T
    factor = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for left in reversed(range(iterations)):
        step = _powers(square)
        step.diagonal().add_(COEFFICIENTS[0])
        factor = step @ factor
        if left:
            square = step @ square @ step
    return factor @ x


def _powers(square: Tensor) -> Tensor:
    """The second and third term of a step's polynomial, without the matrix itself as a factor."""
    _, second, third = COEFFICIENTS
    return torch.addmm(square, square, square, beta=second, alpha=third)
