"""The arithmetic of windows, compared with torch on every small size."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from hubel.errors import NetworkError, SizeError
from hubel.net.layer import Layer
from hubel.net.names import avgpool, conv, maxpool, padshortcut, subsample
from hubel.net.notation import parse
from hubel.net.sliding import Sliding
from hubel.net.trace import trace
from hubel.net.volume import Volume
from hubel.net.window import Axis, UnevenAxis, Window, decimal, pair_text, size_of
from tests.strategies import sizes


def pooled(inputs: torch.Tensor, axis: Axis, *, largest: bool) -> torch.Tensor | None:
    """The output of torch's pooling along one axis; None where it raises an error."""
    pool = F.max_pool2d if largest else F.avg_pool2d
    try:
        return pool(inputs, (axis.size, 1), (axis.stride, 1), (axis.pad, 0), ceil_mode=axis.ceil)
    except RuntimeError:
        return None


def column(length: int) -> torch.Tensor:
    return torch.ones(1, 1, length, 1, dtype=torch.float64, requires_grad=True)


def reached(inputs: torch.Tensor, output: torch.Tensor) -> list[int]:
    """The inputs that a sum of outputs depends on."""
    (gradient,) = torch.autograd.grad(output.sum(), inputs, retain_graph=True)
    return [int(place) for place in gradient[0, 0, :, 0].nonzero()]


POOLS = [
    Axis(size, stride, pad, ceil=ceil)
    for size, stride, ceil in product(range(1, 6), range(1, 5), (False, True))
    for pad in range(size // 2 + 1)
]
CONVOLUTIONS = [
    Axis(size, stride, pad, dilation)
    for size, stride, pad, dilation in product(range(1, 6), range(1, 5), range(3), range(1, 4))
]


@pytest.mark.parametrize("length", range(1, 13))
def test_pooling_has_as_many_positions_as_in_torch(length: int) -> None:
    inputs = column(length).detach()
    for axis in POOLS:
        for largest in (True, False):
            output = pooled(inputs, axis, largest=largest)
            places = 0 if output is None else output.shape[2]
            assert axis.positions(length) == places, (axis, length)


@pytest.mark.parametrize("length", range(1, 13))
def test_convolution_has_as_many_positions_as_in_torch(length: int) -> None:
    inputs = column(length).detach()
    for axis in CONVOLUTIONS:
        weights = torch.ones(1, 1, axis.size, 1, dtype=torch.float64)
        shape = (axis.stride, 1), (axis.pad, 0), (axis.dilation, 1)
        if length + 2 * axis.pad < axis.reach:
            with pytest.raises(RuntimeError, match="can't be greater than actual input size"):
                F.conv2d(inputs, weights, None, *shape)
            assert axis.positions(length) == 0
        else:
            assert axis.positions(length) == F.conv2d(inputs, weights, None, *shape).shape[2]


@pytest.mark.parametrize("length", range(1, 13))
def test_unused_values_are_those_that_no_window_covers(length: int) -> None:
    """Where windows touch or overlap; otherwise a gap at the end would count as unused."""
    inputs = column(length)
    for axis in POOLS:
        output = pooled(inputs, axis, largest=False)
        if output is None or axis.stride > axis.size:
            continue
        seen = reached(inputs, output)
        assert seen == list(range(seen[-1] + 1)), (axis, length)
        unseen = length - 1 - seen[-1]
        assert max(0, axis.unused(length) - axis.pad) == unseen, (axis, length)
        note = Window(axis, Axis()).dropped((length, 1))
        if unseen:
            assert note == f"floor: the last {unseen} row{'s' * (unseen > 1)} unused"
        else:
            assert note == "" or note.endswith("of padding unused")


@pytest.mark.parametrize("length", range(1, 13))
def test_an_output_sees_the_inputs_its_gradient_reaches(length: int) -> None:
    inputs = column(length)
    for axis in POOLS:
        output = pooled(inputs, axis, largest=False)
        for place in range(axis.positions(length)):
            assert output is not None
            first, last = axis.sees(place, place)
            on_input = [at for at in range(first, last + 1) if 0 <= at < length]
            assert reached(inputs, output[:, :, place]) == on_input


@pytest.mark.parametrize(("length", "outputs"), list(product(range(1, 13), range(1, 13))))
def test_uneven_windows_are_those_of_adaptive_pooling(length: int, outputs: int) -> None:
    inputs = column(length)
    means = F.adaptive_avg_pool2d(inputs, (outputs, 1))
    axis = UnevenAxis.cut(length, outputs)
    assert axis.positions(length) == outputs
    assert axis.unused(length) == 0
    longest = 0
    for place in range(outputs):
        seen = reached(inputs, means[:, :, place])
        longest = max(longest, len(seen))
        assert axis.sees(place, place) == (seen[0], seen[-1])
    assert axis.sees(0, outputs - 1) == (0, length - 1)
    assert axis.reach == longest


def test_the_least_is_the_smallest_input_with_a_position() -> None:
    for axis in POOLS + CONVOLUTIONS:
        assert axis.positions(axis.least) >= 1, axis
        assert axis.least == 1 or axis.positions(axis.least - 1) == 0, axis


# --- in words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "length", "text"),
    [  # AlexNet's first layer, on its own input and on the paper's figure
        (Axis(11, 4), 227, "(227-11+2·0)/4+1 = 55"),
        (Axis(11, 4), 224, "(224-11+2·0)/4+1 = 54.25, floor 54"),
        (Axis(3, 3), 7, "(7-3+2·0)/3+1 = 2.33, floor 2"),
        (Axis(3, 2, 1), 32, "(32-3+2·1)/2+1 = 16.5, floor 16"),
        (Axis(3, 2, ceil=True), 112, "(112-3+2·0)/2+1 = 55.5, ceil 56"),
        (Axis(3, 1, 2, dilation=2), 9, "(9-(2·(3-1)+1)+2·2)/1+1 = 9"),  # 9 - 5 + 4 + 1
    ],
)
def test_the_formula_has_its_numbers_in_it(axis: Axis, length: int, text: str) -> None:
    assert axis.formula(length) == text


@given(st.sampled_from(POOLS + CONVOLUTIONS), st.integers(1, 300))
def test_the_formula_is_true(axis: Axis, length: int) -> None:
    if axis.positions(length) < 1:
        return
    left, _, right = axis.formula(length).partition(" = ")
    value = Fraction(eval(re.sub(r"/(\d+)", r"*Fraction(1,\1)", left.replace("·", "*"))))
    shown, _, rounded = right.partition(", ")
    assert shown == decimal(value)
    if rounded:
        word, places = rounded.split()
        assert int(places) == axis.positions(length)
        assert (int(places) < value) if word == "floor" else axis.ceil
    else:
        assert value == axis.positions(length)


def test_a_fraction_has_at_most_two_decimals() -> None:
    assert [decimal(Fraction(*ratio)) for ratio in ((217, 4), (7, 3), (55, 1), (100, 1), (0, 1))] == [
        "54.25",
        "2.33",
        "55",
        "100",
        "0",
    ]


def test_a_plane_with_unlike_sides_shows_both_formulas() -> None:
    assert Window.of(3, 2).formula((7, 9)) == "(7-3+2·0)/2+1 = 3; (9-3+2·0)/2+1 = 4"
    assert Window.of(3, 2).formula((7, 7)) == "(7-3+2·0)/2+1 = 3"


@pytest.mark.parametrize(
    ("window", "plane", "note"),
    [
        (Window.of(3, 3), (9, 9), ""),
        (Window.of(3, 3), (7, 7), "floor: the last 1 row and column unused"),
        (Window.of(3, 3), (8, 8), "floor: the last 2 rows and columns unused"),
        (Window.of(3, 3), (7, 9), "floor: the last 1 row unused"),
        (Window.of(3, 3), (9, 8), "floor: the last 2 columns unused"),
        (Window.of(3, 3), (7, 8), "floor: the last 1 row and 2 columns unused"),
        (Window.of(7, 2, 3), (224, 224), "floor: 1 row and column of padding unused"),  # ResNet's first layer
        (Window.of(3, 3, ceil=True), (7, 7), ""),
    ],
)
def test_a_note_describes_what_rounding_down_leaves_unused(
    window: Window, plane: tuple[int, int], note: str
) -> None:
    assert window.dropped(plane) == note


def test_sizes_have_a_short_form() -> None:
    assert pair_text((2, 2)) == "2"
    assert pair_text((2, 1)) == "(2, 1)"
    assert size_of("conv", "size", [3, 3], 1) == 3
    assert size_of("conv", "size", [3, 5], 1) == (3, 5)


@pytest.mark.parametrize(
    "value", [0, -1, 1.5, True, "3", None, (), (3,), (1, 2, 3), (0, 3), (3, True), [[1], [2]]]
)
def test_what_is_not_a_size_is_refused(value: object) -> None:
    with pytest.raises(
        NetworkError, match=re.escape("a whole number of at least 1, or a pair (height, width)")
    ):
        size_of("conv", "size", value, 1)


# --- what would fit ------------------------------------------------------------------------------


def test_the_error_for_alexnet_on_224x224() -> None:
    with pytest.raises(SizeError) as caught:
        trace(conv(96, 11, stride=4), "224x224x3", strict=True)
    assert str(caught.value) == (  # 2*2 more make (224-11+4)/4+1 = 55.25
        "conv1 does not fit 224x224x3: (224-11+2·0)/4+1 = 54.25.\n"
        "  227x227x3 fits (55), or pad=2 on 224x224x3 gives floor 55; "
        "or allow floor 54 (the last 1 row and column unused)"
    )


@st.composite
def windowed(draw: st.DrawFn) -> Layer:
    size, stride = draw(sizes(1, 6)), draw(sizes(1, 4))
    pad = draw(st.integers(0, (min(size) if isinstance(size, tuple) else size) // 2))
    make = draw(st.sampled_from(["conv", "dilated", "maxpool", "avgpool", "subsample", "padshortcut"]))
    match make:
        case "conv":
            return conv(2, size, stride=stride, pad=pad)
        case "dilated":
            return conv(2, size, stride=stride, pad=pad, dilation=2)
        case "maxpool":
            return maxpool(size, stride, pad=pad, ceil=draw(st.booleans()))
        case "avgpool":
            return avgpool(size, stride, pad=pad)
        case "subsample":
            return subsample(size)
    return padshortcut(4, stride)


@given(windowed(), st.integers(6, 40), st.integers(6, 40))
def test_every_remedy_fits(layer: Layer, height: int, width: int) -> None:
    volume = Volume(height, width, 2)
    try:
        trace(layer, volume, strict=True)
        return
    except SizeError as error:
        message = str(error)
    if "at least" in message:
        least = re.search(r"at least (\d+)x(\d+) fits", message)
        assert least is not None
        trace(layer, (int(least[1]), int(least[2]), 2))
        return
    larger = re.search(r"  (\S+) fits \((\S+)\)", message)
    assert larger is not None
    assert end(layer, larger[1], strict=True) == plane(larger[2])
    for pads, seen, how, places in re.findall(
        r"pad=(.+?) on (\S+) (fits|gives floor) \(?(\d+x?\d*)", message
    ):
        assert seen == str(volume)
        unpadded = re.sub(r", pad=(\d+|\(.*?\))", "", repr(layer))
        padded = parse(unpadded.removesuffix(")") + f", pad={pads})")
        assert end(padded, seen, strict=how == "fits") == plane(places)
    allowed = re.search(r"allow floor (\S+) \(", message)
    assert allowed is not None
    assert end(layer, str(volume), strict=False) == plane(allowed[1])


def end(layer: object, volume: str, *, strict: bool) -> tuple[int, int]:
    return trace(layer, volume, strict=strict)[-1].output.plane  # type: ignore[arg-type]


def plane(text: str) -> tuple[int, int]:
    high, _, wide = text.partition("x")
    return int(high), int(wide or high)


@pytest.mark.parametrize("layer", [subsample, maxpool(3, 2, pad=1), padshortcut(4, 2)])
def test_padding_is_not_offered_where_the_layer_takes_none(layer: Sliding) -> None:
    with pytest.raises(SizeError) as caught:
        trace(layer, "6x6x2" if layer != subsample else "5x5x2", strict=True)
    assert "pad=" not in str(caught.value)


def test_a_window_larger_than_its_input_names_the_smallest_that_fits() -> None:
    with pytest.raises(SizeError, match=re.escape("(3-5+2·0)/1+1 = -1; at least 5x5 fits")):
        trace(conv(6, 5), "3x3x1")
    with pytest.raises(SizeError, match="at least 3x1 fits"):  # 5 - 2*1 rows; the columns fit any size
        trace(conv(6, (5, 3), pad=1), "2x9x1")
