"""The layers that slide a window over their input: convolution and pooling.

Sizes are one number for both axes or a pair (height, width).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hubel.errors import NetworkError, SizeError
from hubel.net.layer import FLOAT_BYTES, INDEX_BYTES, Keeps, Layer, Ready, settle, truth, whole
from hubel.net.volume import LARGEST, Volume
from hubel.net.window import Pair, Size, Window, pair, pair_text, size_of

Links: TypeAlias = tuple[tuple[int, ...], ...]
Pad: TypeAlias = Size | Literal["same"]


class Sliding(Layer):
    """A layer that slides a window over its input."""

    __slots__ = ()

    def _depth(self, seen: Volume) -> int:
        return seen.depth

    def output(self, *seen: Volume) -> Volume:
        window = self.window(seen[0])
        high, wide = window.places(seen[0].plane)
        if min(high, wide) < 1:
            least = f"{window.rows.least}x{window.columns.least}"
            raise SizeError(f"{window.formula(seen[0].plane)}; at least {least} fits")
        return Volume(high, wide, self._depth(seen[0]))

    def formula(self, *seen: Volume) -> str:
        return self.window(seen[0]).formula(seen[0].plane)


@dataclass(frozen=True, slots=True, repr=False)
class Conv(Sliding):
    """Convolution: `filters` filters of `size`, each a dot product at every place.

    `groups` cuts input and filters into that many towers that do not see one another (AlexNet's
    two GPUs; as many as there are filters makes it depthwise). `links` says for each filter which
    input maps it sees, counted from 0 (LeNet-5's table for C3). `pad="same"` is TensorFlow's: as many
    zeros as ceil(N/S) places need, an odd one on the far side.
    """

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    groups: int = 1
    bias: bool = True
    dilation: Size = 1
    links: Links | None = None

    def __post_init__(self) -> None:
        whole(self, "filters", self.filters)
        whole(self, "groups", self.groups)
        truth(self, "bias", self.bias)
        settle(
            self,
            size=size_of(self.kind, "size", self.size, 1),
            stride=size_of(self.kind, "stride", self.stride, 1),
            pad=_pad(self.kind, self.pad),
            dilation=size_of(self.kind, "dilation", self.dilation, 1),
        )
        if self.filters % self.groups:
            raise NetworkError(f"conv: {self.filters} filters cannot be cut into {self.groups} equal groups")
        if self.links is not None:
            settle(self, links=_links(self.links, self.filters, self.groups))

    def _depth(self, seen: Volume) -> int:
        if seen.depth % self.groups:
            raise SizeError(f"depth {seen.depth} cannot be cut into {self.groups} equal groups")
        highest = max((max(maps) for maps in self.links), default=0) if self.links else 0
        if highest >= seen.depth:
            raise SizeError(
                f"links name input map {highest}, but depth {seen.depth} has maps 0 to {seen.depth - 1}"
            )
        return self.filters

    def window(self, seen: Volume) -> Window:
        if self.pad == "same":
            return Window.same(seen.plane, self.size, self.stride, self.dilation)
        return Window.of(self.size, self.stride, self.pad, self.dilation)

    @property
    def most_pad(self) -> Pair:
        rows, columns = Window.of(self.size, dilation=self.dilation).axes
        return rows.reach - 1, columns.reach - 1  # any more, and a window sees nothing but padding

    def weights(self, seen: Volume) -> int:
        """How many weights the filters have, biases apart."""
        maps = sum(map(len, self.links)) if self.links else self.filters * (seen.depth // self.groups)
        return maps * self.window(seen).area

    def params(self, seen: Volume) -> int:
        return self.weights(seen) + self.filters * self.bias

    def macs(self, seen: Volume) -> int:
        high, wide = self.output(seen).plane
        return self.weights(seen) * high * wide

    def keeps(self, seen: Volume) -> Keeps:
        window = self.window(seen)
        dense = self.filters * seen.depth * window.area if self.links else 0
        if not any(axis.odd for axis in window.axes):
            return Keeps(input=True, more=dense * FLOAT_BYTES)
        copy = (seen.height + window.rows.odd) * (seen.width + window.columns.odd) * seen.depth
        return Keeps(more=(dense + copy) * FLOAT_BYTES)  # the copy with the odd zeros, not the input


class _Pool(Sliding):
    """Pooling: each map by itself, a window reduced to one value."""

    __slots__ = ()
    size: Size
    stride: Size | None
    pad: Size
    ceil: bool

    def __post_init__(self) -> None:
        truth(self, "ceil", self.ceil)
        size = size_of(self.kind, "size", self.size, 1)
        stride = size if self.stride is None else size_of(self.kind, "stride", self.stride, 1)
        settle(
            self,
            size=size,
            stride=None if stride == size else stride,
            pad=size_of(self.kind, "pad", self.pad, 0),
        )
        if any(most < pad for most, pad in zip(self.most_pad, pair(self.pad), strict=True)):
            most = pair_text(self.most_pad)
            raise NetworkError(f"{self.kind}: pad is at most {most}, half the size, not {self.pad}")

    @property
    def most_pad(self) -> Pair:
        high, wide = pair(self.size)
        return high // 2, wide // 2

    def window(self, seen: Volume) -> Window:
        stride = self.size if self.stride is None else self.stride
        return Window.of(self.size, stride, self.pad, ceil=self.ceil)


@dataclass(frozen=True, slots=True, repr=False)
class MaxPool(_Pool):
    """The largest value of each window. `stride` is the size unless said; padding never wins."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=True, more=INDEX_BYTES * self.output(seen).values)


@dataclass(frozen=True, slots=True, repr=False)
class AvgPool(_Pool):
    """The mean of each window, zeros of the padding counted. `stride` is the size unless said."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Subsample(Sliding, Ready):
    """LeNet's trainable pooling: the sum of a window, times a coefficient, plus a bias, one pair a map.

    Source: LeCun et al. 1998, section II.B, layers S2 and S4.
    """

    size: Size = 2

    def __post_init__(self) -> None:
        settle(self, size=size_of(self.kind, "size", self.size, 1))

    def window(self, seen: Volume) -> Window:
        return Window.of(self.size, self.size)

    def params(self, seen: Volume) -> int:
        return 2 * seen.depth

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=True, more=FLOAT_BYTES * self.output(seen).values, relays=True)


@dataclass(frozen=True, slots=True, repr=False)
class PadShortcut(Sliding):
    """Every `stride`-th place, and maps of zeros up to `filters`: ResNet's shortcut without parameters.

    Source: He et al. 2015, section 3.3, option A.
    """

    filters: int
    stride: Size = 1

    def __post_init__(self) -> None:
        whole(self, "filters", self.filters)
        settle(self, stride=size_of(self.kind, "stride", self.stride, 1))

    def _depth(self, seen: Volume) -> int:
        if seen.depth > self.filters:
            raise SizeError(f"depth {seen.depth} cannot be padded to {self.filters}")
        return self.filters

    def window(self, seen: Volume) -> Window:
        return Window.of(1, self.stride)

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=True, relays=True)


def _pad(owner: str, value: object) -> Pad:
    """Checks the padding. Raises NetworkError: neither a size nor "same"."""
    if value == "same":
        return "same"
    try:
        return size_of(owner, "pad", value, 0)
    except NetworkError as error:
        raise NetworkError(f'{error}; or "same"' if isinstance(value, str) else str(error)) from None


def _links(links: object, filters: int, groups: int) -> Links:
    """Checks a table of links and returns it as tuples."""
    if not isinstance(links, (tuple, list)) or len(links) != filters:
        raise NetworkError(f"conv: links have one entry for each of the {filters} filters")
    if groups != 1:
        raise NetworkError("conv: links and groups exclude each other")
    table = tuple(tuple(maps) if isinstance(maps, (tuple, list)) else () for maps in links)
    for number, maps in enumerate(table):
        counted = all(type(index) is int and 0 <= index <= LARGEST for index in maps)
        if not counted or not len(set(maps)) == len(maps) > 0:
            raise NetworkError(
                f"conv: links[{number}] lists different input maps, counted from 0, not {maps!r}"
            )
    return table
