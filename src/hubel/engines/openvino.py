"""The engine of OpenVINO, for CPUs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from openvino import properties

from hubel.cores import allowed_cores
from hubel.errors import ModelError
from hubel.graph.seal import CHECKSUM

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Floats


class OpenVino:
    """A graph that OpenVINO has compiled for this processor, for one batch at a time on all cores."""

    def __init__(self, model: bytes | Path, *, bfloat16: bool = False) -> None:
        core = openvino.Core()
        kind = openvino.Type.bf16 if bfloat16 else openvino.Type.f32
        try:
            self.model = core.read_model(model)
            compiled = core.compile_model(
                self.model,
                "CPU",
                {
                    properties.hint.inference_precision(): kind,
                    properties.hint.performance_mode(): properties.hint.PerformanceMode.LATENCY,
                    properties.inference_num_threads(): allowed_cores(),
                },
            )
        except RuntimeError as error:
            why = str(error).strip().rpartition("\n")[2]
            raise ModelError(f"OpenVINO cannot take the model: {why}") from None
        self._request = compiled.create_infer_request()

    def metadata(self) -> dict[str, str]:
        """What the file says of the model: the entries under `hubel`."""
        if not self.model.has_rt_info(["hubel"]):
            return {}
        entries = self.model.get_rt_info(["hubel"]).astype(dict)
        return {name: text.astype(str) for name, text in entries.items()}

    def __call__(self, images: npt.NDArray[Any]) -> Floats:
        """Returns float32, n x classes, for n images."""
        self._request.infer([images], share_inputs=True)
        found: Floats = np.array(self._request.get_output_tensor(0).data, np.float32)
        return found

    def outputs(self, images: npt.NDArray[Any]) -> list[Floats]:
        """Returns all outputs of the graph."""
        self._request.infer([images], share_inputs=True)
        count = len(self.model.outputs)
        return [np.array(self._request.get_output_tensor(at).data, np.float32) for at in range(count)]


def save_openvino(graph: bytes, path: Path, metadata: dict[str, str]) -> None:
    """Writes an ONNX graph as OpenVINO's own files: `path`, an .xml, and its weights beside it, a .bin.

    The metadata are entries under `hubel`; `sha256` is the checksum of the weights.
    """
    model = openvino.Core().read_model(graph)
    weights = path.with_suffix(".bin")
    openvino.save_model(model, path, compress_to_fp16=False)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    for name, text in {**metadata, CHECKSUM: digest}.items():
        model.set_rt_info(text, ["hubel", name])
    openvino.save_model(model, path, compress_to_fp16=False)
