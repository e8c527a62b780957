"""Networks drawn by hypothesis.

`nets()` draws any network one can write, whether or not it fits anything. `fitting_nets()` draws a
network with an input volume that it fits.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from hypothesis import strategies as st

from hubel.net.algebra import Net, gate, named, side
from hubel.net.layer import Layer
from hubel.net.names import (
    adaptiveavgpool,
    avgpool,
    batchnorm,
    conv,
    convtranspose,
    dropout,
    droppath,
    elu,
    fc,
    gelu,
    globalavgpool,
    groupnorm,
    hardsigmoid,
    hardswish,
    identity,
    layernorm,
    layerscale,
    leakyrelu,
    lrn,
    maxpool,
    mish,
    padshortcut,
    part,
    prelu,
    rbf,
    relu,
    relu6,
    shuffle,
    sigmoid,
    silu,
    softmax,
    softplus,
    subsample,
    tanh,
    upsample,
)
from hubel.net.sliding import AvgPool
from hubel.net.volume import Volume
from hubel.net.window import Padding

PLACES: list[Layer] = [
    *(
        relu,
        relu6,
        leakyrelu,
        prelu,
        elu,
        gelu,
        gelu(True),
        silu,
        hardswish,
        mish,
        softplus,
        tanh,
        sigmoid,
        hardsigmoid,
    ),
    *(batchnorm, layernorm, layerscale, dropout, droppath, identity),
]
"""Layers that keep the size and treat each place by itself."""

# --- any network one can write -------------------------------------------------------------------


def sizes(least: int, most: int) -> st.SearchStrategy[int | tuple[int, int]]:
    """One number for both axes, or (height, width)."""
    side_of = st.integers(least, most)
    return st.one_of(side_of, st.tuples(side_of, side_of))


def paddings(most: int) -> st.SearchStrategy[Any]:
    """One number, (height, width), or (top, bottom, left, right)."""
    zeros = st.integers(0, most)
    return sizes(0, most) | st.tuples(zeros, zeros, zeros, zeros)


def reals(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def _convs(draw: st.DrawFn) -> Layer:
    groups = draw(st.integers(1, 4))
    filters = groups * draw(st.integers(1, 64))
    links = None
    if groups == 1 and filters <= 8 and draw(st.booleans()):
        maps = st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True).map(tuple)
        links = tuple(draw(st.lists(maps, min_size=filters, max_size=filters)))
    ceil = draw(st.booleans())
    return conv(
        filters,
        draw(sizes(1, 11)),
        stride=draw(sizes(1, 4)),
        pad=draw(paddings(5) if ceil else paddings(5) | st.just("same")),
        groups=groups,
        bias=draw(st.booleans()),
        dilation=draw(sizes(1, 3)),
        links=links,
        pad_mode="zeros" if ceil else draw(st.sampled_from(["zeros", "reflect", "replicate"])),
        ceil=ceil,
    )


@st.composite
def _transposed(draw: st.DrawFn) -> Layer:
    groups = draw(st.integers(1, 4))
    return convtranspose(
        groups * draw(st.integers(1, 64)),
        draw(sizes(1, 5)),
        stride=draw(sizes(2, 4)),
        pad=draw(sizes(0, 2)),
        output_pad=draw(sizes(0, 1)),
        groups=groups,
        bias=draw(st.booleans()),
        dilation=draw(sizes(1, 3)),
    )


@st.composite
def _parts(draw: st.DrawFn) -> Layer:
    of = draw(st.integers(1, 9))
    number = draw(st.integers(1, of))
    return part(number, of, to=draw(st.none() | st.integers(number, of)))


@st.composite
def _pools(draw: st.DrawFn) -> Layer:
    make = draw(st.sampled_from([maxpool, avgpool]))
    size = draw(sizes(1, 5))
    most = min(size) // 2 if isinstance(size, tuple) else size // 2
    stride = draw(st.none() | sizes(1, 4))
    ceil = draw(st.booleans())
    found = make(size, stride, pad=draw(sizes(0, most) if ceil else paddings(most)), ceil=ceil)
    return replace(found, count_pad=draw(st.booleans())) if isinstance(found, AvgPool) else found


def layers() -> st.SearchStrategy[Layer]:
    """Any layer one can type, with any arguments."""
    counts = st.integers(1, 5000)
    return st.one_of(
        st.sampled_from([globalavgpool, *PLACES, lrn, softmax, subsample, prelu(True)]),
        _convs(),
        _pools(),
        st.builds(adaptiveavgpool, counts, counts),
        sizes(1, 4).map(subsample),
        reals(1e-3, 100).map(relu),
        st.builds(tanh, reals(0, 3), reals(0, 3)),
        st.builds(lrn, st.integers(1, 9), reals(0, 1), reals(0, 1), reals(0, 5)),
        st.builds(lrn, st.sampled_from([1, 3, 5]), within=st.just(True)),
        st.builds(groupnorm, counts, reals(0, 1)),
        st.builds(leakyrelu, reals(0, 3)),
        st.builds(elu, reals(0, 3)),
        st.builds(layernorm, reals(0, 1)),
        st.builds(layerscale, reals(0, 1)),
        st.builds(droppath, reals(0, 1)),
        st.builds(shuffle, counts),
        st.builds(upsample, sizes(1, 5), st.sampled_from(["nearest", "bilinear"])),
        _transposed(),
        _parts(),
        st.builds(batchnorm, reals(0, 1), reals(0, 1)),
        reals(0, 1).map(dropout),
        st.builds(fc, counts, bias=st.booleans()),
        st.builds(rbf, counts),
        st.builds(padshortcut, counts, sizes(1, 3)),
    )


def names() -> st.SearchStrategy[str]:
    """What `named` and `side` accept, letters beyond ASCII included."""
    return st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,7}", fullmatch=True) | st.sampled_from(["größe", "слой"])


def nets(max_leaves: int = 12) -> st.SearchStrategy[Net]:
    """Any network one can write: every layer, every operator, every nesting."""

    def larger(inner: st.SearchStrategy[Net]) -> st.SearchStrategy[Net]:
        return st.one_of(
            st.builds(operator.rshift, inner, inner),
            st.builds(operator.or_, inner, inner),
            st.builds(operator.add, inner, inner),
            st.builds(operator.mul, st.integers(1, 3), inner),
            st.builds(gate, inner),
            st.builds(named, names(), inner),
            st.builds(side, names(), inner, reals(1e-3, 10)),
        )

    small: st.SearchStrategy[Net] = layers()
    return st.recursive(small, larger, max_leaves=max_leaves)


# --- networks that fit ---------------------------------------------------------------------------


@st.composite
def fitting_nets(draw: st.DrawFn, *, dense: bool = False) -> tuple[Net, Volume]:
    """A network and an input volume that it fits.

    With branches, sums, names, copies, side heads, groups, dilation, ceil pooling. `dense` leaves
    out windows with holes or gaps in padded places, so that what a unit sees is all of its box.
    """
    volume = draw(st.builds(Volume, st.integers(4, 13), st.integers(4, 13), st.integers(1, 4)))
    builder = _Builder(draw, dense)
    net, end = builder.flow(volume, levels=2)
    if draw(st.booleans()):
        tail: Net = fc(draw(st.integers(1, 6)), bias=draw(st.booleans()))
        if draw(st.booleans()):
            tail = globalavgpool >> tail >> softmax
        net = net >> draw(st.sampled_from([relu, dropout, identity])) >> tail
    else:
        net = net >> batchnorm if end.values > 1 else net
    return net, volume


@dataclass
class _Builder:
    """Draws parts that fit the volume which reaches them; every name it gives is a new one."""

    draw: st.DrawFn
    dense: bool
    given: int = field(default=0)

    def flow(self, volume: Volume, levels: int) -> tuple[Net, Volume]:
        """One to three parts in a chain."""
        net, volume = self.part(volume, levels)
        for _ in range(self.draw(st.integers(0, 2))):
            more, volume = self.part(volume, levels)
            net = net >> more
        return net, volume

    def part(self, volume: Volume, levels: int) -> tuple[Net, Volume]:
        kinds = ["slide", "place"]
        if levels:
            kinds += ["slide", "maps", "beside", "plus", "gate", "named", "times", "side"]
        match self.draw(st.sampled_from(kinds)):
            case "slide":
                return self._layer(volume, self.slide(volume))
            case "place":
                return self._layer(volume, self.place())
            case "maps":
                return self._layer(volume, self.maps(volume))
            case "gate":
                return self.gated(volume, levels - 1), volume
            case "beside":
                return self.branches(volume, levels - 1, added=False)
            case "plus":
                return self.branches(volume, levels - 1, added=True)
            case "named":
                net, end = self.flow(volume, levels - 1)
                return named(self.name(), net), end
            case "times":
                net = self.same(volume, levels - 1, volume.depth)
                return self.draw(st.integers(1, 3)) * net, volume
            case _:
                head, _ = self.flow(volume, levels - 1)
                return side(self.name(), head >> self.place(), weight=0.5), volume

    def branches(self, volume: Volume, levels: int, *, added: bool) -> tuple[Net, Volume]:
        """Branches that keep the plane, then all slide the same window."""
        depth = self.draw(st.integers(1, 4))
        shape = self.window(volume) if self.draw(st.booleans()) else None
        ends: list[Net] = []
        total = 0
        for _ in range(self.draw(st.integers(2, 3))):
            filters = depth if added else self.draw(st.integers(1, 4))
            branch = self.same(volume, levels, None if shape else filters)
            if shape:
                branch = branch >> conv(filters, **shape)
            total += filters
            ends.append(branch)
        net = functools.reduce(operator.add if added else operator.or_, ends)
        plane = conv(1, **shape).output(volume).plane if shape else volume.plane
        return net, Volume(*plane, depth if added else total)

    def same(self, volume: Volume, levels: int, depth: int | None) -> Net:
        """A network that keeps the plane and, where it is given, leaves with this depth."""
        if depth in (None, volume.depth) and self.draw(st.booleans()):
            return self.place()
        size = self.draw(st.sampled_from([1, 3]))
        filters = depth or self.draw(st.integers(1, 4))
        net: Net = conv(filters, size, pad=size // 2)
        if depth is not None and depth >= volume.depth and self.draw(st.booleans()):
            net = padshortcut(depth)
        if self.draw(st.booleans()):
            pool = self.draw(st.sampled_from([maxpool, avgpool]))
            net = pool(3, 1, pad=1) >> net
        if levels and self.draw(st.booleans()):
            inner = self.same(Volume(*volume.plane, filters), levels - 1, filters)
            net = net >> named(self.name(), inner)
        return net

    def place(self) -> Layer:
        return self.draw(st.sampled_from([*PLACES, lrn, lrn(3)]))

    def maps(self, volume: Volume) -> Layer:
        """A layer that works on groups of maps."""
        groups = self.draw(st.sampled_from([n for n in range(1, 5) if volume.depth % n == 0]))
        number = self.draw(st.integers(1, groups))
        last = self.draw(st.integers(number, groups))
        norm = groupnorm(groups) if groups < volume.values else shuffle(groups)
        return self.draw(st.sampled_from([shuffle(groups), part(number, groups, to=last), norm]))

    def gated(self, volume: Volume, levels: int) -> Net:
        """A gate per map, per place, or per value."""
        match self.draw(st.sampled_from(["map", "place", "value"])):
            case "map":
                return gate(globalavgpool >> conv(volume.depth, 1) >> sigmoid)
            case "place":
                return gate(self.same(volume, levels, 1) >> sigmoid)
            case _:
                return gate(self.same(volume, levels, volume.depth))

    def slide(self, volume: Volume) -> Layer:
        """Anything with a window that fits."""
        kinds = ["conv", "conv", "padded", "pool", "grow", "subsample", "shortcut", "adaptive"]
        match self.draw(st.sampled_from(kinds)):
            case "conv":
                groups = self.draw(st.sampled_from([n for n in range(1, 5) if volume.depth % n == 0]))
                filters = groups * self.draw(st.integers(1, 3))
                bias = self.draw(st.booleans())
                return conv(filters, **self.window(volume), groups=groups, bias=bias)
            case "padded":
                return self.padded(volume)
            case "pool":
                shape = self.window(volume, pool=True)
                make = self.draw(st.sampled_from([maxpool, avgpool]))
                found = make(**shape, ceil=self.draw(st.booleans()))
                counts = self.draw(st.booleans())
                return replace(found, count_pad=counts) if isinstance(found, AvgPool) else found
            case "grow":
                return self.grow(volume)
            case "subsample":
                return subsample(self.draw(st.integers(1, min(3, *volume.plane))))
            case "shortcut":
                depth = volume.depth + self.draw(st.integers(0, 2))
                return padshortcut(depth, self.draw(sizes(1, 2)))
            case _:
                return adaptiveavgpool(self.draw(st.integers(1, 6)), self.draw(st.integers(1, 6)))

    def padded(self, volume: Volume) -> Layer:
        """A convolution or pooling whose sides differ, that rounds up, or that repeats its input."""
        size = self.draw(st.integers(1, min(3, *volume.plane)))
        stride = self.draw(st.integers(1, size))
        pad = self.draw(st.tuples(*[st.integers(0, size // 2)] * 4))
        match self.draw(st.sampled_from(["sides", "mode", "ceil", "pool"])):
            case "sides":
                return conv(2, size, stride=stride, pad=pad)
            case "mode":
                mode = self.draw(st.sampled_from(get_args(Padding)))
                return conv(2, size, stride=stride, pad=pad, pad_mode=mode)
            case "ceil":
                return conv(2, size, stride=stride, pad=0 if self.dense else 1, ceil=True)
            case _:
                pool: type[Layer] = self.draw(st.sampled_from([maxpool, avgpool]))
                return pool(size, stride, pad=pad)  # type: ignore[call-arg]  # of both

    def grow(self, volume: Volume) -> Layer:
        """A layer with more places than its input has."""
        if max(volume.plane) > 40:
            return self.padded(volume)
        if self.draw(st.booleans()):
            return upsample(self.draw(sizes(1, 3)), self.draw(st.sampled_from(["nearest", "bilinear"])))
        stride = self.draw(st.integers(1, 3))
        size = self.draw(st.integers(stride if self.dense else 1, 4))
        pad = self.draw(st.integers(0, (size - 1) // 2)) if min(volume.plane) > 1 else 0
        added = 0 if self.dense else self.draw(st.integers(0, stride - 1))
        dilation = 1 if self.dense else self.draw(st.integers(1, 2))
        groups = self.draw(st.sampled_from([n for n in (1, 2) if volume.depth % n == 0]))
        return convtranspose(2 * groups, size, stride, pad, added, groups, dilation=dilation)

    def window(self, volume: Volume, *, pool: bool = False) -> dict[str, Any]:
        """The arguments of a window that fits, height and width each with their own."""
        axes = [self.axis(length, pool=pool) for length in volume.plane]
        shape: dict[str, Any] = {
            key: (axes[0][at], axes[1][at]) for at, key in enumerate(("size", "stride", "pad"))
        }
        if not pool:
            shape["dilation"] = (axes[0][3], axes[1][3])
        return shape

    def axis(self, length: int, *, pool: bool) -> tuple[int, int, int, int]:
        size = self.draw(st.integers(1, min(4, length)))
        pad = self.draw(st.integers(0, size // 2 if pool or self.dense else 2))
        dilation = 1
        if not pool and size > 1 and not (self.dense and pad):
            dilation = self.draw(st.integers(1, max(1, min(3, (length - 1) // (size - 1)))))
        stride = self.draw(st.integers(1, size if self.dense and pad else 3))
        return size, stride, pad, dilation

    def name(self) -> str:
        """A new name, without a digit at its end, where copies take their number."""
        self.given += 1
        return f"part_{chr(ord('a') + self.given % 26)}{'x' * (self.given // 26)}"

    @staticmethod
    def _layer(volume: Volume, layer: Layer) -> tuple[Net, Volume]:
        return layer, layer.output(volume)
