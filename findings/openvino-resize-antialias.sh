#!/usr/bin/env bash
# OpenVINO 2026.4.1: the ONNX operator Resize with antialias=1 is computed without antialiasing.
#
# ONNX's specification of Resize: "antialias: If set to 1, linear and cubic interpolation modes will use an
# antialiasing filter when downscaling", by widening the filter by the scale. OpenVINO reads such a file without an
# error or a warning and gives what it gives with antialias=0: noise of 60 x 80 brought to 20 x 30 differs by up to
# 138 of 255 from ONNX's own reference and from ONNX Runtime 1.32.0, which agree. Whoever exports a network with such a
# resize inside has to write it otherwise, as products with matrices of weights for example.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator

IN, OUT = (60, 80), (20, 30)
x = np.random.default_rng(0).random((1, 1, *IN), np.float32) * 255


def model(mode, antialias):
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode=mode, antialias=antialias)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, 1, *s)) for n, s in (("x", IN), ("y", OUT))]
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 1, *OUT])
    graph = helper.make_graph([node], "resize", ends[:1], ends[1:], [sizes])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(made)
    return made


def by_openvino(made):
    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(core.read_model(made.SerializeToString()), "CPU", config)([x])[0]


def by_onnxruntime(made):
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


for mode in ("linear", "cubic"):
    with_it, without = model(mode, 1), model(mode, 0)
    reference = ReferenceEvaluator(with_it).run(None, {"x": x})[0]
    found = by_openvino(with_it)
    print(f"{mode}: from the reference, ONNX Runtime {np.abs(by_onnxruntime(with_it) - reference).max():.3f},", end=" ")
    print(f"OpenVINO {np.abs(found - reference).max():.0f} of 255;", end=" ")
    print(f"OpenVINO with and without antialiasing differ by {np.abs(found - by_openvino(without)).max():.1e}")
    assert np.abs(by_onnxruntime(with_it) - reference).max() < 0.5
    assert np.abs(found - reference).max() > 20
    assert np.array_equal(found, by_openvino(without))
PYTHON
