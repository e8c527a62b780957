"""A finished model measured on labelled pictures: which pictures, and how well it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubel.data import Batches, DataSet, Decoded, Pictures, decode, open_data
from hubel.errors import DataError, UsageError, nearest
from hubel.ship.model import Model
from hubel.train.metrics import Evaluation, evaluate
from hubel.train.setting import EVALUATION_BATCH

SPLITS = ("auto", "train", "val", "test")
"""Which pictures of a set to take; `auto` is for `measure` to decide."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How a model did, on which pictures: `split` is their split's name, or `all`."""

    split: str
    pictures: Decoded
    result: Evaluation


def measure(model: Model, data: str, split: str = "auto") -> Measured:
    """Measures a model on a set.

    `auto` takes the test split where the set has one, else the validation split. Of a set without
    either it takes the pictures that were held out when the model was trained on it, or all of them
    if it was not.

    Raises DataError: no such set or split, or a class the model does not know.
    Raises UsageError: a split that no set has.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}{nearest(split, SPLITS)}; choose {', '.join(SPLITS)}")
    own = open_data(data, val=0)
    if own.val is None and model.summary.get("data") == where(data):
        own = open_data(data, val=model.summary["val"], seed=model.summary["seed"])
    name, pictures = _chosen(own, split)
    decoded = decode(pictures, model.preprocessing).relabelled(own.classes, model.classes)
    batches = Batches(decoded, model.preprocessing, EVALUATION_BATCH)
    return Measured(name, decoded, evaluate(model.network, batches.epoch(0)))


def where(data: str) -> str:
    """A set as a run remembers it: a folder by its whole path, a named set by its name."""
    return str(Path(data).resolve()) if Path(data).exists() else data


def _chosen(data: DataSet, split: str) -> tuple[str, Pictures]:
    """The pictures a split means, and what to call them."""
    splits = {"train": data.train, "val": data.val, "test": data.test}
    there = {name: pictures for name, pictures in splits.items() if pictures is not None}
    if split == "auto":
        for name in ("test", "val"):
            if name in there:
                return name, there[name]
        return "all", data.train
    if split not in there:
        raise DataError(f"{data.name} has no {split} split; it has {', '.join(there)}")
    return split, there[split]
