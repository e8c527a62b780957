"""Sets given in Python: the same images and labels as in a folder of class folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset

from hubel.data.check import check
from hubel.data.dataset import ArrayImages, FileImages
from hubel.data.feed.decoded import decode
from hubel.data.feed.stream import Streamed, StreamedBatches
from hubel.data.formats.items import ItemImages
from hubel.data.image.preprocess import Preprocessing
from hubel.data.marks import fingerprint, marks
from hubel.data.sources import is_at, open_data, whereabouts
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubel.data.dataset import DataSet

CLASSES = ("ant", "bee", "cat")
EACH = 7
SEEN = Preprocessing(6, 5, 3, (0.0,) * 3, (1.0,) * 3)


class Torch(Dataset[Any]):
    """A dataset as torchvision makes them; counts which items are read."""

    def __init__(self, images: Any, truth: Any, /, **attributes: Any) -> None:
        self.images, self.truth, self.read = images, truth, list[int]()
        vars(self).update(attributes)

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        self.read.append(place)
        return self.images[place], self.truth[place]


@dataclass(frozen=True)
class Frame:
    """As much of a DataFrame as pandas and polars have in common."""

    data: dict[str, list[Any]]

    @property
    def columns(self) -> list[str]:
        return list(self.data)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), len(self.data)

    def __len__(self) -> int:
        return len(next(iter(self.data.values())))

    def __getitem__(self, name: str) -> list[Any]:
        return self.data[name]


@dataclass(frozen=True)
class Same:
    """The same images in a folder and in Python; `pixels`: uint8, n x 8 x 9 x 3."""

    root: Path
    paths: list[Path]
    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    labels: list[int]

    @property
    def names(self) -> list[str]:
        return [CLASSES[label] for label in self.labels]

    @property
    def images(self) -> list[Image.Image]:
        return [Image.fromarray(pixels) for pixels in self.pixels]


@pytest.fixture
def same(tmp_path: Path) -> Same:
    pixels = np.random.default_rng(0).integers(0, 256, (len(CLASSES) * EACH, 8, 9, 3), dtype=np.uint8)
    labels = [number // EACH for number in range(len(pixels))]
    paths = [tmp_path / "set" / CLASSES[label] / f"{at:03}.png" for at, label in enumerate(labels)]
    for path, image in zip(paths, pixels, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return Same(tmp_path / "set", paths, pixels, labels)


def assert_alike(found: DataSet, expected: DataSet, *, names: bool = True) -> None:
    """Asserts that two sets have the same splits of the same images, in the same order."""
    if names:
        assert found.classes == expected.classes
    for one, other in ((found.train, expected.train), (found.val, expected.val), (found.test, expected.test)):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.labels.tolist() == other.labels.tolist()
            assert one.labels.dtype == np.int64
            assert np.array_equal(decode(one, SEEN).pixels, decode(other, SEEN).pixels)
            assert [one.size(at) for at in range(len(one))] == [other.size(at) for at in range(len(other))]
    assert (found.depth, found.size, found.mirror) == (expected.depth, expected.size, expected.mirror)


FORMS: dict[str, Callable[[Same], Any]] = {
    "images and labels": lambda of: (of.pixels, of.names),
    "an array of labels": lambda of: (of.pixels, np.array(of.names)),
    "floats": lambda of: (of.pixels / 255, of.names),
    "float32": lambda of: ((of.pixels / 255).astype(np.float32), of.names),
    "tensors": lambda of: (torch.from_numpy(of.pixels).permute(0, 3, 1, 2), of.names),
    "float tensors": lambda of: (torch.from_numpy(of.pixels).permute(0, 3, 1, 2) / 255, of.names),
    "a list of arrays": lambda of: (list(of.pixels), of.names),
    "a list of images": lambda of: (of.images, of.names),
    "paths and labels": lambda of: (of.paths, of.names),
    "paths as texts": lambda of: (list(map(str, of.paths)), of.names),
    "an array of paths": lambda of: (np.array(list(map(str, of.paths))), of.names),
    "items": lambda of: list(zip(of.images, of.names, strict=True)),
    "items of arrays": lambda of: list(zip(of.pixels, of.names, strict=True)),
    "items of paths": lambda of: list(zip(of.paths, of.names, strict=True)),
    "items of tensors": lambda of: [
        (torch.from_numpy(image).permute(2, 0, 1), name)
        for image, name in zip(of.pixels, of.names, strict=True)
    ],
    "a tuple of items": lambda of: tuple(zip(of.images, of.names, strict=True)),
    "a frame": lambda of: Frame({"path": list(map(str, of.paths)), "label": of.names}),
    "a frame of others' names": lambda of: Frame({"Image": of.paths, "size": of.labels, "Class": of.names}),
    "a frame of images": lambda of: Frame({"image": of.images, "class": of.names}),
    "a dataset of texts": lambda of: Torch(of.images, of.names),
    "a dataset with classes": lambda of: Torch(of.images, of.labels, classes=list(CLASSES)),
    "a dataset with targets": lambda of: Torch(of.images, of.labels, targets=of.labels, classes=CLASSES),
    "a dataset with texts and classes": lambda of: Torch(
        of.images, of.names, labels=of.names, classes=CLASSES
    ),
    "a dataset of arrays": lambda of: Torch(of.pixels, torch.tensor(of.labels), classes=CLASSES),
    "one split": lambda of: {"train": (of.pixels, of.names)},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_images_and_labels_of_the_folder(same: Same, form: str) -> None:
    assert_alike(open_data(FORMS[form](same), val=0), open_data(same.root, val=0))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_split_as_the_folder_is(same: Same, form: str) -> None:
    found = open_data(FORMS[form](same), val=0.3, seed=4)
    assert found.val is not None
    assert_alike(found, open_data(same.root, val=0.3, seed=4))


def test_whole_numbers_are_classes_in_order_of_number(same: Same) -> None:
    labels = [(10, 9, 2)[label] for label in same.labels]
    for given in (labels, np.array(labels, np.uint8), torch.tensor(labels), np.array(labels)[:, None]):
        found = open_data((same.pixels, given), val=0)
        assert found.classes == ("2", "9", "10")
        assert found.train.labels.tolist() == [2 - label for label in same.labels]


def test_a_tensor_dataset_is_read(same: Same) -> None:
    images = torch.from_numpy(same.pixels).permute(0, 3, 1, 2) / 255
    found = open_data(TensorDataset(images, torch.tensor(same.labels)), val=0)
    assert found.classes == ("0", "1", "2")
    assert_alike(found, open_data((same.pixels, same.labels), val=0))


def test_a_dataset_keeps_the_order_of_its_classes(same: Same) -> None:
    found = open_data(Torch(same.images, same.labels, classes=["wasp", "bee", "ant"]), val=0)
    assert found.classes == ("wasp", "bee", "ant")
    assert found.train.labels.tolist() == same.labels


@pytest.mark.parametrize("kept", ["targets", "labels", "samples"])
def test_items_are_read_only_when_they_are_needed(same: Same, kept: str) -> None:
    labels = list(zip(map(str, same.paths), same.labels, strict=True)) if kept == "samples" else same.labels
    dataset = Torch(same.images, same.labels, **{kept: labels})
    found = open_data(dataset, val=0.3)
    assert dataset.read == []
    found.train.fitted(3, SEEN)
    assert len(dataset.read) == 1
    if kept == "samples":
        assert found.train.name(0) in list(map(str, same.paths))


def test_without_known_labels_every_item_is_read_once(same: Same) -> None:
    told: list[int] = []
    for attributes in ({}, {"targets": same.labels, "target_transform": lambda label: 2 - label}):
        dataset = Torch(same.images, [2 - label for label in same.labels], **attributes)
        found = open_data(dataset, val=0, progress=told.append)
        assert dataset.read == list(range(len(same.labels)))
        assert found.train.labels.tolist() == [2 - label for label in same.labels]
    assert told == 2 * list(range(1, len(same.labels) + 1))


def test_targets_that_are_not_labels_are_ignored(same: Same) -> None:
    boxes = [[0, 0, 5, 5]] * len(same.labels)
    found = open_data(Torch(same.images, same.labels, targets=boxes), val=0)
    assert found.train.labels.tolist() == same.labels


def test_a_subset_has_the_labels_classes_and_paths_of_the_whole(same: Same) -> None:
    samples = list(zip(map(str, same.paths), same.labels, strict=True))
    whole = Torch(same.images, same.labels, samples=samples, classes=CLASSES)
    places = [20, 0, 8, 7, 1]
    found = open_data(Subset(Subset(whole, [*range(21)]), places), val=0)
    assert whole.read == []
    assert found.classes == CLASSES
    assert found.train.labels.tolist() == [same.labels[place] for place in places]
    assert [found.train.name(at) for at in range(5)] == [str(same.paths[place]) for place in places]
    assert np.array_equal(np.asarray(found.train.image(0)), same.pixels[20])


def test_images_need_not_be_of_one_size(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    arrays = [generator.integers(0, 256, (6 + at, 9 + at // 2, 3), dtype=np.uint8) for at in range(8)]
    arrays += [generator.integers(0, 256, (5, 4 + at), dtype=np.uint8) for at in range(4)]
    for at, array in enumerate(arrays):
        (tmp_path / f"{at % 2}").mkdir(exist_ok=True)
        Image.fromarray(array).save(tmp_path / f"{at % 2}" / f"{at:02}.png")
    order = sorted(range(12), key=lambda at: at % 2)
    items = [(arrays[at], at % 2) for at in order]
    assert_alike(open_data(items, val=0), open_data(tmp_path, val=0))
    packed = np.empty(12, object)
    packed[:] = [arrays[at] for at in order]
    assert_alike(open_data((packed, [at % 2 for at in order]), val=0), open_data(tmp_path, val=0))


def test_splits_are_kept(same: Same) -> None:
    parts = {name: np.arange(21) % 3 == at for at, name in enumerate(("train", "Validation", "test"))}
    of = {name: (same.pixels[where], np.array(same.names)[where]) for name, where in parts.items()}
    found = open_data(of, val=0.5)
    for images, where in zip((found.train, found.val, found.test), parts.values(), strict=True):
        assert images is not None
        assert images.labels.tolist() == np.array(same.labels)[where].tolist()
        assert np.array_equal(decode(images, SEEN).labels, np.array(same.labels)[where])
    column = [next(name for name, where in parts.items() if where[at]) for at in range(21)]
    frame = Frame({"file": list(map(str, same.paths)), "label": same.names, "split": column})
    assert_alike(open_data(frame), found)
    mixed = {
        "train": list(zip(same.images, same.labels, strict=True)),
        "test": Torch(same.images, same.labels),
    }
    both = open_data(mixed, val=0)
    assert both.test is not None
    assert both.test.labels.tolist() == both.train.labels.tolist() == same.labels


def test_the_classes_of_splits_are_matched_by_name(same: Same) -> None:
    train = Torch(same.images, same.labels, classes=["ant", "bee", "cat"])
    test = Torch(same.images, same.labels, classes=["cat", "ant", "bee"])
    found = open_data({"train": train, "test": test}, val=0)
    assert found.test is not None
    assert found.test.labels.tolist() == [(2, 0, 1)[label] for label in same.labels]
    plain = open_data({"train": train, "test": (same.pixels, same.labels)}, val=0)
    assert plain.test is not None
    assert plain.test.labels.tolist() == same.labels
    with pytest.raises(DataError, match=r"^test: 'cow' is no class of the training set"):
        open_data({"train": train, "test": (same.pixels, ["cow"] * 21)})


def test_a_group_stays_on_one_side(same: Same) -> None:
    groups = [f"p{at % 4}" if at % 5 else None for at in range(21)]
    frame = Frame({"path": same.paths, "label": same.names, "group": groups})
    train = open_data(frame, val=0).train
    assert isinstance(train, FileImages)
    assert train.groups is not None
    assert len(set(train.groups.tolist())) == 4 + 5
    found = open_data(frame, val=0.3)
    assert found.val is not None
    group_of = dict(zip(map(str, same.paths), groups, strict=True))
    sides = [{group_of[of.name(at)] for at in range(len(of))} for of in (found.train, found.val)]
    assert not (sides[0] & sides[1]) - {None}
    torn = Frame({**frame.data, "group": ["p1"] * 21, "split": ["train"] * 20 + ["test"]})
    with pytest.raises(DataError, match="group 'p1' is in train and in test"):
        open_data(torn)


def test_paths_are_read_as_files_and_kept_in_the_cache(same: Same) -> None:
    assert isinstance(open_data((same.paths, same.names), val=0).train, FileImages)
    assert isinstance(open_data((same.pixels, same.names), val=0).train, ArrayImages)
    assert isinstance(open_data((same.images, same.names), val=0).train, ItemImages)


def test_pixels_are_not_copied(same: Same) -> None:
    train = open_data((same.pixels, same.names), val=0).train
    assert isinstance(train, ArrayImages)
    assert np.shares_memory(train.pixels, same.pixels)


def test_a_dataset_streams_as_from_memory(same: Same) -> None:
    images = open_data(Torch(same.images, same.labels, targets=same.labels), val=0).train
    whole = decode(images, SEEN).batches(SEEN, 4, shuffle=True, seed=2)
    for workers in (0, 2):
        stream = StreamedBatches(Streamed.of(images, SEEN), SEEN, 4, shuffle=True, seed=2, workers=workers)
        for (found, labels), (expected, truth) in zip(stream.epoch(1), whole.epoch(1), strict=True):
            assert torch.equal(found, expected)
            assert torch.equal(labels, truth)


def test_marks_and_fingerprints_know_the_images_again(same: Same) -> None:
    folder, given = open_data(same.root, val=0).train, open_data((same.images, same.names), val=0).train
    assert marks(decode(given, SEEN).pixels) == marks(decode(folder, SEEN).pixels)
    assert fingerprint(given) == fingerprint(open_data((same.images, same.names), val=0).train)
    assert fingerprint(given) == fingerprint(open_data((same.pixels, same.names), val=0).train)
    turned = (list(reversed(same.images)), same.names)
    assert fingerprint(given) != fingerprint(open_data(turned, val=0).train)


def test_a_data_set_is_taken_as_it_is(same: Same) -> None:
    found = open_data(same.root, val=0)
    assert open_data(found, val=0) is found
    assert_alike(open_data(found, val=0.3, seed=1), open_data(same.root, val=0.3, seed=1))
    held_out = open_data(same.root, val=0.3)
    assert open_data(held_out, val=0.5) is held_out


def test_whereabouts_count_what_cannot_be_found_again(same: Same) -> None:
    given = (same.pixels, same.names)
    for of in (given, Frame({"path": same.paths, "label": same.names}), open_data(same.root, val=0.3)):
        assert whereabouts(of) == "(21 images from Python)"
        assert not is_at(of, whereabouts(of))
    assert whereabouts({"train": given, "test": list(zip(*given, strict=True))}) == "(42 images from Python)"
    assert whereabouts(([Path("a.png")], ["a"])) == "(1 image from Python)"
    assert whereabouts((np.zeros((4000, 2, 2)), [0] * 4000)) == "(4,000 images from Python)"
    assert is_at(same.root, whereabouts(str(same.root)))
    with pytest.raises(DataError, match="give them again"):
        open_data("(4,000 images from Python)")


def test_a_set_given_in_python_can_be_checked(same: Same) -> None:
    images = [*same.images, same.images[0]]
    found = check((images, [*same.names, "bee"]))
    assert found.images == 22
    assert [finding.kind for finding in found.findings] == ["conflict"]
    with pytest.raises(DataError, match="no split called train"):
        check({"test": (same.images, same.names)})


def test_a_bad_image_is_named_by_its_place(same: Same) -> None:
    given: list[Any] = [*same.images]
    given[4], given[9] = "missing.png", 7
    images = open_data((given, same.names), val=0).train
    bad = decode(images, SEEN, on_bad="skip").skipped
    assert [(each.name, each.reason.partition(",")[0]) for each in bad] == [
        ("missing.png", "no such file"),
        ("train/09", "an image is a PIL image"),
    ]

    class Broken(Torch):
        def __getitem__(self, place: int) -> tuple[Any, Any]:
            if place == 2:
                raise KeyError("gone")
            return super().__getitem__(place)

    with pytest.raises(DataError, match=r"^train/2: cannot be read \(KeyError: 'gone'\)"):
        open_data(Broken(same.images, same.labels))
    images = open_data(Broken(same.images, same.labels, targets=same.labels), val=0).train
    with pytest.raises(DataError, match=r"^train/02: cannot be read \(KeyError: 'gone'\)"):
        decode(images, SEEN)


PIXELS = np.zeros((4, 5, 6, 3), np.uint8)
TEXTS = ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((PIXELS.transpose(0, 3, 1, 2), TEXTS), r"not 4 x 3 x 5 x 6; .* x\.transpose\(0, 2, 3, 1\)"),
        ((torch.from_numpy(PIXELS), TEXTS), r"not 4 x 5 x 6 x 3; .* x\.permute\(0, 3, 1, 2\)"),
        ((PIXELS[..., :2], TEXTS), "is n x height x width x 1 or 3, not 4 x 5 x 6 x 2$"),
        ((PIXELS.astype(np.float32) - 2, TEXTS), "from -2 to -2; undo any normalisation"),
        ((PIXELS + 255.0, TEXTS), "from 255 to 255"),
        ((np.full(PIXELS.shape, np.nan), TEXTS), "from nan to nan"),
        ((PIXELS.astype(np.int64), TEXTS), "pixels are uint8 from 0 to 255, .*, not int64"),
        ((PIXELS, TEXTS[:3]), "train: 4 images but 3 labels"),
        ((PIXELS, np.eye(4)), r"not 4 x 4; turn one-hot labels .* y\.argmax\(1\)"),
        ((PIXELS, [0.5] * 4), "train/0: a label is a whole number or a text, not 0.5"),
        ((PIXELS, ["a", None, "b", "b"]), "train/1: a label is a whole number or a text, not None"),
        ((PIXELS, "abab"), "labels are a sequence, one per image, not str"),
        (("a.png", TEXTS), "images are a sequence, not str"),
        ((PIXELS[:0], []), "train: an array of images"),
        (([], []), "no images are given"),
        ([], "no images are given"),
        (PIXELS, r"no labels; give the tuple \(images, labels\)"),
        ([PIXELS, TEXTS], r"train/0: an item is a pair \(image, class\), not ndarray"),
        ([(image, 0, 0) for image in PIXELS], "train/0: an item is a pair"),
        (7, "int is no set of images; accepted"),
        (iter([(PIXELS[0], 0)]), "is no set of images; accepted"),
        (torch.utils.data.DataLoader(TensorDataset(torch.zeros(3))), r"give its \.dataset"),
        ({"training": (PIXELS, TEXTS)}, "'training' is no split; .*did you mean train"),
        ({"val": (PIXELS, TEXTS), "valid": (PIXELS, TEXTS)}, "two keys are the val split"),
        ({"test": (PIXELS, TEXTS)}, "no split called train, only test"),
        ({}, "no split called train$"),
        ((PIXELS, ["a"] * 4), "images: one class, 'a'"),
        (
            {"train": (PIXELS, TEXTS), "test": (PIXELS, ["a", "b", "c", "a"])},
            "class 'c' has no training image",
        ),
        (Torch(PIXELS, [0, 1, 2, 1], classes=["a", "b"]), "there is a label 2, but the 2 classes are"),
        (Torch(PIXELS[:0], []), "the dataset is empty"),
        (Frame({"image": TEXTS, "x": TEXTS}), "one column label or class; this one has image, x"),
        (Frame({"image": TEXTS, "file": TEXTS, "label": TEXTS}), "image and file both mean path"),
        (Frame({"path": TEXTS, "label": TEXTS, "split": ["trian"] * 4}), "row 0 has split 'trian'"),
        (
            {"train": Frame({"path": TEXTS, "label": TEXTS, "split": ["train", "test"] * 2})},
            "splits of its own",
        ),
    ],
)
def test_what_does_not_fit_is_refused(given: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        open_data(given)


def test_a_pandas_frame(same: Same) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"path": list(map(str, same.paths)), "label": same.names})
    assert_alike(open_data(frame), open_data(same.root))
    shuffled = frame.sample(frac=1, random_state=0)
    found = open_data(shuffled, val=0).train
    assert [found.name(at) for at in range(21)] == shuffled["path"].tolist()
    assert_alike(open_data((frame["path"], frame["label"].astype("category"))), open_data(same.root))
    frame.loc[3, "label"] = None
    with pytest.raises(DataError, match="train/3: a label is a whole number or a text"):
        open_data(frame)


def test_a_torchvision_folder(same: Same) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    assert_alike(open_data(datasets.ImageFolder(same.root)), open_data(same.root))


def test_a_table_of_the_library_datasets(same: Same) -> None:
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict({"image": list(map(str, same.paths)), "label": same.names})
    table = table.cast_column("image", datasets.Image())
    expected = open_data(same.root, val=0)
    assert_alike(open_data(table, val=0), expected)
    both = open_data(datasets.DatasetDict({"train": table, "test": table}), val=0)
    assert_alike(both, replace(expected, test=expected.train))
