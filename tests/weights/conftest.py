"""The Hugging Face hub, as a small server on this machine plays it."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from hubel.model.import_weights import MEAN, STD

COMMIT, OLDER = "c" * 40, "d" * 40
WEIGHTS = safetensors.torch.save({"fc.weight": torch.arange(6.0).reshape(2, 3)})
CONFIG: dict[str, Any] = {
    "architecture": "resnet50",
    "num_classes": 1000,
    "pretrained_cfg": {
        "tag": "a1_in1k",
        "input_size": [3, 224, 224],
        "crop_pct": 0.95,
        "crop_mode": "center",
        "interpolation": "bicubic",
        "mean": list(MEAN),
        "std": list(STD),
    },
}


@dataclass
class Hub:
    """A server with files, by `OWNER/NAME/REVISION/FILE`; `asked` are the paths it was asked for."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        owner, name, _, revision, file = path.strip("/").split("/", 4)
        if not any(key.startswith(f"{owner}/{name}/") for key in self.files):
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if not any(key.startswith(f"{owner}/{name}/{revision}/") for key in self.files):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        content = self.files.get(f"{owner}/{name}/{revision}/{file}")
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        etag = hashlib.sha256(content).hexdigest()
        commit = COMMIT if revision == "main" else revision
        return 200, {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "X-Linked-Etag": f'"{etag}"'}, content


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The hub, with a cache of its own."""
    constants = pytest.importorskip("huggingface_hub.constants")
    config = json.dumps(CONFIG).encode()
    played = Hub(
        {
            "timm/resnet50.a1_in1k/main/model.safetensors": WEIGHTS,
            "timm/resnet50.a1_in1k/main/config.json": config,
            f"timm/resnet50.a1_in1k/{OLDER}/pytorch_model.bin": b"older",
            "owner/empty/main/README.md": b"nothing",
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = played.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    yield played
    listening.shutdown()
    listening.server_close()
    thread.join()
