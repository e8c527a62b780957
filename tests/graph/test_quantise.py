"""Quantisation: by hand, its error bounds, and graphs in int8 against the same network in float32."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from hubel.graph.frozen import freeze
from hubel.graph.onnx import Ends, onnx_model
from hubel.graph.quantise import Quantisation, Ranges
from hubel.model.exported import compiled
from hubel.net.names import batchnorm, conv, fc, globalavgpool, identity, maxpool, relu
from hubel.net.volume import Volume
from tests.graph.test_agreement import frozen, trained


def test_a_range_has_zero_in_it_and_zero_is_exact() -> None:
    scale, zero = Quantisation({"a": (-1.0, 4.1)}).scale_of("a")
    assert scale == pytest.approx(5.1 / 255)
    assert zero == 50
    scale, zero = Quantisation({"a": (2.0, 5.1)}).scale_of("a")
    assert float(scale) == pytest.approx(5.1 / 255)
    assert zero == 0
    assert Quantisation({"a": (0.0, 0.0)}).scale_of("a")[0] > 0


@pytest.mark.parametrize(("bits", "most"), [(8, 127), (7, 63)])
def test_weights_are_whole_numbers_of_steps_per_filter(bits: int, most: int) -> None:
    kernels = np.array([[1.0, -0.25], [0.0, 0.01], [0, 0]], np.float32)[..., None, None]
    whole, scales = Quantisation({}, bits).weights(kernels)
    assert whole[..., 0, 0].tolist() == [[most, -round(most / 4)], [0, most], [0, 0]]
    assert (whole * scales[:, None, None, None]).ravel() == pytest.approx(kernels.ravel(), abs=1 / most / 2)


@given(st.lists(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30), min_size=1, max_size=4))
def test_ranges_are_the_extremes_or_leave_out_a_share(batches: list[list[float]]) -> None:
    found = Ranges()
    arrays = [np.array(values, np.float32) for values in batches]
    for array in arrays:
        found.see("a", array)
    for array in arrays:
        found.count("a", array)
    every = np.concatenate(arrays)
    assert found.extremes() == {"a": (every.min(), every.max())}
    low, high = found.within(0.8)["a"]
    width = (every.max() - every.min() + 1e-3) / 2048 + 1e-3
    assert every.min() <= low <= high <= every.max() + width
    assert ((every >= low - width) & (every <= high + width)).mean() >= 0.8 - 1e-9


NET = (
    conv(8, 3, pad=1) >> batchnorm >> relu >> (conv(8, 3, pad=1) + identity) >> relu
    >> maxpool(2) >> (conv(4, 1) | conv(4, 3, pad=1)) >> globalavgpool >> fc(5)
)  # fmt: skip


@pytest.mark.parametrize("bits", [8, 7])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_network_in_int8_is_near(engine: str, bits: int) -> None:
    network = trained(NET, Volume(12, 12, 3))
    cold = frozen(network)
    ends = Ends((0.5,) * 3, (0.25,) * 3, probabilities=False)
    images = np.random.default_rng(0).integers(0, 256, (32, 12, 12, 3), np.uint8)
    every = compiled(onnx_model(cold, ends, every=True).SerializeToString(), "onnxruntime").outputs(images)
    found = Ranges()
    for path, values in zip(["input", *(step.path for step in cold.steps)], every[1:], strict=True):
        found.see(path, values)
    graph = onnx_model(cold, ends, int8=Quantisation(found.extremes(), bits))
    kinds = {each.data_type for each in graph.graph.initializer if each.name.endswith(".weight")}
    assert kinds == {TensorProto.INT8}
    rounded = compiled(graph.SerializeToString(), engine)(images)
    spread = every[0].std()
    assert 0 < np.abs(rounded - every[0]).mean() < 0.1 * spread


def test_layers_in_float_keep_their_weights() -> None:
    state = {
        "conv1.weight": np.ones((1, 1, 1, 1), np.float32),
        "conv1.bias": np.zeros(1, np.float32),
        "fc1.weight": np.ones((2, 4), np.float32),
        "fc1.bias": np.zeros(2, np.float32),
    }
    cold = freeze(conv(1, 1) >> fc(2), Volume(2, 2, 1), state)
    int8 = Quantisation({"input": (0, 1), "conv1": (0, 1), "fc1": (0, 1)}, 8, frozenset({"conv1"}))
    graph = onnx_model(cold, Ends((0.0,), (1.0,)), int8=int8).graph
    kinds = {each.name: each.data_type for each in graph.initializer}
    assert kinds["conv1.weight"] == TensorProto.FLOAT
    assert kinds["fc1.weight"] == TensorProto.INT8
