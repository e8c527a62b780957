"""Parts that several papers share: a convolution with its normalisation, squeeze and excitation, widths."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import rshift

from hubel.net.algebra import Net, gate, named
from hubel.net.names import conv, globalavgpool, identity, relu, sigmoid


def chain(parts: Iterable[Net]) -> Net:
    """Returns the parts one after the other."""
    return reduce(rshift, parts)


def squeeze(depth: int, inner: int, activation: Net = relu, factor: Net = sigmoid) -> Net:
    """Returns squeeze and excitation: each map times a factor that the means of all maps make.

    Source: Hu et al. 2017, section 3; `inner` is the number of hidden units, the paper's C/r.
    """
    down, up = named("reduce", conv(inner, 1)), named("expand", conv(depth, 1))
    return named("squeeze", gate(globalavgpool >> down >> activation >> up >> factor))


def inverted_residual(body: Net, depth: int, filters: int, stride: int) -> Net:
    """Returns the body, with a shortcut where it keeps the size. Source: Sandler et al. 2018, section 3.3."""
    return body + identity if (depth, stride) == (filters, 1) else body


def divisible(width: float, by: int = 8) -> int:
    """Returns the nearest multiple, one more where that is more than a tenth below.

    Source: Google's code of MobileNet and EfficientNet, `_make_divisible`; its paper prints the results.
    """
    nearest = max(by, int(width + by / 2) // by * by)
    return nearest + by if nearest < 0.9 * width else nearest
