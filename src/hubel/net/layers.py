"""The layers that do not slide, and the names of them all.

Activations, normalisation, fully connected; where branches meet; and `LAYERS`, the registry of
everything one can type.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubel.errors import SizeError
from hubel.net.layer import (
    FLOAT_BYTES,
    Join,
    Keeps,
    Layer,
    PlaceByPlace,
    Ready,
    real,
    settle,
    truth,
    whole,
)
from hubel.net.volume import Volume
from hubel.net.window import UnevenAxis, Window


@dataclass(frozen=True, slots=True, repr=False)
class GlobalAvgPool(Ready):
    """The mean of each map."""

    def output(self, *seen: Volume) -> Volume:
        return Volume(1, 1, seen[0].depth)

    def window(self, seen: Volume) -> Window:
        return Window.of(seen.plane)

    def formula(self, *seen: Volume) -> str:
        return f"mean of {seen[0].height}·{seen[0].width} = {seen[0].height * seen[0].width}"


@dataclass(frozen=True, slots=True, repr=False)
class AdaptiveAvgPool(Layer):
    """The mean of `height` x `width` windows that cover the map, whatever its size.

    Source: PyTorch, `adaptive_avg_pool2d`.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        whole(self, "height", self.height)
        whole(self, "width", self.width)

    def output(self, *seen: Volume) -> Volume:
        return Volume(self.height, self.width, seen[0].depth)

    def window(self, seen: Volume) -> Window:
        return Window(UnevenAxis.cut(seen.height, self.height), UnevenAxis.cut(seen.width, self.width))

    def formula(self, *seen: Volume) -> str:
        return f"{seen[0].height}x{seen[0].width} in {self.height}x{self.width} windows"

    def in_place(self, seen: Volume) -> bool:
        return seen.plane == (self.height, self.width)  # windows of one value: nothing new

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=(self.height, self.width) != (1, 1))  # one mean needs nothing to go back


@dataclass(frozen=True, slots=True, repr=False)
class Relu(PlaceByPlace):
    """max(0, x); with a `limit`, min(limit, max(0, x)), such as ReLU6."""

    limit: float | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            settle(self, limit=real(self, "limit", self.limit, 1e-6))

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(output=True) if self.limit is None else Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Tanh(PlaceByPlace):
    """amplitude · tanh(slope · x). LeNet-5's is `tanh(1.7159, 2/3)`.

    Source: LeCun et al. 1998, equation 6.
    """

    amplitude: float = 1.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        settle(
            self,
            amplitude=real(self, "amplitude", self.amplitude, 0),
            slope=real(self, "slope", self.slope, 0),
        )

    def keeps(self, seen: Volume) -> Keeps:
        scaled = self != Tanh()  # then tanh's own result is kept, which is not what comes out
        return Keeps(output=not scaled, more=FLOAT_BYTES * seen.values if scaled else 0)


@dataclass(frozen=True, slots=True, repr=False)
class Sigmoid(PlaceByPlace):
    """1 / (1 + exp(-x))."""

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(output=True)


@dataclass(frozen=True, slots=True, repr=False)
class Gelu(PlaceByPlace):
    """x · Φ(x), Φ the normal distribution. Source: Hendrycks and Gimpel 2016."""

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Lrn(Ready):
    """Local response normalisation: x / (k + alpha · Σ x²)^beta over `size` neighbouring maps.

    The sum is the paper's, not divided by `size`; PyTorch's and Caffe's alpha is `size` times this.
    Source: Krizhevsky et al. 2012, section 3.3.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        whole(self, "size", self.size)
        settle(self, **{name: real(self, name, getattr(self, name), 0) for name in ("alpha", "beta", "k")})

    def keeps(self, seen: Volume) -> Keeps:
        margin = (self.size - 1) * seen.height * seen.width  # maps of zeros around the squares
        return Keeps(input=True, more=FLOAT_BYTES * (3 * seen.values + margin))


@dataclass(frozen=True, slots=True, repr=False)
class BatchNorm(PlaceByPlace):
    """Each map brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    `momentum` is the share of the new batch in the running statistics. Source: Ioffe and Szegedy 2015.
    """

    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        settle(self, eps=real(self, "eps", self.eps, 0), momentum=real(self, "momentum", self.momentum, 0, 1))

    def params(self, seen: Volume) -> int:
        return 2 * seen.depth

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=True, more=2 * FLOAT_BYTES * seen.depth)


@dataclass(frozen=True, slots=True, repr=False)
class Dropout(PlaceByPlace):
    """In training each value is 0 with probability `p`, else times 1/(1-p). Source: Hinton et al. 2012."""

    p: float = 0.5

    def __post_init__(self) -> None:
        settle(self, p=real(self, "p", self.p, 0, 1))

    def keeps(self, seen: Volume) -> Keeps:
        if self.p in (0, 1):
            return Keeps(more=FLOAT_BYTES if self.p else 0)  # a single zero to multiply by; or nothing
        return Keeps(more=FLOAT_BYTES * seen.values)


@dataclass(frozen=True, slots=True, repr=False)
class Fc(Layer):
    """Fully connected: every unit sees the whole volume, flattened map by map (depth, height, width)."""

    units: int
    bias: bool = True

    def __post_init__(self) -> None:
        whole(self, "units", self.units)
        truth(self, "bias", self.bias)

    def output(self, *seen: Volume) -> Volume:
        return Volume(1, 1, self.units)

    def window(self, seen: Volume) -> Window:
        return Window.of(seen.plane)

    def formula(self, *seen: Volume) -> str:
        return f"{seen[0].height}·{seen[0].width}·{seen[0].depth} = {seen[0].values} inputs"

    def params(self, seen: Volume) -> int:
        return self.units * (seen.values + self.bias)

    def macs(self, seen: Volume) -> int:
        return self.units * seen.values

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(input=True)


@dataclass(frozen=True, slots=True, repr=False)
class Rbf(Layer):
    """LeNet's output: the squared distance of the input to a fixed code of +1 and -1, one a class.

    The paper's unit is a penalty, smallest for the right class; this one is its negative, so that
    the largest score wins as everywhere else. The codes do not train.
    Source: LeCun et al. 1998, equation 7.
    """

    units: int

    def __post_init__(self) -> None:
        whole(self, "units", self.units)

    def output(self, *seen: Volume) -> Volume:
        if seen[0].values < (self.units - 1).bit_length():
            raise SizeError(f"codes of {seen[0].values} values cannot tell {self.units} classes apart")
        return Volume(1, 1, self.units)

    def window(self, seen: Volume) -> Window:
        return Window.of(seen.plane)

    def formula(self, *seen: Volume) -> str:
        return f"{seen[0].height}·{seen[0].width}·{seen[0].depth} = {seen[0].values} inputs"

    def macs(self, seen: Volume) -> int:
        return self.units * seen.values

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(more=FLOAT_BYTES * self.units * seen.values)


@dataclass(frozen=True, slots=True, repr=False)
class Softmax(Ready):
    """Scores to probabilities, over the depth at each place."""

    def keeps(self, seen: Volume) -> Keeps:
        return Keeps(output=True)


@dataclass(frozen=True, slots=True, repr=False)
class Identity(PlaceByPlace):
    """The input as it is: the short arm of a skip connection."""


@dataclass(frozen=True, slots=True, repr=False)
class Concat(Join):
    """The outputs of branches, one after the other along depth."""

    def output(self, *seen: Volume) -> Volume:
        if len({volume.plane for volume in seen}) > 1:
            raise SizeError("branches side by side need one height and width")
        return Volume(*seen[0].plane, sum(volume.depth for volume in seen))

    def formula(self, *seen: Volume) -> str:
        return f"{'+'.join(str(volume.depth) for volume in seen)} = {sum(volume.depth for volume in seen)}"


@dataclass(frozen=True, slots=True, repr=False)
class Add(Join):
    """The sum of branches, value by value."""

    def output(self, *seen: Volume) -> Volume:
        if len(set(seen)) > 1:
            raise SizeError("branches that are added need one size")
        return seen[0]


@dataclass(frozen=True, slots=True, repr=False)
class SideHead(PlaceByPlace):
    """Where a side head ends: its scores, and the weight of their loss."""

    weight: float = 1.0
