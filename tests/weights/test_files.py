"""Files of weights: every way they are written, and none that would run code."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, NotationError, UsageError
from hubel.evaluation.model import measure
from hubel.model.file import load
from hubel.model.import_weights import (
    MEAN,
    PREPROCESSINGS,
    STD,
    class_names,
    fitted,
    import_weights,
    preprocessing_named,
    read_weights,
)
from hubel.net.volume import Volume
from hubel.zoo.imagenet import imagenet_classes
from tests.weights.fixtures import seeded


@pytest.fixture
def state() -> dict[str, Tensor]:
    return OrderedDict(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict())


def same(found: dict[str, Tensor], state: dict[str, Tensor]) -> bool:
    return found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints(state: dict[str, Tensor], tmp_path: Path, wrapper: str | None, zipped: bool) -> None:
    """`zipped` is how torch saves since 1.6; torchvision's oldest files are of the time before."""
    path = tmp_path / "weights.pth"
    content = {wrapper: state, "epoch": 90, "arch": "resnet50"} if wrapper else state
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert same(read_weights(path).tensors, state)


def test_safetensors(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(dict(state), path)
    assert same(read_weights(path).tensors, state)


class Trap:
    """A pickle of this writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_a_pickle_that_needs_more_is_not_unpickled(state: dict[str, Tensor], tmp_path: Path) -> None:
    path, trap = tmp_path / "weights.pth", tmp_path / "sprung"
    torch.save({"state_dict": state, "trap": Trap(trap)}, path)
    with pytest.raises(
        ModelError, match=r"is not read: it asks for [a-z_]*.open.* can run any code.*torch.save\("
    ):
        read_weights(path)
    path.write_bytes(pickle.dumps({"trap": Trap(trap)}))
    with pytest.raises(ModelError):
        read_weights(path)
    assert not trap.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(ModelError, match=r"it asks for torch.nn.modules.linear.Linear"):
        read_weights(path)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "weights.bin"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and no more", b"\x80\x02}", b"\0" * 100])
def test_damaged_files(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=name):
        read_weights(path)


def test_files_cut_short(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "a.pth")
    safetensors.torch.save_file(dict(state), tmp_path / "a.safetensors")
    for path in list(tmp_path.iterdir()):
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(ModelError, match=r"cut short|ends early"):
            read_weights(path)


@pytest.mark.parametrize("content", [3, [1, 2], {"epoch": 1}, {"state_dict": {"a": 1}}, torch.zeros(3)])
def test_what_is_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="holds no state_dict"):
        read_weights(tmp_path / "weights.pth")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none.pth does not exist"):
        read_weights(tmp_path / "none.pth")


def test_a_model_of_foreign_weights(tmp_path: Path) -> None:
    imported = import_weights("resnet18", seeded("torchvision resnet18"), source="resnet18.pth")
    model = imported.model
    assert imported.loaded.matched == 122
    assert model.classes == imagenet_classes()
    assert model.preprocessing == Preprocessing(224, 224, 3, MEAN, STD, resize=256)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.summary == {
        "weights": "resnet18.pth",
        "names": "torchvision or timm",
        "report": "122 tensors matched",
    }
    for name, value in model.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value), name
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(again.network(images), model.network(images))


def test_a_model_of_other_classes_and_size() -> None:
    state = seeded("torchvision resnet18")
    imported = import_weights("resnet18(classes=2)", state, volume="112x96x1", classes=["cat", "dog"])
    assert str(imported.loaded).startswith("head 1000 -> 2 reset, conv1 summed")
    assert imported.model.classes == ("cat", "dog")
    prepared = imported.model.preprocessing
    assert (prepared.height, prepared.width, prepared.depth, prepared.resize) == (112, 96, 1, 128)
    with pytest.raises(ModelError, match="2 class names are given for 1000 classes"):
        import_weights("resnet18", state, volume="64x64x3", classes=["cat", "dog"])
    with pytest.raises(NotationError, match="did you mean resnet18"):
        import_weights("resnet81", state)


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "ema_state_dict", "ema"])
def test_a_moving_average_is_taken_only_where_asked_for(
    state: dict[str, Tensor], tmp_path: Path, key: str
) -> None:
    average = {name: value + 1 for name, value in state.items()}
    path = tmp_path / "weights.pth"
    torch.save({key: average, "state_dict": state, "optimizer": {"state": state}, "epoch": 3}, path)
    plain, other = read_weights(path), read_weights(path, ema=True)
    assert same(plain.tensors, state)
    assert same(other.tensors, average)
    assert plain.remarks == (f"taken from state_dict, not from {key} (--ema takes the moving average)",)
    assert other.remarks == (f"taken from {key}, not from state_dict",)
    torch.save({key: average, "epoch": 3}, path)
    assert same(read_weights(path).tensors, average)
    assert read_weights(path).remarks == (f"taken from {key}",)


def test_the_classes_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    state = seeded("torchvision resnet18")
    state |= {"fc.weight": state["fc.weight"][:10].clone(), "fc.bias": torch.arange(10.0)}
    imported = import_weights("resnet18", state, volume="64x64x3")
    assert imported.loaded.head is None
    assert imported.model.classes == tuple(f"class {number}" for number in range(10))
    assert torch.equal(imported.model.network.get_parameter("fc.bias"), torch.arange(10.0))
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert import_weights("resnet18", state, volume="64x64x3", classes=names).model.classes == tuple(names)
    with pytest.raises(ModelError, match="2 class names are given for 10 classes"):
        import_weights("resnet18", state, volume="64x64x3", classes=["cat", "dog"])


def test_a_head_that_was_never_trained_predicts_nothing(tmp_path: Path) -> None:
    model = import_weights("resnet18(classes=7)", seeded("torchvision resnet18"), volume="32x32x3").model
    path = tmp_path / "model.safetensors"
    model.save(path)
    for each in (model, load(path)):
        assert each.untrained
        with pytest.raises(ModelError, match=r"head was never trained.*hubel train DATA --from"):
            each.predict(np.zeros((32, 32, 3), np.uint8))
        with pytest.raises(ModelError, match="head was never trained"):
            measure(each, tmp_path)
    older = {key: text for key, text in model.header.to_metadata().items() if key != "untrained"}
    path.write_bytes(safetensors.torch.save(safetensors.torch.load_file(path), older))
    assert load(path).untrained, "its report says so"


def test_preprocessings() -> None:
    assert fitted(PREPROCESSINGS["timm_a1"], Volume(288, 288, 3)).resize == 302
    assert fitted(PREPROCESSINGS["torchvision"], Volume(224, 224, 3)) == PREPROCESSINGS["torchvision"]
    with pytest.raises(UsageError, match="did you mean timm_a1"):
        preprocessing_named("timm_a2")


def test_imagenets_classes() -> None:
    names = imagenet_classes()
    assert len(names) == len(set(names)) == 1000
    known = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby", 517: "crane (machine)"}
    known |= {134: "crane (bird)", 620: "laptop", 954: "banana", 967: "espresso", 999: "toilet tissue"}
    assert {at: names[at] for at in known} == known
    assert class_names(1000) == names
    assert class_names(2) == ("class 0", "class 1")
