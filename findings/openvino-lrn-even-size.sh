#!/usr/bin/env bash
# OpenVINO 2026.4.1: the ONNX operator LRN with an even size sums over one map less than the file says.
#
# ONNX's specification of LRN: the sum runs from channel c - floor((size - 1) / 2) to c + ceil((size - 1) / 2), that
# is over `size` channels. With size 4 OpenVINO sums over three, c - 1 to c + 1, with size 2 over c alone, and still
# divides alpha by 4 or 2. There is no error and no warning. ONNX Runtime 1.32.0 refuses such a file ("size_ % 2 == 1
# was false"), though the checker of onnx 1.23.2 accepts it. Whoever exports a network with an even LRN has to write
# the sum out, as a convolution with ones for example.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
"$folder/venv/bin/python" - <<'PYTHON'
import math

import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, checker, helper

ALPHA, BETA, BIAS, MAPS = 0.5, 0.75, 1.0, 6
x = np.random.default_rng(0).random((1, MAPS, 2, 2), np.float32) * 3


def model(size):
    node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=ALPHA, beta=BETA, bias=BIAS)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
    graph = helper.make_graph([node], "lrn", ends[:1], ends[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(made)
    return made.SerializeToString()


def by_hand(size, before, after):
    y = np.empty_like(x)
    for c in range(MAPS):
        near = x[:, max(0, c - before) : min(MAPS - 1, c + after) + 1]
        y[:, c] = x[:, c] / (BIAS + ALPHA / size * (near**2).sum(1)) ** BETA
    return y


def by_openvino(content):
    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(core.read_model(content), "CPU", config)([x])[0]


for size in (3, 5):
    half = (size - 1) // 2
    assert np.allclose(by_openvino(model(size)), by_hand(size, half, half), atol=1e-5), size
for size in (2, 4):
    found = by_openvino(model(size))
    stated = by_hand(size, math.floor((size - 1) / 2), math.ceil((size - 1) / 2))
    odd = by_hand(size, size // 2 - 1, size // 2 - 1)
    print(f"size {size}: from the specification {np.abs(found - stated).max():.3f},", end=" ")
    print(f"from a sum over {size - 1} maps {np.abs(found - odd).max():.1e}")
    assert np.allclose(found, odd, atol=1e-5)
    assert np.abs(found - stated).max() > 0.01
    try:
        onnxruntime.InferenceSession(model(size), providers=["CPUExecutionProvider"])
    except Exception as error:
        assert "size_ % 2 == 1" in str(error)
    else:
        raise AssertionError("ONNX Runtime takes an even size")
PYTHON
