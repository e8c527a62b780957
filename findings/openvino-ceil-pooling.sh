#!/usr/bin/env bash
# OpenVINO 2026.4.1: ONNX pooling with ceil_mode has a row and a column too many, or other means, than elsewhere.
#
# ONNX (operators MaxPool and AveragePool): windows that would start in the padding at the far side are ignored.
# PyTorch, ONNX Runtime 1.32.0 and the reference implementation of onnx 1.23.2 do so: MaxPool 2x2, stride 2, padding 1
# on 5x5 gives 3x3. OpenVINO gives 4x4 for the same file; what lies behind such a layer no longer fits or is shifted.
# AveragePool that counts its padding (count_include_pad) has the right size there, but divides the last, partial
# windows by another number: 3x3, stride 2, padding 1 on 6x6 differs by 0.08 of values below 1.
# Whoever exports rounds up by padding at the far side and leaves ceil_mode out: then all three agree.
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
from onnx import TensorProto, helper


def run(kind, side, **how):
    x = np.random.default_rng(0).random((1, 1, side, side), np.float32)
    node = helper.make_node(kind, ["x"], ["y"], **how)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", x.shape), ("y", None))]
    graph = helper.make_graph([node], "pool", ends[:1], ends[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    content = made.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(content), "CPU", config)
    return session.run(None, {"x": x})[0], compiled([x])[0]


up = {"ceil_mode": 1}
most = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1]}
right, found = run("MaxPool", 5, **most, **up)
print("MaxPool 2x2, stride 2, padding 1 on 5x5:", right.shape[2:], "by ONNX Runtime,", found.shape[2:], "by OpenVINO")
assert right.shape[2:] == (3, 3)
assert found.shape[2:] == (4, 4)

mean = {"kernel_shape": [3, 3], "strides": [2, 2], "count_include_pad": 1}
right, found = run("AveragePool", 6, **mean, pads=[1, 1, 1, 1], **up)
print(f"AveragePool 3x3, stride 2, padding 1 on 6x6: means differ by {np.abs(right - found).max():.3f}")
assert right.shape == found.shape
assert np.abs(right - found)[..., :-1, :-1].max() < 1e-6
assert np.abs(right - found)[..., -1].max() > 0.05

right, found = run("MaxPool", 5, **{**most, "pads": [1, 1, 0, 0]})
assert np.array_equal(right, found)
PYTHON
