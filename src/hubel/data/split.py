"""Holding out a share of every class for validation, the same for the same seed, without splitting groups."""

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
    """Returns the places that stay and the places held out, both ascending.

    Of every class, the share `fraction` is held out, rounded to whole images, but at least one and never
    all; a class of one image stays. With `groups`, n, whole groups are held out, and the shares are met as
    nearly as that allows: no class loses all its images, and a class of a single group stays.
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
    """Returns the set with the share `fraction` of its training images as `val`, unless it has a `val`.

    Of remote shards, whole shards are held out.

    Raises DataError: no class has an image, group or shard to spare.
    """
    if dataset.val is not None or fraction == 0:
        return dataset
    train = dataset.train
    groups = train.groups if isinstance(train, FileImages | ShardImages) else None
    stay, out = held_out(train.labels, fraction, seed, groups)
    if len(out) == 0 and isinstance(train, ShardImages) and groups is not None:
        raise DataError(
            f"{dataset.name}: every class is in one shard, so none can be held out for validation; give "
            "validation shards, {train-{000..099},val-{00..04}}.tar, or mix the classes over the shards"
        )
    if len(out) == 0:
        only = "training image" if groups is None else "group of training images"
        raise DataError(
            f"{dataset.name}: every class has one {only}, so none can be held out for validation; add images"
        )
    return replace(dataset, train=train.select(stay), val=train.select(out))


def _wanted(count: int, fraction: float) -> int:
    """The number of images to hold out of a class of `count`."""
    return min(max(1, round(fraction * count)), count - 1)


def _groups_out(labels: Labels, fraction: float, groups: Labels, generator: np.random.Generator) -> list[int]:
    """The groups to hold out: in random order, each one that brings the classes nearer to their shares.

    Afterwards every class without any, because its groups are large, gives the smallest one possible.
    """
    left = np.bincount(labels)
    missing = np.array([_wanted(count, fraction) for count in left])
    order = np.argsort(groups, kind="stable")
    members = np.split(labels[order], np.flatnonzero(np.diff(groups[order])) + 1)
    names = np.unique(groups)
    counted = [np.unique(of, return_counts=True) for of in members]
    out: list[int] = []

    def hold_out(place: int, *, nearer: bool) -> bool:
        """Holds a group out if every class in it keeps an image and, with `nearer`, the shares get nearer."""
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
