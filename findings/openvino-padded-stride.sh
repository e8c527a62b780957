#!/usr/bin/env bash
# OpenVINO 2026.4.1: a 1x1 convolution with stride and padding has another size and other values after another one.
#
# Two convolutions of 1x1, the second with strides [1, 2] and pads [0, 1, 0, 1], on n x 1 x 4 x 4: the width is
# (4 + 2 - 1) / 2 + 1 = 3, as ONNX Runtime 1.32.0 and a computation by hand have it. OpenVINO gives 4 and, with
# weights 2 and 3 on a row of 1, 2, 3, 4, the values 0, 6, 18, 0 instead of 0, 12, 24: the stride is taken in the first
# convolution, before the padding. There is no error and no warning. Without padding both agree. Whoever exports such
# a layer writes it as a convolution whose padding is part of a larger kernel of zeros.
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
from onnx import TensorProto, checker, helper, numpy_helper

x = np.tile(np.array([1, 2, 3, 4], np.float32), (1, 1, 4, 1))


def model(pads):
    one = {"kernel_shape": [1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["between"], **one),
        helper.make_node("Conv", ["between", "b"], ["y"], **one, strides=[1, 2], pads=pads),
    ]
    weights = [
        numpy_helper.from_array(np.full((1, 1, 1, 1), value, np.float32), name)
        for name, value in (("a", 2), ("b", 3))
    ]
    shapes = {"x": ["n", 1, 4, 4], "y": ["n", 1, 4, "w"]}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in "xy"]
    graph = helper.make_graph(nodes, "stride", ends[:1], ends[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(made)
    return made.SerializeToString()


def rows(content):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(content), "CPU", config)
    return session.run(None, {"x": x})[0][0, 0, 0].tolist(), compiled([x])[0][0, 0, 0].tolist()


right, found = rows(model([0, 1, 0, 1]))
print("a row by ONNX Runtime", right, "by OpenVINO", found)
assert right == [0, 12, 24]
assert found == [0, 6, 18, 0]
right, found = rows(model([0, 0, 0, 0]))
assert right == found == [6, 18]
PYTHON
