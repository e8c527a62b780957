"""LitServe with the engine and the preprocessing of hubel: what `serve.py` measures beside `hubel serve`.

    PYTHON benchmarks/litserve_peer.py MODEL PORT BATCH

PYTHON has litserve, openvino and onnx; hubel's src is on its path.
"""

from __future__ import annotations

import sys
from base64 import b64decode
from typing import Any

import litserve
import numpy as np


class Classify(litserve.LitAPI):  # type: ignore[misc]  # it has no types
    """Images in base64, as LitServe's own examples have them."""

    def setup(self, device: str) -> None:
        from hubel.model.classifier import classifier

        self.model = classifier(sys.argv[1], "openvino")

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # a type would be read as the body's
        from hubel.data.image.objects import as_seen
        from hubel.data.image.reading import Encoded

        return as_seen(Encoded("image", b64decode(request["images"][0])), self.model.preprocessing)

    def batch(self, inputs: Any) -> Any:
        return np.stack(inputs)

    def predict(self, x: Any) -> Any:
        return np.asarray(self.model.probabilities_of(x if x.ndim == 4 else x[None]))

    def unbatch(self, output: Any) -> Any:
        return list(output)

    def encode_response(self, output: Any) -> Any:
        row = np.asarray(output).reshape(-1)
        order = np.argsort(-row, kind="stable")[:5].tolist()
        return {"classes": [{"name": self.model.classes[at], "probability": float(row[at])} for at in order]}


if __name__ == "__main__":
    most = int(sys.argv[3])
    try:
        api = Classify(max_batch_size=most, batch_timeout=0.005)
        server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    except TypeError:
        server = litserve.LitServer(Classify(), accelerator="cpu", max_batch_size=most, batch_timeout=0.005)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
