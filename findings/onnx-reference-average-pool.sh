#!/usr/bin/env bash
# onnx 1.23.2: the reference implementation of AveragePool never reads the last row where ceil_mode adds two rows.
#
# On 7x7 with 3x3 windows, stride 3, rounded up, the windows begin at 0, 3 and 6; the last one has one row of the image.
# In ReferenceEvaluator they begin at -1, 2 and 5, as if one of the two missing rows lay before the image, and the
# seventh row and column are in no window. PyTorch, ONNX Runtime 1.32.0, OpenVINO 2026.4.1 and sums by hand agree on
# 0, 3, 6. So the reference cannot be taken as the judge of an exporter in this case; a sum by hand can.
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
from onnx.reference import ReferenceEvaluator

SIDE, SIZE = 7, 3
x = np.random.default_rng(0).random((1, 1, SIDE, SIDE), np.float32)
node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[SIZE] * 2, strides=[SIZE] * 2, ceil_mode=1)
ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", x.shape), ("y", None))]
graph = helper.make_graph([node], "pool", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
content = model.SerializeToString()



def by_hand(first, side):
    cut = [slice(max(0, start), min(start + SIZE, side)) for start in range(first, side, SIZE)]
    return np.array([[x[0, 0, rows, columns].mean() for columns in cut] for rows in cut])


session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
core = openvino.Core()
compiled = core.compile_model(core.read_model(content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
assert np.allclose(session.run(None, {"x": x})[0][0, 0], by_hand(0, SIDE), atol=1e-6)
assert np.allclose(compiled([x])[0][0, 0], by_hand(0, SIDE), atol=1e-6)

reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
assert reference.shape == (1, 1, 3, 3)
print(f"windows from 0 on: {np.abs(reference[0, 0] - by_hand(0, SIDE)).max():.3f} apart,", end=" ")
print(f"from -1 on, without the last row and column: {np.abs(reference[0, 0] - by_hand(-1, SIDE - 1)).max():.1e}")
assert np.allclose(reference[0, 0], by_hand(-1, SIDE - 1), atol=1e-6)
assert not np.allclose(reference[0, 0], by_hand(0, SIDE), atol=0.1)
PYTHON
