"""The layers that slide a window over their input: convolution and pooling.

`size`, `stride`, `pad` and `dilation` are one number for both axes or a pair (height, width); `pad` may also
be (top, bottom, left, right).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, get_args

from hubel.errors import NetworkError, SizeError
from hubel.net.axes import RaisedAxis
from hubel.net.layer import FLOAT_BYTES, INDEX_BYTES, Keeps, Layer, Ready, assign, check_count, check_flag
from hubel.net.norms import check_groups
from hubel.net.volume import LARGEST, Volume
from hubel.net.window import (
    Pad,
    Padding,
    Pair,
    Sides,
    Size,
    Window,
    pad_of,
    pair,
    pair_text,
    sides_of,
    size_of,
    zeros_of,
)

Links: TypeAlias = tuple[tuple[int, ...], ...]


class Sliding(Layer):
    """A layer that slides a window over its input."""

    __slots__ = ()

    def _depth(self, volume: Volume) -> int:
        return volume.depth

    def output(self, *inputs: Volume) -> Volume:
        window = self.window(inputs[0])
        high, wide = window.positions(inputs[0].plane)
        if min(high, wide) < 1:
            least = f"{window.rows.least}x{window.columns.least}"
            raise SizeError(f"{window.formula(inputs[0].plane)}; at least {least} fits")
        return Volume(high, wide, self._depth(inputs[0]))

    def formula(self, *inputs: Volume) -> str:
        return self.window(inputs[0]).formula(inputs[0].plane)


@dataclass(frozen=True, slots=True, repr=False)
class Conv(Sliding):
    """Convolution with `filters` filters of `size`: height x width x depth to height' x width' x filters.

        conv(64, 3, pad=1)                           64 filters of 3x3 that keep the size
        conv(96, 11, stride=4)                       AlexNet's first layer
        conv(32, 3, pad=1, groups=32)                depthwise, on an input of depth 32
        conv(64, 3, pad=1, bias=False) >> batchnorm  the bias is batchnorm's
        conv(8, 3, pad=(0, 2, 1, 1))                 rows of zeros at the bottom only
        conv(8, 3, pad=1, pad_mode="reflect")        no zeros: the map mirrored at its edges

    The output has (N - F + 2P)/S + 1 positions along an axis of N values, rounded down; with `ceil` rounded
    up, as in cuda-convnet, where the last window reads zeros past the padding. `groups` splits the input maps
    and the filters into groups that do not see each other (AlexNet's two GPUs). `links` lists for each filter
    the input maps it sees, counted from 0 (LeNet-5's C3). `pad="same"` is TensorFlow's: it pads to ceil(N/S)
    positions, and of an odd number of zeros the last is on the far side. `pad_mode` is "zeros", "reflect" or
    "replicate".

    Raises NetworkError: an argument out of range. On an input it does not fit, `trace` raises an error.
    """

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    groups: int = 1
    bias: bool = True
    dilation: Size = 1
    links: Links | None = None
    pad_mode: Padding = "zeros"
    ceil: bool = False

    def __post_init__(self) -> None:
        check_count(self, "filters", self.filters)
        check_count(self, "groups", self.groups)
        check_flag(self, "bias", self.bias)
        check_flag(self, "ceil", self.ceil)
        assign(
            self,
            size=size_of(self.kind, "size", self.size, 1),
            stride=size_of(self.kind, "stride", self.stride, 1),
            pad=pad_of(self.kind, self.pad),
            dilation=size_of(self.kind, "dilation", self.dilation, 1),
        )
        if self.filters % self.groups:
            raise NetworkError(f"conv: {self.filters} filters cannot be cut into {self.groups} equal groups")
        if self.pad_mode not in get_args(Padding):
            raise NetworkError(f"conv: pad_mode is {', '.join(get_args(Padding))}, not {self.pad_mode!r}")
        if self.ceil and (self.pad == "same" or self.pad_mode != "zeros"):
            raise NetworkError('conv: ceil adds zeros of its own, which excludes pad="same" and pad_mode')
        if self.links is not None:
            assign(self, links=_links(self.links, self.filters, self.groups))

    def _depth(self, volume: Volume) -> int:
        check_groups(volume.depth, self.groups)
        highest = max((max(maps) for maps in self.links), default=0) if self.links else 0
        if highest >= volume.depth:
            raise SizeError(
                f"links name input map {highest}, but depth {volume.depth} has maps 0 to {volume.depth - 1}"
            )
        return self.filters

    def output(self, *inputs: Volume) -> Volume:
        if self.pad_mode == "reflect":
            for axis, side in zip(self.window(inputs[0]).axes, inputs[0].plane, strict=True):
                if axis.even + max(axis.extra) >= side:
                    raise SizeError(f"a side of {side} can be mirrored by at most {side - 1} values")
        return Sliding.output(self, *inputs)

    def window(self, volume: Volume) -> Window:
        if self.pad == "same":
            window = Window.same(volume.plane, self.size, self.stride, self.dilation)
        else:
            window = Window.of(self.size, self.stride, self.pad, self.dilation)
        if self.ceil:
            raised = (RaisedAxis.up(axis, side) for axis, side in zip(window.axes, volume.plane, strict=True))
            return Window(*raised)
        if self.pad_mode == "zeros":
            return window
        return Window(*(replace(axis, mode=self.pad_mode) for axis in window.axes))

    @property
    def most_pad(self) -> Pair:
        rows, columns = Window.of(self.size, dilation=self.dilation).axes
        return rows.reach - 1, columns.reach - 1  # with more, a window would see padding alone

    def weights(self, volume: Volume) -> int:
        """Returns the number of weights of all filters, without the biases."""
        maps = sum(map(len, self.links)) if self.links else self.filters * (volume.depth // self.groups)
        return maps * self.window(volume).area

    def params(self, volume: Volume) -> int:
        return self.weights(volume) + self.filters * self.bias

    def macs(self, volume: Volume) -> int:
        high, wide = self.output(volume).plane
        return self.weights(volume) * high * wide

    def keeps(self, volume: Volume) -> Keeps:
        window = self.window(volume)
        dense = FLOAT_BYTES * self.filters * volume.depth * window.area if self.links else 0
        repeats = self.pad_mode != "zeros" and any(axis.zeros for axis in window.axes)
        kept = _copied(volume, window.zeros if repeats else window.extra)
        return replace(kept, input=kept.input or repeats, more=kept.more + dense, relays=repeats)


def _copied(volume: Volume, padding: Sides) -> Keeps:
    """Returns what is saved of the input: it, or in its place a copy with padding around it."""
    top, bottom, left, right = padding
    if not any(padding):
        return Keeps(input=True)
    return Keeps(
        more=FLOAT_BYTES * (volume.height + top + bottom) * (volume.width + left + right) * volume.depth
    )


class _Pool(Sliding):
    """Pooling: reduces each window of each map to one value."""

    __slots__ = ()
    size: Size
    stride: Size | None
    pad: Size | Sides
    ceil: bool

    def __post_init__(self) -> None:
        check_flag(self, "ceil", self.ceil)
        size = size_of(self.kind, "size", self.size, 1)
        stride = size if self.stride is None else size_of(self.kind, "stride", self.stride, 1)
        assign(
            self,
            size=size,
            stride=None if stride == size else stride,
            pad=zeros_of(self.kind, self.pad),
        )
        top, bottom, left, right = sides_of(self.pad)
        largest = max(top, bottom), max(left, right)
        if any(most < pad for most, pad in zip(self.most_pad, largest, strict=True)):
            most = pair_text(self.most_pad)
            raise NetworkError(f"{self.kind}: pad is at most {most}, half the size, not {self.pad}")
        if self.ceil and (top, left) != (bottom, right):
            raise NetworkError(f"{self.kind}: ceil adds padding of its own at the far sides; pad by one pair")

    @property
    def most_pad(self) -> Pair:
        high, wide = pair(self.size)
        return high // 2, wide // 2

    def window(self, volume: Volume) -> Window:
        stride = self.size if self.stride is None else self.stride
        return Window.of(self.size, stride, self.pad, ceil=self.ceil)


@dataclass(frozen=True, slots=True, repr=False)
class MaxPool(_Pool):
    """Max pooling: the largest value of each window of each map.

        maxpool(2)                 halves the size
        maxpool(3, stride=2)       overlapping windows, as in AlexNet

    `stride` is `size` by default. Padding never counts as a maximum; it is at most half the size. `ceil`
    rounds the output's size up, by PyTorch's rule: no window starts in the padding on the far side.
    """

    size: Size
    stride: Size | None = None
    pad: Size | Sides = 0
    ceil: bool = False

    def keeps(self, volume: Volume) -> Keeps:
        kept = _copied(volume, self.window(volume).extra)
        return replace(kept, more=kept.more + INDEX_BYTES * self.output(volume).values)


@dataclass(frozen=True, slots=True, repr=False)
class AvgPool(_Pool):
    """Average pooling: the mean of each window of each map.

    `stride` is `size` by default; `pad` and `ceil` are those of `maxpool`. Zeros of the padding count, unless
    `count_pad` is False: then the mean is that of the values inside.
    """

    size: Size
    stride: Size | None = None
    pad: Size | Sides = 0
    ceil: bool = False
    count_pad: bool = True

    def __post_init__(self) -> None:
        _Pool.__post_init__(self)
        check_flag(self, "count_pad", self.count_pad)
        assign(self, count_pad=self.count_pad or not any(sides_of(self.pad)))  # without padding, one way

    def keeps(self, volume: Volume) -> Keeps:
        extra = self.window(volume).extra
        kept = _copied(volume, extra)
        high, wide = self.output(volume).plane if any(extra) and not self.count_pad else (0, 0)
        return replace(kept, more=kept.more + FLOAT_BYTES * high * wide)  # the share of each window inside


@dataclass(frozen=True, slots=True, repr=False)
class Subsample(Sliding, Ready):
    """LeNet's trainable pooling: the sum of each window times a coefficient plus a bias, both per map.

    Source: LeCun et al. 1998, section II.B, layers S2 and S4.
    """

    size: Size = 2

    def __post_init__(self) -> None:
        assign(self, size=size_of(self.kind, "size", self.size, 1))

    def window(self, volume: Volume) -> Window:
        return Window.of(self.size, self.size)

    def params(self, volume: Volume) -> int:
        return 2 * volume.depth

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True, more=FLOAT_BYTES * self.output(volume).values, relays=True)


@dataclass(frozen=True, slots=True, repr=False)
class PadShortcut(Sliding):
    """ResNet's shortcut without parameters: every `stride`-th position, and maps of zeros up to `filters`.

    Raises SizeError: the input has more than `filters` maps.

    Source: He et al. 2015, section 3.3, option A.
    """

    filters: int
    stride: Size = 1

    def __post_init__(self) -> None:
        check_count(self, "filters", self.filters)
        assign(self, stride=size_of(self.kind, "stride", self.stride, 1))

    def _depth(self, volume: Volume) -> int:
        if volume.depth > self.filters:
            raise SizeError(f"depth {volume.depth} cannot be padded to {self.filters}")
        return self.filters

    def window(self, volume: Volume) -> Window:
        return Window.of(1, self.stride)

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True, relays=True)


def _links(links: object, filters: int, groups: int) -> Links:
    """Returns a checked table of links as tuples.

    Raises NetworkError: not one list of different input maps per filter, or combined with groups.
    """
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
