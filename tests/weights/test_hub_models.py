"""A model of the hub by one command: imported, fine-tuned, from its server or from a folder with its files.

The numbers are those of `drawn`, so the scores are timm's own of `modern.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

import hubel
from hubel.errors import ModelError, UsageError
from hubel.model.hub import NETWORKS, laid_out
from hubel.model.import_weights import MEAN, STD
from hubel.model.open import open_model
from hubel.net.volume import Volume
from hubel.zoo.registry import ZOO
from tests.weights.conftest import COMMIT, Hub
from tests.weights.drawn import drawn, images
from tests.weights.test_modern import PEERS, network, theirs

MODELS = {
    "timm/convnext_tiny.in12k_ft_in1k": "convnext_tiny",
    "timm/efficientnet_b0.ra_in1k": "efficientnet_b0",
    "timm/mobilenetv3_small_100.lamb_in1k": "mobilenetv3_small_100",
}
SMALL = "timm/mobilenetv3_small_100.lamb_in1k"


def config(architecture: str, **others: Any) -> dict[str, Any]:
    """A config.json as the hub has it, of images of 96x96."""
    seen = {"input_size": [3, 96, 96], "crop_pct": 0.96, "crop_mode": "center", "interpolation": "bicubic"}
    return {
        "architecture": architecture,
        "num_classes": 1000,
        "pretrained_cfg": {**seen, "mean": list(MEAN), "std": list(STD)},
        **others,
    }


def state(architecture: str) -> dict[str, Tensor]:
    """timm's state_dict, with numbers drawn from the names."""
    peer = f"timm {architecture}"
    with torch.device("meta"):
        shapes = theirs(peer, network(peer))
    return {name: drawn(name, shape) for name, shape in shapes.items()}


def files(architecture: str) -> dict[str, bytes]:
    """The files of a repository."""
    return {
        "config.json": json.dumps(config(architecture)).encode(),
        "model.safetensors": safetensors.torch.save(state(architecture)),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the smallest repository."""
    place = tmp_path / "mobilenet"
    place.mkdir()
    for name, content in files(MODELS[SMALL]).items():
        (place / name).write_bytes(content)
    return place


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of six images, dark and bright."""
    rng = np.random.default_rng(0)
    for name, least in (("dark", 0), ("bright", 128)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(least, least + 128, (96, 96, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("repo", MODELS)
def test_a_repository_is_imported_by_one_argument(server: Hub, repo: str, tmp_path: Path) -> None:
    server.files |= {f"{repo}/main/{name}": content for name, content in files(MODELS[repo]).items()}
    found = hubel.import_model(f"hf:{repo}", out=tmp_path / "model.safetensors")
    model = hubel.load(found.path)
    assert model.network.volume == Volume(96, 96, 3)
    assert (model.preprocessing.resize, model.preprocessing.interpolation) == (100, "bicubic")
    assert model.summary["weights"] == f"hf:{repo}@{COMMIT}"
    assert model.classes[0] == "tench"
    with torch.inference_mode():
        scores = model.network(images())[0, :6]
    wanted = torch.tensor(PEERS[f"timm {MODELS[repo]}"]["logits"])
    torch.testing.assert_close(scores, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_a_run_starts_from_the_hub(server: Hub, photos: Path, tmp_path: Path) -> None:
    server.files |= {f"{SMALL}/main/{name}": content for name, content in files(MODELS[SMALL]).items()}
    run = hubel.train(photos, start=f"hf:{SMALL}", epochs=1, val=0.34, out=tmp_path / "run")
    assert run.config.start == f"hf:{SMALL}"
    assert "mobilenet" not in run.config.data
    assert hubel.load(tmp_path / "run").preprocessing.mean == MEAN
    assert sorted(hubel.load(tmp_path / "run").classes) == ["bright", "dark"]


def test_a_folder_or_its_file_stands_for_the_repository(folder: Path, tmp_path: Path) -> None:
    for number, place in enumerate((folder, folder / "model.safetensors")):
        found = hubel.import_model(place, out=tmp_path / f"{number}.safetensors")
        assert found.model.network.volume == Volume(96, 96, 3)
        assert open_model(place).preprocessing == found.model.preprocessing
    assert hubel.import_model(
        folder, net="mobilenet_v3_small_timm(classes=3)", out=tmp_path / "3.safetensors"
    )


def test_what_is_not_laid_out_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert laid_out(tmp_path / "empty") is None
    with pytest.raises(UsageError, match=r"is a folder without model.safetensors and a config.json"):
        hubel.import_model(tmp_path / "empty", out=tmp_path / "out.safetensors")
    (folder / "config.json").write_text("[]")
    assert laid_out(folder) is None


@pytest.mark.parametrize(
    ("changed", "net", "message"),
    [
        ({"architecture": "resnet26d"}, None, "no map for the weights of resnet26d.*hubel notation"),
        ({}, "mobilenet_v3_small", "architecture mobilenetv3_small_100, here mobilenet_v3_small_timm"),
        ({"num_classes": 0}, None, "has no classifier"),
        ({"model_args": {"in_chans": 3, "act_layer": "relu"}}, None, r"by model_args \(act_layer\)"),
        ({"model_args": {"global_pool": "max"}}, None, r"by model_args \(global_pool\)"),
    ],
)
def test_what_it_refuses(
    folder: Path, tmp_path: Path, changed: dict[str, Any], net: str | None, message: str
) -> None:
    (folder / "config.json").write_text(json.dumps(config(MODELS[SMALL]) | changed))
    with pytest.raises((UsageError, ModelError), match=message):
        hubel.import_model(folder, net=net, out=tmp_path / "out.safetensors")


def test_class_names_are_those_of_the_repository(folder: Path, tmp_path: Path) -> None:
    names = [f"n{number:08d}" for number in range(1000)]
    described = {"n00000003": "a fish"}
    plain = {"in_chans": 3, "num_classes": 1000, "global_pool": "avg"}  # as timm itself writes it
    content = config(MODELS[SMALL], label_names=names, label_descriptions=described, model_args=plain)
    (folder / "config.json").write_text(json.dumps(content))
    found = hubel.import_model(folder, out=tmp_path / "out.safetensors")
    assert found.model.classes[2:5] == ("n00000002", "a fish", "n00000004")


def test_every_architecture_of_the_map_was_compared() -> None:
    """Those in `modern.json`, and VGG and ResNet, of which `names.json` has torchvision's names."""
    older = {name for name in NETWORKS if name.startswith(("vgg", "resnet"))}
    assert {f"timm {name}" for name in NETWORKS.keys() - older} <= set(PEERS)
    assert all(PEERS[f"timm {name}"]["network"] == NETWORKS[name] for name in NETWORKS.keys() - older)
    assert set(NETWORKS.values()) <= set(ZOO)
