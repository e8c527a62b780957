"""The numbers: the lecture's exercises, the papers, and torch's own counts on random networks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from torch.utils.flop_counter import FlopCounterMode

from hubel.errors import SizeError
from hubel.net.algebra import Net, side
from hubel.net.ledger import Ledger, ledger
from hubel.net.names import (
    adaptiveavgpool,
    batchnorm,
    conv,
    fc,
    globalavgpool,
    identity,
    lrn,
    maxpool,
    rbf,
    relu,
    subsample,
)
from hubel.net.trace import INPUT, UnfitError
from hubel.net.volume import Volume
from tests.net.reference import built, walk
from tests.strategies import fitting_nets

# --- the lecture's exercises ---------------------------------------------------------------------


def test_a_3x3_filter_on_7x7() -> None:
    assert ledger(conv(1, 3), "7x7x1").rows[0].output == Volume(5, 5, 1)
    assert ledger(conv(1, 3, stride=2), "7x7x1").rows[0].output == Volume(3, 3, 1)
    with pytest.raises(SizeError, match=r"\(7-3\+2·0\)/3\+1 = 2\.33"):
        ledger(conv(1, 3, stride=3), "7x7x1", strict=True)
    row = ledger(conv(1, 3, stride=3), "7x7x1").rows[0]
    assert row.formula == "(7-3+2·0)/3+1 = 2.33, floor 2"
    assert row.note == "floor: the last 1 row and column unused"


def test_ten_5x5_filters_on_32x32x3() -> None:
    row = ledger(conv(10, 5, pad=2), "32x32x3").rows[0]
    assert row.output == Volume(32, 32, 10)
    assert row.formula == "(32-5+2·2)/1+1 = 32"
    assert row.params == 760  # each filter 5*5*3 + 1 = 76
    assert row.note == ""


def test_volumes_shrink_without_padding() -> None:
    rows = ledger(conv(6, 5) >> relu >> conv(10, 5) >> relu, "32x32x3").rows
    assert [str(row.output) for row in rows] == ["28x28x6", "28x28x6", "24x24x10", "24x24x10"]
    assert [row.params for row in rows] == [456, 0, 1510, 0]  # 6*(75+1), 10*(150+1)


def test_a_1x1_convolution() -> None:
    row = ledger(conv(32, 1), "56x56x64").rows[0]
    assert row.output == Volume(56, 56, 32)
    assert row.params == 2080  # 32 * (64 + 1)
    assert row.macs == 6_422_528  # 56*56*32 dot products of 64: 3136 * 2048


def test_pooling_halves_and_has_no_parameters() -> None:
    row = ledger(maxpool(2), "224x224x64").rows[0]
    assert row.output == Volume(112, 112, 64)
    assert (row.params, row.macs) == (0, 0)


def test_alexnets_first_layers() -> None:
    """Krizhevsky et al. 2012, section 3.5; 34,944 = 96 * (11*11*3 + 1)."""
    book = ledger(conv(96, 11, stride=4) >> relu >> maxpool(3, 2), "227x227x3")
    assert [row.output.height for row in book.rows] == [55, 55, 27]
    assert [row.params for row in book.rows] == [34_944, 0, 0]
    assert book.rows[0].macs == 105_415_200  # 55*55*96 = 290,400 values of 363 multiply-adds
    assert book.rows[0].formula == "(227-11+2·0)/4+1 = 55"


@pytest.mark.parametrize("size", [1, 3, 5, 7, 11])
@pytest.mark.parametrize("side_length", [11, 32, 56])
def test_padding_by_half_the_filter_keeps_the_size(size: int, side_length: int) -> None:
    volume = Volume(side_length, side_length, 3)
    assert ledger(conv(8, size, pad=(size - 1) // 2), volume).rows[0].output.plane == volume.plane


# --- numbers by hand -----------------------------------------------------------------------------


def test_lenets_partial_connections() -> None:
    """LeCun et al. 1998, table I: 1,516 parameters and 151,600 connections in C3, biases counted.

    6 maps see 3 inputs, 9 see 4, one sees all 6: 60 kernels of 25 weights, and 16 biases.
    """
    threes = tuple(tuple(sorted({n % 6, (n + 1) % 6, (n + 2) % 6})) for n in range(6))
    fours = tuple(tuple(sorted((n + k) % 6 for k in range(4))) for n in range(6))
    pairs = ((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5))
    row = ledger(conv(16, 5, links=(*threes, *fours, *pairs, tuple(range(6)))), "14x14x6").rows[0]
    assert row.params == 1516
    assert row.macs == 150_000  # 1,500 weights at 10 * 10 places
    assert row.macs + 16 * 100 == 151_600


def test_lenets_trainable_pooling() -> None:
    """LeCun et al. 1998: S2 has 12 parameters."""
    assert ledger(subsample, "28x28x6").rows[0].params == 12


def test_groups_divide_the_weights() -> None:
    """AlexNet's second layer on two GPUs: 256 filters of 5*5*48, half the inputs each."""
    row = ledger(conv(256, 5, pad=2, groups=2), "27x27x96").rows[0]
    assert row.params == 307_456  # 256 * 1200 + 256
    assert row.macs == 223_948_800  # 27*27*256 = 186,624 values of 1,200


def test_the_costs_of_every_other_kind_of_layer() -> None:
    rows = ledger(batchnorm >> lrn >> globalavgpool >> fc(10) >> rbf(3), "4x4x8").rows
    assert [row.params for row in rows] == [16, 0, 0, 90, 0]  # 2*8, -, -, 10*(8+1), codes do not train
    assert [row.macs for row in rows] == [0, 0, 0, 80, 30]  # 10*8, 3*10
    assert ledger(fc(10, bias=False), "4x4x8").rows[0].params == 1280  # 10 * 128


def test_formulas_of_layers_that_do_not_slide() -> None:
    net = (conv(2, 1) | identity) >> adaptiveavgpool(2, 3) >> globalavgpool >> fc(7)
    assert [row.formula for row in ledger(net, "4x5x3").rows] == [
        "(4-1+2·0)/1+1 = 4; (5-1+2·0)/1+1 = 5",
        "",
        "2+3 = 5",
        "4x5 in 2x3 windows",
        "mean of 2·3 = 6",
        "1·1·5 = 5 inputs",
    ]


def test_side_heads_are_counted_separately() -> None:
    net = conv(4, 3, pad=1) >> side("aux", fc(10)) >> globalavgpool >> fc(2)
    totals = ledger(net, "6x6x1").totals
    assert totals.params == 40 + 1450 + 10  # 4*(9+1), 10*(144+1), 2*(4+1)
    assert totals.side_params == 1450
    assert totals.macs == 1296 + 1440 + 8  # 36 places * 4 * 9, 10*144, 2*4
    assert totals.side_macs == 1440
    assert totals.flops == 2 * 2744


# --- laws ----------------------------------------------------------------------------------------


@given(fitting_nets())
def test_totals_are_the_sums_of_their_columns(pair: tuple[Net, Volume]) -> None:
    net, volume = pair
    book = ledger(net, volume)
    totals = book.totals
    assert len(book.rows) == len(book.steps)
    assert totals.params == sum(row.params for row in book.rows)
    assert totals.macs == sum(row.macs for row in book.rows)
    assert totals.values == sum(row.values for row in book.rows)
    assert totals.side_params == sum(row.params for row in book.rows if row.side)
    assert totals.side_macs == sum(row.macs for row in book.rows if row.side)
    assert totals.flow_values == totals.values + volume.height * volume.width * volume.depth
    assert totals.param_bytes == 4 * totals.params
    assert totals.training_state_bytes == 12 * totals.params
    assert totals.flops == 2 * totals.macs


def test_a_ledger_takes_the_steps_before_an_error() -> None:
    with pytest.raises(UnfitError) as caught:
        ledger(conv(4, 3) >> relu >> conv(2, 9), "6x6x3")
    book = Ledger.of(Volume(6, 6, 3), caught.value.steps)
    assert [row.path for row in book.rows] == ["conv1", "relu1"]
    assert book.totals.params == 112  # 4 * (27 + 1)
    nothing = Ledger.of(Volume(6, 6, 3), ())
    assert nothing.rows == ()
    assert nothing.totals.flow_values == 108


@given(fitting_nets())
def test_sizes_parameters_and_macs_equal_pytorchs(pair: tuple[Net, Volume]) -> None:
    """Plain torch modules, wired as the steps say: shapes, numel, and torch's own flop counter."""
    net, volume = pair
    book = ledger(net, volume)
    modules = built(book.steps)
    images = torch.zeros(1, volume.depth, volume.height, volume.width)
    with torch.no_grad():
        values = walk(book.steps, modules, images)
    for row, step in zip(book.rows, book.steps, strict=True):
        _, depth, height, width = values[row.path].shape
        assert (row.output.height, row.output.width, row.output.depth) == (height, width, depth)
        assert row.params == sum(weights.numel() for weights in modules[row.path].parameters())
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            if len(step.sources) == 1:
                modules[row.path](values[step.sources[0]])
        assert 2 * row.macs == counter.get_total_flops()
    assert INPUT in values


def test_a_ledger_prints_in_a_line() -> None:
    table = ledger(conv(6, 5) >> relu, "8x8x1")
    assert repr(table) == str(table) == f"<Ledger of 2 layers on 8x8x1: {table.totals}>"
