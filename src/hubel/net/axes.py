"""Axes beyond the plain one: those that round up, that see every input, and that grow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hubel.net.window import Axis, Pair


@dataclass(frozen=True, slots=True)
class RaisedAxis(Axis):
    """An axis whose number of positions is rounded up: its last window reads `beyond` zeros past the padding.

    The zeros are counted in `more`. Source: cuda-convnet, layer.py: 1 + ceil((2·P + N - F)/S) positions.
    """

    beyond: int = 0

    @classmethod
    def up(cls, axis: Axis, inputs: int) -> Axis:
        """Returns the axis over this many inputs: the plain one where the division is exact."""
        beyond = -(inputs - axis.reach + axis.zeros) % axis.stride
        if not beyond:
            return axis
        return cls(axis.size, axis.stride, axis.pad, axis.dilation, more=axis.more + beyond, beyond=beyond)

    @property
    def plain(self) -> Axis:
        """The axis with its padding alone."""
        return Axis(self.size, self.stride, self.pad, self.dilation, more=self.more - self.beyond)

    @property
    def least(self) -> int:
        """The smallest number of inputs on which the window fits."""
        return replace(self.plain, ceil=True).least

    def formula(self, inputs: int) -> str:
        """Returns the size formula and its rounded result: `(224-11+2·0)/4+1 = 54.25, ceil 55`."""
        return f"{self.plain.quotient(inputs)}, ceil {self.positions(inputs)}"


@dataclass(frozen=True, slots=True)
class GlobalAxis(Axis):
    """An axis along which every output sees every input: the fields of neighbours lie 0 apart."""

    inputs: int = 1

    @classmethod
    def of(cls, inputs: int) -> Axis:
        """Returns the axis over this many inputs."""
        return cls(inputs, stride=0, inputs=inputs)

    def unused(self, inputs: int) -> int:
        """Returns 0: every input is seen."""
        return 0

    def sees(self, first: int, last: int) -> Pair:
        """Returns the first and the last input."""
        return 0, self.inputs - 1


@dataclass(frozen=True, slots=True)
class UpsamplingAxis(Axis):
    """An axis with `factor` outputs per input: transposed convolution, upsampling.

    `size` is the number of inputs that an output sees, `span` the number of outputs that an input is spread
    over, `margin` the number of outputs cut off at either edge, and `added` those added at the far one.
    """

    factor: int = 1
    span: int = 1
    margin: int = 0
    added: int = 0

    @classmethod
    def of(cls, factor: int, span: int, margin: int, added: int = 0) -> Axis:
        """Returns the axis of a transposed window: `span` values, stride `factor`, `margin` cut off."""
        first = -((span - 1 - margin) // factor)
        return cls(-(-span // factor), pad=-first, factor=factor, span=span, margin=margin, added=added)

    @classmethod
    def linear(cls, factor: int) -> Axis:
        """Returns the axis of linear interpolation: an output lies between two inputs, or on one."""
        return cls.of(factor, 2 * factor - factor % 2, factor // 2)

    def positions(self, inputs: int) -> int:
        """Returns the number of outputs; 0 where all are cut off."""
        return max(0, (inputs - 1) * self.factor + self.span - 2 * self.margin + self.added)

    def unused(self, inputs: int) -> int:
        """Returns 0: every input is spread."""
        return 0

    def quotient(self, inputs: int) -> str:
        """Returns the size formula with its numbers: `(7-1)·2+4-2·1 = 14`."""
        added = f"+{self.added}" if self.added else ""
        whole = (inputs - 1) * self.factor + self.span - 2 * self.margin + self.added
        return f"({inputs}-1)·{self.factor}+{self.span}-2·{self.margin}{added} = {whole}"

    def formula(self, inputs: int) -> str:
        """Returns the size formula with its numbers."""
        return self.quotient(inputs)

    @property
    def repeats(self) -> Pair:
        """After how many outputs the windows repeat, and how many inputs further on."""
        return self.factor, 1

    def sees(self, first: int, last: int) -> Pair:
        """Returns the first and the last input that the outputs `first` to `last` see."""
        return -((self.span - 1 - self.margin - first) // self.factor), (last + self.margin) // self.factor
