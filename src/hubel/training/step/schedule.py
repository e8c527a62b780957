"""Schedules: at a point of the run, the learning rate as a share of its peak, and the images' side."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hubel.training.settings.recipe import Recipe

Schedule: TypeAlias = "Callable[[float, Recipe], float]"
"""From how much of the run is done, 0 to 1, to a share of the peak, 0 to 1."""

FIRST = 0.01
"""The least share while the rate rises, so that the first step moves something."""

SIDE_STEP = 4
"""Sides of growing images are multiples of this, so that few shapes occur."""


def cycle(progress: float, recipe: Recipe) -> float:
    """A line up in `warm_up`, then half a cosine down to 0. Source: Smith and Topin 2017."""
    return _risen(progress, recipe, lambda rest: 0.5 * (1 + math.cos(math.pi * rest)))


def triangle(progress: float, recipe: Recipe) -> float:
    """A line up in `warm_up`, then a line down to 0. Source: Smith 2015."""
    return _risen(progress, recipe, lambda rest: 1 - rest)


def steps(progress: float, recipe: Recipe) -> float:
    """The peak, a tenth of it after each of `milestones`: what the papers up to ResNet did by hand."""
    return float(0.1 ** sum(progress >= share for share in recipe.milestones))


def decay(progress: float, recipe: Recipe) -> float:
    """4 % less every 8 epochs. Source: Szegedy et al. 2014, section 6."""
    return float(0.96 ** (int(progress * recipe.epochs) // 8))


SCHEDULES: dict[str, Schedule] = {"cycle": cycle, "triangle": triangle, "steps": steps, "decay": decay}
"""Every schedule by its name."""


def side(recipe: Recipe, progress: float, whole: int) -> int:
    """The side in pixels at which a recipe shows images at a point of the run."""
    if progress >= recipe.grown or recipe.smallest == 1:
        return whole
    share = recipe.smallest + (1 - recipe.smallest) * progress / recipe.grown
    return min(whole, math.ceil(share * whole / SIDE_STEP) * SIDE_STEP)


def _risen(progress: float, recipe: Recipe, fall: Callable[[float], float]) -> float:
    if progress < recipe.warm_up:
        return max(progress / recipe.warm_up, FIRST)
    return fall((progress - recipe.warm_up) / (1 - recipe.warm_up)) if recipe.warm_up < 1 else 1.0
