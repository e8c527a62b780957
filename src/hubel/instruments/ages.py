"""Ages: the same maps in several states of a network during training, which shows features appear.

For each state: the patches that drive a map most, and their projections back to pixels.

Source: Zeiler and Fergus 2014, figure 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hubel.errors import UsageError
from hubel.instruments.deconv import Rule, project_cuts
from hubel.instruments.filters import filters
from hubel.instruments.patches import Patch, cut, top_images
from hubel.instruments.stream import stream
from hubel.instruments.subject import Subject, bare
from hubel.instruments.unit import Unit
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing

    Floats = npt.NDArray[np.float32]


class State(NamedTuple):
    """A network at one time of its training, with its name and its preprocessing."""

    name: str
    subject: Subject
    preprocessing: Preprocessing


@dataclass(frozen=True, slots=True, eq=False)
class Ages:
    """One map in each of several states of a network, in order.

    `filters`: float32, states x depth x height x width, if the layer is a convolution of the image itself,
    else None. `patches`: for each state the patches that drive the map most, the strongest first.
    `projections`: for each patch, float32, depth x h x w, as `project_patches` returns it.
    """

    unit: Unit
    filters: Floats | None
    patches: tuple[tuple[Patch, ...], ...]
    projections: tuple[tuple[Floats, ...], ...]


def over_time(
    states: Sequence[State],
    units: Sequence[Unit],
    images: Images,
    *,
    top: int = 1,
    rule: Rule = "deconv",
    progress: Callable[[int], None] | None = None,
) -> tuple[Ages, ...]:
    """Follows maps through several states of one network, such as a run's checkpoints.

    A layer stands for all its maps. `top` is the number of patches per map and state; `rule` is how they are
    projected back. `progress` is called with the number of images times states done.

    Raises UsageError: no states or maps, or a map that a state lacks.
    """
    maps = _maps([state.subject for state in states], units)
    paths = list(dict.fromkeys(unit.path for unit in maps))
    patches: list[dict[Unit, tuple[Patch, ...]]] = []
    signals: list[dict[Unit, tuple[Floats, ...]]] = []
    for at, (_, subject, preprocessing) in enumerate(states):

        def done(count: int, before: int = at * len(images)) -> None:
            if progress is not None:
                progress(before + count)

        def pixels(index: int, preprocessing: Preprocessing = preprocessing) -> npt.NDArray[np.uint8]:
            return images.fitted(index, preprocessing)

        tops = top_images(subject, stream(images, preprocessing, progress=done), paths, top=top)
        patches.append(cut(subject, tops, maps, pixels, images.name))
        signals.append(project_cuts(subject, patches[-1], preprocessing, pixels, rule))
    kernels = {path: _filters([state.subject for state in states], path) for path in paths}
    return tuple(
        Ages(
            unit,
            None if (of := kernels[unit.path]) is None else of[:, unit.channel],
            tuple(found[unit] for found in patches),
            tuple(found[unit] for found in signals),
        )
        for unit in maps
    )


def _maps(subjects: Sequence[Subject], units: Sequence[Unit]) -> tuple[Unit, ...]:
    if not subjects:
        raise UsageError("name the states of the network to look at")
    maps: list[Unit] = []
    for unit in units:
        for subject in subjects:
            unit.check(subject.steps)
        if unit.row is not None:
            raise UsageError(f"{unit} is one unit of a map; follow the map, {unit.path}[{unit.channel}]")
        depth = min(subject.step(unit.path).output.depth for subject in subjects)
        maps += [Unit(unit.path, at) for at in ([unit.channel] if unit.channel is not None else range(depth))]
    if not maps:
        raise UsageError("name the maps to follow")
    return tuple(dict.fromkeys(maps))


def _filters(subjects: Sequence[Subject], path: str) -> Floats | None:
    """A layer's filters, states x filters x depth x h x w, if it reads the image itself."""
    steps = [subject.step(path) for subject in subjects]
    if any(step.sources != (INPUT,) or not isinstance(bare(step.layer), Conv) for step in steps):
        return None
    kernels = [filters(subject, path).weights for subject in subjects]
    return np.stack(kernels) if len({each.shape for each in kernels}) == 1 else None
