"""Receptive fields, compared with the pixels that a gradient reaches."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.errors import SizeError
from hubel.net.algebra import Net, side
from hubel.net.field import NOTHING, Box, Field
from hubel.net.ledger import Ledger, ledger
from hubel.net.names import adaptiveavgpool, conv, fc, globalavgpool, identity, maxpool, relu
from hubel.net.trace import INPUT
from hubel.net.volume import Volume
from tests.net.reference import pixels_seen, smooth, walk
from tests.strategies import fitting_nets

if TYPE_CHECKING:
    from collections.abc import Callable

# --- by hand -------------------------------------------------------------------------------------


def test_three_3x3_filters_see_what_one_7x7_filter_sees() -> None:
    """Simonyan and Zisserman 2014, section 2.3."""
    rows = ledger(3 * conv(8, 3), "15x15x1").rows
    assert [row.field.size for row in rows] == [(3, 3), (5, 5), (7, 7)]
    assert ledger(conv(8, 7), "15x15x1").rows[0].field == rows[-1].field == Field((7, 7), (1, 1), (0, 0))


def test_strides_multiply_and_padding_starts_before_the_image() -> None:
    """size + (F-1) * jump; jump * S; start - P * jump."""
    net = conv(8, 7, stride=2, pad=3) >> relu >> maxpool(3, 2, pad=1) >> conv(8, 3, pad=1)
    assert [row.field for row in ledger(net, "64x64x3").rows] == [
        Field((7, 7), (2, 2), (-3, -3)),
        Field((7, 7), (2, 2), (-3, -3)),
        Field((11, 11), (4, 4), (-5, -5)),
        Field((19, 19), (4, 4), (-9, -9)),
    ]


def test_the_axes_are_independent_and_dilation_counts() -> None:
    net = conv(8, (3, 1), stride=(1, 2), dilation=(2, 1)) >> conv(8, (1, 3), pad=(0, 1))
    assert [row.field for row in ledger(net, "9x9x1").rows] == [
        Field((5, 1), (1, 2), (0, 0)),
        Field((5, 5), (1, 2), (0, -2)),
    ]


def test_branches_take_the_largest_path() -> None:
    net = (conv(4, 1) | conv(4, 5, pad=2)) >> conv(2, 3)
    rows = {row.path: row.field for row in ledger(net, "9x9x1").rows}
    assert rows["conv1"] == Field((1, 1), (1, 1), (0, 0))
    assert rows["concat1"] == Field((5, 5), (1, 1), (-2, -2))
    assert rows["conv3"] == Field((7, 7), (1, 1), (-2, -2))
    skip = ledger(conv(1, 3, pad=1) + identity, "9x9x1").rows
    assert [row.field.size for row in skip] == [(3, 3), (1, 1), (3, 3)]


def test_branches_with_unequal_jumps_by_hand() -> None:
    """4 pixels: two windows of 2, two apart, beside two of 3, one apart. Unit 0 sees 0-2, unit 1 sees 1-3."""
    book = ledger(conv(1, 2, stride=2) | conv(1, 3), "4x4x1")
    assert [row.field for row in book.rows] == [
        Field((2, 2), (2, 2), (0, 0)),
        Field((3, 3), (1, 1), (0, 0)),
        Field((3, 3), (1, 1), (0, 0)),
    ]
    assert [book.field("concat1", at, at) for at in (0, 1)] == [Box(0, 0, 2, 2), Box(1, 1, 3, 3)]


def test_where_branches_drift_apart_the_size_is_that_of_a_unit() -> None:
    """6 columns: windows of 1 at 0, 2, 4 beside windows of 4 at 0, 1, 2. Units see 0-3, 1-4 and 2-5."""
    net = conv(1, (1, 1), stride=(1, 2)) | conv(1, (1, 4))
    assert ledger(net, "1x6x1").rows[-1].field == Field((1, 4), (1, 1), (0, 0))


def test_windows_that_share_their_pixels_are_0_apart() -> None:
    """7 windows over a single pixel: all of them see it, behind a stride of 32 too."""
    rows = ledger(conv(1, 32, stride=32) >> adaptiveavgpool(7, 7), "32x32x1").rows
    assert rows[-1].field == Field((32, 32), (0, 0), (0, 0))


def test_uneven_windows_are_apart_by_their_average() -> None:
    """4 windows over 10 columns start at 0, 2, 5 and 7: twice 2.5 in each period."""
    assert ledger(adaptiveavgpool(1, 4), "1x10x1").rows[-1].field.jump == (1, Fraction(5, 2))


def test_a_single_unit_sees_everything() -> None:
    for layer in (globalavgpool, fc(3)):
        book = ledger(conv(2, 3, stride=2) >> layer, "9x13x1")
        assert book.rows[-1].field.size == (9, 13)
        assert book.field(book.rows[-1].path, 0, 0) == Box(0, 0, 8, 12)


def test_a_box_by_hand() -> None:
    """AlexNet: unit (27, 0) of conv1 begins at pixel 27 * 4 = 108; pool1 sees three of them: 11 + 2 * 4."""
    book = ledger(conv(96, 11, stride=4) >> relu >> maxpool(3, 2), "227x227x3")
    assert book.field("conv1", 27, 0) == Box(108, 0, 118, 10)
    assert book.field("relu1", 27, 0) == Box(108, 0, 118, 10)
    assert book.field("maxpool1", 0, 26) == Box(0, 208, 18, 226)
    assert book.field("maxpool1", 0, 26).size == (19, 19)


def test_a_box_includes_padding_unless_clipped() -> None:
    book = ledger(conv(8, 5, pad=2), "8x8x1")
    assert book.field("conv1", 0, 7) == Box(-2, 5, 2, 9)
    assert book.field("conv1", 0, 7, clipped=True) == Box(0, 5, 2, 7)


def test_dropped_rows_are_not_seen_through_padding() -> None:
    """On 6 rows the first layer has 2 (rows 0-2 and 2-4); row 5 is dropped.

    The second layer's row 1 sees the first's rows 0 to 2, of which row 2 would see 4-6, but is padding.
    """
    book = ledger(conv(1, 3, stride=2) >> conv(1, 3, pad=1), "6x6x1")
    assert book.field("conv2", 1, 1) == Box(0, 0, 6, 6)
    assert book.field("conv2", 1, 1, clipped=True) == Box(0, 0, 4, 4)


def test_a_unit_that_sees_padding_alone_sees_nothing() -> None:
    book = ledger(conv(1, 1, pad=2) >> (conv(1, 1) + identity) >> conv(1, 2), "3x3x1")
    assert book.field("conv1", 0, 2) == Box(-2, 0, -2, 0)
    for path in ("conv1", "conv2", "add1", "conv3"):
        assert book.field(path, 0, 0, clipped=True) == NOTHING
    assert NOTHING.size == (0, 0)
    assert book.field("conv3", 1, 1, clipped=True) == Box(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("path", "row", "column", "message"),
    [
        ("conv9", 0, 0, "no layer 'conv9'; did you mean conv1"),
        ("zzz", 0, 0, "no layer 'zzz'; its layers are "),
        ("conv1", 6, 0, "conv1 is 6x4x2: rows 0 to 5, columns 0 to 3"),
        ("conv1", 0, 4, "conv1 is 6x4x2"),
        ("conv1", -1, 0, "conv1 is 6x4x2"),
    ],
)
def test_a_unit_that_does_not_exist(path: str, row: int, column: int, message: str) -> None:
    with pytest.raises(SizeError, match=message):
        ledger(conv(2, 3), "8x6x1").field(path, row, column)


# --- by gradient ---------------------------------------------------------------------------------


def units(height: int, width: int) -> list[tuple[int, int]]:
    """The corners, the middle, and the middles of two edges."""
    rows, columns = (0, height // 2, height - 1), (0, width // 2, width - 1)
    return sorted({(row, column) for row in rows for column in columns})


def probe(book: Ledger) -> None:
    """Compares each path's boxes with the pixels that have a gradient, and its field with the first box."""
    volume = book.volume
    images = torch.ones(1, volume.depth, volume.height, volume.width, dtype=torch.float64, requires_grad=True)
    values = walk(book.steps, smooth(book.steps), images)
    for row in book.rows:
        for y, x in units(*row.output.plane):
            unit = values[row.path][0, :, y, x].sum()
            (gradient,) = torch.autograd.grad(unit, images, retain_graph=True)
            seen = book.field(row.path, y, x, clipped=True)
            assert pixels_seen(gradient) == (seen.top, seen.left, seen.bottom, seen.right), (row.path, y, x)


@settings(max_examples=60)
@given(fitting_nets(dense=True))
def test_a_clipped_box_holds_the_pixels_a_gradient_reaches_and_no_more(pair: tuple[Net, Volume]) -> None:
    probe(ledger(*pair))


@settings(max_examples=60)
@given(fitting_nets())
def test_no_gradient_leaves_the_box_of_dilated_windows(pair: tuple[Net, Volume]) -> None:
    book = ledger(*pair)
    volume = book.volume
    images = torch.ones(1, volume.depth, volume.height, volume.width, dtype=torch.float64, requires_grad=True)
    values = walk(book.steps, smooth(book.steps), images)
    row = book.rows[-1]
    for y, x in units(*row.output.plane):
        (gradient,) = torch.autograd.grad(values[row.path][0, :, y, x].sum(), images, retain_graph=True)
        reached = pixels_seen(gradient)
        seen = book.field(row.path, y, x, clipped=True)
        if reached:
            assert seen.around(Box(*reached)) == seen


def test_the_probe_goes_through_branches_and_skips() -> None:
    inception = conv(2, 1) | conv(2, 3, pad=1) | conv(2, 5, pad=2) | maxpool(3, 1, pad=1) >> conv(2, 1)
    block = conv(8, 3, stride=2, pad=1) >> conv(8, 3, pad=1)
    net = (
        conv(4, 3, pad=1)
        >> inception
        >> side("aux", globalavgpool >> fc(2))
        >> (block + conv(8, 1, stride=2))
        >> maxpool(3, 2, pad=1, ceil=True)
        >> adaptiveavgpool(3, 2)
    )
    probe(ledger(net, "19x17x2"))


@given(fitting_nets())
def test_a_row_has_the_field_of_the_first_unit(pair: tuple[Net, Volume]) -> None:
    """start and start + size - 1 are the unclipped box of unit (0, 0).

    Behind uneven windows, whose units see unequally much, size is the largest.
    """
    book = ledger(*pair)
    for row in book.rows:
        seen = book.field(row.path, 0, 0)
        assert (seen.top, seen.left) == row.field.start
        units = product(range(row.output.height), range(row.output.width))
        sizes = [book.field(row.path, y, x).size for y, x in units]
        assert row.field.size == (max(high for high, _ in sizes), max(wide for _, wide in sizes))


def ends_of(book: Ledger, axis: int) -> Callable[[str, int], tuple[int, int]]:
    """The first and the last pixel of any unit along an axis, by asking each window for its ends in turn."""
    steps = {step.path: step for step in book.steps}

    @cache
    def ends(path: str, unit: int) -> tuple[int, int]:
        if path == INPUT:
            return unit, unit
        step = steps[path]
        seen = step.layer.window(step.inputs[0]).axes[axis].sees(unit, unit)
        found = []
        for source, volume in zip(step.sources, step.inputs, strict=True):
            alone = volume.plane[axis] == 1 < step.inputs[0].plane[axis]  # one factor for all, of a gate
            first, last = (0, 0) if alone else seen
            found.append((ends(source, first)[0], ends(source, last)[1]))
        return min(each[0] for each in found), max(each[1] for each in found)

    return ends


@given(fitting_nets())
def test_row_and_field_are_what_the_windows_say_one_by_one(pair: tuple[Net, Volume]) -> None:
    book = ledger(*pair)
    down, across = ends_of(book, 0), ends_of(book, 1)
    for row in book.rows:
        high, wide = row.output.plane
        rows, columns = (
            [down(row.path, unit) for unit in range(high)],
            [across(row.path, unit) for unit in range(wide)],
        )
        assert row.field.size == tuple(max(b - a + 1 for a, b in each) for each in (rows, columns))
        for y, x in units(high, wide):
            box = book.field(row.path, y, x)
            assert ((box.top, box.bottom), (box.left, box.right)) == (rows[y], columns[x])


def test_long_periods_are_bounded_in_time_and_never_too_small() -> None:
    """Windows whose sizes repeat after millions of units: the box still holds what each window says."""
    net = adaptiveavgpool(1, 4999) >> conv(1, (1, 3)) >> adaptiveavgpool(1, 4991) >> conv(1, (1, 2))
    book = ledger(net >> adaptiveavgpool(1, 4973), "1x9973x1")
    across = ends_of(book, 1)
    for unit in (0, 1, 77, 2500, 4972):
        box = book.field("adaptiveavgpool3", 0, unit)
        first, last = across("adaptiveavgpool3", unit)
        assert first - 8 <= box.left <= first <= last <= box.right <= last + 8


def test_absurd_windows_take_no_time() -> None:
    net = adaptiveavgpool(10**9, 10**9 - 1) >> conv(1, 3) >> adaptiveavgpool(10**8, 3)
    assert ledger(net, "1000000x999999x1").rows[-1].output == Volume(10**8, 3, 1)


def test_fields_after_uneven_windows_by_hand() -> None:
    """Of 10 columns in 4 windows the first is 0 to 2, the second 2 to 4; a unit over all four sees 10."""
    rows = ledger(adaptiveavgpool(1, 4) >> fc(1), "1x10x1").rows
    assert [row.field.size for row in rows] == [(1, 3), (1, 10)]
    assert [row.field.start for row in rows] == [(0, 0), (0, 0)]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=5))
def test_the_fields_of_neighbours_are_one_jump_apart(shapes: list[tuple[int, int, int]]) -> None:
    net: Net = relu
    for size, stride, pad in shapes:
        net = net >> conv(1, size, stride=stride, pad=pad)
    book = ledger(net, "600x700x1")
    row = book.rows[-1]
    first = book.field(row.path, 0, 0)
    for axis, (y, x) in enumerate(((1, 0), (0, 1))):
        if row.output.plane[axis] > 1:
            second = book.field(row.path, y, x)
            apart = (second.top - first.top, second.left - first.left)
            assert apart[axis] == row.field.jump[axis]
            assert apart[1 - axis] == 0
