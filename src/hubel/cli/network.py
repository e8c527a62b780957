"""How commands describe the networks and models they take, and announce a file that is executed."""

from __future__ import annotations

import sys
from pathlib import Path

from hubel.module.user_code import is_python

MODEL_HELP = "A run's folder, a model's file, or efficientnet_lite0, which comes trained."
HELP = "A notation such as 'conv(6, 5) >> relu >> fc(10)', a network of the zoo, or a saved model's file."
ANY_HELP = (
    f"{HELP[:-1]}; file.py:name, a torch module that your file makes; an ONNX file; a Caffe network's "
    ".prototxt; or a Keras model's .keras, .h5 or .json."
)
CODE_HELP = "Execute the Python file that made the model's network, if the model needs one."
FORCE_HELP = "Take a network that needs more memory than is free, if the machine has as much."
ENGINE_HELP = (
    "What runs the network: torch, torch-fused, torch-bf16, cuda, cuda-fp16, openvino, openvino-bf16, "
    "onnxruntime; or auto: the fastest by hubel bench, else the first of openvino, onnxruntime and "
    "torch-fused that is installed."
)
RANGE_HELP = "Values of 16-bit or float images that become black and white: LOW:HIGH, full or auto."
INPUT_HELP = "The input volume, HxWxD. Default: the network's own, if it has one."


def announce(*nets: str) -> None:
    """Says on standard error which Python files are about to be executed."""
    for net in nets:
        file = net.rpartition(":")[0]
        if is_python(net) and Path(file).is_file():
            print(f"note: this executes {file}", file=sys.stderr)


def announce_code_of(model: str) -> None:
    """Says on standard error which Python file opening a model is about to execute."""
    from hubel.model.open import code_of

    announce(code_of(model))
