"""Predictions of files: the same pixels as in training, and a bad file spoils no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from hubel import fc
from hubel.data.dataset import FileImages
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError
from hubel.model.file import Model
from hubel.model.prediction import AT_ONCE, image_files, predict
from hubel.module.network import build
from hubel.net.volume import Volume

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
    decoded = decode(FileImages(np.array([1]), (photo,)), model.preprocessing)
    scores = model.network(model.preprocessing.normalise(torch.from_numpy(decoded.pixels)))
    expected = dict(zip(CLASSES, scores[0].softmax(0).tolist(), strict=True))
    (found,) = predict(model, [photo])
    assert dict(found.classes) == pytest.approx(expected)
    with Image.open(photo) as image:
        whole = model.preprocessing.pixels(image)
    assert not np.array_equal(whole, decoded.pixels[0])


def test_a_bad_file_spoils_no_other(
    model: Model, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:500])
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    monkeypatch.chdir(tmp_path)
    files: list[str | Path] = ["./cut.jpg", tmp_path / "float.tif", "gone.png", photo]
    *bad, good = predict(model, files, top=2)
    assert [each.file for each in bad] == list(map(str, files[:3]))
    for each, reason in zip(bad, ("Truncated", "floating-point", "no such file"), strict=True):
        assert reason in each.error
        assert not any(place in each.error for place in ("cut.jpg", "gone", str(tmp_path)))
        assert not each.classes
    assert len(good.classes) == 2
    assert not good.error


def test_many_files_are_answered_in_order_whatever_lies_between(model: Model, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(AT_ONCE + 9)]
    draw = np.random.default_rng(0)
    for number, file in enumerate(files):
        if number % 7:
            Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(file)
    found = list(predict(model, iter(files), top=1))
    assert [each.file for each in found] == list(map(str, files))
    assert [not each.error for each in found] == [number % 7 > 0 for number in range(len(files))]
    for each, file in zip(found, files, strict=True):
        if not each.error:
            (alone,) = predict(model, [file], top=1)
            assert alone.classes[0][0] == each.classes[0][0]
            assert alone.classes[0][1] == pytest.approx(each.classes[0][1], rel=1e-4)


def test_a_folder_stands_for_the_images_in_it(tmp_path: Path) -> None:
    names = ("b/c/1.JPG", "b/2.png", "a.webp", "z.txt", ".hidden.png", ".kept/3.png")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "again").symlink_to(tmp_path)
    (tmp_path / "b" / "empty").mkdir()
    inside = [tmp_path / name for name in ("a.webp", "b/2.png", "b/c/1.JPG")]
    assert image_files(["x.png", tmp_path, tmp_path / "z.txt"]) == ["x.png", *inside, tmp_path / "z.txt"]
    with pytest.raises(DataError, match="empty: a folder without images"):
        image_files([tmp_path / "b" / "empty"])
