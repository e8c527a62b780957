"""Files from the Hugging Face hub, which a small server on this machine plays."""

from __future__ import annotations

import json

import pytest
import safetensors.torch

from hubel.errors import ModelError, UsageError
from hubel.model import hub
from hubel.model.import_weights import PREPROCESSINGS, import_weights, read_weights
from hubel.net.volume import Volume
from tests.weights.conftest import COMMIT, CONFIG, OLDER, WEIGHTS, Hub
from tests.weights.fixtures import seeded

constants = pytest.importorskip("huggingface_hub.constants")


MANUAL = (
    r"the hub cannot be reached.*download config.json and model.safetensors of "
    r"https://huggingface.co/timm/resnet50.a1_in1k/tree/main into a folder.*hubel import FOLDER"
)


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
    with pytest.raises(ModelError, match=MANUAL):
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
    for wrong in (
        {"crop_mode": "border"},
        {"crop_mode": "squash"},
        {"interpolation": "lanczos"},
        {"crop_pct": 0},
        {"std": [1.0]},
    ):
        with pytest.raises(ModelError, match="choose one with --preprocessing"):
            hub.preprocessing_of({"pretrained_cfg": said | wrong})
    assert hub.preprocessing_of({}) is None
    whole = hub.preprocessing_of({"pretrained_cfg": said | {"crop_mode": "squash", "crop_pct": 1.0}})
    assert whole is not None
    assert (whole.fit, whole.resize) == ("squash", None)


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
