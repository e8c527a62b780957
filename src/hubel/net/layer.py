"""What a layer is: the questions that every reader asks of it, and their default answers."""

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
"""PyTorch's max pooling stores the position of every maximum as an int64."""

FLOAT_MAX = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Keeps:
    """What PyTorch saves for a layer's backward pass: its input, its output, and `more` bytes.

    `relays`: the input is saved only to pass the gradient on, so not where no earlier layer is trained.
    `others`: of several inputs, those after the first are saved as well. `crossed`: each of several inputs is
    saved for the gradient of the others, where that is needed.
    """

    input: bool = False
    output: bool = False
    more: int = 0
    relays: bool = False
    others: bool = False
    crossed: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Layer(Net):
    """A network of one layer.

    The defaults are those of a layer that keeps the size, has no parameters and works on each value by
    itself. `volume` is the layer's input, and `inputs` are the inputs of a layer that joins branches.
    """

    @property
    def kind(self) -> str:
        """The kind of layer, such as `conv`: its lower-case name, and the stem of its automatic paths."""
        return type(self).__name__.lower()

    def output(self, *inputs: Volume) -> Volume:
        """Returns the output volume. Raises SizeError: the input does not fit."""
        return inputs[0]

    def window(self, volume: Volume) -> Window:
        """Returns the window through which each output position sees the input."""
        return ONE

    @property
    def most_pad(self) -> Pair:
        """The largest padding the layer takes, (height, width); (0, 0) where it has no such argument."""
        return 0, 0

    def formula(self, *inputs: Volume) -> str:
        """Returns the formula of the output's size with its numbers, or an empty text."""
        return ""

    def note(self, *inputs: Volume) -> str:
        """Returns a remark for the table, such as what rounding down leaves unused, or an empty text."""
        return self.window(inputs[0]).dropped(inputs[0].plane)

    @property
    def accounted(self) -> bool:
        """Whether the MACs are known. Where they are not, the note says so and the totals leave them out."""
        return True

    def params(self, volume: Volume) -> int:
        """Returns the number of trainable parameters."""
        return 0

    def macs(self, volume: Volume) -> int:
        """Returns the MACs for one image: multiply-adds by a weight.

        Biases, pooling and normalisation have none.
        """
        return 0

    def in_place(self, volume: Volume) -> bool:
        """Whether the output may overwrite the input, so that no new activations are written."""
        return False

    @property
    def view(self) -> bool:
        """Whether the output is the input or a view of it, with no memory of its own."""
        return False

    def keeps(self, volume: Volume) -> Keeps:
        """Returns what is saved for the backward pass, for one image in float32, without the parameters."""
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
    """A layer whose arguments all have defaults.

    Its name is a layer as it is, such as `batchnorm`; a call changes arguments: `batchnorm(eps=1e-3)`.
    """

    __slots__ = ()

    def __call__(self, *values: Any, **named: Any) -> Self:
        """Returns the layer with these arguments changed. Raises NetworkError: it has no such argument."""
        names = [argument.name for argument in fields(self)]
        if len(values) > len(names):
            raise NetworkError(f"{self.kind} takes {len(names)} arguments at most, not {len(values)}")
        for name in named:
            if name in names[: len(values)]:
                raise NetworkError(f"{self.kind}: {name} is given twice")
            if name not in names:
                raise NetworkError(f"{self.kind} has no {name}; it has {', '.join(names) or 'no arguments'}")
        return replace(self, **dict(zip(names, values, strict=False)), **named)


class Elementwise(Ready):
    """A layer that maps each value by itself, so that its output may overwrite its input."""

    __slots__ = ()

    def in_place(self, volume: Volume) -> bool:
        return True


class Join(Layer):
    """A layer with several inputs; an operator makes it."""

    __slots__ = ()


def check_count(owner: Layer, what: str, value: object, least: int = 1) -> int:
    """Returns a checked count. Raises NetworkError: not a whole number from `least` to `LARGEST`."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        bounds = f"of at least {least}{ceiling(value)}"
        raise NetworkError(f"{owner.kind}: {what} is a whole number {bounds}, not {value!r}")
    return value


def check_number(owner: Layer, what: str, value: object, low: float, high: float = math.inf) -> float:
    """Returns a checked number as a float. Raises NetworkError: not a finite number from `low` to `high`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= FLOAT_MAX
    if not number or not low <= float(value) <= high:  # type: ignore[arg-type]
        bounds = f"of at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise NetworkError(f"{owner.kind}: {what} is a number {bounds}, not {value!r}")
    return float(value)  # type: ignore[arg-type]


def check_flag(owner: Layer, what: str, value: object) -> None:
    """Checks a flag. Raises NetworkError: neither True nor False."""
    if not isinstance(value, bool):
        raise NetworkError(f"{owner.kind}: {what} is True or False, not {value!r}")


def assign(owner: Layer, **values: object) -> None:
    """Sets fields of a frozen layer while it is being made."""
    for name, value in values.items():
        object.__setattr__(owner, name, value)
