"""Networks to train from scratch in minutes: hubel's own, after the CIFAR-10 speed records.

The filters of the first layer are computed from the images, not learned. The groups after it halve the map
and have two to four 3x3 convolutions each. Pooling comes before normalisation and activation, which then cost
a quarter. In groups of more than two convolutions, each but the first has a shortcut.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import rshift

from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, fc, gelu, globalavgpool, identity, maxpool

MOST_FILTERS = {2: 32, 4: 96}
"""The most filters of a coarse first layer, by its stride."""

LARGE, LARGER = 64, 128
"""Sides in pixels from which the first layer has stride 2 and 4; twice that, up to 4, where it is coarse."""


def fast_tiny(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For seconds of training, or a slow machine: groups of 32 and 128 maps; a first layer of stride 2 or 4.

    Its filters are one pixel larger than the stride, so that they overlap, and the strongest 32 or 96 alone:
    the weakest tell little, and with them the next layer would cost half of the network. `side` is the
    shorter side of the input in pixels and `depth` its depth, here and below.
    """
    return _fast(classes, depth, side, (32, 128), 2, coarse=True)


def fast_mini(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For minutes on a slow machine: the first layer of `fast_tiny`, groups of 64 and 128 maps.

    Each has three convolutions, and a shortcut.
    """
    return _fast(classes, depth, side, (64, 128), 3, coarse=True)


def fast_small(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For a minute of training: groups of 32, 128 and 256 maps."""
    return _fast(classes, depth, side, (32, 128, 256), 2)


def fast(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For minutes of training: groups of 64, 256 and 256 maps, the widths of the record's network.

    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", section 3. Deviations: the mean of
    the last maps in place of their maximum, so that any size fits; no constant factor on the scores; no bias
    in the first layer, so that no gradient has to reach it; a larger stride and more groups for larger
    images.
    """
    return _fast(classes, depth, side, (64, 256, 256), 2)


def fast_deep(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For half an hour of training: `fast` with four convolutions per group, and shortcuts."""
    return _fast(classes, depth, side, (64, 256, 256), 4)


def fast_large(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For an hour of training: groups of 128, 384 and 512 maps, three convolutions each, and shortcuts."""
    return _fast(classes, depth, side, (128, 384, 512), 3)


def _fast(
    classes: int, depth: int, side: int, widths: tuple[int, ...], convolutions: int, *, coarse: bool = False
) -> Net:
    """The whitening layer, as many groups as reduce the map to about 4x4, and the head.

    There are 2·k whitening filters for patches of k values. If there are more groups than widths, the last
    width is repeated. `coarse` is the first layer of `fast_tiny` and `fast_mini`.
    """
    stride = 4 if side >= LARGER else 2 if side >= LARGE else 1
    patch = max(2, stride)
    if coarse:
        stride = min(4, 2 * stride)
        patch = stride + 1
    filters = 2 * patch * patch * depth
    if coarse:
        filters = min(filters, MOST_FILTERS[stride])
    groups = max(1, round(math.log2(side / stride / 4)))
    group_widths = [widths[min(group, len(widths) - 1)] for group in range(groups)]
    whiten = named("whiten", conv(filters, patch, stride=stride, bias=False)) >> gelu
    body = [
        named(f"group{number}", _group(width, convolutions))
        for number, width in enumerate(group_widths, start=1)
    ]
    return reduce(rshift, body, whiten) >> globalavgpool >> named("head", fc(classes, bias=False))


def _group(width: int, convolutions: int) -> Net:
    first = conv(width, 3, pad=1, bias=False) >> maxpool(2) >> batchnorm(momentum=0.4) >> gelu
    rest = conv(width, 3, pad=1, bias=False) >> batchnorm(momentum=0.4) >> gelu
    return first >> (convolutions - 1) * (rest if convolutions == 2 else identity + rest)
