"""Several models as one: its probabilities are the mean of theirs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.errors import ModelError
from hubel.model.file import Model, load
from hubel.model.header import Header, members_in

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Flags
    from hubel.data.image.preprocess import Preprocessing


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Models of the same classes that see an image alike: each predicts, and probabilities are averaged.

    Source: Krizhevsky et al. 2012, section 6.

    Raises ModelError: no members, or members of other classes or of another input.
    """

    members: tuple[Model, ...]
    name: str = "the ensemble"

    def __post_init__(self) -> None:
        if not self.members:
            raise ModelError(f"{self.name} has no members")
        first = self.members[0]
        for number, member in enumerate(self.members[1:], 2):
            if member.classes != first.classes:
                raise ModelError(
                    f"{self.name}: member {number} knows other classes than member 1, or in another order; "
                    "the members of an ensemble are trained on the same classes"
                )
            if _pixels_of(member.preprocessing) != _pixels_of(first.preprocessing):
                raise ModelError(
                    f"{self.name}: member {number} sees images as {member.preprocessing.volume}, cut or "
                    f"scaled otherwise than member 1, which sees {first.preprocessing.volume}"
                )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self.members[0].classes

    @property
    def preprocessing(self) -> Preprocessing:
        """What makes an image the input of every member, but for mean and standard deviation."""
        return self.members[0].preprocessing

    @property
    def summary(self) -> dict[str, Any]:
        """How the first member was trained."""
        return self.members[0].summary

    @property
    def header(self) -> Header:
        """The first member's, but for the way from scores to probabilities."""
        return replace(self.members[0].header, temperature=1.0, views="one", seen=None)

    @property
    def seen(self) -> frozenset[bytes] | None:
        """The marks of the images that any member was trained on; None where one does not know."""
        found: frozenset[bytes] = frozenset()
        for member in self.members:
            if member.seen is None:
                return None
            found |= member.seen
        return found

    def saw(self, found: Sequence[bytes]) -> Flags:
        """Which images, by their marks, a member was trained on, as far as is known: bool, n."""
        flags: Flags = np.any([member.saw(found) for member in self.members], axis=0)
        return flags

    def check_trained(self) -> None:
        """Raises ModelError: the head of a member was never trained."""
        for member in self.members:
            member.check_trained()

    def probabilities_of(self, pixels: Bytes) -> Any:
        """The mean of the members' probabilities: float32, n x classes, of uint8, n x h x w x c."""
        return np.mean([np.asarray(member.probabilities_of(pixels)) for member in self.members], axis=0)


def open_ensemble(
    where: str | os.PathLike[str], *, allow_code: bool = False, force: bool = False
) -> Ensemble:
    """Opens the models of all runs in a folder. Raises ModelError: as `load` and `Ensemble`."""
    runs = members_in(where)
    return Ensemble(tuple(load(run, allow_code=allow_code, force=force) for run in runs), str(where))


def _pixels_of(preprocessing: Preprocessing) -> tuple[object, ...]:
    """What of a preprocessing decides the pixels."""
    p = preprocessing
    return (p.height, p.width, p.depth, p.fit, p.resize, p.interpolation, p.range)
