"""Files of halves and bytes, as ONNX Runtime's own quantiser writes them: the network in floats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from hubel.net.trace import UnreadError
from tests.foreign.graphs import head, imported, weights, written

node: Any = helper.make_node


class Images(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Noise that exceeds the limit of relu6, so that its range is the calibrated one."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._images: Iterator[Any] = iter(rng.normal(0, 6, (4, 1, 3, 12, 10)).astype(np.float32))

    def get_next(self) -> dict[str, Any] | None:
        return next(({"x": image} for image in self._images), None)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Relu with and without a limit, a sum, a concatenation, a pooling, and a fully connected layer."""
    tail, more = head("all", 12)
    more["head.bias"] = np.array([-9, 0, 9], np.float32)  # so that the scores' range has values below 0
    constants: dict[str, Any] = {
        "w1": weights(8, 3, 3, 3) * 4,
        "b1": weights(8),
        "w2": weights(8, 8, 3, 3),
        "b2": weights(8),
        "w3": weights(4, 8, 1, 1),
        "b3": weights(4),
        "low": np.float32(0),
        "six": np.float32(6),
    }
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        node("Clip", ["c1", "low", "six"], ["r1"]),
        node("MaxPool", ["r1"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1]),
        node("Add", ["c2", "p"], ["s"]),
        node("Relu", ["s"], ["r2"]),
        node("Conv", ["p", "w3", "b3"], ["c3"]),
        node("Concat", ["r2", "c3"], ["all"], axis=1),
    ]
    return written(tmp_path / "m.onnx", [*nodes, *tail], constants | more)


def scores(path: Path) -> Any:
    """The scores of an imported file, which are ONNX Runtime's of its graph in floats, and its notation."""
    import torch

    made, agreement = imported(path)
    assert agreement.agrees
    images = torch.from_numpy(np.random.default_rng(1).normal(0, 6, (2, 3, 12, 10)).astype(np.float32))
    with torch.inference_mode():
        return repr(made.model.net), made.model.network(images).numpy(), made.remarks


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_a_quantised_file_keeps_the_relus_that_its_ranges_hold(network: Path, form: QuantFormat) -> None:
    notation, wanted, _ = scores(network)
    path = network.with_name("int8.onnx")
    quantize_static(
        network, path, Images(), quant_format=form, activation_type=QuantType.QUInt8, per_channel=True
    )
    kinds = [each.op_type for each in onnx.load(path).graph.node]
    assert not {"Relu", "Clip"} & set(kinds)
    text, found, remarks = scores(path)
    assert text == notation
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()  # the weights' rounding alone
    assert any("quantised" in remark for remark in remarks)


def test_a_dynamically_quantised_file(network: Path) -> None:
    notation, wanted, _ = scores(network)
    path = network.with_name("int8.onnx")
    quantize_dynamic(network, path, weight_type=QuantType.QUInt8)
    assert {"MatMulInteger", "ConvInteger"} <= {each.op_type for each in onnx.load(path).graph.node}
    text, found, _ = scores(path)
    assert text == notation
    assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def test_halves_are_widened(network: Path) -> None:
    notation, wanted, _ = scores(network)
    model = onnx.load(network)
    for each in model.graph.initializer:
        each.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(each).astype(np.float16), each.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    path = network.with_name("half.onnx")
    onnx.save(model, path)
    text, found, remarks = scores(path)
    assert text == notation
    assert np.abs(found - wanted).max() < 2e-3 * np.abs(wanted).max()
    assert any("float16" in remark for remark in remarks)


def test_halves_between_floats(tmp_path: Path) -> None:
    """Input and output are floats; the casts come behind all nodes, as ONNX Runtime's converter puts them."""
    tail, more = head("half", 3)
    tail[-1].output[0] = "scores"
    nodes = [
        *tail,
        node("LogSoftmax", ["scores"], ["end"], axis=1),
        node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        node("Cast", ["end"], ["y"], to=TensorProto.FLOAT),
    ]
    constants = {name: value.astype(np.float16) for name, value in more.items()}
    text, _, remarks = scores(written(tmp_path / "m.onnx", nodes, constants))
    assert text == 'globalavgpool >> named("head", fc(3)) >> softmax'
    assert any("log-softmax" in remark for remark in remarks)


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_a_quantised_group_normalisation_between_reshapes(tmp_path: Path, form: QuantFormat) -> None:
    tail, more = head("end", 6)
    constants = {"w": weights(6, 3, 1, 1), "one": np.ones(2, np.float32), "zero": np.zeros(2, np.float32)}
    constants |= {"g": np.array([0, 2, -1]), "m": weights(6, 1, 1), "a": weights(6, 1, 1)}
    nodes = [
        node("Conv", ["x", "w"], ["c"], name="conv"),
        node("Reshape", ["c", "g"], ["r"], name="into"),
        node("InstanceNormalization", ["r", "one", "zero"], ["i"], name="norm"),
        node("Shape", ["c"], ["shape"], name="shape"),
        node("Reshape", ["i", "shape"], ["o"], name="back"),
        node("Mul", ["o", "m"], ["p"], name="times"),
        node("Add", ["p", "a"], ["end"], name="plus"),
    ]
    path = written(tmp_path / "m.onnx", [*nodes, *tail], constants | more)
    _, wanted, _ = scores(path)
    quantised = tmp_path / "int8.onnx"
    quantize_static(path, quantised, Images(), quant_format=form)
    assert any("Quantize" in each.op_type for each in onnx.load(quantised).graph.node)
    text, found, _ = scores(quantised)
    assert "groupnorm(2)" in text
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()  # the weights' rounding alone


def test_operators_on_bytes_that_are_none_on_floats_are_named(tmp_path: Path) -> None:
    tail, more = head("end", 3)
    constants = more | {"s": np.float32(0.1), "z": np.uint8(0)}
    quantised = ["q", "s", "z", "s", "z"]
    for nodes, why in (
        (
            [node("QLinearGlobalAveragePool", quantised, ["p"], channels_last=1, domain="com.microsoft")],
            r"QLinearGlobalAveragePool\).*its depth is its last axis",
        ),
        (
            [
                node("GlobalMaxPool", ["x"], ["top"]),
                node("DequantizeLinear", ["q", "s", "z"], ["d"]),
                node("QuantizeLinear", ["d", "top", "z"], ["p"]),
            ],
            r"QuantizeLinear\).*top is no constant",
        ),
    ):
        start = node("QuantizeLinear", ["x", "s", "z"], ["q"])
        end = node("DequantizeLinear", ["p", "s", "z"], ["end"])
        path = written(tmp_path / "m.onnx", [start, *nodes, end, *tail], constants)
        with pytest.raises(UnreadError, match=why):
            imported(path)
