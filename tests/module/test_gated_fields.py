"""Receptive fields of modules with gates, uneven pooling and branches, compared with a gradient probe."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from hubel.net.field import Box
from hubel.net.ledger import Ledger
from hubel.net.volume import Volume
from hubel.tasks.network import ledger
from tests.module.probes import kept_for_backward

DEPTH = 2

EXAMPLES = 1500 if os.environ.get("HUBEL_FUZZ") else 20


class Gate(nn.Module):
    """Squeeze and excitation: every map is scaled by a number that the whole map makes."""

    def __init__(self, planes: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.pool, self.mix = nn.AdaptiveAvgPool2d(planes), nn.Conv2d(DEPTH, DEPTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = x * self.mix(self.pool(x)).sigmoid()
        return gated


class Rows(nn.Module):
    """A gate per column: the mean down the rows is broadcast, the columns stay apart."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean(2, keepdim=True)


class Place(nn.Module):
    """A gate per position: the mean over the maps scales each of them."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean(1, keepdim=True)


class Branches(nn.Module):
    """Two branches, cropped to one size, whose units may be unequally far apart."""

    def __init__(self, one: nn.Module, other: nn.Module, *, joined: bool) -> None:
        super().__init__()
        self.one, self.other, self.joined = one, other, joined
        self.mix = nn.Conv2d(2 * DEPTH, DEPTH, 1) if joined else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.one(x), self.other(x)
        high, wide = min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])
        one, other = one[:, :, :high, :wide], other[:, :, :high, :wide]
        mixed: Tensor = self.mix(torch.cat((one, other), 1)) if self.joined else one + other
        return mixed


@st.composite
def parts(draw: st.DrawFn, *, pads: bool) -> nn.Module:
    kind = draw(
        st.sampled_from(["conv", "conv", "gate", "rows", "place", "branches", "uneven", "pool", "up"])
    )
    if kind == "branches":
        ends = [draw(parts(pads=pads)) for _ in range(2)]
        return Branches(*ends, joined=draw(st.booleans()))
    if kind == "uneven":
        return nn.AdaptiveAvgPool2d((draw(st.integers(1, 7)), draw(st.integers(1, 7))))
    if kind == "pool":
        return nn.AvgPool2d(2, draw(st.integers(1, 2)), ceil_mode=pads and draw(st.booleans()))
    if kind == "conv":
        size = draw(st.integers(1, 3))
        pad = draw(st.integers(0, size // 2)) if pads else 0
        return nn.Conv2d(DEPTH, DEPTH, size, draw(st.integers(1, size)), pad)
    return {"gate": Gate(), "rows": Rows(), "place": Place(), "up": nn.Upsample(scale_factor=2)}[kind]


@st.composite
def modules(draw: st.DrawFn, *, pads: bool) -> nn.Sequential:
    made = nn.Sequential(*(draw(parts(pads=pads)) for _ in range(draw(st.integers(1, 4)))))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.1 + torch.rand(parameter.shape, generator=generator))
    return made.double().eval()


def seen_by_gradient(module: nn.Module, volume: Volume) -> dict[tuple[int, int], Box]:
    """The pixels that move each unit on the diagonal of a module's output; the axes are independent."""
    images = torch.full((1, volume.depth, *volume.plane), 0.5, dtype=torch.double, requires_grad=True)
    out = module(images)
    boxes = {}
    high, wide = out.shape[2:]
    for row, column in {(min(at, high - 1), min(at, wide - 1)) for at in range(max(high, wide))}:
        (gradient,) = torch.autograd.grad(out[0, :, row, column].sum(), images, retain_graph=True)
        moved = gradient[0].abs().sum(0).nonzero()
        (top, left), (bottom, right) = moved.min(0).values.tolist(), moved.max(0).values.tolist()
        boxes[row, column] = Box(top, left, bottom, right)
    return boxes


def surveyed(module: nn.Module, volume: Volume) -> Ledger | None:
    """The ledger of a module; None for a drawing that does not fit."""
    try:
        module(torch.zeros(1, volume.depth, *volume.plane, dtype=torch.double))
    except RuntimeError:
        return None
    return ledger(module, volume)


PLANES = st.tuples(st.integers(5, 12), st.integers(5, 12))


@settings(max_examples=EXAMPLES, deadline=None)
@given(modules(pads=False), PLANES)
def test_without_padding_a_row_is_what_gradients_reach(module: nn.Sequential, plane: tuple[int, int]) -> None:
    volume = Volume(*plane, DEPTH)
    found = surveyed(module, volume)
    if found is None or not found.rows:
        return
    boxes = seen_by_gradient(module, volume)
    row = found.rows[-1]
    sizes = [box.size for box in boxes.values()]
    assert row.field.size == (max(high for high, _ in sizes), max(wide for _, wide in sizes))
    assert row.field.start == (boxes[0, 0].top, boxes[0, 0].left)
    assert {unit: found.field(row.path, *unit) for unit in boxes} == boxes


@settings(max_examples=EXAMPLES, deadline=None)
@given(modules(pads=True), PLANES)
def test_with_padding_a_clipped_box_is_what_gradients_reach(
    module: nn.Sequential, plane: tuple[int, int]
) -> None:
    volume = Volume(*plane, DEPTH)
    found = surveyed(module, volume)
    if found is None or not found.rows:
        return
    boxes = seen_by_gradient(module, volume)
    row = found.rows[-1]
    assert {unit: found.field(row.path, *unit, clipped=True) for unit in boxes} == boxes
    widest = [found.field(row.path, *unit).size for unit in boxes]
    assert row.field.size == (max(high for high, _ in widest), max(wide for _, wide in widest))


def test_the_last_convolution_behind_four_gates_by_hand() -> None:
    """Sizes 64, 32, 16, 8, 4: each convolution adds 2, 4, 8, 16, 32 pixels around the 64 of the image.

    A gate's pool sees its map's fields, which reach 1, 3, 7 and 15 pixels beyond the image on one side and 0
    on the other: convolution k of stride 2 and padding 1 starts 2^k - 1 before the image.
    """
    blocks: list[nn.Module] = [nn.Conv2d(3, DEPTH, 3, padding=1)]
    for _ in range(4):
        blocks += [nn.Conv2d(DEPTH, DEPTH, 3, 2, 1), Gate()]
    found = ledger(nn.Sequential(*blocks, nn.Conv2d(DEPTH, DEPTH, 3, padding=1)), "64x64x3")
    last = found.rows[-1]
    boxes = [found.field(last.path, at, at) for at in range(4)]
    assert last.field.size[0] == max(box.size[0] for box in boxes) == 97


class Unpooled(nn.Module):
    """Pooling with indices, whose inverse reads both the values and the indices."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.up = nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        values, where = self.pool(x)
        out: Tensor = self.up(F.relu_(self.unpool(values, where, output_size=x.shape) + x))
        return out


def test_indices_of_maxima_have_no_row_of_their_own() -> None:
    """A unit after unpooling sees the 4 pixels of its pooling window; the bytes are those autograd saves."""
    module = Unpooled()
    found = ledger(module, "16x16x3")
    assert [row.path for row in found.rows] == ["conv", "pool", "unpool", "add1", "relu1", "up"]
    assert not found.unaccounted
    assert [row.field.size[0] for row in found.rows] == [3, 4, 4, 4, 4, 6]
    kept = kept_for_backward(module, torch.zeros(1, 3, 16, 16))
    assert found.totals.backward_bytes == kept == 23_552


@pytest.mark.parametrize("pool", [nn.AdaptiveMaxPool2d(3, return_indices=True), lambda x: x.topk(2, 1)])
def test_indices_of_other_functions_have_none_either(pool: Callable[[Tensor], Any]) -> None:
    class Picks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            values: Tensor = pool(x)[0]
            return values

    assert len(ledger(Picks(), "9x9x3").rows) == 1
