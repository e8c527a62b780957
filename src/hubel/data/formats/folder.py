"""Class folders: one folder per class, optionally within folders train, val and test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import numpy as np

from hubel.data.dataset import SPLITS, DataSet, FileImages, class_order
from hubel.data.image.reading import is_image_file
from hubel.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Wrong: TypeAlias = Callable[[Path, str], object]

LAYOUTS = "ROOT/CLASS/image.png, or ROOT/train/CLASS/image.png with val and test beside train"

NO_IMAGE = "is no image by its ending; remove it, or convert it to PNG or JPEG"
_LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def read_folder(root: Path) -> DataSet:
    """Reads a folder in either layout, without opening a file that has an ending.

    Without splits all images are training.

    The training set's class folders are the classes, sorted by name, or by number if every name is one.
    Hidden files, system files, and files beside class folders that are not images, such as a README, are
    ignored. In a class folder, a file with another ending than an image's counts as an unreadable image, and
    so does one without an ending, unless its content is an image.

    Raises DataError: no class folders, a class folder without images or with a folder in it, images or
    folders outside the layout, a class in val or test that is not in train.
    """

    def refuse(path: Path, reason: str) -> NoReturn:
        raise DataError(f"{path}: {reason}")

    classes, images = walk(root, refuse)
    name = root.resolve().name
    return DataSet(name, classes, images["train"], images.get("val"), images.get("test"))


def walk(root: Path, wrong: Wrong) -> tuple[tuple[str, ...], dict[str, FileImages]]:
    """Returns the classes of all splits, and each split's images in order of class and name.

    `wrong` is called for everything that `read_folder` refuses; if it does not raise, the walk continues.
    """
    folders = _folders(root, wrong)
    splits = _by_split(root, folders, wrong) if is_split(folders) else {"train": folders}
    classes = class_order({folder.name for of in splits.values() for folder in of})
    trained = {folder.name for folder in splits.get("train", ())}
    for folder in (folder for of in splits.values() for folder in of):
        if trained and folder.name not in trained:
            hint = nearest(folder.name, trained)
            wrong(folder, f"train has no class {folder.name!r}{hint}; add it to train or remove it here")
    return classes, {split: _images(of, classes, wrong) for split, of in splits.items()}


def _by_split(root: Path, folders: list[Path], wrong: Wrong) -> dict[str, list[Path]]:
    """Returns the class folders of each split."""
    found: dict[str, Path] = {}
    for folder in folders:
        split = SPLITS.get(folder.name.lower())
        if split is None:
            hint = nearest(folder.name, SPLITS)
            wrong(folder, f"only train, val and test may be here; move it away{hint}")
        elif split in found:
            wrong(folder, f"{found[split].name} and {folder.name} are both {split}; keep one")
        else:
            found[split] = folder
    if "train" not in found:
        names = " and ".join(folder.name for folder in folders)
        wrong(root, f"has {names} but no train; accepted: {LAYOUTS}")
    return {split: _folders(folder, wrong) for split, folder in found.items()}


def is_split(folders: list[Path]) -> bool:
    """Whether the folders are splits; a class may be called train if its images are directly in it."""
    named = [folder for folder in folders if folder.name.lower() in SPLITS]
    return len(named) == len(folders) or any(path.is_dir() for folder in named for path in visible(folder))


def _images(folders: list[Path], classes: tuple[str, ...], wrong: Wrong) -> FileImages:
    """Returns the images of the class folders, in order of class and name."""
    labels: list[int] = []
    paths: list[Path] = []
    index = {name: place for place, name in enumerate(classes)}
    for folder in sorted(folders, key=lambda folder: index[folder.name]):
        found = _class_images(folder, wrong)
        labels += [index[folder.name]] * len(found)
        paths += found
    return FileImages(np.array(labels, np.int64), tuple(paths), unusable=_no_images(paths))


def _class_images(folder: Path, wrong: Wrong) -> list[Path]:
    """Returns the files in a class folder."""
    with os.scandir(folder) as entries:
        folders = {entry.name for entry in entries if _is_folder(entry)}
    found = []
    for path in visible(folder):
        if path.name in folders:
            wrong(path, f"a folder in class folder {folder.name!r}; move its images up")
        else:
            found.append(path)
    if not any(map(is_image_file, found)):
        others = f"; {found[0].name} {NO_IMAGE}" if found else ""
        wrong(folder, f"a class folder without images; add images of it or remove it{others}")
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _no_images(paths: Iterable[Path]) -> dict[Path, str]:
    """The files that do not count as images, and why they are unusable."""
    return {path: NO_IMAGE for path in paths if not is_image_file(path)}


def _folders(root: Path, wrong: Wrong) -> list[Path]:
    """Returns the folders in `root`, which should hold no images itself."""
    found = visible(root)
    folders = [path for path in found if path.is_dir()]
    for path in found:
        if not path.is_dir() and is_image_file(path):
            wrong(path, f"an image outside a class folder, so it has no label; accepted: {LAYOUTS}")
    if not folders:
        wrong(root, f"holds no class folders; accepted: {LAYOUTS}")
    return folders


def visible(folder: Path) -> list[Path]:
    """Returns the contents of a folder, sorted by name, without hidden and system files."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
    return [folder / name for name in sorted(names) if name.lower() not in _LEFT_BY_SYSTEMS]
