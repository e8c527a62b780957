#!/usr/bin/env bash
# OpenVINO 2026.4.1, CPU: the first run of a graph with `If` and a convolution behind it gives wrong values.
#
# The graph has a dynamic height. An `If` chooses by it between a product and its negative, then come Conv, Relu and
# GlobalAveragePool. The first inference of each compiled model gives other values every time, up to 1e35, without an
# error; from the second one on they are right, and without the `If` they are right at once. ONNX Runtime 1.32.0 and
# ONNX's own reference agree with the second inference. Whoever exports such a graph has to compute both branches and
# choose by `Where`.
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
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(0)
x = rng.random((1, 3, 20, 16), np.float32)
constants = {
    "w": rng.random((8, 3, 3, 3), np.float32) - 0.5,
    "eye": np.eye(16, dtype=np.float32),
    "axis": np.array(2, np.int64),
    "most": np.array(5, np.int64),
}


def value(name, shape=None):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(*, branches):
    product = helper.make_node("MatMul", ["x", "eye"], ["a"])
    if branches:
        same = helper.make_node("MatMul", ["x", "eye"], ["b"])
        negative = helper.make_node("Neg", ["b"], ["c"])
        first = [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Gather", ["shape", "axis"], ["height"]),
            helper.make_node("Greater", ["height", "most"], ["tall"]),
            helper.make_node(
                "If",
                ["tall"],
                ["seen"],
                then_branch=helper.make_graph([product], "then", [], [value("a")]),
                else_branch=helper.make_graph([same, negative], "else", [], [value("c")]),
            ),
        ]
    else:
        first = [product, helper.make_node("Identity", ["a"], ["seen"])]
    rest = [
        helper.make_node("Conv", ["seen", "w"], ["maps"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["y"]),
    ]
    used = constants if branches else ("w", "eye")
    tensors = [numpy_helper.from_array(constants[name], name) for name in used]
    ends = [value("x", ["n", 3, "h", 16])], [value("y", ["n", 8, 1, 1])]
    graph = helper.make_graph(first + rest, "if", *ends, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(made)
    return made


for branches in (False, True):
    made = model(branches=branches)
    content = made.SerializeToString()
    wanted = ReferenceEvaluator(made).run(None, {"x": x})[0]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"x": x})[0], wanted, atol=1e-4)
    runs = []
    for _ in range(5):
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        request = compiled.create_infer_request()
        runs.append([float(np.abs(request.infer([x])[0] - wanted).max()) for _ in range(2)])
    firsts, seconds = zip(*runs, strict=True)
    print(f"{'with' if branches else 'without'} If: first runs off by", *(f"{each:.1e}" for each in firsts), end="; ")
    print(f"second runs by at most {max(seconds):.1e}")
    assert max(seconds) < 1e-4
    assert (not max(firsts) < 1e-2) == branches
PYTHON
