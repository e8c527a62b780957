"""Predictions of files: the same pixels as in training, and a bad file spoils no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from hubel import fc
from hubel.data import FilePictures, Preprocessing, decode
from hubel.module import build
from hubel.net import Volume
from hubel.ship.model import Model
from hubel.ship.predict import predict

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("a", "b", "c")


@pytest.fixture
def model() -> Model:
    network = build(fc(3), Volume.of("8x8x3"), seed=0, scores=True)
    return Model(network, CLASSES, Preprocessing.of("8x8x3"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG file large enough to be decoded at an eighth, turned, in noise that every scale changes."""
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", exif=exif)
    return tmp_path / "photo.jpg"


def test_a_file_is_seen_as_in_training(model: Model, photo: Path) -> None:
    decoded = decode(FilePictures(np.array([1]), (photo,)), model.preprocessing)
    scores = model.network(model.preprocessing.normalise(torch.from_numpy(decoded.images)))
    expected = dict(zip(CLASSES, scores[0].softmax(0).tolist(), strict=True))
    (found,) = predict(model, [photo])
    assert dict(found.classes) == pytest.approx(expected)
    with Image.open(photo) as image:
        whole = model.preprocessing.pixels(image)
    assert not np.array_equal(whole, decoded.images[0])


def test_a_bad_file_is_named_and_spoils_no_other(model: Model, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:500])
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    found = list(predict(model, [tmp_path / "cut.jpg", tmp_path / "float.tif", photo], top=2))
    for each, name in zip(found[:2], ("cut.jpg", "float.tif"), strict=True):
        assert each.error.startswith(f"{tmp_path / name}: ")
        assert each.error.count(str(tmp_path)) == 1
        assert not each.classes
    assert len(found[2].classes) == 2
    assert not found[2].error
