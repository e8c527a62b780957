"""The ledger: everything that can be known about a network before any tensor exists.

One row per layer; totals, which are the sums of the columns; memory by named accounting; and the pixels
that any unit sees.
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
    """The row of a layer.

    `formula` shows how its output size follows, `params` is the number of its parameters, `macs` and `values`
    are its multiply-adds and the activations it writes for one image (0 where it works in place), `field` is
    its receptive field, `note` a remark, and `side` the path of the side head it belongs to, or empty.
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

    `params` and `macs` include side heads, here and wherever hubel gives them; `side_params` and `side_macs`
    are the side heads' part, which exists in training only.
    `flow_values` counts the activations of the input and of all layers. `param_bytes` are the parameters;
    `backward_bytes` is what autograd saves for the backward pass; `inference_peak_bytes` the most activations
    alive at once with buffers reused; `training_state_bytes` parameters, gradients and one momentum for each.
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
        """Floating-point operations: two per multiply-add."""
        return 2 * self.macs


@dataclass(frozen=True, slots=True, repr=False)
class Ledger(Shown):
    """The rows and totals of a network on an input volume; `hubel.report.table` prints them.

    `remarks` are about the network as a whole, such as which of several results are its scores.
    """

    volume: Volume
    steps: tuple[Step, ...]
    rows: tuple[Row, ...]
    totals: Totals
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, volume: Volume, steps: Sequence[Step], remarks: tuple[str, ...] = ()) -> Ledger:
        """Returns the ledger of steps that are traced already."""
        known, in_place = fields(steps), overwriting(steps)
        rows = tuple(_row(step, known[step.path], in_place) for step in steps)
        return cls(volume, tuple(steps), rows, _totals(volume, steps, rows), remarks)

    def __repr__(self) -> str:
        return f"<Ledger of {len(self.rows)} layers on {self.volume}: {self.totals}>"

    @property
    def unaccounted(self) -> tuple[str, ...]:
        """The paths whose MACs are unknown; the totals leave them out."""
        return tuple(row.path for row in self.rows if not row.layer.accounted)

    def field(self, path: str, row: int, column: int, *, clipped: bool = False) -> Box:
        """Returns the pixels that the unit at (`row`, `column`) of `path` sees.

        The box includes padding unless it is `clipped`. Raises SizeError: there is no such path or unit.
        """
        return box(self.steps, path, row, column, clipped=clipped)


def ledger(net: Net, volume: VolumeLike, *, strict: bool = False) -> Ledger:
    """Returns the ledger of a network on an input volume, such as `"224x224x3"`.

    `strict` is that of `hubel.trace`.

    Raises UnfitError: a layer does not fit; its `steps` are those before that layer.
    """
    checked = Volume.of(volume)
    return Ledger.of(checked, trace(net, checked, strict=strict))


@dataclass(frozen=True, slots=True)
class Costs:
    """The parameters of some layers, and their MACs for one image."""

    params: int
    macs: int


def costs_of(steps: Sequence[Step]) -> Costs:
    """Returns the costs of all steps that are given; those of side heads are layers like others."""
    return Costs(
        sum(step.layer.params(step.inputs[0]) for step in steps),
        sum(step.layer.macs(step.inputs[0]) for step in steps),
    )


def _row(step: Step, field: Field, in_place: Collection[str]) -> Row:
    volume = step.inputs[0]
    return Row(
        path=step.path,
        layer=step.layer,
        formula=step.layer.formula(*step.inputs),
        input=volume,
        output=step.output,
        params=step.layer.params(volume),
        macs=step.layer.macs(volume),
        values=0 if step.path in in_place else step.output.values,
        field=field,
        note=step.layer.note(*step.inputs),
        side=step.side,
    )


def _totals(volume: Volume, steps: Sequence[Step], rows: Sequence[Row]) -> Totals:
    costs, sides = costs_of(steps), costs_of([step for step in steps if step.side])
    params = costs.params
    values = sum(row.values for row in rows)
    return Totals(
        params=params,
        macs=costs.macs,
        values=values,
        side_params=sides.params,
        side_macs=sides.macs,
        flow_values=volume.values + values,
        param_bytes=FLOAT_BYTES * params,
        backward_bytes=backward_bytes(steps),
        inference_peak_bytes=inference_peak_bytes(steps),
        training_state_bytes=3 * FLOAT_BYTES * params,
    )
