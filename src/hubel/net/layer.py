"""What a layer is: the questions every reader asks of it, and the answers that hold by default."""

from __future__ import annotations

import math
import sys
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Self

from hubel.errors import NetworkError
from hubel.net.algebra import Net
from hubel.net.volume import LARGEST, Volume, ceiling
from hubel.net.window import ONE, Pair, Window

FLOAT_BYTES = 4
INDEX_BYTES = 8
"""PyTorch's max pooling keeps the place of every maximum as an int64."""

FLOAT_MAX = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Keeps:
    """What a layer keeps for the backward pass: its input, its output, `more` bytes besides.

    `relays`: the input is kept only to hand the gradient on, so not where nothing before it learns.
    `others`: of several inputs, those after the first as well.
    """

    input: bool = False
    output: bool = False
    more: int = 0
    relays: bool = False
    others: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Layer(Net):
    """A network of one layer. Unless it says otherwise: same size, no parameters, place by place.

    `seen` is the volume that comes in. A MAC is one multiply-add of a weight: biases, pooling and
    normalisation have none. `keeps` is what PyTorch holds on to for one image in float32, the
    parameters apart.
    """

    @property
    def kind(self) -> str:
        """The name one types, and the stem of its automatic paths: `conv`."""
        return type(self).__name__.lower()

    def output(self, *seen: Volume) -> Volume:
        """The volume that comes out. Raises SizeError: the input does not fit."""
        return seen[0]

    def window(self, seen: Volume) -> Window:
        """The window of the input that one output sees."""
        return ONE

    @property
    def most_pad(self) -> Pair:
        """The most padding its window takes: none where the layer has no such argument."""
        return 0, 0

    def formula(self, *seen: Volume) -> str:
        """How the size of the output follows, with the numbers in it."""
        return ""

    def note(self, *seen: Volume) -> str:
        """What one should know of it on this input: what rounding down leaves unseen."""
        return self.window(seen[0]).dropped(seen[0].plane)

    @property
    def accounted(self) -> bool:
        """Whether its MACs are known; where not, its note says so and sums leave them out."""
        return True

    def params(self, seen: Volume) -> int:
        """How many trainable numbers the layer has."""
        return 0

    def macs(self, seen: Volume) -> int:
        """How many multiply-adds one image takes."""
        return 0

    def in_place(self, seen: Volume) -> bool:
        """Whether the output may overwrite the input, so that no new values flow."""
        return False

    @property
    def view(self) -> bool:
        """Whether what comes out is a part of what went in, with no memory of its own."""
        return False

    def keeps(self, seen: Volume) -> Keeps:
        """What stays in memory for the backward pass."""
        return Keeps()

    def __repr__(self) -> str:
        arguments = []
        for argument in fields(self):
            value = getattr(self, argument.name)
            if argument.default is MISSING:
                arguments.append(repr(value))
            elif value != argument.default:
                text = f'"{value}"' if isinstance(value, str) else repr(value)
                arguments.append(f"{argument.name}={text}")
        return f"{self.kind}({', '.join(arguments)})" if arguments else self.kind


class Ready(Layer):
    """A layer whose arguments all have defaults: a value as it is, and callable to change it."""

    __slots__ = ()

    def __call__(self, *values: Any, **named: Any) -> Self:
        """Returns the layer with these arguments; the others stay as they are."""
        names = [argument.name for argument in fields(self)]
        if len(values) > len(names):
            raise NetworkError(f"{self.kind} takes {len(names)} arguments at most, not {len(values)}")
        for name in named:
            if name in names[: len(values)]:
                raise NetworkError(f"{self.kind}: {name} is given twice")
            if name not in names:
                raise NetworkError(f"{self.kind} has no {name}; it has {', '.join(names) or 'no arguments'}")
        return replace(self, **dict(zip(names, values, strict=False)), **named)


class PlaceByPlace(Ready):
    """A layer that maps each value by itself, so that its output may overwrite its input."""

    __slots__ = ()

    def in_place(self, seen: Volume) -> bool:
        return True


class Join(Layer):
    """A layer with several inputs, which an operator makes."""

    __slots__ = ()


def whole(owner: Layer, what: str, value: object, least: int = 1) -> int:
    """Checks a count. Raises NetworkError: not a whole number, or outside `least` to `LARGEST`."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        bounds = f"of at least {least}{ceiling(value)}"
        raise NetworkError(f"{owner.kind}: {what} is a whole number {bounds}, not {value!r}")
    return value


def real(owner: Layer, what: str, value: object, low: float, high: float = math.inf) -> float:
    """Checks a number, returns it as a float. Raises NetworkError: not finite, or outside `low` to `high`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= FLOAT_MAX
    if not number or not low <= float(value) <= high:  # type: ignore[arg-type]
        bounds = f"of at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise NetworkError(f"{owner.kind}: {what} is a number {bounds}, not {value!r}")
    return float(value)  # type: ignore[arg-type]


def truth(owner: Layer, what: str, value: object) -> None:
    """Checks a yes or no. Raises NetworkError: anything else."""
    if not isinstance(value, bool):
        raise NetworkError(f"{owner.kind}: {what} is True or False, not {value!r}")


def settle(owner: Layer, **values: object) -> None:
    """Writes checked values back into a layer that is just being made."""
    for name, value in values.items():
        object.__setattr__(owner, name, value)
