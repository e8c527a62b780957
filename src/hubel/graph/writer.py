"""A graph while it is written: operations, constants, and the values that are rounded to bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from hubel.net import layers, sliding
from hubel.net.trace import INPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Frozen
    from hubel.graph.quantise import Quantisation
    from hubel.net.layer import Layer
    from hubel.net.trace import Step

Kind = TypeVar("Kind", bound="Layer")

BATCH = "n"
"""The name of the batch axis, which is dynamic."""

ROUNDED = (
    sliding.Conv,
    sliding.MaxPool,
    sliding.AvgPool,
    layers.GlobalAvgPool,
    layers.Fc,
    layers.Concat,
    layers.Add,
    layers.Multiply,
)
"""The layers that take bytes in a quantised network."""

IMAGES = "images"
"""The name of the input."""


@dataclass(slots=True)
class Graph:
    """A graph while it is written.

    `names` are those of the values in the graph, by path. `flat` are the values that are n x depth, without
    height and width. `bytes_of` are the values that were rounded to bytes, by name.
    """

    frozen: Frozen
    int8: Quantisation | None = None
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    flat: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    bytes_of: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Adds an operation and returns the name of its output."""
        if not name:
            self.count += 1
            name = f"{kind.lower()}.{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def output(self, path: str) -> ValueInfoProto:
        """A value of the network, as an output of the graph."""
        volumes = {step.path: step.output for step in self.frozen.steps} | {INPUT: self.frozen.volume}
        volume, name = volumes[path], self.names[path]
        plane = () if name in self.flat else volume.plane
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, (BATCH, volume.depth, *plane))

    def const(self, value: npt.NDArray[Any] | np.generic, name: str = "") -> str:
        """Adds a constant and returns its name."""
        if not name:
            self.count += 1
            name = f"constant.{self.count}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        """Adds a constant list of integers."""
        return self.const(np.array(values, np.int64))

    def rounds(self, step: Step) -> bool:
        """Whether a step takes bytes."""
        return (
            self.int8 is not None and isinstance(step.layer, ROUNDED) and step.path not in self.int8.in_float
        )

    def rounded(self, path: str, name: str) -> str:
        """A value rounded to bytes, and back: runtimes compute in bytes between such pairs."""
        assert self.int8 is not None
        if name not in self.bytes_of:
            scale, zero = (self.const(each) for each in self.int8.scale_of(path))
            steps = self.op("QuantizeLinear", name, scale, zero)
            self.bytes_of[name] = self.op("DequantizeLinear", steps, scale, zero)
            if name in self.flat:
                self.flat.add(self.bytes_of[name])
        return self.bytes_of[name]

    def parameters(self, step: Step, wider: Sequence[int] = (0, 0)) -> list[str]:
        """The names of a step's weights and, if it has one, of its bias.

        Kernels get so many rows of zeros above and below, and columns at either side.
        """
        weight, bias = self.frozen.weights[step.path]
        if any(wider):
            weight = np.pad(weight, ((0, 0), (0, 0), *((more, more) for more in wider)))
        if not self.rounds(step):
            names = [self.const(weight, f"{step.path}.weight")]
            return names + ([] if bias is None else [self.const(bias, f"{step.path}.bias")])
        assert self.int8 is not None
        whole, scales = self.int8.weights(weight)
        zeros = self.const(np.zeros(len(scales), np.int8))
        scale = self.const(scales, f"{step.path}.scale")
        names = [self.op("DequantizeLinear", self.const(whole, f"{step.path}.weight"), scale, zeros, axis=0)]
        if bias is not None:  # in steps of the products, as runtimes add it
            steps = scales * self.int8.scale_of(step.sources[0])[0]
            limits = np.iinfo(np.int32)
            sums = np.rint(bias.astype(np.float64) / steps).clip(limits.min, limits.max).astype(np.int32)
            names.append(
                self.op(
                    "DequantizeLinear",
                    self.const(sums, f"{step.path}.bias"),
                    self.const(steps.astype(np.float32)),
                    self.const(np.zeros(len(steps), np.int32)),
                    axis=0,
                )
            )
        return names

    def unflattened(self, value: str) -> str:
        """A value as n x depth x h x w."""
        return self.op("Unsqueeze", value, self.ints(2, 3)) if value in self.flat else value

    def flattened(self, value: str) -> str:
        """A value as n x depth."""
        return value if value in self.flat else self.op("Flatten", value, axis=1)


def layer_of(step: Step, kind: type[Kind]) -> Kind:
    """The layer of a step, of this kind."""
    assert isinstance(step.layer, kind)
    return step.layer
