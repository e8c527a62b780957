"""A Keras model as steps: a layer is read as soon as what it takes is known; models within it as well."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.errors import ModelError, NetworkError, UsageError, nearest
from hubel.foreign.builder import Builder, NoLayerError
from hubel.foreign.found import Found
from hubel.foreign.keras.file import KerasFile, open_keras
from hubel.foreign.keras.layers import JOINERS, READERS
from hubel.foreign.keras.reading import ORDERS, KerasLayer, KerasReading
from hubel.foreign.keras.weights import Place
from hubel.foreign.value import Value
from hubel.net.trace import INPUT, UnreadError
from hubel.net.volume import Volume

MODELS = ("Functional", "Model", "Sequential")
CODE = ("Lambda", "TFOpLambda", "SlicingOpLambda")
"""Classes whose configuration is a program."""


def read_keras(
    path: Path,
    weights: Path | None = None,
    volume: Volume | None = None,
    output: str | None = None,
    *,
    bare: bool = False,
) -> Found:
    """Reads the network of a file of Keras, with its weights or those of another file; with `bare` with none.

    `output` is the layer with the scores, by default the first output. Raises UnreadError: a layer is none of
    hubel's; its `steps` are those before. Raises UsageError: the file leaves the input's size open and no
    volume is given, or there is no such output. Raises ModelError: a file cannot be read, or has no weights.
    """
    with open_keras(path, weights, bare=bare) as file:
        if file.weights is None and not bare:
            raise ModelError(f"{path} has no weights; give them, too: hubel import {path} model.weights.h5")
        try:
            return _found(path, file, volume, output)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            # whatever part of a configuration is missing, or of another type than Keras writes
            raise ModelError(f"{path}: its configuration cannot be read ({error!r})") from None


def _found(path: Path, file: KerasFile, volume: Volume | None, output: str | None) -> Found:
    try:
        model = _Model.of(file.config, (), ())
    except NetworkError as error:
        raise ModelError(f"{path}: {error}") from None
    order, seen = _input(path, model, volume)
    reading = KerasReading(Builder(seen), file.version, file.weights)
    start = Value.of(INPUT, seen, order)
    names = [name for name, _ in model.outputs]
    if output is not None and output not in names:
        raise UsageError(
            f"{path} has no output {output!r}{nearest(output, names)}; it has {', '.join(names)}"
        )
    try:
        end = _read(reading, model, start, names.index(output) if output else 0)
    except _UnreadLayer as error:
        steps = tuple(reading.builder.steps.values())
        raise UnreadError(f"{path}: layer {error} is no layer of hubel: {error.__cause__}", steps) from None
    except NetworkError as error:
        raise ModelError(f"{path}: {error}") from None
    return reading.builder.found(end)


class _UnreadLayer(Exception):  # noqa: N818 - it is the layer's name
    """Says which layer is none of hubel's; its cause is why."""


Node = tuple[str, int]
"""A layer's name, and which of its calls."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """One call of a layer. `takes` are the calls whose values it reads, or numbers."""

    layer: KerasLayer
    node: Node
    takes: tuple[Node | float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A model, or one within another: the calls of its layers, what it takes and what it gives."""

    name: str
    calls: list[_Call]
    inputs: list[Node]
    outputs: list[Node]
    shape: list[Any]

    @classmethod
    def of(cls, config: dict[str, Any], names: Place, groups: Place) -> _Model:
        """Reads a configuration."""
        own = config["config"]
        name = "" if isinstance(own, list) else str(own.get("name"))
        if config["class_name"] not in MODELS:
            raise ModelError(
                f"its model is a class of its own, {config['class_name']}, which is code; Functional and "
                "Sequential models are read"
            )
        listed = own if isinstance(own, list) else own["layers"]  # a list in the first versions
        layers = list(zip(listed, _layers(listed, names, groups), strict=True))
        if len({layer.names for _, layer in layers}) < len(layers):
            raise ModelError(f"its model {name} has two layers of one name")
        shape: list[Any] = []
        if config["class_name"] == "Sequential":
            before: Node = ("", 0)
            calls = []
            for _, layer in layers:
                if layer.kind != "InputLayer":
                    calls.append(_Call(layer, (layer.names[-1], 0), (before,)))
                    before = calls[-1].node
            first = layers[0][1].config
            shape = (
                first.get("batch_shape")
                or first.get("batch_input_shape")
                or own.get("build_input_shape")
                or []
            )
            return cls(name, calls, [("", 0)], [before], shape)
        calls = [
            _Call(layer, (layer.names[-1], at), tuple(_tensors(node)))
            for each, layer in layers
            for at, node in enumerate(each.get("inbound_nodes", []))
        ]
        inputs = _ends(own["input_layers"])
        for _, layer in layers:
            if layer.names[-1] == inputs[0][0]:
                shape = layer.get("batch_shape") or layer.get("batch_input_shape") or []
        return cls(name, calls, inputs, _ends(own["output_layers"]), shape)


def _layers(listed: Sequence[dict[str, Any]], names: Place, groups: Place) -> Iterator[KerasLayer]:
    """Yields the layers of a model, each with its place in the weights: its class and number."""
    counted: Counter[str] = Counter()
    for each in listed:
        kind, config = each["class_name"], each["config"]
        group = _snake(kind)
        number = counted[group]
        counted[group] += 1
        place = f"{group}_{number}" if number else group
        name = str(each.get("name") or config.get("name") or place)
        if not str(each.get("module") or "keras").startswith("keras"):
            kind = str(each.get("registered_name") or f"{each['module']}.{kind}")  # not Keras' own
        whole = each if kind in MODELS else config
        yield KerasLayer(kind, whole, (*names, name), (*groups, place))


def _snake(name: str) -> str:
    """A class's name as Keras writes it in paths: `p_re_lu` for `PReLU`."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _ends(given: Any) -> list[Node]:
    """The inputs or outputs of a model: of one alone Keras 3 makes no list."""
    if not isinstance(given, list):
        raise NetworkError("its inputs or outputs have names; give it those of one input and one output")
    listed = [given] if given and isinstance(given[0], str) else given
    return [(str(each[0]), int(each[1])) for each in listed]


def _tensors(node: Any) -> Iterator[Node | float]:
    """Yields what a call takes: the calls that made it, or numbers."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            name, at, which = node["config"]["keras_history"]
            yield _first(name, at, which)
        elif "args" in node:
            yield from _tensors(node["args"])
            named = list(node.get("kwargs", {}).values())
            yield from (each for each in _tensors(named) if not isinstance(each, float))
        else:
            yield math.nan  # a constant that is no number
    elif isinstance(node, list) and len(node) in (3, 4) and isinstance(node[0], str):  # before Keras 3
        yield _first(*node[:3])
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _tensors(each)
    elif isinstance(node, int | float):
        yield float(node)


def _first(name: str, at: int, which: int) -> Node:
    if which:
        raise NetworkError(f"result {which} of layer {name} is read; a layer gives one")
    return name, at


def _read(reading: KerasReading, model: _Model, start: Value, output: int = 0) -> Value:
    """Reads the layers of a model, and returns what it gives."""
    if len(model.inputs) != 1:
        raise NetworkError(f"it takes {len(model.inputs)} inputs; a network takes images")
    reading.builder.models[model.name] = None
    values: dict[Node, Value] = {model.inputs[0]: start}
    called = Counter(call.node[0] for call in model.calls)
    pending = [call for call in model.calls if call.node not in values]
    while pending:
        waiting = []
        for call in pending:
            if all(isinstance(node, float) or node in values for node in call.takes):
                given = [node if isinstance(node, float) else values[node] for node in call.takes]
                values[call.node] = _called(reading, call.layer, given, called[call.node[0]])
            else:
                waiting.append(call)
        if len(waiting) == len(pending):
            raise NetworkError(f"nothing gives what layer {pending[0].layer} takes")
        pending = waiting
    return values[model.outputs[output]]


def _called(reading: KerasReading, layer: KerasLayer, given: Sequence[Any], calls: int) -> Value:
    """Returns what a layer makes of values. Raises _UnreadLayer: it is none of hubel's."""
    kind, numbers = layer.kind, any(isinstance(each, float) for each in given)
    try:
        if kind in CODE:
            raise NoLayerError("it is a program, and nothing in a file is executed")
        if calls > 1 and kind in (*MODELS, *TRAINED):
            raise NoLayerError("it is used more than once")
        if kind in MODELS:
            return _read(reading, _Model.of(layer.config, layer.names, layer.groups), *given)
        if kind in ARITHMETIC and len(given) == 2 and numbers:
            return _arithmetic(reading, layer, given)
        if kind in JOINERS and not numbers:
            return JOINERS[kind](reading, layer, *given)
        if kind not in READERS or len(given) != 1:
            raise NoLayerError(f"there is no layer for {kind}")
        return READERS[kind](reading, layer, given[0])
    except (NoLayerError, NetworkError) as error:
        raise _UnreadLayer(str(layer)) from error


TRAINED = (
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "GroupNormalization",
    "LayerNormalization",
    "Normalization",
    "PReLU",
    "SeparableConv2D",
)
"""Classes with weights, which each have one place in a network."""

ARITHMETIC: dict[str, Callable[[float], tuple[float, float]]] = {
    "Add": lambda number: (1.0, number),
    "Multiply": lambda number: (number, 0.0),
    "Subtract": lambda number: (1.0, -number),
    "TrueDivide": lambda number: (1 / number, 0.0),
}
"""For each operation of a value and a number, its factor and its summand."""


def _arithmetic(reading: KerasReading, layer: KerasLayer, given: Sequence[Any]) -> Value:
    """A factor and a summand for all values, such as those of `preprocess_input`."""
    first, second = given
    turned = isinstance(first, float)
    value, number = (second, first) if turned else (first, second)
    if not math.isfinite(number) or (layer.kind == "TrueDivide" and (turned or not number)):
        raise NoLayerError("its constant is no number for all maps")
    scale, shift = ARITHMETIC[layer.kind](number)
    if layer.kind == "Subtract" and turned:
        scale, shift = -1.0, number
    one = np.ones(value.volume.depth)
    return reading.builder.affine(value, scale * one, shift * one, layer.name)


def _input(path: Path, model: _Model, volume: Volume | None) -> tuple[str, Volume]:
    """The order of the input's axes, and the volume of one image.

    Raises UsageError: the file leaves the size open and none is given, or states another. Raises UnreadError:
    no images.
    """
    if len(model.shape) != 4:
        raise UnreadError(f"{path}: its input has {len(model.shape)} axes; images have four", ())
    last = model.shape[3] in CHANNELS or model.shape[1] not in CHANNELS
    order = ORDERS["channels_last" if last else "channels_first"]
    said = dict(zip(order, model.shape, strict=True))
    shape = "x".join(str(said[side] or "?") for side in "hwc")
    if volume is None:
        if None in (said["h"], said["w"], said["c"]):
            raise UsageError(f"{path} takes images of {shape}; give their size, --input 224x224x3")
        return order, Volume(said["h"], said["w"], said["c"])
    if any(said[side] not in (None, size) for side, size in zip("hwc", volume, strict=True)):
        raise UsageError(f"{path} takes images of {shape}, not {volume}")
    return order, volume


CHANNELS = (1, 3)
"""The depths of images, by which the order of an input's axes is told."""
