"""Receptive fields compared with a gradient probe: the pixels that change a unit of the built module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel import (
    Net,
    Volume,
    adaptiveavgpool,
    avgpool,
    build,
    conv,
    globalavgpool,
    identity,
    ledger,
    named,
    padshortcut,
    subsample,
)
from hubel.net.field import Box
from tests.module.probes import random_images, scores_of

NETS: list[Net] = [
    conv(2, 3),
    conv(2, 3, pad=1) >> conv(2, 3, pad=1),
    conv(2, 5, stride=2, pad=2) >> avgpool(2) >> conv(2, 2),
    conv(2, (3, 5), stride=(1, 2), pad=(1, 0)) >> avgpool((2, 3), 1),
    avgpool(3, 2, pad=1, ceil=True) >> conv(2, 2),
    conv(2, 3, pad=1) >> subsample(2) >> conv(2, 2),
    (conv(2, 5, pad=2) + identity) >> avgpool(2),
    conv(2, 1) | conv(2, 3, pad=1) | conv(2, 5, pad=2) | avgpool(3, 1, pad=1) >> conv(2, 1),
    3 * named("block", conv(2, 3, pad=1) + identity) >> avgpool(3, 2),
    conv(2, 3, stride=2, pad=1) + padshortcut(2, 2),
    conv(2, 3, groups=2, pad=1) >> adaptiveavgpool(3, 4),
    conv(2, 3) >> adaptiveavgpool(4, 3) >> conv(2, 2),
    avgpool(2) >> globalavgpool,
    conv(2, 3, links=((0,), (0, 1)), pad=1) >> avgpool(2),
]
ON = Volume(11, 10, 2)


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_the_box_is_where_the_gradient_is(net: Net) -> None:
    """Weights above 0 and no ReLU: nothing cancels, so the gradient is exactly the field."""
    module = build(net, ON).double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(0.5, 1.5)
    assert not any(isinstance(part, nn.ReLU) for part in module.modules())
    table = ledger(net, ON)
    images = random_images(ON).double().requires_grad_()
    out = scores_of(module(images))
    out = out if out.ndim == 4 else out[:, :, None, None]
    path = table.rows[-1].path
    for row in range(out.shape[2]):
        for column in range(out.shape[3]):
            unit = out[0, :, row, column].sum()
            gradient = torch.autograd.grad(unit, images, retain_graph=True)[0]
            moved = gradient[0].abs().sum(0).nonzero()
            (top, left), (bottom, right) = moved.min(0).values.tolist(), moved.max(0).values.tolist()
            assert table.field(path, row, column, clipped=True) == Box(top, left, bottom, right)


def test_the_rows_size_is_what_an_inner_unit_sees() -> None:
    """Two 3x3 filters see 5x5, three see 7x7. Source: Simonyan and Zisserman 2014, section 2.3."""
    volume = Volume(15, 15, 1)
    for number, size in ((2, 5), (3, 7)):
        net = number * conv(1, 3, pad=1)
        module = build(net, volume)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.fill_(1)
        images = random_images(volume).requires_grad_()
        scores_of(module(images))[0, 0, 7, 7].backward()  # type: ignore[no-untyped-call]
        assert images.grad is not None
        assert int((images.grad != 0).sum()) == size * size
        assert ledger(net, volume).rows[-1].field.size == (size, size)
