"""Manifests: a CSV file that lists the paths of images with their labels, splits and groups."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubel.data.dataset import SPLITS, DataSet, FileImages, labelled
from hubel.errors import DataError, nearest
from hubel.files import check_regular, is_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hubel.data.arrays import Labels

COLUMNS = ("path", "label", "split", "group")
"""The columns, in any order; the first two are required."""


@dataclass(frozen=True, slots=True)
class _Row:
    """An image as listed in a line of the manifest; `group` is empty if it has none."""

    line: int
    path: Path
    label: str
    split: str
    group: str


def read_manifest(file: Path) -> DataSet:
    """Reads a CSV file with the header `path,label[,split][,group]`, without opening an image.

    Paths are relative to the file's folder. Without `split` all images are training. Images of one `group`,
    for example of one patient or one burst, stay in one split; an image with an empty group is a group of its
    own. Classes are sorted by name, or by number if every name is one.

    A missing file counts as an unreadable image.

    Raises DataError: not UTF-8 or not CSV, an unknown column or split, a line of another length, an empty
    path or label, a path listed twice, a group in two splits.
    """
    rows = list(_rows(file))
    if not rows:
        raise DataError(f"{file}: lists no images; add a line for each below {','.join(COLUMNS[:2])}")
    _check(file, rows)
    splits: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        splits[row.split].append(row)
    if "train" not in splits:
        raise DataError(f"{file}: no line has the split train; add some, or remove the column")
    classes, labels = labelled({split: [row.label for row in of] for split, of in splits.items()})
    missing = {row.path: _missing(file, row) for row in rows if not is_file(row.path)}
    images = {
        split: FileImages(labels[split], tuple(row.path for row in of), _groups(of), missing)
        for split, of in splits.items()
    }
    return DataSet(file.stem, classes, images["train"], images.get("val"), images.get("test"))


def _groups(rows: list[_Row]) -> Labels | None:
    """The group of each line as a number; None if no line has one."""
    if not any(row.group for row in rows):
        return None
    _, groups = np.unique([row.group or f"\0{row.line}" for row in rows], return_inverse=True)
    return groups.astype(np.int64)


def _rows(file: Path) -> Iterator[_Row]:
    """Yields the lines below the header, except empty ones."""
    check_regular(file)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            _check_header(file, header)
            for values in reader:
                if any(value.strip() for value in values):
                    yield _row(file, reader.line_num, header, values)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 ({error}); save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{file}: line {reader.line_num} is not CSV ({error}); correct it") from error


def _check_header(file: Path, header: list[str]) -> None:
    accepted = "path,label[,split][,group]"
    if len(header) == 1 and (between := next((mark for mark in ";\t|" if mark in header[0]), "")):
        raise DataError(f"{file}: its columns are separated by {between!r}; use commas: {accepted}")
    for name in header:
        if name not in COLUMNS:
            raise DataError(
                f"{file}: unknown column {name!r}{nearest(name, COLUMNS)}; the header is {accepted}"
            )
        if header.count(name) > 1:
            raise DataError(f"{file}: two columns are called {name}; keep one")
    for name in COLUMNS[:2]:
        if name not in header:
            raise DataError(f"{file}: has no column {name}; the header is {accepted}")


def _row(file: Path, line: int, header: list[str], values: list[str]) -> _Row:
    if len(values) != len(header):
        raise DataError(
            f"{file}: line {line} has {len(values)} values, but the header names {len(header)}; "
            "quote values that contain a comma"
        )
    values_of = dict(zip(header, (value.strip() for value in values), strict=True))
    for name in COLUMNS[:2]:
        if not values_of[name]:
            raise DataError(f"{file}: line {line} has no {name}; add it or remove the line")
    split = SPLITS.get(values_of.get("split", "train").lower())
    if split is None:
        raise DataError(
            f"{file}: line {line} has split {values_of['split']!r}, which is none of {', '.join(SPLITS)}"
            f"{nearest(values_of['split'], SPLITS)}"
        )
    return _Row(line, file.parent / values_of["path"], values_of["label"], split, values_of.get("group", ""))


def _missing(file: Path, row: _Row) -> str:
    """Why the image of a line cannot be read; the text is part of the cache's key."""
    where = f"line {row.line} of {file}"
    return f"no file is there, but {where} names it; paths are relative to the manifest's folder"


def _check(file: Path, rows: list[_Row]) -> None:
    """Raises DataError: an image is listed twice, or a group is in two splits."""
    lines: dict[Path, int] = {}
    members: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.path in lines:
            raise DataError(f"{file}: {row.path} is on lines {lines[row.path]} and {row.line}; keep one")
        lines[row.path] = row.line
        if row.group:
            members[row.group].setdefault(row.split, row.line)
    for group, splits in members.items():
        if len(splits) > 1:
            (one, first), (other, second) = list(splits.items())[:2]
            raise DataError(
                f"{file}: group {group!r} is in {one} (line {first}) and in {other} (line {second}), so "
                f"the network would be tested on what it has learned; move it into one"
            )
