"""The ledger's `backward_bytes` compared with what autograd really saves, by saved-tensor hooks."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from hubel import (
    Net,
    Volume,
    adaptiveavgpool,
    batchnorm,
    build,
    conv,
    dropout,
    fc,
    globalavgpool,
    identity,
    ledger,
    lrn,
    maxpool,
    named,
    padshortcut,
    relu,
    side,
    sigmoid,
    subsample,
    tanh,
)
from hubel.zoo.pages.lenet import lenet5, lenet5_1998
from tests.module.probes import kept_for_backward, normalises_one_value, random_images
from tests.module.test_counts import LAYERS, ON
from tests.strategies import fitting_nets

MORE: list[Net] = [
    tanh(1, 2.0),
    tanh(2.0),
    lrn(1),
    lrn(4),
    lrn(3, beta=0),
    lrn(3, alpha=0, k=0),
    dropout(0),
    dropout(1),
    adaptiveavgpool(1, 1),
    adaptiveavgpool(9, 7),
    padshortcut(6),
    maxpool(1),
    subsample(1),
]
CONV = conv(6, 1)


def kept(net: Net, volume: Volume) -> int:
    return kept_for_backward(build(net, volume).train(), random_images(volume))


def agrees(net: Net, volume: Volume) -> None:
    assert ledger(net, volume).totals.backward_bytes == kept(net, volume)


@pytest.mark.parametrize("net", [*LAYERS, *MORE], ids=repr)
def test_every_layer(net: Net) -> None:
    """Alone on the image, which needs no gradient; after a trained layer; and between two of them."""
    agrees(net, ON)
    if not normalises_one_value(net, ON):
        agrees(CONV >> net, ON)
        agrees(CONV >> relu >> net >> globalavgpool, ON)
    if ledger(net, ON).rows[-1].output.depth == ON.depth:
        agrees(CONV >> net >> CONV, ON)
        agrees(CONV >> relu >> net >> CONV, ON)
        agrees(CONV >> relu >> net >> relu >> CONV, ON)
        agrees(CONV >> sigmoid >> (net | net) >> fc(2), ON)


@given(fitting_nets())
def test_random_networks(drawn: tuple[Net, Volume]) -> None:
    assume(not normalises_one_value(*drawn))
    agrees(*drawn)


def test_by_hand() -> None:
    """conv 4x4x1 -> 4x4x2: the image, 64 bytes; ReLU its output, 128; fc the same, once."""
    assert kept(conv(2, 3, pad=1) >> relu >> fc(3), Volume(4, 4, 1)) == 64 + 128
    assert kept(conv(2, 3, pad=1) >> maxpool(2), Volume(4, 4, 1)) == 64 + 128 + 8 * 2 * 2 * 2
    assert kept(relu >> maxpool(2) >> lrn, Volume(4, 4, 1)) == 0


def test_side_heads_and_skips() -> None:
    skip = (conv(6, 3, pad=1) >> batchnorm >> relu >> conv(6, 3, pad=1) >> batchnorm) + identity
    agrees(2 * named("block", skip >> relu) >> side("aux", globalavgpool >> fc(3)) >> fc(3), ON)


@pytest.mark.parametrize("net", [lenet5(), lenet5_1998()], ids=["today", "1998"])
def test_lenet(net: Net) -> None:
    agrees(net, Volume(32, 32, 1))
