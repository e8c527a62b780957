"""A finished model measured on labelled pictures: which pictures, and how well it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubel.data import Batches, DataSet, Decoded, Pictures, decode, open_data, whereabouts, with_val
from hubel.errors import DataError, UsageError, nearest
from hubel.ship.model import Model
from hubel.train.metrics import Evaluation, evaluate
from hubel.train.setting import EVALUATION_BATCH, fingerprint

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
    data = whereabouts(data) if Path(data).exists() else data
    own = open_data(data, val=0)
    held_out_asked = split in ("train", "val") or own.test is None
    if own.val is None and held_out_asked and model.summary.get("data") == data:
        own = _as_trained(own, model)
    name, pictures = _chosen(own, split)
    decoded = decode(pictures, model.preprocessing).relabelled(own.classes, model.classes)
    batches = Batches(decoded, model.preprocessing, EVALUATION_BATCH)
    return Measured(name, decoded, evaluate(model.network, batches.epoch(0)))


def _as_trained(data: DataSet, model: Model) -> DataSet:
    """A set without splits, with the pictures held out that were held out in training.

    Raises DataError: the pictures are no longer those of the training.
    """
    again = with_val(data, float(model.summary.get("val", 0.2)), int(model.summary.get("seed", 0)))
    names = [again.train.name(index) for index in range(len(again.train))]
    if fingerprint(names) != model.summary.get("trained_on"):
        raise DataError(
            f"{data.name}: its pictures have changed since the model was trained on them, so that none is "
            "known to be new to it; measure on a folder of other pictures"
        )
    return again


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
