"""An ONNX file as steps: its nodes are read in order, up to the one that is no layer."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, ValueInfoProto

from hubel.errors import NetworkError, UsageError, nearest
from hubel.foreign.builder import Builder, NoLayerError
from hubel.foreign.found import Found
from hubel.foreign.onnx.file import OnnxFile
from hubel.foreign.onnx.floats import in_floats
from hubel.foreign.onnx.operators import READERS
from hubel.foreign.onnx.patterns import matched
from hubel.foreign.onnx.reading import Node, Reading, Unread, UnreadValueError, fold
from hubel.foreign.onnx.shapes import split
from hubel.foreign.value import MAPS, Value
from hubel.net.trace import INPUT, UnreadError
from hubel.net.volume import Volume

OPSETS = range(6, 25)
"""The versions of ONNX's operators that are read."""

PASSING = ("Cast", "Identity")
"""Operators that pass values on; quantisation and its inverse become such, too."""

CHANNELS = (1, 3)
"""The depths of images, by which the order of an input's axes is told."""


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNetwork:
    """An ONNX file that was read: what was `found`, and the graph's values.

    `input` is the name of the graph's input, `start` its value, and `kind` the type of its numbers. `values`
    has the name and the axes of what a step gives, by the step's path, where the graph has such a value.
    """

    file: OnnxFile
    found: Found
    input: str
    start: Value
    kind: int
    values: dict[str, tuple[str, Value]]


def read_onnx(file: OnnxFile, volume: Volume | None = None, output: str | None = None) -> OnnxNetwork:
    """Reads the network of a file on an input volume; by default the file's own.

    `output` is the name of the output with the scores, by default the first.

    Raises UnreadError: a node is no layer; its `steps` are those before. Raises UsageError: the file leaves
    its input's size open and no volume is given, or it has no such output.
    """
    file, remarks = in_floats(file)
    entry = _input(file)
    order, seen, batch = _entry_of(file, entry, volume)
    start = Value.of(INPUT, seen, order, batch)
    reading = Reading(Builder(seen), file.opset, dict(file.weights), {entry.name: start}, ends=_ends(file))
    for remark in remarks:
        reading.builder.remark(remark)
    end_name = _output(file, output)
    if output is None and len(file.graph.output) > 1:
        names = ", ".join(each.name for each in file.graph.output)
        reading.builder.remark(f"of the outputs {names} the first is the scores; --output takes another")
    for proto in file.graph.node:
        _take(reading, proto)
    end = reading.values.get(end_name)
    if isinstance(end, Unread):
        raise UnreadError(
            f"{file.path}: node {_named(reading, end.node)} is no layer of hubel: {end.why}; "
            "replace it in the source of the network",
            tuple(reading.builder.steps.values())[: end.steps],
        )
    if end is None:
        raise UnreadError(f"{file.path}: its output {end_name} does not depend on its input", ())
    found = reading.builder.found(end, _classes(file.metadata))
    # Of the values that a step stands for the first counts: the others are the same in another shape.
    known = [(name, value) for name, value in reading.values.items() if isinstance(value, Value)]
    made = {value.path: (name, value) for name, value in reversed(known)}
    values = {path: made[own] for path, own in found.made.items() if own in made}
    return OnnxNetwork(file, found, entry.name, start, entry.type.tensor_type.elem_type, values)


def _named(reading: Reading, node: Node) -> str:
    """A node for a message; one without a name also by the operations whose values it takes."""
    makers = [reading.producers[name] for name in node.inputs if name in reading.producers]
    behind = " and ".join(dict.fromkeys(str(maker) for maker in makers if maker.op != "Constant"))
    return str(node) if node.name or not behind else f"{node} behind {behind}"


def _ends(file: OnnxFile) -> frozenset[str]:
    """The names of the graph's outputs, and of what nodes only pass on to them."""
    ends = {each.name for each in file.graph.output}
    for node in reversed(file.graph.node):
        if node.op_type in PASSING and not ends.isdisjoint(node.output):
            ends.add(node.input[0])
    return frozenset(ends)


def _take(reading: Reading, proto: NodeProto) -> None:
    """Reads one node: a constant, a layer, or one that is unknown."""
    node = Node.of(proto)
    if not node.outputs:
        return
    maker = reading.producers.get(node.inputs[0]) if node.op in PASSING else node
    if maker is not None:  # what is passed on is what was made before, in patterns, too
        reading.producers |= dict.fromkeys(node.outputs, maker)
    try:
        if all(name in reading.constants for name in node.inputs if name):
            given = [reading.constants[name] if name else None for name in node.inputs]
            reading.constants |= zip(node.outputs, fold(proto, given, reading.opset), strict=False)
            return
        if node.op == "Shape":
            shape = reading.value(node).shape[node.get("start", 0) : node.get("end", None)]
            reading.constants[node.outputs[0]] = np.array(shape, np.int64)
            return
        if node.op == "Split":
            reading.values |= split(reading, node)
        else:
            reading.values[node.outputs[0]] = _value(reading, node)
    except UnreadValueError as error:
        reading.values |= dict.fromkeys(node.outputs, error.unread)
    except (NoLayerError, NetworkError) as error:
        unread = Unread(node, str(error), len(reading.builder.steps))
        reading.values |= dict.fromkeys(node.outputs, unread)


def _value(reading: Reading, node: Node) -> Value:
    """Returns what a node makes."""
    pattern = matched(reading, node)
    if pattern is not None:
        layer, taken = pattern
        value = reading.values[taken]
        if isinstance(value, Unread):
            raise UnreadValueError(value)
        return reading.builder.add(layer, [value], reading.name(node))
    if node.op not in READERS:
        raise NoLayerError(f"there is no layer for {node.op}")
    return READERS[node.op](reading, node)


def _input(file: OnnxFile) -> ValueInfoProto:
    """The input that takes images. Raises UnreadError: there are several inputs, or none."""
    given: list[ValueInfoProto] = [each for each in file.graph.input if each.name not in file.weights]
    if len(given) != 1:
        names = ", ".join(each.name for each in given) or "none"
        raise UnreadError(f"{file.path}: it takes {len(given)} inputs ({names}); a network takes images", ())
    return given[0]


def _entry_of(file: OnnxFile, entry: ValueInfoProto, volume: Volume | None) -> tuple[str, Volume, int]:
    """The order of the input's axes, the volume of one image, and the number of images.

    Raises UsageError: the file leaves the size open and none is given. Raises UnreadError: no images.
    """
    dims = entry.type.tensor_type.shape.dim
    sides = [side.dim_value if side.dim_value > 0 else None for side in dims]  # -1 is open, too
    if len(sides) != 4:
        raise UnreadError(f"{file.path}: its input {entry.name} has {len(sides)} axes; images have four", ())
    last = sides[3] in CHANNELS and sides[1] not in CHANNELS
    order = "nhwc" if last else MAPS
    said = dict(zip(order, sides, strict=True))
    if volume is None:
        open_sides = [side for side in "hwc" if said[side] is None]
        if open_sides:
            shape = "x".join(str(said[side] or "?") for side in "hwc")
            raise UsageError(f"{file.path} takes images of {shape}; give their size, --input 224x224x3")
        volume = Volume(*(said[side] or 0 for side in "hwc"))
    for side, size in zip("hwc", volume, strict=True):
        if said[side] not in (None, size):
            shape = "x".join(str(said[each] or "?") for each in "hwc")
            raise UsageError(f"{file.path} takes images of {shape}, not {volume}")
    return order, volume, said["n"] or 1


def _output(file: OnnxFile, name: str | None) -> str:
    """The name of the output with the scores. Raises UsageError: there is no such output."""
    names = [each.name for each in file.graph.output]
    if name is not None and name not in names:
        raise UsageError(
            f"{file.path} has no output {name!r}{nearest(name, names)}; it has {', '.join(names)}"
        )
    return names[0] if name is None else name


def _classes(metadata: dict[str, str]) -> tuple[str, ...] | None:
    """The names of the classes in a file's metadata, as common exporters write them; None without."""
    for key in ("classes", "class_names", "names", "labels", "character"):
        text = metadata.get(key, "")
        quoted = re.findall(r"""\d+\s*:\s*(["'])(.*?)\1""", text) or re.findall(r"""(["'])(.*?)\1""", text)
        names = [name for _, name in quoted] or [line.strip() for line in text.splitlines() if line.strip()]
        if len(names) > 1 and len(set(names)) == len(names):
            return tuple(names)
    return None
