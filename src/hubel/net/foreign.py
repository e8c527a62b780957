"""Layers of modules that were not written in the algebra, as hubel's readers see them.

`Foreign` is an operation hubel has no layer for, `Marked` a layer that is used in an unusual way, `Unused`
the parameters no operation reads. None of them can be typed; `hubel.module.survey` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubel.net.layer import Keeps, Layer
from hubel.net.layers import Identity
from hubel.net.volume import Volume
from hubel.net.window import ONE, Axis, Pair, Window

_NOTHING = Keeps()


@dataclass(frozen=True, slots=True)
class GlobalAxis(Axis):
    """An axis of which every output sees every input: neighbours' fields lie 0 apart."""

    inputs: int = 1

    @classmethod
    def of(cls, inputs: int) -> Axis:
        """The axis over so many inputs."""
        return cls(inputs, stride=0, inputs=inputs)

    def unused(self, inputs: int) -> int:
        """Nothing: every input is seen."""
        return 0

    def sees(self, first: int, last: int) -> Pair:
        """All there are."""
        return 0, self.inputs - 1


@dataclass(frozen=True, slots=True)
class UpsamplingAxis(Axis):
    """An axis with `factor` outputs an input: transposed convolution, upsampling.

    `size` counts the inputs an output sees, `span` and `margin` the outputs an input is spread over and
    those cut off at the edge.
    """

    factor: int = 1
    span: int = 1
    margin: int = 0

    @classmethod
    def of(cls, factor: int, span: int, margin: int) -> Axis:
        """The axis of a transposed window of `span` values at stride `factor`, `margin` cut off."""
        first = -((span - 1 - margin) // factor)
        return cls(-(-span // factor), pad=-first, factor=factor, span=span, margin=margin)

    def sees(self, first: int, last: int) -> Pair:
        """The first and last input that the outputs `first` to `last` see."""
        return -((self.span - 1 - self.margin - first) // self.factor), (last + self.margin) // self.factor


@dataclass(frozen=True, slots=True, repr=False)
class Foreign(Layer):
    """An operation that is none of hubel's layers, with what is known of it.

    `made` is what comes out, `own` its parameters, `count` its MACs (None: unknown), `sees` its window,
    `over` whether it may overwrite its input, `part` whether it only shows a part of it, `kept` what
    autograd was seen to keep.
    """

    op: str
    made: Volume
    own: int = 0
    count: int | None = 0
    sees: Window = ONE
    over: bool = False
    part: bool = False
    kept: Keeps = _NOTHING
    remark: str = ""

    @property
    def kind(self) -> str:
        return self.op

    @property
    def accounted(self) -> bool:
        return self.count is not None

    @property
    def view(self) -> bool:
        return self.part

    def output(self, *inputs: Volume) -> Volume:
        return self.made

    def window(self, volume: Volume) -> Window:
        return self.sees

    def params(self, volume: Volume) -> int:
        return self.own

    def macs(self, volume: Volume) -> int:
        return self.count or 0

    def in_place(self, volume: Volume) -> bool:
        return self.over

    def keeps(self, volume: Volume) -> Keeps:
        return self.kept

    def note(self, *inputs: Volume) -> str:
        return self.remark

    def __repr__(self) -> str:
        return self.op


@dataclass(frozen=True, slots=True, repr=False)
class Marked(Layer):
    """A layer whose parameters are not what its kind has, because they are shared, derived or missing.

    `own` are the parameters counted here, `extra` MACs spent on making its weights.
    """

    layer: Layer
    own: int
    extra: int = 0
    remark: str = ""

    @property
    def kind(self) -> str:
        return self.layer.kind

    def output(self, *inputs: Volume) -> Volume:
        return self.layer.output(*inputs)

    def window(self, volume: Volume) -> Window:
        return self.layer.window(volume)

    @property
    def most_pad(self) -> Pair:
        return self.layer.most_pad

    def formula(self, *inputs: Volume) -> str:
        return self.layer.formula(*inputs)

    def params(self, volume: Volume) -> int:
        return self.own

    def macs(self, volume: Volume) -> int:
        return self.layer.macs(volume) + self.extra

    def in_place(self, volume: Volume) -> bool:
        return self.layer.in_place(volume)

    def keeps(self, volume: Volume) -> Keeps:
        return self.layer.keeps(volume)

    def note(self, *inputs: Volume) -> str:
        return "; ".join(part for part in (self.remark, self.layer.note(*inputs)) if part)

    def __repr__(self) -> str:
        return repr(self.layer)


@dataclass(frozen=True, slots=True, repr=False)
class Unused(Identity):
    """Parameters of a module that no operation reads."""

    own: int = 0

    def params(self, volume: Volume) -> int:
        return self.own

    def note(self, *inputs: Volume) -> str:
        return f"{self.own:,} parameters that nothing reads"

    def __repr__(self) -> str:
        return "unused"
