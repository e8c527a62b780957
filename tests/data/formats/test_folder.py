"""Class folders in every layout, correct and wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.data.dataset import DataSet, FileImages, Images
from hubel.data.feed.bad import Bad
from hubel.data.feed.decoded import decode
from hubel.data.feed.open import decoded_or_streamed
from hubel.data.formats.folder import read_folder
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data
from hubel.errors import DataError


def plant(root: Path, *paths: str) -> Path:
    """Creates each path in `root`: a folder if it ends with a slash, an image or a text by its ending."""
    for path in paths:
        place = root / path
        if path.endswith("/"):
            place.mkdir(parents=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix.lower() in {".png", ".jpg"}:
            Image.new("RGB", (4, 3), "red").save(place)
        else:
            place.write_text("text")
    return root


def listed(dataset: DataSet, images: Images | None, root: Path) -> list[tuple[str, str]]:
    assert isinstance(images, FileImages)
    return [
        (path.relative_to(root).as_posix(), dataset.classes[label])
        for path, label in zip(images.paths, images.labels, strict=True)
    ]


def test_a_flat_folder_is_all_training(tmp_path: Path) -> None:
    root = plant(tmp_path / "pets", "dog/b.png", "dog/a.JPG", "cat/1.png")
    dataset = read_folder(root)
    assert (dataset.name, dataset.classes) == ("pets", ("cat", "dog"))
    assert listed(dataset, dataset.train, root) == [
        ("cat/1.png", "cat"),
        ("dog/a.JPG", "dog"),
        ("dog/b.png", "dog"),
    ]
    assert dataset.val is None
    assert dataset.test is None
    assert (dataset.depth, dataset.size, dataset.mirror) == (3, (3, 4), True)


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_folders_of_splits_are_read(tmp_path: Path, val: str) -> None:
    root = plant(tmp_path, "train/b/1.png", "train/a/2.png", f"{val}/b/3.png", "test/a/4.png", "README.md")
    dataset = read_folder(root)
    assert dataset.classes == ("a", "b")
    assert listed(dataset, dataset.train, root) == [("train/a/2.png", "a"), ("train/b/1.png", "b")]
    assert listed(dataset, dataset.val, root) == [(f"{val}/b/3.png", "b")]
    assert listed(dataset, dataset.test, root) == [("test/a/4.png", "a")]


def test_validation_is_held_out_of_train_and_test_is_not_touched(tmp_path: Path) -> None:
    train = [f"train/{name}/{number}.png" for name in "ab" for number in range(5)]
    root = plant(tmp_path, *train, "test/a/x.png")
    dataset = open_data(root, val=0.4, seed=1)
    held = listed(dataset, dataset.val, root)
    assert [label for _, label in held] == ["a", "a", "b", "b"]
    assert sorted(held + listed(dataset, dataset.train, root)) == [(path, path[6]) for path in train]
    assert listed(dataset, dataset.test, root) == [("test/a/x.png", "a")]
    whole = open_data(root, val=0)
    assert whole.val is None
    assert len(whole.train) == 10


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["10", "9", "2"], ("2", "9", "10")),
        (["010", "9", "09"], ("09", "9", "010")),
        (["10", "9", "x2"], ("10", "9", "x2")),
        (["b", "B", "a"], ("B", "a", "b")),
    ],
)
def test_classes_are_in_order_of_number_only_if_all_are(
    tmp_path: Path, names: list[str], order: tuple[str, ...]
) -> None:
    dataset = read_folder(plant(tmp_path, *(f"{name}/1.png" for name in names)))
    assert dataset.classes == order
    assert listed(dataset, dataset.train, tmp_path) == [(f"{name}/1.png", name) for name in order]


def test_hidden_and_system_files_are_ignored(tmp_path: Path) -> None:
    hidden = [".DS_Store", ".git/config", "__MACOSX/a/b.png", "a/.DS_Store", "a/Thumbs.db", "b/desktop.ini"]
    dataset = read_folder(plant(tmp_path, "a/1.png", "b/2.png", "b/.x/", "notes.txt", *hidden))
    assert listed(dataset, dataset.train, tmp_path) == [("a/1.png", "a"), ("b/2.png", "b")]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    dataset = read_folder(plant(tmp_path, "train/1.png", "bus/2.png", "test/3.png"))
    assert dataset.classes == ("bus", "test", "train")


def test_a_file_without_an_image_ending_is_unreadable_whatever_its_contents(tmp_path: Path) -> None:
    root = plant(tmp_path, "a/1.png", "a/notes.txt", "b/2.png", "b/README")
    Image.new("RGB", (4, 3), "red").save(root / "b" / "3.heic", "JPEG")
    train = read_folder(root).train
    whole, broken = ["a/1.png", "b/2.png"], ["a/notes.txt", "b/3.heic", "b/README"]
    seen = Preprocessing.of("3x4x3")
    with pytest.raises(DataError) as caught:
        decode(train, seen)
    head, *lines = str(caught.value).splitlines()
    assert head.startswith("3 of 5 images cannot be used")
    reason = "is no image by its ending; remove it, or convert it to PNG or JPEG"
    assert lines == [f"  {root / name}: {reason}" for name in broken]
    decoded = decode(train.select(np.arange(5)), seen, on_bad="skip")
    assert decoded.names == tuple(str(root / name) for name in whole)
    assert decoded.skipped == tuple(Bad(str(root / name), reason) for name in broken)
    with pytest.raises(DataError, match="3 of 5"):
        decoded_or_streamed(train, seen, memory_limit=0)
    assert len(decoded_or_streamed(train, seen, on_bad="skip", memory_limit=0)) == 2


def test_a_file_without_an_ending_and_one_of_avif_are_images(tmp_path: Path) -> None:
    root = plant(tmp_path, "a/1.png", "b/2.png")
    image = Image.new("RGB", (4, 3), "red")
    image.save(root / "a" / "0f3a", "JPEG")
    image.save(root / "b" / "wide.avif")
    train = read_folder(root).train
    assert [Path(train.name(place)).name for place in range(4)] == ["0f3a", "1.png", "2.png", "wide.avif"]
    assert len(decode(train.select(np.array([0, 3])), Preprocessing.of("3x4x3"))) == 2


@pytest.mark.parametrize(
    ("paths", "where", "reason"),
    [
        (["a/1.png", "b/"], "b", "without images; add images of it or remove it"),
        (["a/1.png", "b/.hidden"], "b", "without images"),
        (["a/1.png"], "", "one class, 'a'"),
        (
            ["a/1.png", "b/2.txt"],
            "b",
            "without images; add images of it or remove it; 2.txt is no image",
        ),
        (["a/1.png", "b/c/2.png"], "b/c", "a folder in class folder 'b'"),
        (["1.png", "2.png"], "1.png", "an image outside a class folder"),
        (["a/1.png", "b/2.png", "3.png"], "3.png", "an image outside a class folder"),
        (["notes.txt"], "", "holds no class folders; accepted: ROOT/CLASS/image.png"),
        (["train/1.png", "test/2.png"], "test/2.png", "an image outside a class folder"),
        (["train/a/1.png", "train/b/2.png", "tests/a/1.png"], "tests", "move it away; did you mean test?"),
        (["val/a/1.png", "test/a/1.png"], "", "has test and val but no train"),
        (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "", "val and valid are both val; keep one"),
        (
            ["train/cat/1.png", "train/dog/2.png", "test/dogs/1.png"],
            "test/dogs",
            "train has no class 'dogs'; did you mean dog?; add it to train or remove it here",
        ),
        (["train/a/1.png", "train/b/2.png", "val/"], "val", "holds no class folders"),
        (["train/a/1.png", "train/b/2.png", "val/a/"], "val/a", "without images"),
    ],
)
def test_anything_outside_the_layout_is_refused_by_name(
    tmp_path: Path, paths: list[str], where: str, reason: str
) -> None:
    plant(tmp_path, *paths)
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    assert str(tmp_path / where if where else tmp_path.name) in str(caught.value)
    assert reason in str(caught.value)
