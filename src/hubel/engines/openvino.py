"""The engine of OpenVINO, for CPUs."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cache, cached_property
from pathlib import Path
from threading import RLock
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


OFTEN, MOST_SIZES = 2, 2
"""After how many batches of one size it is compiled for, and for how many sizes at most."""

LARGE = 256 << 20
"""Bytes of weights from which a graph is compiled once only."""


@cache
def _core() -> openvino.Core:
    """OpenVINO itself, once in a process."""
    return openvino.Core()


class OpenVino:
    """A graph that OpenVINO has compiled for this processor.

    At first it takes any number of images at a time, on all cores together. For a number that comes again and
    again it is compiled once more, for parts of just that size, one on each core. Several threads may use
    it: they wait for one another, for a request computes one batch at a time.
    """

    def __init__(self, model: bytes | Path, *, bfloat16: bool = False) -> None:
        self._core = _core()
        self._kind = openvino.Type.bf16 if bfloat16 else openvino.Type.f32
        self._source: bytes | Path | None = model
        self._turn = RLock()
        self._seen: Counter[int] = Counter()
        self._parts: dict[int, list[openvino.InferRequest]] = {}
        try:
            self.model = self._core.read_model(model)
            self._request = self._compiled(self.model, 1).create_infer_request()
        except RuntimeError as error:
            why = str(error).strip().rpartition("\n")[2]
            raise ModelError(f"OpenVINO cannot take the model: {why}") from None

    def _compiled(
        self, model: openvino.Model, streams: int, threads: int | None = None
    ) -> openvino.CompiledModel:
        latency = properties.hint.PerformanceMode.LATENCY
        many = {properties.num_streams(): streams} if streams > 1 else {}
        return self._core.compile_model(
            model,
            "CPU",
            {
                properties.hint.inference_precision(): self._kind,
                properties.inference_num_threads(): threads or allowed_cores(),
                **(many or {properties.hint.performance_mode(): latency}),
            },
        )

    def _requests(self, count: int) -> list[openvino.InferRequest]:
        """What computes so many images: requests for even parts of them; none for a number that is rare."""
        if self._source is None:
            return []
        if count not in self._parts:
            self._seen[count] += 1
            if self._seen[count] <= OFTEN or len(self._parts) == MOST_SIZES or self._is_large:
                return []
            streams = max(n for n in range(1, allowed_cores() + 1) if count % n == 0)
            model = self._core.read_model(self._source)
            model.reshape([count // streams, *list(model.input().partial_shape)[1:]])
            compiled = self._compiled(model, streams)
            self._parts[count] = [compiled.create_infer_request() for _ in range(streams)]
        return self._parts[count]

    @cached_property
    def _is_large(self) -> bool:
        """Whether the weights are too many to be held twice."""
        weights = (each for each in self.model.get_ops() if each.get_type_name() == "Constant")
        return bool(sum(each.get_byte_size() for each in weights) > LARGE)

    def settle(self, threads: int | None = None) -> None:
        """Lets one graph compute every number of images from now on, and releases what others would need.

        Then an image has the same probabilities to the last bit, whatever images are computed with it. With
        `threads` it is compiled anew for so many.
        """
        with self._turn:
            if threads is not None:
                self._request = self._compiled(self.model, 1, threads).create_infer_request()
            self._source = None
            self._parts.clear()

    def metadata(self) -> dict[str, str]:
        """What the file says of the model: the entries under `hubel`."""
        if not self.model.has_rt_info(["hubel"]):
            return {}
        entries = self.model.get_rt_info(["hubel"]).astype(dict)
        return {name: text.astype(str) for name, text in entries.items()}

    def __call__(self, images: npt.NDArray[Any]) -> Floats:
        """Returns float32, n x classes, for n images."""
        with self._turn:
            requests = self._requests(len(images))
            if not requests:
                return self.outputs(images)[0]
            for request, part in zip(requests, np.split(images, len(requests)), strict=True):
                request.start_async([part], share_inputs=True)
            for request in requests:
                request.wait()
            parts = [np.array(request.get_output_tensor(0).data, np.float32) for request in requests]
            return np.concatenate(parts)

    def outputs(self, images: npt.NDArray[Any]) -> list[Floats]:
        """Returns all outputs of the graph."""
        with self._turn:
            self._request.infer([images], share_inputs=True)
            count = len(self.model.outputs)
            return [np.array(self._request.get_output_tensor(at).data, np.float32) for at in range(count)]


def save_openvino(graph: bytes, path: Path, metadata: dict[str, str]) -> None:
    """Writes an ONNX graph as OpenVINO's own files: `path`, an .xml, and its weights beside it, a .bin.

    The metadata are entries under `hubel`; `sha256` is the checksum of the weights.
    """
    model = _core().read_model(graph)
    weights = path.with_suffix(".bin")
    openvino.save_model(model, path, compress_to_fp16=False)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    for name, text in {**metadata, CHECKSUM: digest}.items():
        model.set_rt_info(text, ["hubel", name])
    openvino.save_model(model, path, compress_to_fp16=False)
