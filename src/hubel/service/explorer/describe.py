"""A network as the page reads it: its steps with their windows, its ledger, and the parts of its drawing.

Everything is plain numbers, texts and lists, as JSON has them. Volumes are [height, width, depth].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from fractions import Fraction
from typing import Any, TypeAlias

from hubel.net.axes import GlobalAxis, UpsamplingAxis
from hubel.net.field import Field
from hubel.net.foreign import Foreign, Marked
from hubel.net.layer import Layer
from hubel.net.layers import Add, Concat, Multiply
from hubel.net.ledger import Ledger, Row, costs_of
from hubel.net.names import LAYERS
from hubel.net.trace import Step
from hubel.net.window import Axis, UnevenAxis
from hubel.report.drawing.parts import Cell, Chain, Fork, Head, Part, Repeat, Stack, kind_of, parts

Json: TypeAlias = dict[str, Any]


def network_json(ledger: Ledger) -> Json:
    """Returns a network with its rows, its totals and the parts of its drawing."""
    return {
        "volume": list(ledger.volume),
        "steps": steps_json(ledger),
        "totals": asdict(ledger.totals) | {"flops": ledger.totals.flops},
        "parts": chain_json(parts(ledger.steps)) if ledger.steps else [],
        "remarks": list(ledger.remarks),
    }


def steps_json(ledger: Ledger) -> list[Json]:
    """Returns each step of a network with its row of the ledger."""
    return [_step(step, row) for step, row in zip(ledger.steps, ledger.rows, strict=True)]


def _step(step: Step, row: Row) -> Json:
    layer = step.layer.layer if isinstance(step.layer, Marked) else step.layer
    rows, columns = layer.window(step.inputs[0]).axes
    return {
        "path": step.path,
        "kind": layer.kind,
        "drawn": kind_of(layer),
        "layer": repr(step.layer),
        "arguments": _arguments(layer),
        "sources": list(step.sources),
        "inputs": [list(volume) for volume in step.inputs],
        "output": list(step.output),
        "window": {"rows": _axis(rows), "columns": _axis(columns)},
        "side": step.side,
        "formula": row.formula,
        "params": row.params,
        "macs": row.macs if row.layer.accounted else None,
        "values": row.values,
        "field": _field(row.field),
        "note": row.note,
    }


def _arguments(layer: Layer) -> Json:
    """The arguments of a layer of the notation by name, as they are written."""
    if isinstance(layer, Foreign):
        return {}
    return {each.name: getattr(layer, each.name) for each in fields(layer)}


def _axis(axis: Axis) -> Json:
    """An axis of a window; `form` says by which rule its outputs see inputs."""
    found = asdict(axis)
    form = {UnevenAxis: "uneven", GlobalAxis: "global", UpsamplingAxis: "upsampling"}.get(type(axis), "plain")
    return {"form": form, **found}


def _field(field: Field) -> Json:
    jump = [float(each) if isinstance(each, Fraction) else each for each in field.jump]
    return {"size": list(field.size), "jump": jump, "start": list(field.start)}


def chain_json(chain: Chain) -> list[Json]:
    """Returns the parts of a drawing: stacks of volumes, forks, and repeated blocks, one in another."""
    return [_part(part) for part in chain]


def _part(part: Part) -> Json:
    match part:
        case Stack():
            return {"stack": [_cell(cell) for cell in part.cells]}
        case Fork():
            return {"fork": [chain_json(lane) for lane in part.lanes], "join": _cell(part.join)}
        case Repeat():
            return {"repeat": chain_json(part.chain), "times": part.times}


def _cell(cell: Cell) -> Json:
    return {
        "name": cell.name,
        "volume": list(cell.volume),
        "kind": cell.kind,
        "steps": [step.path for step in cell.steps],
        "copies": list(cell.copies),
        "towers": cell.towers,
        "heads": [_head(head) for head in cell.heads],
    }


def _head(head: Head) -> Json:
    return {"name": head.name, "weight": head.weight, "chain": chain_json(head.chain)}


BROWSER = frozenset(
    (layer if isinstance(layer, type) else type(layer)).__name__.lower()
    for layer in (*LAYERS.values(), Add, Concat, Multiply)
)
"""The kinds of layers that the page computes itself: all that the notation has, and its joins."""

MOST_PARAMS, MOST_MACS = 1_000_000, 300_000_000
"""Up to this many parameters and MACs the page computes a network itself, in under a second an image."""


def fits_browser(steps: Sequence[Step]) -> bool:
    """Whether the page computes a network itself."""
    if any(isinstance(step.layer, Marked) or step.layer.kind not in BROWSER for step in steps):
        return False
    costs = costs_of(steps)
    return costs.params < MOST_PARAMS and costs.macs <= MOST_MACS
