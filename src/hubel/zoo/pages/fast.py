"""Networks to train from nothing in minutes: hubel's own, after the CIFAR-10 speed records.

A first layer whose filters are computed, not learned; then groups that halve the map, each of two to
four convolutions of 3x3. Pooling comes before normalisation and activation, which then cost a quarter.
Where a group has more than two convolutions, a shortcut passes each but the first.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import rshift

from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, fc, gelu, globalavgpool, identity, maxpool

LARGE, LARGER = 64, 128
"""Sides in pixels from which the first layer moves by 2, and by 4; `fast_tiny`'s by 4 from the former."""


def fast_tiny(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For seconds, or for a slow machine: groups of 32 and 128 maps; a first layer with a step of 2, or 4.

    Its patches are a pixel wider than the step, so that they overlap. `side` and `depth` are the input's, in
    pixels and maps, here and below.
    """
    return _fast(classes, depth, side, (32, 128), 2, coarse=True)


def fast_small(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For a minute: groups of 32, 128 and 256 maps."""
    return _fast(classes, depth, side, (32, 128, 256), 2)


def fast(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For minutes: groups of 64, 256 and 256 maps, the widths of the record's network.

    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", section 3. Deviations: the mean
    of the last maps in place of their maximum, so that any size fits; no constant factor on the scores;
    no bias in the first layer, so that no gradient has to reach it; a larger step and more groups for larger
    images.
    """
    return _fast(classes, depth, side, (64, 256, 256), 2)


def fast_deep(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For half an hour: `fast` with four convolutions a group, and shortcuts."""
    return _fast(classes, depth, side, (64, 256, 256), 4)


def fast_large(classes: int = 10, depth: int = 3, side: int = 32) -> Net:
    """For an hour: groups of 128, 384 and 512 maps, three convolutions each, and shortcuts."""
    return _fast(classes, depth, side, (128, 384, 512), 3)


def _fast(
    classes: int, depth: int, side: int, widths: tuple[int, ...], convolutions: int, *, coarse: bool = False
) -> Net:
    """The whitening layer, as many groups as leave maps of about 4x4, the head.

    A patch of k values has 2·k whitening filters. More groups than widths repeat the last.
    """
    stride = 4 if side >= LARGER else 2 if side >= LARGE else 1
    patch = max(2, stride)
    if coarse:
        stride = min(4, 2 * stride)
        patch = stride + 1
    groups = max(1, round(math.log2(side / stride / 4)))
    wide = [widths[min(group, len(widths) - 1)] for group in range(groups)]
    whiten = named("whiten", conv(2 * patch * patch * depth, patch, stride=stride, bias=False)) >> gelu
    body = [
        named(f"group{number}", _group(width, convolutions)) for number, width in enumerate(wide, start=1)
    ]
    return reduce(rshift, body, whiten) >> globalavgpool >> named("head", fc(classes, bias=False))


def _group(width: int, convolutions: int) -> Net:
    first = conv(width, 3, pad=1, bias=False) >> maxpool(2) >> batchnorm(momentum=0.4) >> gelu
    rest = conv(width, 3, pad=1, bias=False) >> batchnorm(momentum=0.4) >> gelu
    return first >> (convolutions - 1) * (rest if convolutions == 2 else identity + rest)
