"""Manifests: a CSV file that lists pictures where they lie, with their labels, splits and groups."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubel.data.pictures import DataSet, FilePictures
from hubel.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hubel.data.pictures import Labels

COLUMNS = ("path", "label", "split", "group")
"""The columns there can be, in any order; the first two there must be."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class _Row:
    """A picture as a line of the manifest has it; `group` is empty where it has none."""

    line: int
    path: Path
    label: str
    split: str
    group: str


def read_manifest(file: Path) -> DataSet:
    """Reads a CSV file with the header `path,label[,split][,group]`, without opening a picture.

    Paths are relative to the file's folder. Without `split` all is training. Pictures with the same `group`,
    such as those of one patient or of one burst, are kept on one side of every split; a picture with an
    empty one is a group of its own. Classes are in order of name, or of number if every name is one.

    A path where no file is counts as a picture that cannot be read.

    Raises DataError: no UTF-8 or no CSV, an unknown column or split, a line of another length, an empty path
    or label, a path listed twice, a group in two splits.
    """
    rows = list(_rows(file))
    if not rows:
        raise DataError(f"{file}: lists no pictures; add a line for each below {','.join(COLUMNS[:2])}")
    _check(file, rows)
    classes, labels = labelled([row.label for row in rows])
    _, groups = np.unique([row.group or f"\0{row.line}" for row in rows], return_inverse=True)
    grouped = any(row.group for row in rows)
    missing = {row.path: _missing(file, row) for row in rows if not row.path.is_file()}
    splits = np.array([row.split for row in rows])
    if "train" not in splits:
        raise DataError(f"{file}: no line says train as its split; give some, or leave the column out")

    def pictures(split: str) -> FilePictures | None:
        chosen = np.flatnonzero(splits == split)
        if len(chosen) == 0:
            return None
        paths = tuple(rows[place].path for place in chosen)
        of = groups[chosen].astype(np.int64) if grouped else None
        return FilePictures(labels[chosen], paths, of, missing)

    train = pictures("train")
    assert train is not None
    return DataSet(file.stem, classes, train, pictures("val"), pictures("test"))


def labelled(names: Sequence[str]) -> tuple[tuple[str, ...], Labels]:
    """Returns the classes that `names` name, in order, and the place of each name in them: int64, n."""
    classes = class_order(set(names))
    places = {name: place for place, name in enumerate(classes)}
    return classes, np.array([places[name] for name in names], np.int64)


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Returns names sorted by number if every one is a number, else as texts."""
    found = list(names)
    if all(name.isascii() and name.isdecimal() for name in found):
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


def _rows(file: Path) -> Iterator[_Row]:
    """Yields the lines below the header; lines without any value are passed over."""
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
        raise DataError(f"{file}: line {reader.line_num} is not CSV ({error}); mend it") from error


def _check_header(file: Path, header: list[str]) -> None:
    accepted = "path,label[,split][,group]"
    for name in header:
        if name not in COLUMNS:
            raise DataError(
                f"{file}: no column can be called {name!r}{nearest(name, COLUMNS)}; its header is {accepted}"
            )
        if header.count(name) > 1:
            raise DataError(f"{file}: two columns are called {name}; leave one")
    for name in COLUMNS[:2]:
        if name not in header:
            raise DataError(f"{file}: has no column {name}; its header is {accepted}")


def _row(file: Path, line: int, header: list[str], values: list[str]) -> _Row:
    if len(values) != len(header):
        raise DataError(
            f"{file}: line {line} has {len(values)} values, but the header names {len(header)}; "
            "put a value that holds a comma in double quotes"
        )
    said = dict(zip(header, (value.strip() for value in values), strict=True))
    for name in COLUMNS[:2]:
        if not said[name]:
            raise DataError(f"{file}: line {line} has no {name}; give it one or take the line out")
    split = said.get("split", "train")
    if split not in SPLITS:
        raise DataError(
            f"{file}: line {line} has split {split!r}, which is none of {', '.join(SPLITS)}"
            f"{nearest(split, SPLITS)}"
        )
    return _Row(line, file.parent / said["path"], said["label"], split, said.get("group", ""))


def _missing(file: Path, row: _Row) -> str:
    """Why the picture of a line cannot be read."""
    where = f"line {row.line} of {file}"
    return f"no file is there, but {where} names it; paths are relative to the manifest's folder"


def _check(file: Path, rows: list[_Row]) -> None:
    """Refuses pictures that are listed twice, and groups that are in two splits."""
    lines: dict[Path, int] = {}
    members: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.path in lines:
            raise DataError(f"{file}: {row.path} is on lines {lines[row.path]} and {row.line}; leave one")
        lines[row.path] = row.line
        if row.group:
            members[row.group].setdefault(row.split, row.line)
    for group, splits in members.items():
        if len(splits) > 1:
            (one, first), (other, second) = list(splits.items())[:2]
            raise DataError(
                f"{file}: group {group!r} is in {one} (line {first}) and in {other} (line {second}), so "
                f"what is learned of it would be tested on it; put it into one"
            )
