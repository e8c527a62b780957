"""The activations: layers that map each value by itself, by a function that is not linear."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.net.layer import FLOAT_BYTES, Elementwise, Keeps, assign, check_flag, check_number
from hubel.net.volume import Volume


class _KeepsInput(Elementwise):
    """An activation whose gradient is computed from its input."""

    __slots__ = ()

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True)


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
class Gelu(_KeepsInput):
    """x · Φ(x), where Φ is the normal distribution function. Source: Hendrycks and Gimpel 2016.

    With `tanh`, Φ is (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2, the paper's approximation in section 2.
    """

    tanh: bool = False

    def __post_init__(self) -> None:
        check_flag(self, "tanh", self.tanh)


@dataclass(frozen=True, slots=True, repr=False)
class Silu(_KeepsInput):
    """x · sigmoid(x), also called swish. Source: Ramachandran et al. 2017, with β = 1."""


@dataclass(frozen=True, slots=True, repr=False)
class Softplus(_KeepsInput):
    """log(1 + exp(x)), a smooth relu. Source: Dugas et al. 2001."""


@dataclass(frozen=True, slots=True, repr=False)
class Mish(_KeepsInput):
    """x · tanh(softplus(x)). Source: Misra 2019."""


@dataclass(frozen=True, slots=True, repr=False)
class HardSigmoid(_KeepsInput):
    """relu6(x + 3) / 6: the sigmoid in straight lines. Source: Howard et al. 2019, section 5.2."""


@dataclass(frozen=True, slots=True, repr=False)
class HardSwish(_KeepsInput):
    """x · relu6(x + 3) / 6: swish in straight lines. Source: Howard et al. 2019, section 5.2."""


@dataclass(frozen=True, slots=True, repr=False)
class LeakyRelu(_KeepsInput):
    """x where it is positive, else slope · x. Source: Maas et al. 2013, section 2."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        assign(self, slope=check_number(self, "slope", self.slope, 0))


@dataclass(frozen=True, slots=True, repr=False)
class PRelu(_KeepsInput):
    """x where it is positive, else a trained slope times x: one slope per map, or one for all if `shared`.

    Slopes start at 0.25. Source: He et al. 2015 (Delving deep into rectifiers), section 2.1.
    """

    shared: bool = False

    def __post_init__(self) -> None:
        check_flag(self, "shared", self.shared)

    def params(self, volume: Volume) -> int:
        return 1 if self.shared else volume.depth


@dataclass(frozen=True, slots=True, repr=False)
class Elu(_KeepsInput):
    """x where it is positive, else alpha · (exp(x) - 1). Source: Clevert et al. 2015, equation 15."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        assign(self, alpha=check_number(self, "alpha", self.alpha, 0))


ACTIVATIONS = (
    *(Relu, LeakyRelu, PRelu, Elu, Gelu, Silu, HardSwish, Mish, Softplus),
    *(Tanh, Sigmoid, HardSigmoid),
)
"""All kinds of activations, which can replace each other."""
