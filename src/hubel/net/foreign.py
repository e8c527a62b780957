"""What torch modules contain beside hubel's layers, as layers that every reader of steps understands.

`Foreign` is an operation that hubel has no layer for, `Marked` a layer whose parameters are counted otherwise
than usual, `Unused` the parameters that no operation reads. `hubel.module.survey` makes them; the notation
has no names for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubel.net.layer import Keeps, Layer
from hubel.net.layers import Identity
from hubel.net.volume import Volume
from hubel.net.window import ONE, Pair, Window

_NOTHING = Keeps()


@dataclass(frozen=True, slots=True, repr=False)
class Foreign(Layer):
    """An operation that is none of hubel's layers.

    `op` is its name, `result` its output, `own_params` the number of its parameters, `own_macs` its MACs
    (None: unknown), `seen` its window, `overwrites` whether it may overwrite its input, `is_view` whether its
    output is a view of its input, `saved` what autograd saved for the backward pass, and `remark` its note.
    `factor` is the number that it multiplies every value by, None if it does something else.
    """

    op: str
    result: Volume
    own_params: int = 0
    own_macs: int | None = 0
    seen: Window = ONE
    overwrites: bool = False
    is_view: bool = False
    saved: Keeps = _NOTHING
    remark: str = ""
    factor: float | None = None

    @property
    def kind(self) -> str:
        return self.op

    @property
    def accounted(self) -> bool:
        return self.own_macs is not None

    @property
    def view(self) -> bool:
        return self.is_view

    def output(self, *inputs: Volume) -> Volume:
        return self.result

    def window(self, volume: Volume) -> Window:
        return self.seen

    def params(self, volume: Volume) -> int:
        return self.own_params

    def macs(self, volume: Volume) -> int:
        return self.own_macs or 0

    def in_place(self, volume: Volume) -> bool:
        return self.overwrites

    def keeps(self, volume: Volume) -> Keeps:
        return self.saved

    def note(self, *inputs: Volume) -> str:
        return self.remark

    def __repr__(self) -> str:
        return self.op


@dataclass(frozen=True, slots=True, repr=False)
class Marked(Layer):
    """A layer whose parameters differ from its kind's because they are shared, computed or missing.

    `own_params` is the number of parameters counted in its row, `weight_macs` the MACs that compute its
    weights, and `remark` the note.
    """

    layer: Layer
    own_params: int
    weight_macs: int = 0
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
        return self.own_params

    def macs(self, volume: Volume) -> int:
        return self.layer.macs(volume) + self.weight_macs

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
    """The parameters of a module that no operation reads; their number is `own_params`."""

    own_params: int = 0

    def params(self, volume: Volume) -> int:
        return self.own_params

    def note(self, *inputs: Volume) -> str:
        return f"{self.own_params:,} parameters that nothing reads"

    def __repr__(self) -> str:
        return "unused"
