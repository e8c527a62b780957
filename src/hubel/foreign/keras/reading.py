"""One reading of a Keras model: its layers, and what is common to their readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hubel.foreign.builder import Builder, NoLayerError
from hubel.foreign.found import Array
from hubel.foreign.keras.weights import KerasWeights, Place
from hubel.foreign.value import NO_SIDES, Value
from hubel.net.layer import Layer
from hubel.net.window import Pair

ORDERS = {"channels_last": "nhwc", "channels_first": "nchw"}
"""The axes of maps, by the name of their order."""


@dataclass(frozen=True, slots=True, eq=False)
class KerasLayer:
    """One layer of a model. `names` and `groups` say where it is; see `KerasWeights`."""

    kind: str
    config: dict[str, Any]
    names: Place
    groups: Place

    @property
    def name(self) -> str:
        """The path of its step."""
        return self.names[-1].replace("/", ".")

    def get(self, key: str, default: Any = None) -> Any:
        """Returns a part of its configuration."""
        return self.config.get(key, default)

    def number(self, key: str, default: float) -> float:
        """Returns a number. Raises NoLayerError: it is none."""
        found = self.get(key, default)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise NoLayerError(f"its {key} is {found!r}, not a number")
        return found

    def pair(self, key: str, default: Any = None) -> Pair:
        """Returns numbers for height and width. Raises NoLayerError: they are others."""
        found = self.get(key, default)
        sides = [found, found] if isinstance(found, int) else found
        if not isinstance(sides, list) or len(sides) != 2 or not all(type(side) is int for side in sides):
            raise NoLayerError(f"its {key} is {found!r}, not two whole numbers")
        return sides[0], sides[1]

    def __str__(self) -> str:
        return f"{'/'.join(self.names)} ({self.kind})"


@dataclass(slots=True, eq=False)
class KerasReading:
    """One reading. `version` is Keras' main version; without `weights` every layer is known all the same."""

    builder: Builder
    version: int
    weights: KerasWeights | None

    def add(self, layer: KerasLayer, made: Layer, values: Sequence[Value], **weights: Array) -> Value:
        """Adds the step of a layer."""
        return self.builder.add(made, values, layer.name, **weights)

    def arrays(self, layer: KerasLayer, **shapes: tuple[int, ...] | None) -> dict[str, Array]:
        """Returns the arrays of a layer by name, in these shapes; none where the network has no weights.

        An array whose shape is None is not there.
        """
        if self.weights is None:
            return {}
        there = {name: shape for name, shape in shapes.items() if shape is not None}
        return self.weights.of(layer.names, layer.groups, there)

    def maps(self, layer: KerasLayer, value: Value) -> Value:
        """Returns the value. Raises NoLayerError: its axes are not those of maps in the layer's order."""
        order = ORDERS.get(layer.get("data_format") or "channels_last", "")
        if not value.is_in(order):
            raise NoLayerError(f"its input is {list(value.shape)}, not maps with {order.upper()}")
        return value

    def slide(self, layer: KerasLayer, made: Layer, value: Value, **weights: Array) -> Value:
        """Adds the step of a layer that makes maps of maps, and takes the zeros around them itself."""
        added = self.add(layer, made, [replace(value, pad=NO_SIDES)], **weights)
        order = ORDERS[layer.get("data_format") or "channels_last"]
        return Value.of(added.path, added.volume, order, value.batch)


def check_depth(value: Value, axis: Any) -> None:
    """Raises NoLayerError: an axis of a value is not its depth."""
    axes = axis if isinstance(axis, list) else [axis]
    orders = [order for order in (*ORDERS.values(), "nc") if value.is_in(order)]
    if (
        len(axes) != 1
        or type(axes[0]) is not int
        or not any(axes[0] % len(order) == order.index("c") for order in orders)
    ):
        raise NoLayerError(f"its axis {axis} of {list(value.shape)} is not the depth")
