"""Caffe's files: the text of a network, and its weights as views of their file.

A network's layers come in two forms: the newer names a layer's type, the older (V1) numbers it.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.errors import ModelError
from hubel.files import read_text
from hubel.foreign.caffe.schema import ENUMS, message
from hubel.foreign.found import Array
from hubel.graph.wire import BYTES, NUMBER, fields

LAYER, V1_LAYER = 100, 2
"""The fields of layers in a network, in the newer and the older form."""

NAME, BLOBS = {LAYER: 1, V1_LAYER: 4}, {LAYER: 7, V1_LAYER: 6}
"""The fields of a layer's name and of its weights, in either form."""

DATA, SHAPE, SIDES = 5, 7, (1, 2, 3, 4)
"""The fields of an array: its values, its shape, and in older files its four sides."""

SPELLED = {
    "BNLL": "BNLL",
    "ELTWISE": "Eltwise",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
"""Types of the older form whose newer name is not the same word."""


@dataclass(frozen=True, slots=True, eq=False)
class CaffeLayer:
    """One layer. `bottoms` and `tops` are the names of what it reads and makes."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    message: Any

    def of(self, part: str) -> Any:
        """Returns the parameters of this name, such as `pooling`."""
        return getattr(self.message, f"{part}_param")

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"


def read_prototxt(path: Path) -> tuple[Any, list[CaffeLayer]]:
    """Returns the message of a network's text and its layers at inference. Raises ModelError: it is none."""
    from google.protobuf import text_format

    try:
        net = text_format.Parse(read_text(path), message("Net")(), allow_unknown_field=True)
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ModelError(f"{path} is not the text of a Caffe network: {error}") from None
    layers = [_made(each, each.type) for each in net.layer]
    layers += [_made(each, _spelled(each.type)) for each in net.layers]
    if not layers:
        raise ModelError(f"{path} is not the text of a Caffe network: it has no layers")
    return net, [layer for layer in layers if _at_inference(layer.message.include)]


def _made(layer: Any, kind: str) -> CaffeLayer:
    return CaffeLayer(layer.name, kind, tuple(layer.bottom), tuple(layer.top), layer)


def _spelled(number: int) -> str:
    """The newer name of a type of the older form."""
    name = ENUMS["V1Type"].split()[number]
    return SPELLED.get(name, name.title().replace("_", ""))


def _at_inference(rules: Sequence[Any]) -> bool:
    return not rules or any(not rule.HasField("phase") or rule.phase == 1 for rule in rules)


def read_caffemodel(path: Path) -> dict[str, list[Array]]:
    """Returns the arrays of each layer by its name. Raises ModelError: the file cannot be read."""
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return dict(
            _layer(layer, number)
            for number, kind, layer, _ in fields(content)
            if number in (LAYER, V1_LAYER) and kind == BYTES
        )
    except (OSError, ValueError, IndexError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} is not a Caffe model, or is cut short ({reason})") from None


def _layer(content: memoryview, form: int) -> tuple[str, list[Array]]:
    """Returns the name of a layer and its arrays."""
    name, arrays = "", []
    for number, kind, field, _ in fields(content):
        if number == NAME[form] and kind == BYTES:
            name = bytes(field).decode("utf-8", "replace")
        elif number == BLOBS[form] and kind == BYTES:
            arrays.append(_array(field))
    return name, arrays


def _array(content: memoryview) -> Array:
    """Returns an array, which is a view of the file where its values lie together there."""
    values: list[memoryview] = []
    shape: list[int] = []
    for number, kind, field, _ in fields(content):
        if number == DATA:
            values.append(field)
        elif number == SHAPE and kind == BYTES:
            for _, inner_kind, inner, _ in fields(field):
                shape += _numbers(inner) if inner_kind in (BYTES, NUMBER) else []
        elif number in SIDES and kind == NUMBER:
            shape += _numbers(field)
    whole = values[0] if len(values) == 1 else b"".join(values)
    found = np.frombuffer(whole, "<f4")
    if math.prod(shape) != found.size:
        raise ValueError(f"an array of {shape} has {found.size} values")
    return found.reshape(shape)


def _numbers(packed: memoryview) -> list[int]:
    """Returns numbers in pieces of seven bits, one after the other."""
    found, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(value)
            value = shift = 0
    return found
