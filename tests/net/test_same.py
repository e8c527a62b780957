"""TensorFlow's "SAME" padding, compared with its published rule written out by hand."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from hubel import Net, Volume, build, conv, ledger, parse, relu, trace
from hubel.errors import NetworkError, NotationError
from hubel.module.network import Network
from hubel.net.window import Axis
from tests.module.probes import kept_for_backward, random_images

SHAPES = list(product(range(1, 6), range(1, 5), range(1, 4)))
"""Size, stride and dilation."""


def published(inputs: int, size: int, stride: int) -> tuple[int, int, int]:
    """Outputs, zeros before and zeros after.

    Source: TensorFlow, tf.nn, "Notes on padding": `SAME`.
    """
    outputs = math.ceil(inputs / stride)
    total = max(size - stride, 0) if inputs % stride == 0 else max(size - inputs % stride, 0)
    return outputs, total // 2, total - total // 2


def by_hand(images: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    """The convolution as a sum over its taps, on an image padded by the published rule."""
    size = weight.shape[2]
    reach = dilation * (size - 1) + 1
    high, top, _ = published(images.shape[2], reach, stride)
    wide, left, _ = published(images.shape[3], reach, stride)
    room = torch.zeros(*images.shape[:2], high * stride + reach, wide * stride + reach, dtype=images.dtype)
    room[:, :, top : top + images.shape[2], left : left + images.shape[3]] = images
    total = torch.zeros(len(images), len(weight), high, wide, dtype=images.dtype)
    for row, column in product(range(size), range(size)):
        down, right = row * dilation, column * dilation
        taps = room[:, :, down : down + high * stride : stride, right : right + wide * stride : stride]
        total += torch.einsum("nchw,fc->nfhw", taps, weight[:, :, row, column])
    return total


@pytest.mark.parametrize("inputs", range(1, 15))
def test_an_axis_has_the_published_positions_and_zeros(inputs: int) -> None:
    for size, stride, dilation in SHAPES:
        axis = Axis.same(inputs, size, stride, dilation)
        outputs, before, after = published(inputs, axis.reach, stride)
        assert (axis.positions(inputs), axis.pad, axis.pad + axis.more) == (outputs, before, after)
        assert axis.sees(0, 0) == (-before, axis.reach - 1 - before)


@pytest.mark.parametrize("plane", [(1, 1), (1, 4), (5, 6), (7, 8), (9, 4)])
def test_the_module_computes_it(plane: tuple[int, int]) -> None:
    volume = Volume(*plane, 2)
    images = random_images(volume, 2).double()
    for size, stride, dilation in SHAPES:
        layer = conv(3, size, stride=stride, pad="same", dilation=dilation, bias=False)
        module = build(layer, volume).double()
        weight = module.state_dict()["conv1.weight"]
        expected = by_hand(images, weight, stride, dilation)
        assert (
            module.output == trace(layer, volume)[0].output == Volume(expected.shape[2], expected.shape[3], 3)
        )
        assert torch.allclose(_places(module, images), expected, rtol=0, atol=1e-12), layer


@pytest.mark.parametrize("size", [1, 3, 5])
def test_it_is_plain_padding_where_the_sides_are_equal(size: int) -> None:
    for length, stride in product(range(5, 12), range(1, 4)):
        volume = Volume(length, length, 2)
        plain = conv(4, size, stride=stride, pad=size // 2)
        same = conv(4, size, stride=stride, pad="same")
        axis = Axis.same(length, size, stride)
        if (axis.pad, axis.more) == (size // 2, 0):
            mine, others = ledger(same, volume), ledger(plain, volume)
            assert mine.totals == others.totals
            assert mine.rows[0].formula == others.rows[0].formula
            assert mine.rows[0].field == others.rows[0].field
            images = random_images(volume)
            assert torch.equal(_places(build(same, volume), images), _places(build(plain, volume), images))


@pytest.mark.parametrize("volume", [Volume(8, 8, 3), Volume(8, 9, 3), Volume(9, 9, 3), Volume(7, 10, 3)])
@pytest.mark.parametrize(
    "net",
    [
        conv(4, 3, stride=2, pad="same"),
        conv(3, 5, stride=(2, 1), pad="same", groups=3),
        conv(2, 3, stride=2, pad="same", links=((0,), (1, 2))),
        conv(6, 1) >> relu >> conv(6, 3, stride=2, pad="same", groups=6) >> relu,
        conv(4, 2, pad="same") >> conv(4, 4, stride=3, pad="same", dilation=2),
    ],
)
def test_the_padded_copy_is_saved_for_backward(net: Net, volume: Volume) -> None:
    module = build(net, volume).train()
    assert ledger(net, volume).totals.backward_bytes == kept_for_backward(module, random_images(volume))


def test_links_are_padded_alike() -> None:
    volume = Volume(6, 7, 2)
    linked = build(conv(2, 3, stride=2, pad="same", links=((0, 1), (0, 1))), volume)
    dense = build(conv(2, 3, stride=2, pad="same"), volume)
    weight = linked.state_dict()["conv1.weight"].reshape(2, 2, 3, 3)
    dense.load_state_dict({"conv1.weight": weight, "conv1.bias": torch.zeros(2)})
    images = random_images(volume)
    assert torch.allclose(_places(linked, images), _places(dense, images), atol=1e-6)


def test_the_row_shows_the_padding() -> None:
    row = ledger(conv(32, 3, stride=2, pad="same", bias=False), "224x225x3").rows[0]
    assert row.formula == "(224-3+2·0+1)/2+1 = 112; (225-3+2·1)/2+1 = 113"
    assert row.output == Volume(112, 113, 32)
    assert row.macs == 112 * 113 * 32 * 27
    assert (row.field.size, row.field.start) == ((3, 3), (0, -1))
    assert row.note == ""
    assert ledger(conv(1, 1, stride=2, pad="same"), "6x6x1").rows[0].note == (
        "floor: the last 1 row and column unused"
    )


def test_the_field_of_a_unit_includes_the_zeros_on_the_far_side() -> None:
    table = ledger(conv(4, 3, stride=2, pad="same") >> conv(4, 3, stride=2, pad="same"), "8x8x3")
    last = table.field("conv2", 1, 1)
    assert (last.top, last.bottom) == (4, 10)
    assert table.field("conv2", 1, 1, clipped=True).bottom == 7


def test_the_notation_is_exact() -> None:
    layer = conv(32, 3, stride=2, pad="same", bias=False)
    assert repr(layer) == 'conv(32, 3, stride=2, pad="same", bias=False)'
    assert parse(repr(layer)) == layer
    assert layer != conv(32, 3, stride=2, pad=1, bias=False)


def test_any_other_text_for_padding_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"pad is a whole number .* not 'valid'; or .same"):
        conv(3, 3, pad="valid")  # type: ignore[arg-type]
    with pytest.raises(NotationError, match='or "same"'):
        parse('conv(3, 3, pad="SAME")')


def _places(module: Network, images: Tensor) -> Tensor:
    """The output of the only layer, n x depth x h x w, whatever its size."""
    values: Tensor = module.get_submodule("conv1")(images)
    return values
