"""The ledger: everything there is to know about a network before any tensor exists.

A row a layer, totals that are the sums of the columns, memory by named accounting, and the box of
pixels behind any unit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hubel.net.algebra import Net
from hubel.net.field import Box, Field, box, fields
from hubel.net.layer import FLOAT_BYTES, Layer
from hubel.net.memory import backward_bytes, inference_peak_bytes, overwriting
from hubel.net.trace import Step, trace
from hubel.net.volume import Volume, VolumeLike
from hubel.shown import Shown


@dataclass(frozen=True, slots=True)
class Row:
    """One layer's line: what it is, how its size follows, what it costs, what its units see.

    `values` are the new activations it writes for one image, 0 where it works in place.
    """

    path: str
    layer: Layer
    formula: str
    input: Volume
    output: Volume
    params: int
    macs: int
    values: int
    field: Field
    note: str
    side: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of the columns, and memory for one image in float32 by named accounting.

    `side_params` and `side_macs` are the part of the sums that side heads have, in training only.
    `flow_values` are all values that flow through the network, the input's included.
    `backward_bytes` are what autograd keeps; `inference_peak_bytes` the most alive at once with
    buffers reused; `training_state_bytes` parameters, gradients and one momentum each.
    """

    params: int
    macs: int
    values: int
    side_params: int
    side_macs: int
    flow_values: int
    param_bytes: int
    backward_bytes: int
    inference_peak_bytes: int
    training_state_bytes: int

    @property
    def flops(self) -> int:
        """Floating-point operations of the multiply-adds: two each."""
        return 2 * self.macs


@dataclass(frozen=True, slots=True, repr=False)
class Ledger(Shown):
    """The rows and totals of a network on an input volume; `hubel.report.table` has them as text."""

    volume: Volume
    steps: tuple[Step, ...]
    rows: tuple[Row, ...]
    totals: Totals

    @classmethod
    def of(cls, volume: Volume, steps: Sequence[Step]) -> Ledger:
        """Reads steps that are traced already."""
        seen, over = fields(steps), overwriting(steps)
        rows = tuple(_row(step, seen[step.path], over) for step in steps)
        return cls(volume, tuple(steps), rows, _totals(volume, steps, rows))

    def __repr__(self) -> str:
        return f"<Ledger of {len(self.rows)} layers on {self.volume}: {self.totals}>"

    @property
    def unaccounted(self) -> tuple[str, ...]:
        """The paths whose MACs nobody knows; the totals leave them out."""
        return tuple(row.path for row in self.rows if not row.layer.accounted)

    def field(self, path: str, row: int, column: int, *, clipped: bool = False) -> Box:
        """The box of pixels the unit at (`row`, `column`) of `path` sees.

        It goes on into the padding, unless `clipped`. Raises SizeError: no such path or unit.
        """
        return box(self.steps, path, row, column, clipped=clipped)


def ledger(net: Net, volume: VolumeLike, *, strict: bool = False) -> Ledger:
    """The ledger of a network on an input volume.

    Raises UnfitError: a layer does not fit; its `steps` are those before that layer.
    """
    seen = Volume.of(volume)
    return Ledger.of(seen, trace(net, seen, strict=strict))


def _row(step: Step, field: Field, over: Collection[str]) -> Row:
    seen = step.inputs[0]
    return Row(
        path=step.path,
        layer=step.layer,
        formula=step.layer.formula(*step.inputs),
        input=seen,
        output=step.output,
        params=step.layer.params(seen),
        macs=step.layer.macs(seen),
        values=0 if step.path in over else step.output.values,
        field=field,
        note=step.layer.note(*step.inputs),
        side=step.side,
    )


def _totals(volume: Volume, steps: Sequence[Step], rows: Sequence[Row]) -> Totals:
    params = sum(row.params for row in rows)
    values = sum(row.values for row in rows)
    return Totals(
        params=params,
        macs=sum(row.macs for row in rows),
        values=values,
        side_params=sum(row.params for row in rows if row.side),
        side_macs=sum(row.macs for row in rows if row.side),
        flow_values=volume.values + values,
        param_bytes=FLOAT_BYTES * params,
        backward_bytes=backward_bytes(steps),
        inference_peak_bytes=inference_peak_bytes(steps),
        training_state_bytes=3 * FLOAT_BYTES * params,
    )
