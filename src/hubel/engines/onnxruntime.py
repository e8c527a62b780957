"""The engine of ONNX Runtime, for CPUs, in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime

from hubel.cores import allowed_cores
from hubel.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Floats

WARNINGS_OFF = 3


class OnnxRuntime:
    """A graph that ONNX Runtime has optimised, on all cores."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = allowed_cores()
        options.log_severity_level = WARNINGS_OFF
        try:
            self._session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        except Exception as error:  # each of its errors is a class of its own, with no common one
            raise ModelError(f"ONNX Runtime cannot take the model: {error}") from None
        self._input = self._session.get_inputs()[0].name

    def __call__(self, images: npt.NDArray[Any]) -> Floats:
        """Returns float32, n x classes, for n images."""
        return self.outputs(images)[0]

    def outputs(self, images: npt.NDArray[Any]) -> list[Floats]:
        """Returns all outputs of the graph."""
        found: list[Floats] = self._session.run(None, {self._input: images})
        return found
