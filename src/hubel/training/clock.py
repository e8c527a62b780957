"""The progress of a run: by its epochs or, if its time is limited, by the clock."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.module.views import VIEWS

ROUNDS = 10
"""The most rounds of a timed run; each ends with a validation."""

SPENT_ON_ROUNDS = 0.05
"""The largest share of a timed run that validations may take."""


@dataclass(slots=True)
class Clock:
    """The progress of a run, from 0 to 1.

    `limit`: the time from the first step to the end of the run, in seconds; 0 if epochs are counted.
    `after`: the part of it that is reserved for what follows the last step. `hurried`: whether that part is
    too short for several views of an image.
    """

    epochs: int
    limit: float = 0.0
    after: float = 0.0
    hurried: bool = False

    def progress(self, epochs: float, seconds: float) -> float:
        """The progress after this many epochs and seconds."""
        if not self.limit:
            return epochs / self.epochs
        return min(1.0, seconds / max(self.limit - self.after, 1e-9))

    def due(self, since: float, validation: float) -> bool:
        """Whether a timed run should validate `since` seconds after the last one, which took `validation`."""
        return bool(self.limit) and since >= max(self.limit / ROUNDS, validation / SPENT_ON_ROUNDS)

    @property
    def unreserved(self) -> bool:
        """Whether a timed run has yet to reserve time for its end."""
        return bool(self.limit) and not self.after

    def reserve(self, seconds: float, *, writing: float, finishing: float, views: str) -> None:
        """Reserves time for the end, after `seconds` of training.

        `writing`: the seconds for one more validation and for writing all files. `finishing`: the seconds for
        evaluating the best model with its `views`. If these are more than half of the remaining time, a
        single view is used.
        """
        self.hurried = finishing > (self.limit - seconds - writing) / 2
        self.after = writing + (finishing / VIEWS[views] if self.hurried else finishing)
