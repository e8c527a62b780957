"""Splits: a part of every class held out, the same for the same seed, no group torn apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hubel.data.dataset import FileImages
from hubel.data.formats.shards import ShardImages
from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.arrays import Indices, Labels
    from hubel.data.dataset import DataSet


def held_out(
    labels: Labels, fraction: float, seed: int, groups: Labels | None = None
) -> tuple[Indices, Indices]:
    """Returns the places that stay and the places held out, each in ascending order.

    Of every class of two or more, `fraction` is held out, to the nearest whole number, but at least one
    and never all; a class of one stays. With `groups`, n, this holds as nearly as it can with every group
    on one side: no class loses all its images, and a class of a single group stays.
    """
    generator = np.random.default_rng(seed)
    if groups is not None:
        out = np.isin(groups, _groups_out(labels, fraction, groups, generator))
        return np.flatnonzero(~out), np.flatnonzero(out)
    out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == label))
        out[places[: _wanted(len(places), fraction)]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)


def with_val(dataset: DataSet, fraction: float, seed: int) -> DataSet:
    """Returns the set with `fraction` of its training images held out as val, if it has no val yet.

    Of shards on the net, whole ones are held out.

    Raises DataError: no class has an image, or a group or shard of them, to spare.
    """
    if dataset.val is not None or fraction == 0:
        return dataset
    train = dataset.train
    groups = train.groups if isinstance(train, FileImages | ShardImages) else None
    stay, out = held_out(train.labels, fraction, seed, groups)
    if len(out) == 0 and isinstance(train, ShardImages) and groups is not None:
        raise DataError(
            f"{dataset.name}: every class is in one shard, so none can be held out for validation; give "
            "shards for it, {train-{000..099},val-{00..04}}.tar, or mix classes over shards"
        )
    if len(out) == 0:
        only = "training image" if groups is None else "group of training images"
        raise DataError(
            f"{dataset.name}: every class has one {only}, so none can be held out for validation; add images"
        )
    return replace(dataset, train=train.select(stay), val=train.select(out))


def _wanted(count: int, fraction: float) -> int:
    """How many of a class of `count` are held out."""
    return min(max(1, round(fraction * count)), count - 1)


def _groups_out(labels: Labels, fraction: float, groups: Labels, generator: np.random.Generator) -> list[int]:
    """The groups to hold out: in a random order, each that brings the classes nearer to what is wanted.

    Then every class that has none yet, because all its groups are large, gets the smallest that can go.
    """
    left = np.bincount(labels)
    missing = np.array([_wanted(count, fraction) for count in left])
    order = np.argsort(groups, kind="stable")
    members = np.split(labels[order], np.flatnonzero(np.diff(groups[order])) + 1)
    names = np.unique(groups)
    counted = [np.unique(of, return_counts=True) for of in members]
    out: list[int] = []

    def hold_out(place: int, *, nearer: bool) -> bool:
        """Takes a group out if every class in it keeps an image, and if that is `nearer` or need not be."""
        classes, counts = counted[place]
        gain = np.abs(missing[classes]).sum() - np.abs(missing[classes] - counts).sum()
        if (left[classes] <= counts).any() or (nearer and gain <= 0):
            return False
        left[classes] -= counts
        missing[classes] -= counts
        out.append(int(names[place]))
        return True

    for place in generator.permutation(len(names)):
        hold_out(place, nearer=True)
    totals = np.bincount(labels)
    for place in sorted(range(len(names)), key=lambda place: len(members[place])):
        if (left[counted[place][0]] == totals[counted[place][0]]).any():
            hold_out(place, nearer=False)
    return out
