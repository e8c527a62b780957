"""The resize inside a graph: images of any size to the network's, as Pillow computes it.

A resize is linear along each axis: a product with a matrix of weights, outputs x inputs, which the graph
makes for the size of the images. Runtimes agree on these operations, but not on ONNX's own `Resize`: with its
antialiasing ONNX Runtime 1.32.0 is up to 4 of 255 from Pillow, and OpenVINO 2026.4.1 up to 40. This way both
are within 1. What is computed, step by step: docs/explanation/resize.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from hubel.graph.writer import IMAGES

if TYPE_CHECKING:
    from hubel.graph.writer import Graph


@dataclass(frozen=True, slots=True)
class Resize:
    """How images are fitted: the fields `fit`, `resize` and `interpolation` of a `Preprocessing`."""

    fit: str
    short_side: int | None
    interpolation: str


@dataclass(frozen=True, slots=True)
class _Fitting:
    """Names of values of the graph, two integers each, for rows and columns.

    An axis is scaled by `by / of` from pixel `start` on, to `count` pixels.
    """

    by: str
    of: str
    start: str
    count: str


def resized(graph: Graph, resize: Resize, plane: tuple[int, int]) -> str:
    """From uint8 n x h x w x c to float32 n x c x height x width, whole numbers from 0 to 255.

    As in Pillow, the result is rounded after either axis, and rows come first unless the image is tall.
    """
    sides = graph.op("Slice", graph.op("Shape", IMAGES), graph.ints(1), graph.ints(3))
    wanted = graph.ints(*plane)
    fitting = {"crop": _crop, "pad": _pad, "squash": _squash}[resize.fit](graph, resize, sides, wanted)
    down, across = (_weights(graph, resize, fitting, sides, axis) for axis in (0, 1))
    maps = graph.op("Cast", graph.op("Transpose", IMAGES, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    across = graph.op("Transpose", across, perm=[1, 0])

    tall = _is_tall(graph, sides, fitting.count)
    found = graph.op("Where", tall, *_both_orders(graph, tall, sides, (maps, down, across)))
    if resize.fit != "pad":
        return found
    black = graph.op("Sub", wanted, fitting.count)
    before = graph.op("Div", black, graph.ints(2))
    pads = (graph.ints(0, 0), before, graph.ints(0, 0), graph.op("Sub", black, before))
    padded = graph.op("Pad", found, graph.op("Concat", *pads, axis=0))
    return graph.op("Reshape", padded, graph.ints(0, 0, *plane))  # which runtimes could not know


def _is_tall(graph: Graph, sides: str, count: str) -> str:
    """Whether columns are resized first: if they lose pixels, and over twice as many as rows do.

    Found by trying: so does Pillow 13.0, whatever the filter, the mode and the box.
    """
    lost = graph.op("Sub", sides, count)
    down, across = (graph.op("Gather", lost, graph.ints(axis)) for axis in (0, 1))
    least = graph.op("Max", graph.op("Mul", across, graph.ints(2)), graph.ints(0))
    return graph.op("Greater", down, least)


def _both_orders(graph: Graph, tall: str, sides: str, values: tuple[str, str, str]) -> tuple[str, str]:
    """The maps resized columns first, and rows first; of that which is not wanted most is left out.

    ONNX's `If` would compute one alone, but its first run by OpenVINO 2026.4.1 gives wrong values.
    """
    maps, down, across = values
    high, wide = (graph.op("Gather", sides, graph.ints(axis)) for axis in (0, 1))
    rows, columns = graph.op("Where", tall, high, graph.ints(1)), graph.op("Where", tall, graph.ints(1), wide)

    def head(value: str, axis: int, count: str) -> str:
        return graph.op("Slice", value, graph.ints(0), count, graph.ints(axis))

    narrow = _rounded(graph, "MatMul", head(down, 1, rows), head(maps, 2, rows))
    flat = _rounded(graph, "MatMul", head(maps, 3, columns), head(across, 0, columns))
    return _rounded(graph, "MatMul", narrow, across), _rounded(graph, "MatMul", down, flat)


def _squash(graph: Graph, resize: Resize, sides: str, wanted: str) -> _Fitting:  # noqa: ARG001
    """Each axis is scaled by itself."""
    return _Fitting(wanted, sides, graph.ints(0, 0), wanted)


def _crop(graph: Graph, resize: Resize, sides: str, wanted: str) -> _Fitting:
    """Both axes are scaled alike, about the centre."""
    if resize.short_side is None:
        by, of = _scale(graph, sides, wanted, larger=True)
    else:
        by, of = graph.ints(resize.short_side), graph.op("ReduceMin", sides, axes=[0], keepdims=1)
    outside = graph.op("Sub", graph.op("Mul", sides, by), graph.op("Mul", wanted, of))
    start = graph.op("Div", outside, graph.op("Mul", by, graph.ints(2)))
    both = graph.ints(1, 1)
    return _Fitting(graph.op("Mul", by, both), graph.op("Mul", of, both), start, wanted)


def _pad(graph: Graph, resize: Resize, sides: str, wanted: str) -> _Fitting:  # noqa: ARG001
    """The whole image, as large as fits: its sides are rounded, so that its axes are scaled nearly alike."""
    by, of = _scale(graph, sides, wanted, larger=False)
    twice = graph.op("Mul", graph.op("Mul", sides, by), graph.ints(2))
    inner = graph.op("Div", graph.op("Add", twice, of), graph.op("Mul", of, graph.ints(2)))
    inner = graph.op("Max", inner, graph.ints(1))
    return _Fitting(inner, sides, graph.ints(0, 0), inner)


def _scale(graph: Graph, sides: str, wanted: str, *, larger: bool) -> tuple[str, str]:
    """The larger or the smaller of the scales of rows and columns, as `by / of`."""
    (high, wide), (rows, columns) = (
        [graph.op("Gather", pair, graph.ints(axis)) for axis in (0, 1)] for pair in (sides, wanted)
    )
    by_width = graph.op(
        "GreaterOrEqual" if larger else "Less",
        graph.op("Mul", columns, high),
        graph.op("Mul", rows, wide),
    )
    return graph.op("Where", by_width, columns, rows), graph.op("Where", by_width, wide, high)


def _weights(graph: Graph, resize: Resize, fitting: _Fitting, sides: str, axis: int) -> str:
    """The weights of the inputs of an axis for each of its outputs: float32, outputs x inputs; rows sum to 1.

    The distance of two pixels is a fraction of integers, exact up to its division: output i lies over
    start + (i + 1/2) of / by, input j over j + 1/2. Where the image becomes smaller, the filter is widened.
    """
    names = (fitting.by, fitting.of, fitting.start, fitting.count, sides)
    by, of, start, count, side = (graph.op("Gather", name, graph.ints(axis)) for name in names)
    two, one = graph.ints(2), graph.ints(1)

    def centres(number: str) -> str:
        scalars = [graph.op("Squeeze", each) for each in (graph.ints(0), number, one)]
        return graph.op("Add", graph.op("Mul", graph.op("Range", *scalars), two), one)

    outputs = graph.op("Unsqueeze", graph.op("Mul", centres(count), of), graph.ints(1))
    inputs = graph.op("Mul", graph.op("Sub", centres(side), graph.op("Mul", start, two)), by)
    apart = graph.op("Abs", graph.op("Sub", inputs, outputs))
    unit = graph.op("Mul", graph.op("Max", by, of), two)
    distance = graph.op("Div", *(graph.op("Cast", each, to=TensorProto.FLOAT) for each in (apart, unit)))
    weights = {"bilinear": _bilinear, "bicubic": _bicubic}[resize.interpolation](graph, distance)
    return graph.op("Div", weights, graph.op("ReduceSum", weights, graph.ints(1), keepdims=1))


def _bilinear(graph: Graph, distance: str) -> str:
    """1 - x, at least 0."""
    return graph.op("Relu", graph.op("Sub", graph.const(np.float32(1)), distance))


def _bicubic(graph: Graph, distance: str) -> str:
    """Keys's cubic with a = -1/2: 1.5 x^3 - 2.5 x^2 + 1 up to 1, then -(x - 1)(x - 2)^2 / 2 up to 2.

    The first is 0 from 1 on, and the second up to 1, where x is held at 1; so they are added.
    Source: Keys 1981, Cubic convolution interpolation for digital image processing, equation 15.
    """
    half, one, two = (graph.const(np.float32(value)) for value in (0.5, 1, 2))
    near = graph.op("Min", distance, one)
    far = graph.op("Max", graph.op("Min", distance, two), one)
    slope = graph.op("Sub", graph.op("Mul", near, graph.const(np.float32(1.5))), graph.const(np.float32(2.5)))
    inner = graph.op("Add", graph.op("Mul", graph.op("Mul", near, near), slope), one)
    left = graph.op("Sub", two, far)
    outer = graph.op("Mul", graph.op("Mul", left, left), graph.op("Mul", graph.op("Sub", far, one), half))
    return graph.op("Sub", inner, outer)


def _rounded(graph: Graph, kind: str, *inputs: str) -> str:
    """What an operation gives, as bytes; halves are rounded up."""
    whole = graph.op("Floor", graph.op("Add", graph.op(kind, *inputs), graph.const(np.float32(0.5))))
    return graph.op("Clip", whole, graph.const(np.float32(0)), graph.const(np.float32(255)))
