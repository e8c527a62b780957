"""Which precision a step is computed in, with the machine's speed given: no test measures it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from hubel.module.network import build
from hubel.net.notation import parse
from hubel.training.step import precision as engine
from hubel.training.step.muon import orthogonal
from hubel.training.step.precision import (
    GAIN,
    emulates_bfloat16,
    faster,
    fastest,
    multiplies,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """What was measured before is forgotten, and so is what is made up here."""
    emulates_bfloat16.cache_clear()
    yield
    emulates_bfloat16.cache_clear()


def made_up(monkeypatch: pytest.MonkeyPatch, flags: str, step: float) -> list[torch.dtype]:
    """A processor, and how many times as long its steps take in bfloat16; the list fills with products."""
    monkeypatch.setattr(engine, "processor_flags", lambda: frozenset(flags.split()))
    clock, made = [0.0], list[torch.dtype]()
    multiply = Tensor.__matmul__

    def timed(first: Tensor, second: Tensor) -> Tensor:
        made.append(first.dtype)
        clock[0] += step if first.dtype == torch.bfloat16 else 1
        return multiply(first, second)

    monkeypatch.setattr(engine, "now", lambda device: clock[0])
    monkeypatch.setattr(Tensor, "__matmul__", timed)
    return made


LARGE, MEDIUM = "conv(64, 3) >> conv(64, 3) >> fc(2)", "conv(16, 3) >> conv(16, 3) >> fc(2)"
"""About 240 and 67 multiply-adds for each value."""


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
    made = made_up(monkeypatch, "avx512f avx512_bf16", step)
    network = Scale()
    assert faster(network, Scale.loss) == precision
    assert network.weight.grad is None  # it was a copy that was measured
    assert {*made} == {torch.float32, torch.bfloat16}


@pytest.mark.parametrize("step", [0.001, 0.1, 1.0, 100.0])
def test_no_step_is_made_where_bfloat16_is_emulated(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single one may take minutes there; and however a busy machine times one, the answer is the same."""
    made = made_up(monkeypatch, "fpu sse avx2 avx512f avx512_vnni", step)

    def loss(network: object, precision: str) -> Tensor:
        raise AssertionError(precision)

    assert fastest(build(parse("conv(64, 3) >> conv(64, 3) >> fc(2)"), "32x32x3"), 64, loss) == "float32"
    assert emulates_bfloat16(CPU)
    assert not made


@pytest.mark.parametrize("step", [0.001, 1.0, 100.0])
@pytest.mark.parametrize(
    ("net", "flags", "precision"),
    [
        (LARGE, "avx512f avx512_bf16 amx_bf16", "bfloat16"),
        (LARGE, "avx512f avx512_bf16", "bfloat16"),
        (LARGE, "fp asimd bf16", "bfloat16"),
        (MEDIUM, "avx512f avx512_bf16 amx_bf16", "bfloat16"),
        (MEDIUM, "avx512f avx512_bf16", "float32"),
        ("fc(64) >> fc(2)", "avx512f avx512_bf16 amx_bf16", "float32"),
    ],
)
def test_a_cpu_decides_by_its_flags_and_the_network(
    net: str, flags: str, precision: str, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a step takes in bfloat16 on a busy machine: none is made."""
    made = made_up(monkeypatch, flags, step)

    def loss(network: object, precision: str) -> Tensor:
        raise AssertionError(precision)

    assert fastest(build(parse(net), "16x16x3"), 64, loss) == precision
    assert not made


def test_multiply_adds_for_each_value_by_hand() -> None:
    """8*8*3 values in and 6*6*16 out, 27*16 + 16 parameters, 27*16 multiply-adds at 6*6 places; 10 images."""
    network = build(parse("conv(16, 3)"), "8x8x3")
    assert multiplies(network, 10) == pytest.approx(10 * 432 * 36 / (10 * (192 + 576) + 448))


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ("avx512_vnni", False),
        ("avx512_bf16", True),
        ("amx_bf16 amx_tile", True),
        ("asimddp", False),
        ("bf16", True),
    ],
)
def test_the_processor_is_asked(flags: str, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "processor_flags", lambda: frozenset(flags.split()))
    assert emulates_bfloat16(CPU) is not native


@pytest.mark.parametrize(("flags", "kind"), [("amx_bf16", torch.bfloat16), ("avx2", torch.float32)])
def test_muon_multiplies_in_bfloat16_unless_it_is_emulated(
    flags: str, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_up(monkeypatch, flags, 1.0)
    matrix = torch.randn(8, 30, generator=torch.Generator().manual_seed(0))
    singular = torch.linalg.svdvals(orthogonal(matrix, 5))
    assert set(made) == {kind}
    assert singular.sub(1).abs().max() < 0.5
