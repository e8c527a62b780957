"""Predictions of files: the same pixels as in training, and a bad file spoils no other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hubel import fc
from hubel.data.dataset import FileImages
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError, UsageError
from hubel.model.file import Model
from hubel.model.inputs import several
from hubel.model.prediction import BATCH, predictions
from hubel.module.network import build
from hubel.net.volume import Volume

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
    (found,) = predictions(model, [photo])
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
    *bad, good = predictions(model, files, top=2)
    assert [each.file for each in bad] == list(map(str, files[:3]))
    for each, reason in zip(bad, ("Truncated", "floating-point", "no such file"), strict=True):
        assert reason in each.error
        assert not any(place in each.error for place in ("cut.jpg", "gone", str(tmp_path)))
        assert not each.classes
    assert len(good.classes) == 2
    assert not good.error


def test_many_files_are_answered_in_order_whatever_lies_between(model: Model, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(BATCH + 9)]
    draw = np.random.default_rng(0)
    for number, file in enumerate(files):
        if number % 7:
            Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(file)
    found = list(predictions(model, iter(files), top=1))
    assert [each.file for each in found] == list(map(str, files))
    assert [not each.error for each in found] == [number % 7 > 0 for number in range(len(files))]
    for each, file in zip(found, files, strict=True):
        if not each.error:
            (alone,) = predictions(model, [file], top=1)
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
    assert [*several(["x.png", tmp_path, tmp_path / "z.txt"])] == ["x.png", *inside, tmp_path / "z.txt"]
    with pytest.raises(DataError, match="empty: a folder without images"):
        [*several([tmp_path / "b" / "empty"])]


def test_no_image_of_a_folder_is_left_out_without_a_word(model: Model, tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    image.save(tmp_path / "a.avif")
    image.save(tmp_path / "b", "JPEG")
    (tmp_path / "c.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "d.txt").write_text("notes")
    (tmp_path / "LICENSE").write_text("notes")
    os.mkfifo(tmp_path / "e.png")
    found = list(predictions(model, several(tmp_path)))
    assert [Path(each.file).name for each in found] == ["a.avif", "b", "c.HEIC", "e.png"]
    assert [each.error.partition(";")[0] for each in found] == [
        "",
        "",
        "is not an image that can be read",
        "cannot be read: not a regular file, but a pipe, a socket or a device",
    ]


def test_one_image_gives_one_prediction(model: Model, photo: Path) -> None:
    (expected,) = predictions(model.by(), [photo])
    for path in (photo, str(photo)):
        assert model.predict(path) == expected
        assert model.probabilities(path).shape == (1, 3)
    assert (expected.label, expected.probability) == expected.classes[0]
    assert model.predict(photo, top=1).classes == expected.classes[:1]
    with Image.open(photo) as image:
        from_memory = model.predict(image)
        assert from_memory.file == "image 0"
        pixels = np.asarray(image.convert("RGB"))
    assert model.predict(model.preprocessing.pixels(Image.open(photo))).classes == from_memory.classes
    assert model.predict(pixels).classes == model.predict(Image.fromarray(pixels)).classes


def test_several_images_give_a_list(model: Model, photo: Path) -> None:
    one = model.predict(photo)
    assert model.predict([photo]) == [one]
    assert model.predict(str(photo) for _ in range(2)) == [one, one]
    folders: list[Any] = [model.predict(photo.parent), model.predict(str(photo.parent))]
    assert folders == [[one], [one]]
    assert model.predict([photo.parent, photo]) == [one, one]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    found: Any = model.predict(pixels)
    assert [each.file for each in found] == ["image 0", "image 1", "image 2"]
    for each, alone in zip(found, pixels, strict=True):
        assert dict(each.classes) == pytest.approx(dict(model.predict(alone).classes))
    assert model.probabilities(pixels).shape == (3, 3)
    assert model.predict([]) == []


def test_grey_arrays_need_no_channel(photo: Path) -> None:
    grey = Model(build(fc(3), "8x8x1", scores=True), CLASSES, Preprocessing.of("8x8x1"))
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    assert grey.predict(pixels).classes == grey.predict(pixels[..., None]).classes
    assert grey.predict(pixels).classes == grey.predict(Image.fromarray(pixels)).classes


def test_floats_and_tensors_are_taken_as_in_training(model: Model) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    floats = (pixels / 255).astype(np.float32)
    expected: Any = model.predict(pixels)
    for images in (floats, torch.from_numpy(pixels).permute(0, 3, 1, 2), [*floats]):
        found: Any = model.predict(images)
        assert found == expected
    for image in (floats[0], torch.from_numpy(floats[0]).permute(2, 0, 1)):
        assert model.predict(image) == model.predict(pixels[0])
    assert model.probabilities([]).shape == (0, 3)


def test_a_bad_image_alone_is_an_error(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.png: no such file"):
        model.predict(tmp_path / "gone.png")
    (bad,) = model.predict([tmp_path / "gone.png"])
    assert bad.error == "no such file"
    with pytest.raises(DataError, match=r"gone.png: no such file"):
        print(bad.label)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            np.full((8, 8, 3), 2, np.float32),
            r"float pixels are from 0 to 1.*; give values .* as uint8",
        ),
        (np.zeros((8, 8, 3), np.int64), r"uint8 from 0 to 255, or float from 0 to 1, not int64"),
        (np.zeros((3, 8, 8), np.uint8), r"not 3 x 8 x 8; move the channels with x.transpose\(1, 2, 0\)"),
        (np.zeros((8, 8, 4), np.uint8), r"height x width x 1 or 3, not 8 x 8 x 4$"),
        (np.zeros(8, np.uint8), r"not 8$"),
        (torch.zeros(8, 8, 3), r"1 or 3 x height x width, not 8 x 8 x 3; move the channels with x.permute"),
        (5, r"not int"),
    ],
)
def test_what_is_no_image_is_refused_with_the_remedy(model: Model, image: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        model.predict(image)  # type: ignore[call-overload]  # on purpose
    with pytest.raises(DataError, match=message):
        model.predict([image])  # type: ignore[list-item]  # on purpose


def test_fewer_than_one_class_is_refused(model: Model, photo: Path) -> None:
    for images in (photo, [photo]):
        with pytest.raises(UsageError, match="top is at least 1, not 0"):
            model.predict(images, top=0)
