"""Schedules: the learning rate, and the side of growing images, at each point of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

FIRST = 0.01
"""The smallest share of the peak during warm-up, so that the first step moves something."""

SIDE_STEP = 4
"""The sides of growing images are multiples of this, so that only a few shapes occur."""


@dataclass(frozen=True, slots=True)
class Course:
    """The numbers of a schedule.

    `warm_up` is the share of the run in which the rate rises to its peak. `milestones` are the shares of the
    run at which a schedule of steps divides it by 10. `epochs` is the length of the run.
    """

    warm_up: float = 0.0
    milestones: tuple[float, ...] = ()
    epochs: int = 1


Schedule: TypeAlias = "Callable[[float, Course], float]"
"""From the share of the run that is done, 0 to 1, to the learning rate as a share of its peak, 0 to 1."""


def cycle(progress: float, course: Course) -> float:
    """Rises linearly during warm-up, then falls to 0 along half a cosine. Source: Smith and Topin 2017."""
    return _after_warm_up(progress, course, lambda rest: 0.5 * (1 + math.cos(math.pi * rest)))


def triangle(progress: float, course: Course) -> float:
    """Rises linearly during warm-up, then falls linearly to 0. Source: Smith 2015."""
    return _after_warm_up(progress, course, lambda rest: 1 - rest)


def steps(progress: float, course: Course) -> float:
    """The peak, divided by 10 at each milestone: what the papers up to ResNet did by hand."""
    return float(0.1 ** sum(progress >= share for share in course.milestones))


def decay(progress: float, course: Course) -> float:
    """Falls by 4 % every 8 epochs. Source: Szegedy et al. 2014, section 6."""
    return float(0.96 ** (int(progress * course.epochs) // 8))


def lenet(progress: float, _course: Course) -> float:
    """Of 20 epochs two at the peak, three at 0.4, three at 0.2, four at 0.1 of it, the others at 0.02.

    Source: LeCun et al. 1998, section III.B, whose peak is 0.0005.
    """
    ends = ((0.1, 1.0), (0.25, 0.4), (0.4, 0.2), (0.6, 0.1))
    return next((share for end, share in ends if progress < end), 0.02)


def warmed_steps(progress: float, course: Course) -> float:
    """A tenth of the peak during warm-up, then as `steps`. Source: He et al. 2015, section 4.2."""
    return 0.1 if progress < course.warm_up else steps(progress, course)


def plateau(_progress: float, _course: Course) -> float:
    """The peak; the trainer divides it by 10 where validation improves no more, as papers did by hand."""
    return 1.0


SCHEDULES: dict[str, Schedule] = {
    "cycle": cycle,
    "triangle": triangle,
    "steps": steps,
    "warmed-steps": warmed_steps,
    "plateau": plateau,
    "decay": decay,
    "lenet": lenet,
}
"""Every schedule by its name."""


def side(progress: float, whole: int, smallest: float, grown: float) -> int:
    """The side, in pixels, at which images are shown at a point of the run.

    They grow from `smallest`, a share of the `whole` side, and reach it at the share `grown` of the run; if
    that is 0, they stay as small.
    """
    if smallest == 1 or 0 < grown <= progress:
        return whole
    share = smallest + ((1 - smallest) * progress / grown if grown else 0.0)
    return min(whole, math.ceil(share * whole / SIDE_STEP - 1e-9) * SIDE_STEP)


def _after_warm_up(progress: float, course: Course, fall: Callable[[float], float]) -> float:
    if progress < course.warm_up:
        return max(progress / course.warm_up, FIRST)
    return fall((progress - course.warm_up) / (1 - course.warm_up)) if course.warm_up < 1 else 1.0
