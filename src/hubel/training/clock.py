"""How far a run is: by its epochs, or by the clock where its time is limited."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from hubel.module.views import VIEWS

ROUNDS = 10
"""The most rounds of a timed run; each ends with a validation."""

SPENT_ON_ROUNDS = 0.05
"""The largest share of a timed run that validations may take."""


def process_began() -> float:
    """When this process began, on the scale of `time.perf_counter`; now, where the system does not say.

    On a busy machine it takes seconds to get from there to the first line of Python.
    """
    now = time.perf_counter()
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # proc(5): starttime
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return now
    return now - max(0.0, age)


@dataclass(slots=True)
class Clock:
    """The progress of a run, from 0 to 1.

    `limit` is the time from the first step until everything is done, in seconds; 0 where epochs count.
    `after` is the part of it that is reserved for what follows the last step; `hurried` says that this
    leaves no time for several views of an image.
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
        """Whether a timed run should validate, `since` seconds after it last did; one takes `validation`."""
        return bool(self.limit) and since >= max(self.limit / ROUNDS, validation / SPENT_ON_ROUNDS)

    @property
    def unreserved(self) -> bool:
        """Whether a timed run has yet to reserve time for its end."""
        return bool(self.limit) and not self.after

    def reserve(self, seconds: float, *, writing: float, finishing: float, views: str) -> None:
        """Reserves time for the end, after `seconds` of training.

        `writing` are the seconds that validating once more and writing all files take, `finishing` those of
        evaluating the best model in `views`, which may take no more than half of what is left; else one view
        is used.
        """
        self.hurried = finishing > (self.limit - seconds - writing) / 2
        self.after = writing + (finishing / VIEWS[views] if self.hurried else finishing)
