"""Batches: every image once per epoch, whatever the sizes, and the same for the same seed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubel.data.augment.policy import Augmentation
from hubel.data.dataset import numbered
from hubel.data.feed.batches import Batches, Epoch, Made
from hubel.data.feed.decoded import Decoded, DecodedBatches
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

PREPROCESSING = Preprocessing(4, 5, 1, (0.25,), (0.5,))
COLOUR = Preprocessing(8, 6, 3, (0.25, 0.5, 0.4), (0.5, 0.2, 0.3))


def decoded(count: int) -> Decoded:
    """Images whose value is their label."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 5, 1))
    return Decoded(images.copy(), np.arange(count), numbered("set", count))


def noise(count: int, classes: int = 3) -> Decoded:
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (count, 8, 6, 3), dtype=np.uint8)
    return Decoded(images, np.arange(count) % classes, numbered("set", count))


def order(batches: Batches, epoch: int) -> list[int]:
    return [int(label) for _, labels in batches.epoch(epoch) for label in labels]


def threads() -> int:
    return sum(thread.name.startswith("batches") for thread in threading.enumerate())


def settles(count: int) -> bool:
    """Whether this number of threads remains; threads of unreferenced epochs may end a little later."""
    deadline = time.monotonic() + 30
    while threads() != count and time.monotonic() < deadline:
        time.sleep(0.001)
    return threads() == count


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.booleans(), st.integers(0, 3))
def test_every_image_occurs_once_with_its_label(count: int, batch: int, shuffle: bool, epoch: int) -> None:
    batches = DecodedBatches(decoded(count), PREPROCESSING, batch, shuffle)
    labels, sizes = [], []
    for images, of in batches.epoch(epoch):
        assert images.dtype == torch.float32
        assert of.dtype == torch.int64
        assert images.shape == (len(of), 1, 4, 5)
        torch.testing.assert_close(images, ((of / 255 - 0.25) / 0.5).view(-1, 1, 1, 1).expand_as(images))
        labels += of.tolist()
        sizes.append(len(of))
    assert sorted(labels) == list(range(count))
    assert shuffle or labels == list(range(count))
    assert len(sizes) == len(batches)
    assert all(size == batch for size in sizes[:-1])
    assert 1 <= sizes[-1] <= batch + (batch > 1)
    assert sizes[-1] > 1 or count == 1 or batch == 1


@pytest.mark.parametrize(
    ("count", "batch", "sizes"),
    [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (1, 4, [1]), (5, 4, [5]), (3, 1, [1, 1, 1])],
)
def test_a_last_batch_of_one_joins_the_one_before(count: int, batch: int, sizes: list[int]) -> None:
    found = [len(labels) for _, labels in DecodedBatches(decoded(count), PREPROCESSING, batch).epoch(0)]
    assert found == sizes


def test_epochs_differ_and_can_be_repeated() -> None:
    batches = DecodedBatches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=7)
    third = order(batches, 3)
    assert third != order(batches, 2)
    assert third == order(DecodedBatches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=7), 3)
    assert third != order(DecodedBatches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=8), 3)
    assert third != order(DecodedBatches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=3), 7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_are_what_the_preprocessing_makes_of_them(dtype: torch.dtype) -> None:
    source = noise(23)
    batches = DecodedBatches(source, COLOUR, 8, dtype=dtype)
    seen = [images for images, _ in batches.epoch(0)]
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images in seen)
    expected = COLOUR.normalise(torch.from_numpy(source.pixels))
    assert all(images.dtype == dtype for images in seen)
    torch.testing.assert_close(
        torch.cat(seen), expected.to(dtype), rtol=1e-2 if dtype.itemsize == 2 else 1e-5, atol=1e-5
    )


def test_augmented_batches_repeat_and_do_not_change_the_images() -> None:
    source = noise(30)
    kept = source.pixels.copy()
    batches = DecodedBatches(source, COLOUR, 8, shuffle=True, augmentation=Augmentation("random", shift=1))
    first, again, other = (torch.cat([images for images, _ in batches.epoch(e)]) for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert np.array_equal(source.pixels, kept)
    plain = torch.cat([images for images, _ in DecodedBatches(source, COLOUR, 8, shuffle=True).epoch(0)])
    assert not torch.equal(first, plain)


def test_alternating_flips_get_the_index_and_the_epoch() -> None:
    source = noise(40, classes=40)
    batches = DecodedBatches(source, COLOUR, 7, shuffle=True, augmentation=Augmentation("alternating"))
    plain = COLOUR.normalise(torch.from_numpy(source.pixels))
    ways = []
    for epoch in (0, 1):
        straight = torch.zeros(40, dtype=torch.bool)
        for images, labels in batches.epoch(epoch):
            for image, label in zip(images, labels, strict=True):
                ahead = torch.allclose(image, plain[label], atol=1e-5)
                assert ahead or torch.allclose(image, plain[label].flip(2), atol=1e-5)
                straight[label] = ahead
        ways.append(straight)
    assert torch.equal(ways[0], ~ways[1])
    assert 5 < int(ways[0].sum()) < 35


def test_colours_are_those_of_all_images() -> None:
    source = noise(40)
    source.pixels[:20] //= 4  # the first images are darker than the rest
    batches = DecodedBatches(source, COLOUR, 10, augmentation=Augmentation(cutout=6))
    mean = source.pixels.reshape(-1, 3).mean(0).round()
    expected = (mean / 255 - COLOUR.mean) / COLOUR.std
    for images, _ in batches.epoch(0):
        # the square of 6 covers the centre of each image's width, at the height of 3 or 4
        assert (
            torch.isclose(images, torch.from_numpy(expected).float().view(1, 3, 1, 1), atol=1e-4)
            .all(1)
            .flatten(1)
            .any(1)
            .all()
        )


def test_sides_resize_the_batches() -> None:
    source = noise(10)
    found = torch.cat([images for images, _ in DecodedBatches(source, COLOUR, 4).epoch(0, lambda _: 3)])
    assert found.shape == (10, 3, 4, 3)
    assert found.is_contiguous(memory_format=torch.channels_last)
    small = [
        np.asarray(Image.fromarray(pixels).resize((3, 4), Image.Resampling.BILINEAR))
        for pixels in source.pixels
    ]
    expected = replace(COLOUR, height=4, width=3).normalise(torch.from_numpy(np.stack(small)))
    assert (found - expected).abs().max() < 1.01 / 255 / min(COLOUR.std)


def test_sides_are_of_batches() -> None:
    batches = DecodedBatches(noise(10), COLOUR, 4)
    assert [images.shape[3] for images, _ in batches.epoch(0, lambda batch: 2 + batch)] == [2, 3, 4]


def test_targets_of_mixed_images_are_class_shares() -> None:
    source = noise(50)
    batches = DecodedBatches(
        source, COLOUR, 16, True, Augmentation(mixup=0.4, cutmix=1.0), classes=4, dtype=torch.bfloat16
    )
    shares = torch.cat([targets for _, targets in batches.epoch(2)])
    assert shares.shape == (50, 4)
    assert shares.dtype == torch.float32
    torch.testing.assert_close(shares.sum(1), torch.ones(50))
    assert not shares[:, 3].any()
    for images, _ in batches.epoch(2):
        assert images.dtype == torch.bfloat16
        assert images.is_contiguous(memory_format=torch.channels_last)
    for classes in (0, 2):
        with pytest.raises(DataError, match=f"at least 3, but classes={classes}; give their number"):
            replace(batches, classes=classes)


@settings(deadline=None)
@given(st.sets(st.integers(0, 39), min_size=1), st.integers(1, 9), st.booleans(), st.integers(0, 3))
def test_an_epoch_of_some_images(some: set[int], batch: int, shuffle: bool, number: int) -> None:
    """Each occurs once, the batches give their places, and the number of batches is as stated."""
    batches = DecodedBatches(decoded(40), PREPROCESSING, batch, shuffle)
    among = torch.tensor(sorted(some))
    epoch = batches.epoch(number, among=among)
    labels = []
    for _, of in epoch:
        assert torch.equal(epoch.places, of)
        labels.append(of.tolist())
    assert sorted(chain(*labels)) == sorted(some)
    assert shuffle or list(chain(*labels)) == sorted(some)
    assert len(labels) == batches.batches(among)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 6))
def test_repeated_images_stand_together(count: int, batch: int, repeat: int) -> None:
    """As torchvision's RASampler without its rounding to 256: each image of an order so often, cut off."""
    source = decoded(count)
    batches = DecodedBatches(source, PREPROCESSING, batch, shuffle=True, seed=5, repeat=repeat)
    once = replace(batches, repeat=1)
    epoch, order, plain = batches.epoch(3), list[int](), list[int]()
    for _ in epoch:
        order += epoch.places.tolist()
    alone = once.epoch(3)
    for _ in alone:
        plain += alone.places.tolist()
    assert order == [place for place in plain for _ in range(repeat)][:count]


def test_balanced_epochs_of_some_images_draw_only_them() -> None:
    source = replace(decoded(9), labels=np.array([0, 0, 0, 0, 0, 0, 1, 1, 2]))
    batches = DecodedBatches(source, PREPROCESSING, 3, shuffle=True, balanced=True)
    epoch = batches.epoch(0, among=torch.tensor([0, 1, 2, 3, 6, 7]))
    places = [epoch.places for _ in epoch]
    drawn = Counter(torch.cat(places).tolist())
    assert sum(drawn.values()) == 6
    assert (drawn[6] + drawn[7], drawn[0] + drawn[1] + drawn[2] + drawn[3]) == (3, 3)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=80), st.integers(0, 3))
def test_balanced_epochs_draw_each_class_equally_often(labels: list[int], epoch: int) -> None:
    count = len(labels)
    source = replace(decoded(count), labels=np.array(labels, np.int64))
    batches = DecodedBatches(source, PREPROCESSING, 8, shuffle=True, balanced=True)
    drawn: Counter[int] = Counter()
    for images, of in batches.epoch(epoch):
        numbers = ((images[:, 0, 0, 0] * 0.5 + 0.25) * 255).round().int().tolist()
        assert [labels[number] for number in numbers] == of.tolist()
        drawn.update(numbers)
    assert sum(drawn.values()) == count
    classes = set(labels)
    times = Counter(dict.fromkeys(classes, 0))
    for number, often in drawn.items():
        times[labels[number]] += often
    assert max(times.values()) - min(times.values()) <= 1
    for label in classes:
        within = [drawn[number] for number in range(count) if labels[number] == label]
        assert max(within) - min(within) <= 1


def test_balanced_epochs_are_shuffled_and_differ() -> None:
    source = replace(decoded(200), labels=np.repeat([0, 1], [180, 20]))
    batches = DecodedBatches(source, PREPROCESSING, 200, shuffle=True, balanced=True)
    labels = np.array(order(batches, 0))
    assert 20 < labels[:100].sum() < 80
    assert labels.sum() == 100
    assert order(batches, 0) == order(batches, 0) != order(batches, 1)


def test_batches_prepared_ahead_equal_those_made_on_demand() -> None:
    policy = Augmentation("random", 1, jitter=0.3, mixup=0.5)
    batches = DecodedBatches(noise(40), COLOUR, 6, True, policy, classes=3)
    ahead, alone = list(batches.epoch(4, lambda _: 5)), list(batches._made(4, lambda _: 5, None))
    assert len(ahead) == len(alone) == len(batches)
    for (images, targets), (_, same, of) in zip(ahead, alone, strict=True):
        assert torch.equal(images, same)
        assert torch.equal(targets, of)


def test_an_epoch_makes_no_more_than_two_batches_ahead() -> None:
    made: list[int] = []

    def source() -> Iterator[Made]:
        for number in range(10):
            made.append(number)
            yield torch.tensor([number]), torch.zeros(1), torch.tensor(number)

    epoch = Epoch(source(), 2)
    for number in range(4):
        assert next(epoch)[1] == number == epoch.places.item()
        assert len(epoch._coming) == 2
        assert len(made) <= number + 3
    epoch.close()
    assert list(epoch) == []
    assert 4 <= len(made) <= 6


def test_on_a_cpu_a_batch_is_made_when_it_is_asked_for() -> None:
    epoch = DecodedBatches(decoded(60), PREPROCESSING, 4).epoch(0)
    next(epoch)
    assert threads() == 0
    epoch.close()
    assert next(epoch, None) is None


def test_the_thread_ends_with_the_epoch_however_it_ends() -> None:
    def ahead() -> Epoch:
        return Epoch(DecodedBatches(decoded(60), PREPROCESSING, 4)._made(0, None, None), 2)

    assert settles(0)
    list(ahead())
    assert threads() == 0
    stopped = ahead()
    next(stopped)
    assert threads() == 1
    stopped.close()
    assert threads() == 0
    assert next(stopped, None) is None
    dropped = ahead()
    next(dropped)
    assert threads() == 1
    del dropped
    assert settles(0)


def test_an_error_in_a_batch_is_raised_and_ends_the_thread() -> None:
    batches = DecodedBatches(noise(20), COLOUR, 4, augmentation=Augmentation(shift=6))
    epoch = batches.epoch(0)
    with pytest.raises(DataError, match="a shift by 6 pixels does not fit 8x6"):
        next(epoch)
    assert settles(0)
    assert list(epoch) == []


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(DataError, match="at least 0, not -1"):
        DecodedBatches(decoded(3), PREPROCESSING, 2, seed=-1)


def test_balanced_without_shuffle_is_refused() -> None:
    with pytest.raises(DataError, match="set shuffle"):
        DecodedBatches(decoded(3), PREPROCESSING, 2, balanced=True)


def test_global_random_numbers_are_not_used() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    policy = Augmentation(
        "random", 1, crop=0.5, jitter=0.2, trivial=True, pca=0.1, cutout=2, mixup=0.2, cutmix=1
    )
    list(DecodedBatches(noise(9), COLOUR, 4, True, policy, classes=3).epoch(0))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("count", "batch", "preprocessing", "reason"),
    [
        (3, 0, PREPROCESSING, "batch size is at least 1, not 0"),
        (0, 4, PREPROCESSING, "there are no images"),
        (3, 4, Preprocessing.of("5x4x1"), "the images are 4x5x1, but the preprocessing makes 5x4x1"),
    ],
)
def test_what_cannot_be_cut_into_batches_is_refused(
    count: int, batch: int, preprocessing: Preprocessing, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        DecodedBatches(decoded(count), preprocessing, batch)
