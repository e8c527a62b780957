"""Streaming: the same batches as from memory, value for value, whatever process reads them."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.augment.policy import Augmentation
from hubel.data.dataset import FileImages
from hubel.data.feed import open as opening
from hubel.data.feed import stream as streaming
from hubel.data.feed.decoded import Decoded, DecodedBatches, decode
from hubel.data.feed.open import decoded_or_streamed
from hubel.data.feed.stream import Streamed, StreamedBatches
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREPROCESSING = Preprocessing(6, 5, 3, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
BYTES = 33 * 6 * 5 * 3
"""The bytes of the images below once decoded."""

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def images(tmp_path: Path) -> FileImages:
    """Images of noise, some large enough to be decoded at a half."""
    generator = np.random.default_rng(0)
    paths = tuple(tmp_path / f"{number}.jpg" for number in range(33))
    for number, path in enumerate(paths):
        pixels = generator.integers(0, 256, (6 + number, 9 + number // 2, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return FileImages(np.arange(33) % 4, paths)


def same(found: Iterator[Any], expected: Iterator[Any]) -> int:
    """Asserts that two epochs are equal; returns their number of batches."""
    count = 0
    for (images, labels), (wanted, targets) in zip(found, expected, strict=True):
        assert torch.equal(images, wanted)
        assert torch.equal(labels, targets)
        count += 1
    return count


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": True, "seed": 3},
        {"shuffle": True, "balanced": True},
        {"shuffle": True, "augmentation": Augmentation(flip="alternating", shift=2, cutout=2, pca=0.1)},
        {"shuffle": True, "augmentation": Augmentation(flip="random", mixup=0.2), "classes": 4},
    ],
)
@pytest.mark.parametrize("batch", [8, 32])
def test_a_stream_gives_the_batches_of_a_set_in_memory(
    images: FileImages, batch: int, options: dict[str, Any]
) -> None:
    """33 images: with batches of 8 or of 32, the last one joins the batch before."""
    whole = DecodedBatches(decode(images, PREPROCESSING), PREPROCESSING, batch, **options)
    stream = StreamedBatches(Streamed.of(images, PREPROCESSING), PREPROCESSING, batch, **options, workers=0)
    assert len(stream) == len(whole)
    assert stream.names == whole.names
    some = torch.tensor([1, 2, 5, 8, 13, 21, 30, 31, 32])
    for number, sides, among in product((0, 1), (None, lambda batch: 4 + batch), (None, some)):
        epochs = (each.epoch(number, sides, among) for each in (stream, whole))
        assert same(*epochs) == whole.batches(among) == stream.batches(among)
    for made, of, expected in zip(stream.first(), whole.first(), next(whole.epoch(0)), strict=True):
        assert torch.equal(made, of)
        assert torch.equal(of, expected)


def test_processes_read_the_same_in_the_same_order_without_global_random_numbers(images: FileImages) -> None:
    decoded = Streamed.of(images, PREPROCESSING)
    stream = StreamedBatches(decoded, PREPROCESSING, 4, shuffle=True, workers=2)
    alone = StreamedBatches(decoded, PREPROCESSING, 4, shuffle=True, workers=0)
    before = torch.get_rng_state()
    assert same(stream.epoch(1), alone.epoch(1)) == 8
    first = stream.epoch(0)
    next(first)
    first.close()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_is_named_when_it_is_reached(images: FileImages, workers: int) -> None:
    images.paths[20].write_bytes(b"broken")
    decoded = decoded_or_streamed(images, PREPROCESSING, memory_limit=0)
    assert isinstance(decoded, Streamed)
    epoch = StreamedBatches(decoded, PREPROCESSING, 8, workers=workers).epoch(0)
    next(epoch)
    next(epoch)
    with pytest.raises(DataError, match=r"^\S*20\.jpg: is not an image[^\n]*$"):
        next(epoch)


def test_bad_images_to_skip_are_found_in_advance(images: FileImages) -> None:
    for number in (20, 3):
        images.paths[number].write_bytes(b"broken")
    seen: list[int] = []
    found = decoded_or_streamed(images, PREPROCESSING, seen.append, "skip", memory_limit=0)
    expected = decode(images, PREPROCESSING, on_bad="skip")
    assert isinstance(found, Streamed)
    assert seen[-1] == 33
    assert found.skipped == expected.skipped
    assert found.names == expected.names
    stream = StreamedBatches(found, PREPROCESSING, 8, workers=0)
    assert same(stream.epoch(0), DecodedBatches(expected, PREPROCESSING, 8).epoch(0)) == 4
    for path in images.paths:
        path.write_bytes(b"")
    with pytest.raises(DataError, match="33 of 33"):
        decoded_or_streamed(images, PREPROCESSING, on_bad="skip", memory_limit=0)


def test_images_that_fit_into_memory_are_decoded(images: FileImages) -> None:
    fits = decoded_or_streamed(images, PREPROCESSING, memory_limit=BYTES)
    streams = decoded_or_streamed(images, PREPROCESSING, memory_limit=BYTES - 1)
    assert isinstance(fits, Decoded)
    assert isinstance(streams, Streamed)
    assert type(fits.batches(PREPROCESSING, 4)) is DecodedBatches
    assert type(streams.batches(PREPROCESSING, 4)) is StreamedBatches
    assert streams.shape == fits.shape == fits.pixels.shape[1:]
    assert np.array_equal(streams[7], fits[7])
    assert len(streams) == len(fits)


def test_the_limit_is_a_quarter_of_the_free_memory(
    images: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, streams in ((4 * BYTES, False), (4 * BYTES - 4, True)):
        monkeypatch.setattr(opening, "free_memory", lambda free=free: free)
        assert isinstance(decoded_or_streamed(images, PREPROCESSING), Streamed) is streams


def test_a_stream_is_measured_by_a_sample_always_the_same(
    images: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stream = decode(images, PREPROCESSING), Streamed.of(images, PREPROCESSING)
    assert whole.sample() is whole.pixels
    assert np.array_equal(stream.sample(), whole.pixels)
    monkeypatch.setattr(streaming, "SAMPLE", 10)
    sample = stream.sample()
    assert np.array_equal(sample, stream.sample())
    places = [int(np.flatnonzero((whole.pixels == image).all((1, 2, 3)))[0]) for image in sample]
    assert len(set(places)) == 10
    assert places != list(range(10))


def test_a_decoded_and_a_streamed_feed_answer_alike(images: FileImages) -> None:
    whole, stream = decode(images, PREPROCESSING), Streamed.of(images, PREPROCESSING)
    wanted = np.arange(33) % 3 == 1
    for one, other in ((whole, stream), (whole.only(wanted), stream.only(wanted))):
        assert (len(one), one.names, one.shape) == (len(other), other.names, other.shape)
        assert np.array_equal(one.labels, other.labels)
        assert all(np.array_equal(one[place], other[place]) for place in range(len(one)))
        classes, model = ("a", "b", "c", "d"), ("d", "c", "b", "a", "e")
        assert one.relabelled(classes, model).labels.tolist() == (3 - other.labels).tolist()
        assert other.relabelled(classes, model).labels.tolist() == (3 - one.labels).tolist()
        for feed in (one, other):
            with pytest.raises(DataError, match="class 'd' is not of the model"):
                feed.relabelled(classes, ("a", "b", "c"))
    assert len(set(whole.marks())) == 33
    assert stream.marks() is None
