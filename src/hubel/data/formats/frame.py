"""DataFrames of paths and labels, of pandas or polars, with or without columns for split and group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.data.dataset import SPLITS
from hubel.errors import DataError, nearest

if TYPE_CHECKING:
    from hubel.data.arrays import Labels

COLUMNS = {
    "path": ("path", "file", "image"),
    "label": ("label", "class"),
    "split": ("split",),
    "group": ("group",),
}
"""What the columns may be called; the first two are required, others than these are ignored."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one split: images or their paths, labels, and the groups if there is such a column."""

    images: list[Any]
    labels: list[Any]
    groups: Labels | None


def is_frame(given: object) -> bool:
    """Whether an object is a DataFrame: it has named columns and a shape."""
    return hasattr(given, "columns") and hasattr(given, "shape") and hasattr(given, "__getitem__")


def read_frame(frame: Any) -> dict[str, Rows]:
    """Returns the rows of each split; without a column `split` all are training.

    Images of one group stay together when a validation set is held out; an empty group is one of its own.

    Raises DataError: no column of paths or labels, two of one kind, an unknown split, a group in two splits.
    """
    columns = {kind: _column(frame, kind) for kind in COLUMNS}
    if columns["path"] is None or columns["label"] is None:
        raise DataError(
            f"a DataFrame has one column {' or '.join(COLUMNS['path'])} and one column "
            f"{' or '.join(COLUMNS['label'])}; this one has {', '.join(map(str, frame.columns)) or 'none'}"
        )
    splits = [_split(row, value) for row, value in enumerate(columns["split"] or ["train"] * len(frame))]
    groups = _groups(columns["group"], splits)
    found = {}
    for split in dict.fromkeys(splits):
        rows = [row for row, of in enumerate(splits) if of == split]
        found[split] = Rows(
            [columns["path"][row] for row in rows],
            [columns["label"][row] for row in rows],
            None if groups is None else groups[rows],
        )
    return found


def _column(frame: Any, kind: str) -> list[Any] | None:
    """The values of a column, whatever it is called; None if there is none."""
    names = [name for name in frame.columns if str(name).strip().lower() in COLUMNS[kind]]
    if len(names) > 1:
        raise DataError(f"the columns {' and '.join(map(str, names))} both mean {kind}; leave one")
    return list(frame[names[0]]) if names else None


def _split(row: int, value: object) -> str:
    split = SPLITS.get(str(value).strip().lower())
    if split is None:
        hint = nearest(str(value), SPLITS)
        raise DataError(f"row {row} has split {value!r}, which is none of {', '.join(SPLITS)}{hint}")
    return split


def _groups(values: list[Any] | None, splits: list[str]) -> Labels | None:
    """The group of each row as a number."""
    if values is None:
        return None
    names = [f"\0{row}" if _is_empty(value) else str(value) for row, value in enumerate(values)]
    first: dict[str, str] = {}
    for name, split in zip(names, splits, strict=True):
        if first.setdefault(name, split) != split:
            raise DataError(
                f"group {name!r} is in {first[name]} and in {split}, so that what is learned from it would "
                "be tested on it; put it into one"
            )
    _, groups = np.unique(names, return_inverse=True)
    return groups.astype(np.int64)


def _is_empty(value: Any) -> bool:
    """Whether a cell has no value: None, NaN, or an empty text."""
    return value is None or value == "" or value != value  # noqa: PLR0124 - NaN is not itself
