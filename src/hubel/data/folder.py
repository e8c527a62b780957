"""Folders: a folder for each class, with or without folders for train, val and test above them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hubel.data.pictures import SPLITS, DataSet, FilePictures, class_order
from hubel.data.reading import IMAGE_SUFFIXES
from hubel.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LAYOUTS = "ROOT/CLASS/picture.png, or ROOT/train/CLASS/picture.png with val and test beside train"

NO_PICTURE = "is no picture by its ending; remove it, or convert it to PNG or JPEG"
_LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def read_folder(root: Path) -> DataSet:
    """Reads a folder in either layout, without opening a picture; a flat one is all training.

    The training set's class folders are the classes, sorted by name, or by number if every name is one.
    Hidden files and those that systems leave behind are passed over, and so are files beside class folders
    that are no pictures, such as a README. In a class folder, what is no picture by its ending counts as one
    that cannot be read.

    Raises DataError: no class folders, one without a picture, a folder in a class folder, pictures or folders
    outside the layout, a class in val or test that is not in train.
    """
    folders = _folders(root)
    splits = _by_split(root, folders) if is_split(folders) else {"train": folders}
    classes = class_order(folder.name for folder in splits["train"])
    pictures = {split: _pictures(inside, classes) for split, inside in splits.items()}
    return DataSet(
        name=root.resolve().name,
        classes=classes,
        train=pictures["train"],
        val=pictures.get("val"),
        test=pictures.get("test"),
    )


def _by_split(root: Path, folders: list[Path]) -> dict[str, list[Path]]:
    """Returns the class folders of train and of each other split there is."""
    found: dict[str, Path] = {}
    for folder in folders:
        split = SPLITS.get(folder.name.lower())
        if split is None:
            raise DataError(
                f"{folder}: beside train, val and test there is no other folder; move it away"
                f"{nearest(folder.name, SPLITS)}"
            )
        if split in found:
            raise DataError(f"{root}: {found[split].name} and {folder.name} are both {split}; leave one")
        found[split] = folder
    if "train" not in found:
        names = " and ".join(folder.name for folder in folders)
        raise DataError(f"{root}: has {names} but no train; accepted: {LAYOUTS}")
    return {split: _folders(folder) for split, folder in found.items()}


def is_split(folders: list[Path]) -> bool:
    """Whether the folders are splits; a class may be called train, as long as pictures lie right in it."""
    named = [folder for folder in folders if folder.name.lower() in SPLITS]
    return len(named) == len(folders) or any(path.is_dir() for folder in named for path in visible(folder))


def _pictures(folders: list[Path], classes: tuple[str, ...]) -> FilePictures:
    """Returns the pictures in the class folders, in order of class and name."""
    index = {name: place for place, name in enumerate(classes)}
    labels: list[int] = []
    paths: list[Path] = []
    for folder in folders:
        if folder.name not in index:
            raise DataError(
                f"{folder}: train has no class {folder.name!r}{nearest(folder.name, classes)}; "
                "add it to train or remove it here"
            )
    for folder in sorted(folders, key=lambda folder: index[folder.name]):
        found = _class_pictures(folder)
        labels += [index[folder.name]] * len(found)
        paths += found
    return FilePictures(np.array(labels, np.int64), tuple(paths), unusable=no_pictures(paths))


def no_pictures(paths: Iterable[Path]) -> dict[Path, str]:
    """Those that are no pictures by their ending, and what to do with them."""
    return {path: NO_PICTURE for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES}


def _class_pictures(folder: Path) -> list[Path]:
    found = visible(folder)
    for path in found:
        if path.is_dir():
            raise DataError(
                f"{path}: a folder in class folder {folder.name!r}; move its pictures up into that"
            )
    if len(no_pictures(found)) == len(found):
        others = f"; {found[0].name} {NO_PICTURE}" if found else ""
        raise DataError(f"{folder}: a class folder without pictures; add pictures of it or remove it{others}")
    return found


def _folders(root: Path) -> list[Path]:
    """Returns the folders in `root`, and refuses pictures beside them."""
    found = visible(root)
    folders = [path for path in found if path.is_dir()]
    loose = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()]
    if loose:
        raise DataError(
            f"{loose[0]}: a picture outside a class folder, so it has no label; accepted: {LAYOUTS}"
        )
    if not folders:
        raise DataError(f"{root}: holds no class folders; accepted: {LAYOUTS}")
    return folders


def visible(folder: Path) -> list[Path]:
    """Returns what lies in a folder, sorted by name, less hidden files and what systems leave behind."""
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(
        (path for path in found if path.name.lower() not in _LEFT_BY_SYSTEMS), key=lambda path: path.name
    )
