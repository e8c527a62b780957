"""The normalisations, and the factors per map that come with them."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.errors import NetworkError, SizeError
from hubel.net.axes import GlobalAxis
from hubel.net.layer import (
    FLOAT_BYTES,
    Elementwise,
    Keeps,
    Layer,
    Ready,
    assign,
    check_count,
    check_flag,
    check_number,
)
from hubel.net.volume import Volume
from hubel.net.window import ONE, Window


@dataclass(frozen=True, slots=True, repr=False)
class Lrn(Ready):
    """Local response normalisation: x / (k + alpha · Σ x²)^beta over `size` neighbouring maps.

    With `within`, the sum is over `size` x `size` neighbouring places of the same map, zeros around it; then
    `size` is odd. The sum is not divided by its number of terms, as in the paper; alpha of PyTorch, Caffe and
    cuda-convnet is that many times this one. Source: Krizhevsky et al. 2012, section 3.3.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    within: bool = False

    def __post_init__(self) -> None:
        check_count(self, "size", self.size)
        check_flag(self, "within", self.within)
        assign(
            self,
            **{name: check_number(self, name, getattr(self, name), 0) for name in ("alpha", "beta", "k")},
        )
        if self.within and self.size % 2 == 0:
            raise NetworkError(f"lrn: within a map, size is odd, so that it has a middle; not {self.size}")

    def window(self, volume: Volume) -> Window:
        return Window.of(self.size, pad=self.size // 2) if self.within else ONE

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True, more=FLOAT_BYTES * volume.values)  # what each value is divided by


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
class LayerNorm(Ready):
    """Layer normalisation over maps: each place to mean 0 and variance 1, then each map scaled and shifted.

    `eps` is added to the variance. Source: Ba et al. 2016; over the maps of each place, as in Liu et al. 2022
    (ConvNeXt), section 2.6.
    """

    eps: float = 1e-5

    def __post_init__(self) -> None:
        assign(self, eps=check_number(self, "eps", self.eps, 0))

    def params(self, volume: Volume) -> int:
        return 2 * volume.depth

    def in_place(self, volume: Volume) -> bool:
        return True

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True, more=2 * FLOAT_BYTES * volume.height * volume.width)


@dataclass(frozen=True, slots=True, repr=False)
class GroupNorm(Layer):
    """Group normalisation: each of `groups` groups of maps to mean 0 and variance 1, then scaled and shifted.

    `eps` is added to the variance; there is a scale and a shift per map. Every unit sees the whole map, since
    the statistics do. Source: Wu and He 2018. Raises SizeError: the maps cannot be cut into equal groups, or
    a group has a single value.
    """

    groups: int
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_count(self, "groups", self.groups)
        assign(self, eps=check_number(self, "eps", self.eps, 0))

    def output(self, *inputs: Volume) -> Volume:
        check_groups(inputs[0].depth, self.groups)
        if inputs[0].values == self.groups:
            raise SizeError(f"each of {self.groups} groups has a single value, which is 0 when normalised")
        return inputs[0]

    def window(self, volume: Volume) -> Window:
        return Window(GlobalAxis.of(volume.height), GlobalAxis.of(volume.width))

    def params(self, volume: Volume) -> int:
        return 2 * volume.depth

    def in_place(self, volume: Volume) -> bool:
        return True

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True, more=2 * FLOAT_BYTES * self.groups)


@dataclass(frozen=True, slots=True, repr=False)
class LayerScale(Elementwise):
    """Multiplies each map by a trained factor that starts at `initial`. Source: Touvron et al. 2021, CaiT."""

    initial: float = 1e-6

    def __post_init__(self) -> None:
        assign(self, initial=check_number(self, "initial", self.initial, 0))

    def params(self, volume: Volume) -> int:
        return volume.depth

    def keeps(self, volume: Volume) -> Keeps:
        return Keeps(input=True)


def check_groups(depth: int, groups: int) -> None:
    """Raises SizeError: maps cannot be cut into equal groups."""
    if depth % groups:
        raise SizeError(f"depth {depth} cannot be cut into {groups} equal groups")
