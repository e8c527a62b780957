"""The layers that do not slide a window: activations, normalisation, fully connected layers and joins."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.errors import SizeError
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
class Relu(Elementwise):
    """max(0, x); with a `limit`, min(limit, max(0, x)): `relu6` has limit 6."""

    limit: float | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            assign(self, limit=check_number(self, "limit", self.limit, 1e-6))

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(output=True) if self.limit is None else Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Tanh(Elementwise):
    """amplitude · tanh(slope · x). LeNet-5's is `tanh(1.7159, 2/3)`.

    Source: LeCun et al. 1998, equation 6.
    """

    amplitude: float = 1.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        assign(
            self,
            amplitude=check_number(self, "amplitude", self.amplitude, 0),
            slope=check_number(self, "slope", self.slope, 0),
        )

    def keeps(self, volume: Volume) -> Keeps:
        scaled = self != Tanh()  # then the result of tanh itself is saved, which is not the output
        return Keeps(output=not scaled, more=FLOAT_BYTES * volume.values if scaled else 0)


@dataclass(frozen=True, slots=True, repr=False)
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(output=True)


@dataclass(frozen=True, slots=True, repr=False)
class Gelu(Elementwise):
    """x · Φ(x), where Φ is the normal distribution function. Source: Hendrycks and Gimpel 2016."""

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Lrn(Ready):
    """Local response normalisation: x / (k + alpha · Σ x²)^beta over `size` neighbouring maps.

    The sum is not divided by `size`, as in the paper; alpha of PyTorch and Caffe is `size` times this one.
    Source: Krizhevsky et al. 2012, section 3.3.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        check_count(self, "size", self.size)
        assign(
            self,
            **{name: check_number(self, name, getattr(self, name), 0) for name in ("alpha", "beta", "k")},
        )

    def keeps(self, volume: Volume) -> Keeps:
        margin = (self.size - 1) * volume.height * volume.width  # maps of zeros before and after the squares
        return Keeps(input=True, more=FLOAT_BYTES * (3 * volume.values + margin))


@dataclass(frozen=True, slots=True, repr=False)
class BatchNorm(Elementwise):
    """Batch normalisation: each map to mean 0 and variance 1 over the batch, then scaled and shifted.

    `eps` is added to the variance; `momentum` is the weight of the current batch in the running statistics.
    Source: Ioffe and Szegedy 2015.
    """

    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        assign(
            self,
            eps=check_number(self, "eps", self.eps, 0),
            momentum=check_number(self, "momentum", self.momentum, 0, 1),
        )

    def params(self, volume: Volume) -> int:
        return 2 * volume.depth

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True, more=2 * FLOAT_BYTES * volume.depth)


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
class SideHead(Elementwise):
    """The end of a side head: its scores, and the weight of their loss."""

    weight: float = 1.0

    @property
    def view(self) -> bool:
        return True
