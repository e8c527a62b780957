"""Stimuli: deeper filters shown by the images that drive them.

A deeper filter reads maps, so its weights alone show little. It is shown by the image that drives it most,
and by the images that drive the maps it reads with the largest weights; the kernel beside each shows where
that map excites or inhibits the filter. A filter that no image drives has no effect, whatever its weights.
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
from hubel.net.activations import Relu

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing
    from hubel.instruments.deconv import Rule

    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Stimulus:
    """What drives a map most: the patch, and its projection, float32, depth x h x w."""

    patch: Patch
    projection: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Stimuli:
    """What drives filters and the maps they read, found in `images` images.

    `filters` are those of the layer; filters that no image drives are among the dead. The response of filter
    n is map n of the layer `answer`. `inputs`: for each filter shown, the maps it reads with the largest
    weights, the largest first; none if it reads the image. `stimuli`: by map, if any image drives it.
    `rule` is that of the projections.
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
    """Finds what drives the `most` filters with most energy, and the `reads` maps each of them reads most.

    This takes one pass over the images; each map keeps the image that drives it most. `progress` is called
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
    """Returns the layer that shows the response of filters: their activation, if it is their only reader."""
    at = subject.step(path)
    while True:
        readers = [step for step in subject.steps if at.path in step.sources]
        if len(readers) != 1 or not (readers[0].layer.kind == "batchnorm" or activates(subject, readers[0])):
            return path
        (at,) = readers
        if activates(subject, at):
            return at.path


def _silent(subject: Subject, top: Top, images: int) -> dict[int, str]:
    """The maps that a rectifier sets to 0 for all images, with the reason."""
    if not isinstance(bare(subject.step(top.path).layer), Relu):
        return {}
    why = f"{top.path} is 0 for it on all of {images:,} images"
    return {int(at): why for at in np.flatnonzero(top.silent[:, 0])}
