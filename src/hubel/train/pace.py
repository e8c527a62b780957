"""How far a run is: by its epochs, or by the clock when it has a time to keep."""

from __future__ import annotations

from dataclasses import dataclass

ROUNDS = 10
"""How many rounds a run by the clock has at most: each ends with a validation."""

SPENT_ON_ROUNDS = 0.05
"""The most of such a run that validations may take."""


@dataclass(slots=True)
class Pace:
    """How far a run is, from 0 to 1.

    `limit` is the seconds from the first step until everything is done, 0 where epochs count;
    `after` are those of them kept for what comes after the last step, known once it was measured, and
    `hurried` says that they leave no time for several views of a picture.
    """

    epochs: int
    limit: float = 0.0
    after: float = 0.0
    hurried: bool = False

    def progress(self, epochs: float, seconds: float) -> float:
        """How far a run is after so many epochs and seconds."""
        if not self.limit:
            return epochs / self.epochs
        return min(1.0, seconds / max(self.limit - self.after, 1e-9))

    def due(self, since: float, validation: float) -> bool:
        """Whether a run by the clock should validate, so many seconds after it last did."""
        return bool(self.limit) and since >= max(self.limit / ROUNDS, validation / SPENT_ON_ROUNDS)
