"""Splits: a part of every class held out, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.pictures import DataSet, Indices, Labels


def held_out(labels: Labels, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Returns the places that stay and the places held out, each in ascending order.

    Of every class of two or more, `fraction` is held out, to the nearest whole number, but at least one
    and never all; a class of one stays.
    """
    generator = np.random.default_rng(seed)
    out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(fraction * len(places))), len(places) - 1)
        out[places[:count]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)


def with_val(dataset: DataSet, fraction: float, seed: int) -> DataSet:
    """Returns the set with `fraction` of its training pictures held out as val, if it has no val yet.

    Raises DataError: no class has a picture to spare.
    """
    if dataset.val is not None or fraction == 0:
        return dataset
    stay, out = held_out(dataset.train.labels, fraction, seed)
    if len(out) == 0:
        raise DataError(
            f"{dataset.name}: every class has one training picture, so none can be held out for validation; "
            "add pictures or give val=0"
        )
    return replace(dataset, train=dataset.train.select(stay), val=dataset.train.select(out))
