"""What a file of others holds: a network as steps, its weights, and what its maker says of images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hubel.net.trace import Step
from hubel.net.volume import Volume

if TYPE_CHECKING:
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What a file does with pixels before its first layer: `scale` times the pixel plus `shift`, per channel.

    The pixels are in the order that the file takes them in: `bgr` says that blue comes first. `known` says
    that the file states this; else it only takes what it is given. `usual` is then what the format's networks
    are usually given: mean and standard deviation of pixels from 0 to 1, in the order red, green, blue.
    """

    scale: Array
    shift: Array
    bgr: bool = False
    known: bool = False
    usual: tuple[tuple[float, ...], float] | None = None

    @classmethod
    def plain(cls, depth: int) -> Entry:
        """Returns an entry that changes nothing."""
        return cls(np.ones(depth), np.zeros(depth))

    def then(self, scale: Array, shift: Array) -> Entry:
        """Returns this entry followed by another factor and summand per channel."""
        return replace(self, scale=self.scale * scale, shift=self.shift * scale + shift, known=True)

    def same(self, other: Entry) -> bool:
        """Whether both do the same."""
        return bool(
            self.bgr == other.bgr
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.shift, other.shift)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A network that was read.

    `weights` are those of each step that has any, by path and by name, such as `weight` and `running_var`.
    `end` is the step that gives the scores. `classes` are the names of the classes, where the file has them.
    `remarks` say what a reader should know of how it was read. `names` are those that the file gives to the
    network and to parts of it.
    """

    volume: Volume
    steps: tuple[Step, ...]
    end: str
    weights: dict[str, dict[str, Array]]
    entry: Entry
    classes: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    made: dict[str, str] = field(default_factory=dict)
    """For each step, the path under which it was read, of the last of those that were folded into it."""
