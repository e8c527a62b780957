"""Sets given in Python: arrays, lists, torch datasets, DataFrames, or a dict of splits of these.

    (images, labels)                two arrays or tensors, or a sequence of images and one of labels
    (paths, labels)                 two sequences
    [(image, class), ...]           a list, or a torch.utils.data.Dataset
    DataFrame                       columns path and label, optionally split and group
    {"train": ..., "test": ...}     a dict of splits, each any of these
    datasets.Dataset, DatasetDict   of the library `datasets`

A tuple of two is always (images, labels). An image is what `image.objects.image_of` takes, or a path. A label
is a whole number or a text. The attribute `classes` of a torch dataset names its classes; otherwise the
labels are the classes, in the order of `class_order`.

The items of a torch dataset are read when they are needed. Its labels are its `targets`, `labels` or
`samples`; only without any of these is every item read once for its label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from hubel.data.dataset import SPLITS, ArrayImages, DataSet, FileImages, labelled, numbered
from hubel.data.formats.frame import is_frame, read_frame
from hubel.data.formats.huggingface import is_loaded, read_loaded
from hubel.data.formats.items import FirstOfPairs, ItemImages, described, pair
from hubel.data.image.objects import is_path, is_tensor, pixels_of
from hubel.errors import DataError, nearest

if TYPE_CHECKING:
    from hubel.data.arrays import Labels

NAME = "images"
"""The name of a set given in Python."""

ACCEPTED = (
    "(images, labels), (paths, labels), a list or torch Dataset of (image, class), a DataFrame with columns "
    'path and label, or a dict of these by split, {"train": ..., "test": ...}'
)

Progress: TypeAlias = Callable[[int], None]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Part:
    """A split as it was given: `images` whose labels are still all 0, their labels, and the class names."""

    images: ArrayImages | FileImages | ItemImages
    labels: list[int | str]
    classes: tuple[str, ...] | None = None


def read_python(given: Any, progress: Progress | None = None) -> DataSet:
    """Returns the set of labelled images given in any of the forms above; without splits all are training.

    `progress` is called with the number of items read so far, if every item is read for its label.

    Raises DataError: none of these forms, an unknown split, no training images, labels that do not fit.
    """
    if is_loaded(given):
        return read_loaded(given, NAME)
    parts = _parts(given, progress)
    if "train" not in parts:
        only = f", only {', '.join(parts)}" if parts else ""
        raise DataError(f"the dict has no split called train{only}")
    classes, labels = _numbered_labels(parts)
    found = {split: replace(part.images, labels=labels[split]) for split, part in parts.items()}
    return DataSet(NAME, classes, found["train"], found.get("val"), found.get("test"))


def count_given(given: Any) -> int:
    """Returns how many images are given, in all splits."""
    if isinstance(given, Mapping):
        return sum(map(count_given, given.values()))
    return len(given[0] if _is_pair(given) else given)


def _parts(given: Any, progress: Progress | None) -> dict[str, _Part]:
    """The splits that are given."""
    if is_frame(given):
        return {
            split: _values(split, rows.images, _label_list(rows.labels, split), rows.groups)
            for split, rows in read_frame(given).items()
        }
    if not isinstance(given, Mapping):
        return {"train": _part(given, "train", progress)}
    found: dict[str, _Part] = {}
    for name, value in given.items():
        split = SPLITS.get(str(name).lower())
        if split is None:
            hint = nearest(str(name), SPLITS)
            raise DataError(f"{name!r} is no split; the keys of a dict are {', '.join(SPLITS)}{hint}")
        if split in found:
            raise DataError(f"two keys are the {split} split; leave one")
        found[split] = _part(value, split, progress)
    return found


def _part(given: Any, split: str, progress: Progress | None) -> _Part:
    """Reads one split. Raises DataError: it is given in no known form."""
    if is_frame(given):
        parts = _parts(given, progress)
        if len(parts) != 1:
            raise DataError(f"{split}: the DataFrame has splits of its own; give it without a dict")
        return next(iter(parts.values()))
    if _is_pair(given):
        return _values(split, given[0], _label_list(given[1], split))
    if isinstance(given, list | tuple):
        pairs = [_at(f"{split}/{place}", pair, item) for place, item in enumerate(given)]
        return _values(
            split, [image for image, _ in pairs], _label_list([label for _, label in pairs], split)
        )
    if isinstance(given, np.ndarray) or is_tensor(given):
        raise DataError(f"{split}: an array of images has no labels; give the tuple (images, labels)")
    if not hasattr(given, "__len__") or not hasattr(given, "__getitem__") or isinstance(given, str | bytes):
        hint = "; give its .dataset" if hasattr(given, "dataset") else ""
        raise DataError(f"{split}: {type(given).__name__} is no set of images{hint}; accepted: {ACCEPTED}")
    return _dataset(given, split, progress)


def _values(split: str, values: Any, labels: list[int | str], groups: Labels | None = None) -> _Part:
    """A split given as images and their labels apart."""
    images = _images(split, values, groups)
    if len(images) == 0:
        raise DataError(f"{split}: no images are given")
    if len(labels) != len(images):
        raise DataError(
            f"{split}: {len(images):,} images but {len(labels):,} labels; give one label for each image"
        )
    return _Part(images, labels)


def _images(split: str, values: Any, groups: Labels | None) -> ArrayImages | FileImages | ItemImages:
    """Images given as one array, as paths, or as a sequence of anything that is an image."""
    if is_tensor(values) or (isinstance(values, np.ndarray) and values.dtype.kind in "fiub"):
        pixels = _at(split, lambda array: pixels_of(array, many=True), values)
        return ArrayImages(_unlabelled(len(pixels)), pixels, numbered(split, len(pixels)))
    if is_path(values) or not hasattr(values, "__len__"):
        raise DataError(f"{split}: images are a sequence, not {type(values).__name__}; accepted: {ACCEPTED}")
    items = values.tolist() if hasattr(values, "tolist") else values
    count, listed = len(items), isinstance(items, list | tuple)
    if listed and all(map(is_path, items)):
        paths = tuple(Path(item).expanduser() for item in items)
        return FileImages(_unlabelled(count), paths, groups)
    names = tuple(
        str(items[place]) if listed and is_path(items[place]) else name
        for place, name in enumerate(numbered(split, count))
    )
    return ItemImages(_unlabelled(count), np.arange(count), items, names)


def _dataset(dataset: Any, split: str, progress: Progress | None) -> _Part:
    """A split given as a dataset of (image, class)."""
    count = len(dataset)
    if count == 0:
        raise DataError(f"{split}: the dataset is empty")
    labels = _known_labels(dataset)
    if labels is None:
        labels = []
        for place in range(count):
            labels.append(_at(f"{split}/{place}", lambda at: _label(pair(dataset[at])[1]), place))
            if progress is not None:
                progress(place + 1)
    paths = _known_paths(dataset)
    names = numbered(split, count) if paths is None else paths
    images = ItemImages(_unlabelled(count), np.arange(count), FirstOfPairs(dataset), names)
    return _Part(images, labels, _known_classes(dataset))


def _known_labels(dataset: Any) -> list[int | str] | None:
    """The labels that a torch dataset keeps apart from its images; None if it keeps none, or other ones."""
    if _is_subset(dataset):
        whole = _known_labels(dataset.dataset)
        return None if whole is None else [whole[int(place)] for place in dataset.indices]
    if getattr(dataset, "target_transform", None) is not None:
        return None  # which changes them when an item is read
    kept: list[Any] = [getattr(dataset, "targets", None), getattr(dataset, "labels", None)]
    kept.append([label for _, label in _samples(dataset) or ()])
    for labels in kept:
        if hasattr(labels, "__len__") and len(labels) == len(dataset):
            try:
                return _label_list(labels, "the dataset")
            except DataError:  # not of classes, but for instance boxes
                continue
    return None


def _known_paths(dataset: Any) -> tuple[str, ...] | None:
    """The images' paths, if a torch dataset keeps them."""
    if _is_subset(dataset):
        whole = _known_paths(dataset.dataset)
        return None if whole is None else tuple(whole[int(place)] for place in dataset.indices)
    samples = _samples(dataset)
    return tuple(str(path) for path, _ in samples) if samples else None


def _known_classes(dataset: Any) -> tuple[str, ...] | None:
    """The class names that a torch dataset keeps, in the order of its labels."""
    if _is_subset(dataset):
        return _known_classes(dataset.dataset)
    names = getattr(dataset, "classes", None)
    return tuple(map(str, names)) if isinstance(names, list | tuple | np.ndarray) and len(names) else None


def _samples(dataset: Any) -> list[tuple[Any, Any]] | None:
    """The list of (path, class) that a torch dataset of files keeps."""
    kept = getattr(dataset, "samples", None)
    if not isinstance(kept, list | tuple) or len(kept) != len(dataset):
        return None
    found = [(item[0], item[1]) for item in kept if isinstance(item, list | tuple) and len(item) == 2]
    return found if len(found) == len(kept) and all(is_path(path) for path, _ in found) else None


def _is_subset(dataset: Any) -> bool:
    """Whether a dataset is a part of another one, as `torch.utils.data.Subset` is."""
    return hasattr(dataset, "dataset") and hasattr(dataset, "indices")


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2


def _numbered_labels(parts: Mapping[str, _Part]) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """The classes, and each split's labels as places in them: int64, n."""
    listed = parts["train"].classes
    names = {split: _names(split, part, part.classes or listed) for split, part in parts.items()}
    if listed is None:
        return labelled(names)
    places = {name: place for place, name in enumerate(listed)}
    for split, found in names.items():
        unknown = next((name for name in found if name not in places), None)
        if unknown is not None:
            hint = nearest(unknown, listed)
            raise DataError(f"{split}: {unknown!r} is no class of the training set{hint}; add it there")
    return listed, {split: np.array([places[name] for name in of], np.int64) for split, of in names.items()}


def _names(split: str, part: _Part, classes: tuple[str, ...] | None) -> list[str]:
    """The name of each image's class. Raises DataError: a number beyond the list of classes."""
    if classes is None:
        return list(map(str, part.labels))
    for label in part.labels:
        if isinstance(label, int) and not 0 <= label < len(classes):
            raise DataError(
                f"{split}: there is a label {label}, but the {len(classes)} classes are numbered 0 to "
                f"{len(classes) - 1}; correct the label or the list of classes"
            )
    return [classes[label] if isinstance(label, int) else label for label in part.labels]


def _label_list(labels: Any, where: str) -> list[int | str]:
    """Returns labels as a list. Raises DataError: they are not one whole number or text per image."""
    shape = getattr(labels, "shape", None)
    if shape is not None and len(shape) == 2 and shape[1] == 1:
        labels = labels[:, 0]
    elif shape is not None and len(shape) != 1:
        found = " x ".join(map(str, shape)) or "a single value"
        hint = "; turn one-hot labels into numbers with y.argmax(1)" if len(shape) == 2 else ""
        raise DataError(f"{where}: labels are one per image, not {found}{hint}")
    if not isinstance(labels, Iterable) or isinstance(labels, str | bytes):
        raise DataError(f"{where}: labels are a sequence, one per image, not {type(labels).__name__}")
    values = labels.tolist() if hasattr(labels, "tolist") else labels
    return [_at(f"{where}/{place}", _label, value) for place, value in enumerate(values)]


def _label(value: Any) -> int | str:
    """Returns a label as a whole number or a text. Raises DataError: it is neither."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()  # a number of NumPy or torch
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | str):
        return value
    raise DataError(f"a label is a whole number or a text, not {value!r:.40}")


def _unlabelled(count: int) -> Labels:
    """Labels to be replaced once the classes of all splits are known."""
    return np.zeros(count, np.int64)


def _at(where: str, read: Callable[[Any], Value], value: Any) -> Value:
    """Returns `read(value)`. Raises DataError: whatever that raises, with the place."""
    try:
        return read(value)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    except Exception as error:  # the caller's own code may raise anything
        raise DataError(f"{where}: cannot be read ({described(error)})") from error
