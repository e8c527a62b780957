"""The arithmetic of one unit as text and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.net.activations import ACTIVATIONS, Gelu
from hubel.net.field import NOTHING

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.neuron import Neuron
    from hubel.instruments.sight import Taken

    Floats = npt.NDArray[np.float64]

WIDTH = 100
"""The most columns of the text."""

MOST_MAPS = 4
"""The most maps of a window that are written out; otherwise the largest contributions are listed."""

MOST_LISTED = 12
"""How many contributions are listed."""

_CELL, _LEAST_CELL, _MOST_ROWS = 9, 6, 7

_RULES = {
    "conv": "the sum of weight · input{bias}",
    "convtranspose": "the sum of weight · input{bias}",
    "fc": "the sum of weight · input{bias}",
    "rbf": "minus the squared distance of the input from the class's code",
    "maxpool": "the largest of its window",
    "avgpool": "the mean of its window",
    "adaptiveavgpool": "the mean of its window",
    "globalavgpool": "the mean of the map",
    "subsample": "coefficient · the sum of its window + bias",
    "upsample": "the nearest input, or the nearest ones by how near they are",
    "part": "the input, of its own map",
    "shuffle": "the input, of its own map",
    "padshortcut": "the input at its place; 0 in a map the input does not have",
    "relu": "max(0, input)",
    "tanh": "tanh(input)",
    "sigmoid": "1 / (1 + exp(-input))",
    "hardsigmoid": "min(max(input + 3, 0), 6) / 6",
    "gelu": "input · Φ(input)",
    "mish": "input · tanh(log(1 + exp(input)))",
    "softplus": "log(1 + exp(input))",
    "silu": "input / (1 + exp(-input))",
    "hardswish": "input · min(max(input + 3, 0), 6) / 6",
    "leakyrelu": "max(0, input) + {slope} · min(0, input)",
    "prelu": "max(0, input) + slope · min(0, input)",
    "elu": "max(0, input) + {alpha} · (exp(min(0, input)) - 1)",
    "dropout": "the input, at inference",
    "droppath": "the input, at inference",
    "identity": "the input",
    "batchnorm": "(input - mean) / √(variance + eps) · scale + shift",
    "layernorm": "(input - mean) / √(variance + eps) · scale + shift",
    "groupnorm": "(input - mean) / √(variance + eps) · scale + shift",
    "layerscale": "input · scale",
    "lrn": "input / (k + alpha · sum of squares)^beta",
    "softmax": "exp(input) / sum of exp over the maps, after subtracting the largest input",
    "add": "the sum of its branches",
    "multiply": "the input · the factor that the gate's branch gives",
    "concat": "the branch's value, as it is",
}


def rule(neuron: Neuron) -> str:
    """Returns how a unit's value is computed, in words."""
    layer = neuron.layer
    if layer.kind == "relu" and getattr(layer, "limit", None) is not None:
        return f"min({_number(layer.limit)}, max(0, input))"  # type: ignore[attr-defined]
    if layer.kind == "tanh" and (layer.amplitude, layer.slope) != (1, 1):  # type: ignore[attr-defined]
        return f"{_number(layer.amplitude)} · tanh({_number(layer.slope)} · input)"  # type: ignore[attr-defined]
    if layer == Gelu(tanh=True):
        return "input · (1 + tanh(√(2/π) · (input + 0.044715 · input³))) / 2"
    numbers = {name: _number(getattr(layer, name)) for name in ("slope", "alpha") if hasattr(layer, name)}
    return _RULES[layer.kind].format(bias=" + bias" if "bias" in neuron.parts else "", **numbers)


def as_json(neuron: Neuron) -> str:
    """A unit's whole arithmetic; padding of max pooling, which is never the largest, is null."""
    box = neuron.box
    sides = ("top", "left", "bottom", "right")
    seen = None if box == NOTHING else {side: getattr(box, side) for side in sides}
    content = {
        "unit": str(neuron.unit),
        "layer": repr(neuron.layer),
        "rule": rule(neuron),
        "box": seen,
        "taken": [_taken_json(each) for each in neuron.taken],
        "parts": {name: _plain(value) for name, value in neuron.parts.items()},
        "value": _plain(neuron.value),
        "computed": _plain(neuron.computed),
        "difference": _plain(neuron.difference),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def as_text(neuron: Neuron) -> str:
    """A unit's arithmetic as text, at most `WIDTH` columns wide; what it shows adds up to the value."""
    lines = [
        f"{neuron.unit} = {_number(neuron.computed)}",
        f"  {_cut(f'{neuron.layer!r}: {rule(neuron)}', WIDTH - 2)}",
        f"  {_looks_at(neuron)}",
    ]
    for at, taken in enumerate(neuron.taken):
        together = at > 0 and taken.values.size == 1
        lines += [*([] if together else [""]), *_taken_text(neuron, taken)]
    return "\n".join([*lines, "", *_sum(neuron)])


def _looks_at(neuron: Neuron) -> str:
    if neuron.box == NOTHING:
        what = "only padding" if neuron.taken else "a map of zeros"
        return f"sees nothing of the image, {what}"
    box = neuron.box
    high, wide = box.size
    return (
        f"sees rows {box.top} to {box.bottom}, columns {box.left} to {box.right} "
        f"of the image as the network sees it: {high}x{wide} pixels"
    )


def _taken_text(neuron: Neuron, taken: Taken) -> list[str]:
    """One source: its whole window if it is small, otherwise the largest contributions."""
    maps, rows, columns = taken.values.shape
    if taken.values.size == 1:
        return [f"reads {_place(taken, 0)} = {_number(float(taken.values.flat[0]))}"]
    where = f"{_run('map', taken.maps)}, {_run('row', taken.rows)}, {_run('column', taken.columns)}"
    lines = [f"reads {taken.source} ({taken.volume}), {_cut(where, 60)}"]
    padding = int(taken.values[0].size - taken.inside.sum()) * maps
    if padding:
        lines.append(f"  {padding} of these {taken.values.size} are padding, shown as ·")
    blocks = _blocks(neuron, taken)
    cell = min(_CELL, (WIDTH - 2 - 3 * (len(blocks) - 1)) // (len(blocks) * columns))
    if maps <= MOST_MAPS and rows <= _MOST_ROWS and cell >= _LEAST_CELL:
        return lines + _slices(taken, blocks, cell)
    return lines + _largest(neuron, taken)


def _blocks(neuron: Neuron, taken: Taken) -> list[tuple[str, Floats]]:
    """The arrays of a source with their names."""
    blocks = [("input", taken.values)]
    if taken.weights is not None:
        blocks.append(("code" if neuron.layer.kind == "rbf" else "weight", taken.weights))
    if taken.products is not None:
        blocks.append((_product(neuron), taken.products))
    return blocks


def _product(neuron: Neuron) -> str:
    names = {"softmax": "exp", "lrn": "square", "rbf": "-(input - code)²"}
    return names.get(neuron.layer.kind, "product")


def _slices(taken: Taken, blocks: Sequence[tuple[str, Floats]], cell: int) -> list[str]:
    """Each map's window: input, weight and product side by side."""
    maps, rows, columns = taken.values.shape
    inside = taken.inside
    lines = []
    digits = [_digits(values, cell) for _, values in blocks]
    for at in range(maps):
        across = columns * cell
        heads = [f"{name}" for name, _ in blocks]
        heads[0] = f"{taken.source}[{taken.maps[at]}]"
        lines += ["", "  " + "   ".join(f"{_cut(head, across):>{across}}" for head in heads).rstrip()]
        for row in range(rows):
            parts = []
            for (name, values), most in zip(blocks, digits, strict=True):
                shown = inside[row] | (name == "weight")
                cells = (
                    _fixed(value, most) if real else "·"
                    for value, real in zip(values[at, row], shown, strict=True)
                )
                parts.append("".join(f"{text:>{cell}}" for text in cells))
            lines.append("  " + "   ".join(parts))
    return lines


def _largest(neuron: Neuron, taken: Taken) -> list[str]:
    """The largest contributions with their positions, and the sum of all others."""
    terms = taken.values if taken.products is None else taken.products
    flat = np.where(np.isfinite(terms), terms, 0).ravel()
    inside = np.broadcast_to(taken.inside, taken.values.shape).ravel()
    order = np.argsort(-np.abs(flat), kind="stable")
    order = order[inside[order]]
    if neuron.layer.kind == "maxpool":
        order = order[np.argsort(-taken.values.ravel()[order], kind="stable")]
    shown, rest = order[:MOST_LISTED], order[MOST_LISTED:]
    widest = max([len(_place(taken, int(place))) for place in shown], default=0)
    blocks = _blocks(neuron, taken)
    lines = ["", "  " + " " * widest + "".join(f"{name:>{max(14, len(name) + 3)}}" for name, _ in blocks)]
    for place in shown:
        cells = (
            f"{_number(float(values.ravel()[place])):>{max(14, len(name) + 3)}}" for name, values in blocks
        )
        lines.append(f"  {_place(taken, int(place)):<{widest}}{''.join(cells)}")
    if len(rest) and neuron.layer.kind != "maxpool":
        across = sum(max(14, len(name) + 3) for name, _ in blocks)
        label = f"sum of {len(rest):,} others"
        total = _number(math.fsum(flat[rest]))
        lines.append(f"  {label}{total:>{max(1, widest + across - len(label))}}")
    elif len(rest):
        lines.append(f"  and {len(rest):,} smaller ones")
    if taken.products is not None and len(taken.maps) > 1 and taken.values[0].size > 1:
        lines += ["", *_by_map(taken, flat)]
    return lines


def _by_map(taken: Taken, flat: Floats) -> list[str]:
    """The contribution of each map, the largest first, as many as fit on two lines."""
    sums = flat.reshape(len(taken.maps), -1).sum(1)
    order = np.argsort(-np.abs(sums), kind="stable")
    lines, line = [], "  by map:"
    for count, at in enumerate(order):
        part = f"  [{taken.maps[at]}] {sums[at]:+.4g}"
        if len(line + part) > WIDTH - 12:
            lines.append(line)
            line = "         "
            if len(lines) == 2:
                lines[-1] += f"  and {len(order) - count} more"
                return lines
        line += part
    return [*lines, line]


def _sum(neuron: Neuron) -> list[str]:
    """The last lines: the parts, how they make up the value, and the value in the network."""
    parts = neuron.parts
    names = {"sum": _sum_name(neuron), "input": "input" if len(neuron.taken) < 2 else "its own input"}
    lines = [(names.get(name, name), _number(value), "") for name, value in parts.items()]
    if neuron.layer.kind == "maxpool":
        lines = [("largest", _number(neuron.value), f"at {_winner(neuron)}")]
    formula = _formula(neuron)
    lines.append(("value", _number(neuron.value), f"= {formula}" if formula else ""))
    note = f"differs by {neuron.difference:.1g}" if neuron.difference else "the same"
    lines.append(("in the network", _number(neuron.computed), note))
    label, number = (max(len(line[at]) for line in lines) for at in (0, 1))
    return [f"{name:<{label}}  {value:>{number}}  {_cut(note, 70)}".rstrip() for name, value, note in lines]


def _sum_name(neuron: Neuron) -> str:
    count = sum(each.values.size for each in neuron.taken)
    what = {"softmax": "exps", "lrn": "squares", "add": "branches", "rbf": "terms"}.get(neuron.layer.kind)
    if what is None:
        what = "products" if neuron.taken and neuron.taken[0].products is not None else "inputs"
    return f"sum of {count if what != 'branches' else len(neuron.taken)} {what}"


def _winner(neuron: Neuron) -> str:
    taken = neuron.taken[0]
    return _place(taken, int(np.nanargmax(taken.values)) if not np.isnan(taken.values).all() else 0)


_FORMULAS = {
    **dict.fromkeys(("conv", "convtranspose", "fc"), "{sum} {plus_bias}"),
    **dict.fromkeys(("avgpool", "adaptiveavgpool", "globalavgpool"), "{sum} / {count}"),
    **dict.fromkeys(
        ("batchnorm", "layernorm", "groupnorm"),
        "({input} {minus_mean}) / √({variance} + {eps}) · {scale} {plus_shift}",
    ),
    "subsample": "{coefficient} · {sum} {plus_bias}",
    "lrn": "{input} / ({k} + {alpha} · {sum})^{beta}",
    "softmax": "exp({input} {minus_largest}) / {sum}",
    "layerscale": "{input} · {scale}",
    "multiply": "{input} · {factor}",
}
"""The rules with their numbers, of layers with more than one."""


def _formula(neuron: Neuron) -> str:
    """The rule with its numbers; empty if there is only one number."""
    kind, parts = neuron.layer.kind, {name: _number(value) for name, value in neuron.parts.items()}
    plus = {f"plus_{name}": _plus(value) for name, value in parts.items()}
    minus = {f"minus_{name}": _plus(_number(-value)) for name, value in neuron.parts.items()}
    if kind in ("conv", "convtranspose", "fc") and "bias" not in parts:
        return ""
    if kind in _FORMULAS:
        return _FORMULAS[kind].format(**parts, **plus, **minus)
    if kind == "add":
        values = [_number(float(each.values.flat[0])) for each in neuron.taken]
        return " ".join([values[0], *map(_plus, values[1:])])
    if kind == "relu":
        return rule(neuron).replace("input", parts["input"])
    if isinstance(neuron.layer, ACTIVATIONS):
        shown = f"({parts['input']})" if "-" in parts["input"] else parts["input"]
        return rule(neuron).replace("input", shown).replace("slope", parts.get("slope", ""))
    return ""


def _plus(number: str) -> str:
    return f"- {number[1:]}" if number.startswith("-") else f"+ {number}"


def _place(taken: Taken, index: int) -> str:
    """A value's name: `relu1[2,5,6]`."""
    return f"{taken.source}[{','.join(map(str, taken.place(index)))}]"


def _run(what: str, places: npt.NDArray[np.int64]) -> str:
    """`rows 3 to 7`, `row 3`, `rows 1, 3, 5`."""
    if len(places) == 1:
        return f"{what} {places[0]}"
    if (np.diff(places) == 1).all():
        return f"{what}s {places[0]} to {places[-1]}"
    return f"{what}s {', '.join(map(str, places))}"


def _digits(values: Floats, cell: int) -> int:
    """The number of decimals with which a block's largest number fits a cell."""
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0))
    return max(0, min(5, cell - 4 - max(1, len(f"{largest:.0f}")) + 1))


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else str(value)


def _number(value: float) -> str:
    """A number with six digits."""
    return f"{value + 0.0:.6g}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _taken_json(taken: Taken) -> dict[str, Any]:
    return {
        "source": taken.source,
        "maps": taken.maps.tolist(),
        "rows": taken.rows.tolist(),
        "columns": taken.columns.tolist(),
        "inside": taken.inside.tolist(),
        "values": _nested(taken.values),
        "weights": None if taken.weights is None else _nested(taken.weights),
        "products": None if taken.products is None else _nested(taken.products),
    }


def _nested(values: Floats) -> Any:
    """An array as lists, with null for values that JSON cannot express."""
    return np.where(np.isfinite(values), values, None).tolist()  # type: ignore[call-overload]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
