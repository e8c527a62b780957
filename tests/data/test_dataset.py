"""Labelled images, and the properties of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hubel.data.dataset import ArrayImages, DataSet, FileImages, class_order, labelled, numbered
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path, sizes: list[tuple[int, int]], mode: str = "L", colour: str = "grey") -> FileImages:
    paths = tuple(folder / f"{number}.png" for number in range(len(sizes)))
    for path, (height, width) in zip(paths, sizes, strict=True):
        Image.new(mode, (width, height), colour).save(path)
    return FileImages(np.arange(len(sizes)) % 2, paths)


def arrays(count: int, depth: int = 1) -> ArrayImages:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 4, depth), dtype=np.uint8)
    return ArrayImages(np.arange(count) % 2, pixels, numbered("set", count))


def test_files_are_named_by_path_and_read_when_needed(tmp_path: Path) -> None:
    images = files(tmp_path, [(3, 4), (5, 6), (7, 8)])
    assert len(images) == 3
    assert images.name(1) == str(tmp_path / "1.png")
    assert images.image(1).size == (6, 5)
    assert images.size(1) == (5, 6)
    chosen = images.select(np.array([2, 0]))
    assert [chosen.size(index) for index in range(len(chosen))] == [(7, 8), (3, 4)]
    assert chosen.labels.tolist() == [0, 0]


@pytest.mark.parametrize("depth", [1, 3])
def test_arrays_give_their_pixels_as_images(depth: int) -> None:
    images = arrays(11, depth)
    image = np.asarray(images.image(7)).reshape(3, 4, depth)
    assert np.array_equal(image, images.pixels[7])
    assert images.size(7) == (3, 4)
    chosen = images.select(np.array([7, 2]))
    assert np.array_equal(np.asarray(chosen.image(0)).reshape(3, 4, depth), image)
    assert (chosen.name(0), chosen.name(1)) == ("set/07", "set/02")
    assert chosen.labels.tolist() == [1, 0]


def test_images_are_fitted_by_their_preprocessing(tmp_path: Path) -> None:
    preprocessing = Preprocessing.of("4x4x3")
    for images in (files(tmp_path, [(8, 9), (4, 4)], "RGB", "red"), arrays(2, 1), arrays(2, 3)):
        for index in range(2):
            found = images.fitted(index, preprocessing)
            assert np.array_equal(found, preprocessing.pixels(images.image(index)))


def test_all_names_have_the_same_number_of_digits() -> None:
    assert numbered("digits", 1797)[7] == "digits/0007"
    assert numbered("a", 10)[-1] == "a/9"


def test_depth_and_size_of_a_set(tmp_path: Path) -> None:
    images = files(tmp_path, [(10, 20), (12, 30), (50, 22)], mode="RGB", colour="grey")
    dataset = DataSet("set", ("a", "b"), images)
    assert dataset.depth == 1
    assert dataset.size == (12, 22)
    Image.new("RGB", (2, 2), "red").save(images.paths[2])
    assert DataSet("set", ("a", "b"), images).depth == 3


def test_a_large_set_is_sampled_from_first_to_last(tmp_path: Path) -> None:
    images = files(tmp_path, [(4, 4)])
    Image.new("RGB", (2, 2), "red").save(tmp_path / "last.png")
    many = FileImages(np.arange(1000) % 2, (*images.paths * 999, tmp_path / "last.png"))
    opened = []

    class Counted(FileImages):
        def size(self, index: int) -> tuple[int, int]:
            opened.append(index)
            return super().size(index)

    dataset = DataSet("set", ("a", "b"), Counted(many.labels, many.paths))
    assert dataset.size == (4, 4)
    assert dataset.depth == 3
    assert len(set(opened)) == 200
    assert {opened[0], opened[-1]} == {0, 999}


@pytest.mark.parametrize(
    ("classes", "colour", "mirror"),
    [
        (("cat", "dog"), "red", True),
        (("cat", "dog"), "grey", False),
        (("a", "b"), "red", False),
        (("00014", "00033"), "red", False),
        (("a", "dog"), "red", True),
    ],
)
def test_mirror_is_true_for_colour_images_that_are_not_characters(
    tmp_path: Path, classes: tuple[str, str], colour: str, mirror: bool
) -> None:
    images = files(tmp_path, [(4, 4), (4, 4)], "RGB", colour)
    assert DataSet("set", classes, images).mirror is mirror
    for declared in (True, False):
        assert DataSet("set", classes, images, declared_mirror=declared).mirror is declared


def test_unreadable_images_are_passed_over_when_sampling_unless_all_are(
    tmp_path: Path,
) -> None:
    images = files(tmp_path, [(4, 4), (4, 4)])
    images.paths[1].write_bytes(b"")
    assert DataSet("set", ("a", "b"), images).size == (4, 4)
    assert DataSet("set", ("a", "b"), images).depth == 1
    images.paths[0].write_bytes(b"")
    for look in ("size", "depth"):
        with pytest.raises(DataError, match=r"0\.png: is an empty file"):
            getattr(DataSet("set", ("a", "b"), images), look)


@pytest.mark.parametrize(
    ("classes", "labels", "reason"),
    [
        (("a",), [0, 0], "set: one class, 'a'; a classifier needs at least two"),
        ((), [0, 0], "set: no class"),
        (("a", "a"), [0, 1], "two classes have the same name"),
        (("a", "b", "c"), [0, 2], "class 'b' has no training image"),
        (("a", "b"), [0, 2], "set/1 has label 2, but classes are numbered 0 to 1"),
        (("a", "b"), [0, -1], "has label -1"),
        (("a", "b"), [0, 1, 1], "2 images but 3 labels"),
    ],
)
def test_a_set_that_cannot_be_trained_on_is_refused(
    classes: tuple[str, ...], labels: list[int], reason: str
) -> None:
    images = ArrayImages(np.array(labels), arrays(2).pixels, numbered("set", 2))
    with pytest.raises(DataError) as caught:
        DataSet("set", classes, images)
    assert reason in str(caught.value)


def test_a_wrong_label_in_another_split_is_refused() -> None:
    wrong = ArrayImages(np.array([0, 5]), arrays(2).pixels, numbered("held", 2))
    with pytest.raises(DataError, match="held/1 has label 5"):
        DataSet("set", ("a", "b"), arrays(4), test=wrong)


def test_classes_are_in_order_of_number_only_if_all_are() -> None:
    assert class_order({"10", "9", "010"}) == ("9", "010", "10")
    assert class_order({"10", "9", "x"}) == ("10", "9", "x")


def test_the_splits_share_their_classes() -> None:
    classes, labels = labelled({"train": ["b", "a", "b"], "test": ["c", "b"]})
    assert classes == ("a", "b", "c")
    assert {split: of.tolist() for split, of in labels.items()} == {"train": [1, 0, 1], "test": [2, 1]}
