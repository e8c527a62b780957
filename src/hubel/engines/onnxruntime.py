"""The engine of ONNX Runtime, for CPUs, in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import onnxruntime

from hubel.cores import allowed_cores
from hubel.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Floats

WARNINGS_OFF = 3


class OnnxRuntime:
    """A graph that ONNX Runtime runs on all cores.

    `handed` are the graph's inputs besides the images; they are not copied. With `plain` each operation is
    computed by itself, as it is written.
    """

    def __init__(
        self, model: bytes, handed: Mapping[str, npt.NDArray[Any]] | None = None, *, plain: bool = False
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = allowed_cores()
        options.log_severity_level = WARNINGS_OFF
        if plain:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.add_session_config_entry("session.disable_prepacking", "1")
            options.enable_cpu_mem_arena = False
        self._handed = dict(handed or {})
        try:
            self._session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        except Exception as error:  # each of its errors is a class of its own, with no common one
            raise ModelError(f"ONNX Runtime cannot take the model: {error}") from None
        inputs = [each.name for each in self._session.get_inputs()]
        self._input = next(name for name in inputs if name not in self._handed)

    def __call__(self, images: npt.NDArray[Any]) -> Floats:
        """Returns float32, n x classes, for n images."""
        return self.outputs(images)[0]

    def outputs(self, images: npt.NDArray[Any]) -> list[Floats]:
        """Returns all outputs of the graph."""
        found: list[Floats] = self._session.run(None, {self._input: images, **self._handed})
        return found
