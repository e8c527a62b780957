"""Stimuli: filters by what drives them, told by images instead of weights on maps that nobody has seen.

A filter of a deeper layer reads maps. It is shown by the images that drive it most, and by those that
drive each of the maps it reads with most weight; beside these its kernel says where it wants or shuns them.
A filter that no image drives says nothing, whatever its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hubel.instruments.deconv import fitting, project_cuts
from hubel.instruments.drive import Drives, Input
from hubel.instruments.filters import Filters
from hubel.instruments.patches import Patch, Top, cut, top_images
from hubel.instruments.stream import stream
from hubel.instruments.subject import Subject, activates, bare, features
from hubel.instruments.unit import Unit
from hubel.net.layers import Relu

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing
    from hubel.instruments.deconv import Rule

    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Stimulus:
    """What drives a map most: the patch, and what of it does, float32, depth x h x w, by `rule`."""

    patch: Patch
    projection: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Stimuli:
    """What drives filters and the maps they read, found in `images` images.

    `filters` are those of the layer, with the ones that no image drives among the dead. What filter n
    says is seen at the map `answer`[n]. `inputs`: of each filter that is shown the maps it reads with most
    weight, the strongest first; none where it reads the image. `stimuli`: by map, where there are any.
    """

    filters: Filters
    images: int
    rule: Rule
    answer: str
    inputs: Mapping[int, tuple[Input, ...]]
    stimuli: Mapping[Unit, Stimulus]


def stimuli(
    subject: Subject,
    found: Filters,
    images: Images,
    preprocessing: Preprocessing,
    *,
    most: int = 16,
    reads: int = 6,
    progress: Callable[[int], None] | None = None,
) -> Stimuli:
    """What drives the `most` filters of a layer with most energy, and the `reads` maps each reads most.

    One pass over the images, of which each map keeps the one that drives it most. `progress` is called
    with the number of images done.
    """
    answer = answers(subject, found.path)
    drives = Drives(subject, features(subject), reads)
    shown = [int(number) for number in found.order[:most]]
    wired = {number: drives.of(Unit(found.path, number)).filters[0].inputs for number in shown}
    read = [each.unit for inputs in wired.values() for each in inputs]
    units = list(dict.fromkeys([*(Unit(answer, number) for number in shown), *read]))
    paths = list(dict.fromkeys(unit.path for unit in units))
    tops = top_images(subject, stream(images, preprocessing, progress=progress), paths, top=1)

    def pixels(index: int) -> npt.NDArray[np.uint8]:
        return images.fitted(index, preprocessing)

    cuts = cut(subject, tops, units, pixels, images.name)
    rule = fitting(subject)
    signals = project_cuts(subject, cuts, preprocessing, pixels, rule)
    known = {unit: Stimulus(patches[0], signals[unit][0]) for unit, patches in cuts.items() if patches}
    silent = _silent(subject, next(top for top in tops if top.path == answer), len(images))
    return Stimuli(replace(found, dead=silent | found.dead), len(images), rule, answer, wired, known)


def answers(subject: Subject, path: str) -> str:
    """The layer at which one sees what filters say: their activation, if it is all that reads them."""
    at = subject.step(path)
    while True:
        readers = [step for step in subject.steps if at.path in step.sources]
        if len(readers) != 1 or not (readers[0].layer.kind == "batchnorm" or activates(subject, readers[0])):
            return path
        (at,) = readers
        if activates(subject, at):
            return at.path


def _silent(subject: Subject, top: Top, images: int) -> dict[int, str]:
    """The maps a rectifier lets nothing of through, for any image."""
    if not isinstance(bare(subject.step(top.path).layer), Relu):
        return {}
    why = f"{top.path} lets nothing of it through on any of {images:,} images"
    return {int(at): why for at in np.flatnonzero(top.silent[:, 0])}
