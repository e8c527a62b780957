"""The layers without a window of their own: global pooling, dropout, fully connected layers, joins."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from hubel.errors import NetworkError, SizeError
from hubel.net.layer import (
    FLOAT_BYTES,
    Elementwise,
    Join,
    Keeps,
    Layer,
    Ready,
    assign,
    check_count,
    check_flag,
    check_number,
)
from hubel.net.norms import check_groups
from hubel.net.volume import Volume
from hubel.net.window import UnevenAxis, Window


@dataclass(frozen=True, slots=True, repr=False)
class GlobalAvgPool(Ready):
    """The mean of each feature map: height x width x depth to 1 x 1 x depth."""

    def output(self, *inputs: Volume) -> Volume:
        return Volume(1, 1, inputs[0].depth)

    def window(self, volume: Volume) -> Window:
        return Window.of(volume.plane)

    def formula(self, *inputs: Volume) -> str:
        return f"mean of {inputs[0].height}·{inputs[0].width} = {inputs[0].height * inputs[0].width}"


@dataclass(frozen=True, slots=True, repr=False)
class AdaptiveAvgPool(Layer):
    """Average pooling to `height` x `width` positions, whatever the size of the input.

    Source: PyTorch, `adaptive_avg_pool2d`.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        check_count(self, "height", self.height)
        check_count(self, "width", self.width)

    def output(self, *inputs: Volume) -> Volume:
        return Volume(self.height, self.width, inputs[0].depth)

    def window(self, volume: Volume) -> Window:
        return Window(UnevenAxis.cut(volume.height, self.height), UnevenAxis.cut(volume.width, self.width))

    def formula(self, *inputs: Volume) -> str:
        return f"{inputs[0].height}x{inputs[0].width} in {self.height}x{self.width} windows"

    def in_place(self, volume: Volume) -> bool:
        return volume.plane == (self.height, self.width)  # each window is one value

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=(self.height, self.width) != (1, 1))  # a plain mean's gradient needs no values


@dataclass(frozen=True, slots=True, repr=False)
class Dropout(Elementwise):
    """In training, sets each value to 0 with probability `p` and multiplies the others by 1/(1-p).

    At inference it is the identity. Source: Hinton et al. 2012.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        assign(self, p=check_number(self, "p", self.p, 0, 1))

    @property
    def view(self) -> bool:
        return self.p == 0

    def keeps(self, volume: Volume) -> Keeps:
        if self.p in (0, 1):
            return Keeps(more=FLOAT_BYTES if self.p else 0)  # with p = 1 PyTorch saves a single zero
        return Keeps(more=FLOAT_BYTES * volume.values)


@dataclass(frozen=True, slots=True, repr=False)
class DropPath(Elementwise):
    """Stochastic depth: in training, sets an image's whole volume to 0 with probability `p`.

    It ends a branch: `(body >> droppath(0.1)) + identity`. Volumes that stay are multiplied by 1/(1-p). At
    inference it is the identity. Source: Huang et al. 2016; scaled in training, as in EfficientNet.
    """

    p: float = 0.1

    def __post_init__(self) -> None:
        assign(self, p=check_number(self, "p", self.p, 0, 1))

    @property
    def view(self) -> bool:
        return self.p == 0

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(more=FLOAT_BYTES if self.p else 0)  # one number per image


@dataclass(frozen=True, slots=True, repr=False)
class Part(Layer):
    """Part `number` of the maps cut into `of` equal parts, from 1; with `to`, the parts up to that one.

        (part(1, 2) | part(2, 2) >> branch) >> shuffle(2)    a branch on half of the maps
        part(1, 4) >> branch | part(2, 4, to=4)              a branch on a quarter, beside the other three

    Raises NetworkError: there is no such part. Raises SizeError: the maps cannot be cut so.
    """

    number: int
    of: int
    to: int | None = None

    def __post_init__(self) -> None:
        check_count(self, "of", self.of)
        last = self.number if self.to is None else check_count(self, "to", self.to)
        if check_count(self, "number", self.number) > last:
            raise NetworkError(f"part: part {self.number} is behind part {last}, its last one")
        if last > self.of:
            raise NetworkError(f"part: of {self.of} parts there is no part {last}")
        assign(self, to=None if last == self.number else last)

    @classmethod
    def cut(cls, first: int, end: int, depth: int) -> Part:
        """Returns the fewest parts that are the maps from `first`, counted from 0, to before `end`."""
        share = gcd(first, end, depth)
        return cls(first // share + 1, depth // share, end // share)

    @property
    def view(self) -> bool:
        return True

    def maps(self, depth: int) -> range:
        """Returns the numbers of the maps, from 0, of an input of this depth."""
        share = depth // self.of
        return range((self.number - 1) * share, (self.to or self.number) * share)

    def output(self, *inputs: Volume) -> Volume:
        check_groups(inputs[0].depth, self.of)
        return Volume(*inputs[0].plane, len(self.maps(inputs[0].depth)))

    def formula(self, *inputs: Volume) -> str:
        maps = self.maps(inputs[0].depth)
        return f"maps {maps[0]} to {maps[-1]} of {inputs[0].depth}"


@dataclass(frozen=True, slots=True, repr=False)
class Shuffle(Layer):
    """Channel shuffle: deals the maps of `groups` groups out in turn, the first of each, then the second.

    Source: Zhang et al. 2017 (ShuffleNet), section 3.1. Raises SizeError: the maps cannot be cut into groups.
    """

    groups: int

    def __post_init__(self) -> None:
        check_count(self, "groups", self.groups)

    def output(self, *inputs: Volume) -> Volume:
        check_groups(inputs[0].depth, self.groups)
        return inputs[0]

    @property
    def view(self) -> bool:
        return self.groups == 1  # nothing is dealt out

    def source(self, channel: int, depth: int) -> int:
        """Returns the map of the input, of this depth, that becomes a map of the output."""
        return channel % self.groups * (depth // self.groups) + channel // self.groups


@dataclass(frozen=True, slots=True, repr=False)
class Fc(Layer):
    """Fully connected: each of `units` units has a weight for every value of the input.

    The input is flattened in the order depth, height, width. The output is 1 x 1 x units.

        fc(84) >> relu >> fc(10)
    """

    units: int
    bias: bool = True

    def __post_init__(self) -> None:
        check_count(self, "units", self.units)
        check_flag(self, "bias", self.bias)

    def output(self, *inputs: Volume) -> Volume:
        return Volume(1, 1, self.units)

    def window(self, volume: Volume) -> Window:
        return Window.of(volume.plane)

    def formula(self, *inputs: Volume) -> str:
        return f"{inputs[0].height}·{inputs[0].width}·{inputs[0].depth} = {inputs[0].values} inputs"

    def params(self, volume: Volume) -> int:
        return self.units * (volume.values + self.bias)

    def macs(self, volume: Volume) -> int:
        return self.units * volume.values

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Rbf(Layer):
    """LeNet's output layer: the negative squared distance of the input to each class's code of +1 and -1.

    The paper's unit is the distance itself, smallest for the correct class; the negative makes the largest
    score win, as in every other network. The codes are not trained. Raises SizeError: the input has too few
    values for codes that differ. Source: LeCun et al. 1998, equation 7.
    """

    units: int

    def __post_init__(self) -> None:
        check_count(self, "units", self.units)

    def output(self, *inputs: Volume) -> Volume:
        if inputs[0].values < (self.units - 1).bit_length():
            raise SizeError(f"codes of {inputs[0].values} values cannot tell {self.units} classes apart")
        return Volume(1, 1, self.units)

    def window(self, volume: Volume) -> Window:
        return Window.of(volume.plane)

    def formula(self, *inputs: Volume) -> str:
        return f"{inputs[0].height}·{inputs[0].width}·{inputs[0].depth} = {inputs[0].values} inputs"

    def macs(self, volume: Volume) -> int:
        return self.units * volume.values

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(more=FLOAT_BYTES * self.units * volume.values)


@dataclass(frozen=True, slots=True, repr=False)
class Softmax(Ready):
    """Scores to probabilities, over the depth at each position."""

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(output=True)


@dataclass(frozen=True, slots=True, repr=False)
class Identity(Elementwise):
    """Returns its input: the skip connection in `body + identity`."""

    @property
    def view(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, repr=False)
class Concat(Join):
    """Concatenates branches along depth: what `a | b` makes. Raises SizeError: their planes differ."""

    def output(self, *inputs: Volume) -> Volume:
        if len({volume.plane for volume in inputs}) > 1:
            raise SizeError("branches side by side need one height and width")
        return Volume(*inputs[0].plane, sum(volume.depth for volume in inputs))

    def formula(self, *inputs: Volume) -> str:
        return (
            f"{'+'.join(str(volume.depth) for volume in inputs)} = {sum(volume.depth for volume in inputs)}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Add(Join):
    """Adds branches value by value: what `a + b` makes. Raises SizeError: their volumes differ."""

    def output(self, *inputs: Volume) -> Volume:
        if len(set(inputs)) > 1:
            raise SizeError("branches that are added need one size")
        return inputs[0]


@dataclass(frozen=True, slots=True, repr=False)
class Multiply(Join):
    """Multiplies a volume, value by value, with what a branch of it says: what `gate(branch)` makes.

    Where the branch has a single row, column or map, it counts for all of them: 1 x 1 x depth is a factor
    per map, height x width x 1 one per place. Raises SizeError: the branch has another number of them.
    """

    def output(self, *inputs: Volume) -> Volume:
        seen, says = inputs
        if any(side not in (1, whole) for side, whole in zip(says, seen, strict=True)):
            raise SizeError("a gate's branch has all rows, columns and maps of its input, or a single one")
        return seen

    def formula(self, *inputs: Volume) -> str:
        return f"{inputs[0]} · {inputs[1]}"

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(crossed=True)


@dataclass(frozen=True, slots=True, repr=False)
class SideHead(Elementwise):
    """The end of a side head: its scores, and the weight of their loss."""

    weight: float = 1.0

    @property
    def view(self) -> bool:
        return True
