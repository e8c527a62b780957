"""Deep images: a set in a narrow band is trained on as if its camera had written 8 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.data.dataset import ArrayImages, FileImages, numbered
from hubel.data.feed.cache import decode_once
from hubel.data.feed.range import measured_range, range_of
from hubel.data.formats.items import ItemImages
from hubel.data.image.modes import FULL
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Values = npt.NDArray[np.generic]

LEAST, MOST = 29961, 30119


def band(images: int = 12, seed: int = 0) -> npt.NDArray[np.uint16]:
    values = np.random.default_rng(seed).integers(LEAST, MOST + 1, (images, 8, 9)).astype(np.uint16)
    values[0, 0, :2] = LEAST, MOST
    return values


def saved(folder: Path, values: Values, ending: str = "png") -> FileImages:
    paths = tuple(folder / f"{number}.{ending}" for number in range(len(values)))
    for path, each in zip(paths, values, strict=True):
        Image.fromarray(each).save(path)
    return FileImages(np.zeros(len(paths), np.int64), paths)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_the_range_is_that_of_the_values(tmp_path: Path, ending: str) -> None:
    assert measured_range(saved(tmp_path, band(), ending)) == (LEAST, MOST)


def test_the_range_of_floats_and_of_images_in_memory(tmp_path: Path) -> None:
    floats = band().astype(np.float32) / 64
    assert measured_range(saved(tmp_path, floats, "tif")) == (LEAST / 64, MOST / 64)
    items = [Image.fromarray(each) for each in band()]
    names = numbered("train", len(items))
    inside = ItemImages(np.zeros(len(items), np.int64), np.arange(len(items)), items, names)
    assert measured_range(inside) == (LEAST, MOST)


def test_images_of_eight_bits_have_no_range(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    images = saved(tmp_path, pixels)
    assert measured_range(images) is None
    assert measured_range(ArrayImages(images.labels, pixels[..., None], numbered("a", 3))) is None
    assert range_of("full", images) == FULL
    assert range_of("100:200.5", images) == (100, 200.5)
    with pytest.raises(DataError, match="auto, full or LOW:HIGH"):
        range_of("200:100", images)


def test_one_deep_image_among_many_is_found(tmp_path: Path) -> None:
    flat = np.zeros((400, 2, 2), np.uint8)
    images = saved(tmp_path, flat)
    Image.fromarray(band(1)[0]).save(images.paths[333])
    assert measured_range(images) == (LEAST, MOST)


@pytest.mark.parametrize(
    "planted",
    [{0: 0}, {0: 65535}, {0: 0, 1: 65535}],
    ids=["dead", "hot", "both"],
)
def test_dead_and_hot_pixels_do_not_widen_the_range(tmp_path: Path, planted: dict[int, int]) -> None:
    values = band(400)
    for at, value in planted.items():
        values[7, 3, at] = value
    assert measured_range(saved(tmp_path, values)) == (LEAST, MOST)


def test_a_value_for_not_measured_does_not_widen_the_range(tmp_path: Path) -> None:
    values = band()
    values[:, :2] = 0
    values[0, 2, :2] = LEAST, MOST
    assert measured_range(saved(tmp_path, values)) == (LEAST, MOST)


def test_values_that_are_a_part_of_the_image_stay(tmp_path: Path) -> None:
    """Whether they are few, such as bright spots, or far apart, such as those of a mask."""
    spots = np.random.default_rng(0).integers(10_000, 30_000, (50, 20, 20)).astype(np.uint16)
    spots[3, 4, 5] = 60_000
    assert measured_range(saved(tmp_path, spots)) == (spots.min(), 60_000)
    masks = np.random.default_rng(0).choice([0, 1, 65535], (5, 20, 20)).astype(np.uint16)
    assert measured_range(saved(tmp_path, masks)) == (0, 65535)


def test_another_range_is_another_array_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    images, plain = saved(tmp_path, band()), Preprocessing.of("8x9x1")
    for range_ in ((LEAST, MOST), (LEAST, 31000.0), FULL):
        pixels = decode_once(images, replace(plain, range=(float(range_[0]), float(range_[1])))).pixels
        span = range_[1] - range_[0]
        assert np.array_equal(pixels[..., 0], np.rint((band() - range_[0]) * (255 / span)).clip(0, 255))


def test_a_set_in_a_narrow_band_is_learned_like_its_eight_bit_copy(tmp_path: Path) -> None:
    """A warm bar stands or lies, 1 K above its ground, in hundredths of a kelvin."""
    generator = np.random.default_rng(0)
    scenes = []
    for number in range(40):
        scene = generator.normal(0, 0.1, (12, 12))
        at = generator.integers(2, 8)
        scene[:, at : at + 3] += 1
        scenes.append(scene if number % 2 else scene.T)
    kelvin = (30000 + 100 * np.array(scenes)).astype(np.uint16)
    for number, values in enumerate(kelvin):
        folder = tmp_path / "set" / ("lying", "standing")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / f"{number}.png")
    run = hubel.train(
        str(tmp_path / "set"),
        net="conv(8, 3) >> batchnorm >> relu >> conv(8, 3) >> batchnorm >> relu >> fc(2)",
        volume="12x12x1",
        epochs=15,
        batch=8,
        out=tmp_path / "run",
        precision="float32",
    )
    model = hubel.load(run.folder)
    assert model.preprocessing.range is not None
    low, high = model.preprocessing.range
    assert kelvin.min() <= low < high <= kelvin.max()
    assert high - low > 100
    found = list(model.predict([*sorted((tmp_path / "set").rglob("*.png"))]))
    labels = [each.file.split("/")[-2] for each in found]
    assert np.mean([each.label == label for each, label in zip(found, labels, strict=True)]) > 0.9
    assert hubel.evaluate(model, str(tmp_path / "set"), split="train").top1 > 0.9
    with pytest.raises(UsageError, match="range is auto, full or LOW:HIGH"):
        hubel.train(str(tmp_path / "set"), net="fc(2)", volume="12x12x1", range="wide")
