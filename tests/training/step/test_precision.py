"""Which precision a step is computed in, with the machine's speed given: no test measures it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from hubel.training.step import precision as engine
from hubel.training.step.muon import orthogonal
from hubel.training.step.precision import (
    EMULATED,
    FEWEST_PRODUCTS,
    GAIN,
    MOST_PRODUCTS,
    PRODUCT_SIDE,
    emulates_bfloat16,
    fastest,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """What was measured before is forgotten, and so is what is made up here."""
    emulates_bfloat16.cache_clear()
    yield
    emulates_bfloat16.cache_clear()


def made_up(monkeypatch: pytest.MonkeyPatch, product: float, step: float) -> list[torch.dtype]:
    """How many times as long products and steps take in bfloat16; the list fills with those that are made."""
    clock, made = [0.0], list[torch.dtype]()
    multiply = Tensor.__matmul__

    def timed(first: Tensor, second: Tensor) -> Tensor:
        made.append(first.dtype)
        times = product if first.shape == (PRODUCT_SIDE, PRODUCT_SIDE) else step
        clock[0] += times if first.dtype == torch.bfloat16 else 1
        return multiply(first, second)

    monkeypatch.setattr(engine, "now", lambda device: clock[0])
    monkeypatch.setattr(Tensor, "__matmul__", timed)
    return made


class Scale(nn.Module):
    """A network of one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))

    def loss(self, precision: str) -> Tensor:
        kind = engine.PRECISIONS[precision]
        return (self.weight.to(kind) @ torch.ones(2, 2, dtype=kind)).sum()


@pytest.mark.parametrize(("step", "precision"), [(GAIN + 0.01, "float32"), (GAIN - 0.01, "bfloat16")])
def test_the_faster_precision_is_taken(step: float, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_up(monkeypatch, EMULATED - 0.1, step)
    network = Scale()
    assert fastest(network, Scale.loss) == precision
    assert network.weight.grad is None  # it was a copy that was measured
    assert sum(kind == torch.bfloat16 for kind in made) > FEWEST_PRODUCTS  # steps as well


def test_no_step_is_made_where_bfloat16_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single one may take minutes there."""
    made = made_up(monkeypatch, EMULATED + 0.1, 0.1)

    def loss(network: Scale, precision: str) -> Tensor:
        raise AssertionError(precision)

    assert fastest(Scale(), loss) == "float32"
    assert fastest(Scale(), loss) == "float32"
    assert len(made) == 2 * MOST_PRODUCTS  # once


@pytest.mark.parametrize("seconds", [[1, 9] * 9 + [1, 2], [1, 9] * 3 + [9, 9, 1, 4]])
def test_a_machine_that_others_use_is_asked_again(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fast product in bfloat16 is enough, however many were held up: float32 and bfloat16 in turns."""
    clock, coming = [0.0], iter(seconds)

    def timed(first: Tensor, second: Tensor) -> None:
        clock[0] += next(coming)

    monkeypatch.setattr(engine, "now", lambda device: clock[0])
    monkeypatch.setattr(Tensor, "__matmul__", timed)
    assert not emulates_bfloat16(CPU)
    assert not list(coming)


@pytest.mark.parametrize(("product", "kind"), [(1.0, torch.bfloat16), (100.0, torch.float32)])
def test_muon_multiplies_in_bfloat16_unless_it_is_emulated(
    product: float, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_up(monkeypatch, product, 1.0)
    emulates_bfloat16(CPU)
    made.clear()
    matrix = torch.randn(8, 30, generator=torch.Generator().manual_seed(0))
    singular = torch.linalg.svdvals(orthogonal(matrix, 5))
    assert set(made) == {kind}
    assert singular.sub(1).abs().max() < 0.5
