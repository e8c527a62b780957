"""The layers whose output has more places than their input: transposed convolution and upsampling.

Their sizes and factors are one number for both axes or a pair (height, width).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from hubel.errors import NetworkError
from hubel.net.axes import UpsamplingAxis
from hubel.net.layer import Keeps, assign, check_count, check_flag
from hubel.net.norms import check_groups
from hubel.net.sliding import Sliding
from hubel.net.volume import Volume
from hubel.net.window import Axis, Size, Window, pair, size_of

Interpolation: TypeAlias = Literal["nearest", "bilinear"]


@dataclass(frozen=True, slots=True, repr=False)
class ConvTranspose(Sliding):
    """Transposed convolution: each value is spread by a filter of `size`, with `stride` between neighbours.

        convtranspose(32, 2, stride=2)           doubles the size
        convtranspose(32, 4, stride=2, pad=1)    the same with filters that overlap

    The output has (N - 1)·S + F - 2P positions along an axis of N values, and `output_pad` more at the far
    side: it is to `conv` what the backward pass of `conv` is. `pad` is what is cut off at each side. `groups`
    splits the input maps and the filters into groups that do not see each other.

    Raises NetworkError: an argument out of range. Source: PyTorch, `conv_transpose2d`.
    """

    filters: int
    size: Size
    stride: Size = 1
    pad: Size = 0
    output_pad: Size = 0
    groups: int = 1
    bias: bool = True
    dilation: Size = 1

    def __post_init__(self) -> None:
        check_count(self, "filters", self.filters)
        check_count(self, "groups", self.groups)
        check_flag(self, "bias", self.bias)
        least = {"size": 1, "stride": 1, "pad": 0, "output_pad": 0, "dilation": 1}
        assign(
            self,
            **{name: size_of(self.kind, name, getattr(self, name), low) for name, low in least.items()},
        )
        if self.filters % self.groups:
            raise NetworkError(
                f"{self.kind}: {self.filters} filters cannot be cut into {self.groups} equal groups"
            )
        room = zip(pair(self.output_pad), pair(self.stride), pair(self.dilation), strict=True)
        if any(added >= max(stride, dilation) for added, stride, dilation in room):
            raise NetworkError(
                f"{self.kind}: output_pad is less than the stride or the dilation, not {self.output_pad}"
            )

    def _depth(self, volume: Volume) -> int:
        check_groups(volume.depth, self.groups)
        return self.filters

    def window(self, volume: Volume) -> Window:
        sides = (pair(side) for side in (self.size, self.stride, self.pad, self.output_pad, self.dilation))
        rows, columns = (
            UpsamplingAxis.of(stride, length * (size - 1) + 1, pad, added)
            for size, stride, pad, added, length in zip(*sides, strict=True)
        )
        return Window(rows, columns)

    def weights(self, volume: Volume) -> int:
        """Returns the number of weights of all filters, without the biases."""
        high, wide = pair(self.size)
        return volume.depth * (self.filters // self.groups) * high * wide

    def params(self, volume: Volume) -> int:
        return self.weights(volume) + self.filters * self.bias

    def macs(self, volume: Volume) -> int:
        return self.weights(volume) * volume.height * volume.width

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Upsample(Sliding):
    """Upsampling by a whole `factor`: values repeated, or with `mode="bilinear"` linear between neighbours.

    Positions are those of the middles of pixels: of twice as many, the first lies a quarter before the first.
    Source: PyTorch, `interpolate` with `align_corners=False`.
    """

    factor: Size
    mode: Interpolation = "nearest"

    def __post_init__(self) -> None:
        assign(self, factor=size_of(self.kind, "factor", self.factor, 1))
        if self.mode not in get_args(Interpolation):
            modes = " or ".join(get_args(Interpolation))
            raise NetworkError(f"{self.kind}: mode is {modes}, not {self.mode!r}")

    def window(self, volume: Volume) -> Window:
        rows, columns = (
            Axis()
            if factor == 1
            else UpsamplingAxis.linear(factor)
            if self.mode == "bilinear"
            else UpsamplingAxis.of(factor, factor, 0)
            for factor in pair(self.factor)
        )
        return Window(rows, columns)

    def formula(self, *inputs: Volume) -> str:
        sides = zip(inputs[0].plane, pair(self.factor), strict=True)
        return "; ".join(dict.fromkeys(f"{side}·{factor} = {side * factor}" for side, factor in sides))
