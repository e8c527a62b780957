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

from hubel.errors import ModelError, UsageError
from hubel.model import hub
from hubel.model.import_weights import MEAN, PREPROCESSINGS, STD, import_weights, read_weights
from hubel.net.volume import Volume
from tests.weights.fixtures import seeded

constants = pytest.importorskip("huggingface_hub.constants")

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


def test_weights_and_what_their_repository_says(server: Hub) -> None:
    fetched = hub.fetch("hf:timm/resnet50.a1_in1k")
    assert fetched.path.read_bytes() == WEIGHTS
    assert fetched.source == f"hf:timm/resnet50.a1_in1k@{COMMIT}"
    assert fetched.net == "resnet50_v1_5"
    assert fetched.preprocessing == PREPROCESSINGS["timm_a1"]


def test_a_revision_is_pinned(server: Hub) -> None:
    fetched = hub.fetch(f"hf:timm/resnet50.a1_in1k@{OLDER}")
    assert fetched.path.name == "pytorch_model.bin"
    assert fetched.path.read_bytes() == b"older"
    assert (fetched.net, fetched.preprocessing) == (None, None)
    assert all(OLDER in path for path in server.asked)


def test_what_is_cached_is_used_without_a_network(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hub.fetch("hf:timm/resnet50.a1_in1k")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert hub.fetch("hf:timm/resnet50.a1_in1k") == first


@pytest.mark.parametrize("wanted", [True, False])
def test_offline_it_says_what_to_do(server: Hub, monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    """`wanted`: by HF_HUB_OFFLINE=1. Otherwise the library tries for some seconds, slept away here."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", wanted)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"the hub cannot be reached.*hubel import model.safetensors"):
        hub.fetch("hf:timm/resnet50.a1_in1k")
    assert server.asked == []


def test_a_damaged_file_is_found_out(server: Hub) -> None:
    path = hub.fetch("hf:timm/resnet50.a1_in1k").path
    path.resolve().write_bytes(WEIGHTS[:-1] + b"\1")
    with pytest.raises(ModelError, match=r"is damaged: its SHA-256 is [0-9a-f]{64}; delete"):
        hub.fetch("hf:timm/resnet50.a1_in1k")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf:timm/none", "the hub has no such repository"),
        ("hf:timm/resnet50.a1_in1k@v9", "no such revision"),
        ("hf:owner/empty", "has neither model.safetensors nor pytorch_model.bin"),
    ],
)
def test_what_the_hub_has_not(server: Hub, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        hub.fetch(text)


@pytest.mark.parametrize("text", ["hf:", "hf:resnet50", "hf:a/b/c", "hf:a/b@", "hf:../x@.. /"])
def test_what_is_no_repository(text: str) -> None:
    with pytest.raises(UsageError, match=r"write hf:timm/resnet50.a1_in1k"):
        hub.fetch(text)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r'pip install "hubel\[hub\]"'):
        hub.fetch("hf:timm/resnet50.a1_in1k")


def test_a_preprocessing_that_hubel_has_not() -> None:
    said: dict[str, object] = {**CONFIG["pretrained_cfg"]}
    for wrong in ({"crop_mode": "border"}, {"interpolation": "lanczos"}, {"crop_pct": 0}, {"std": [1.0]}):
        with pytest.raises(ModelError, match="choose one with --preprocessing"):
            hub.preprocessing_of({"pretrained_cfg": said | wrong})
    assert hub.preprocessing_of({}) is None


def test_the_preprocessing_decides_the_input(server: Hub) -> None:
    """A repository whose images are 96x96 makes a model that sees 96x96."""
    config = CONFIG | {"architecture": "resnet18"}
    config["pretrained_cfg"] = CONFIG["pretrained_cfg"] | {"input_size": [3, 96, 96], "crop_pct": 0.875}
    server.files |= {
        "timm/resnet18.small/main/config.json": json.dumps(config).encode(),
        "timm/resnet18.small/main/model.safetensors": safetensors.torch.save(seeded("torchvision resnet18")),
    }
    fetched = hub.fetch("hf:timm/resnet18.small")
    assert fetched.net == "resnet18"
    made = import_weights("resnet18", read_weights(fetched.path).tensors, preprocessing=fetched.preprocessing)
    assert made.model.network.volume == Volume(96, 96, 3)
    assert (made.model.preprocessing.resize, made.model.preprocessing.height) == (109, 96)
