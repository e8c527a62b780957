"""`data_preview`: images of a set beside what a network sees of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch

from hubel.data.feed.open import decoded_or_streamed
from hubel.data.feed.range import range_of
from hubel.data.image.modes import COLOUR, flatten, upright
from hubel.data.image.preprocess import Fit, Preprocessing
from hubel.data.sources import open_data
from hubel.errors import UsageError
from hubel.files import write_whole
from hubel.model.header import read_header
from hubel.model.hub import laid_out
from hubel.model.open import open_model
from hubel.ram import forced
from hubel.report.data_preview import Example, preview_figure
from hubel.report.form import image_form
from hubel.tasks.network import NetLike, given, is_model_file, volume_of
from hubel.tasks.train import seconds
from hubel.tasks.words import one_of
from hubel.training.run.auto import Chosen, choose
from hubel.training.settings.config import AUTO, Config

if TYPE_CHECKING:
    from hubel.data.augment.own import OwnAugmentation
    from hubel.data.augment.policy import Augmentation
    from hubel.data.dataset import DataSet
    from hubel.net.volume import Volume, VolumeLike

MOST_CLASSES = 20
"""The most classes that are shown, the first of the set."""

ENOUGH = 0.8
"""The share of an image that a crop should show, on average; below it, padding is mentioned."""

VARIANTS = 2
"""The number of augmented variants that are shown of each image."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Images of a set beside what a network sees of them; a notebook shows the figure.

    `volume` is the network's input, `fit` how images of another aspect ratio are resized; `notes` say what
    the figure does not show.
    """

    name: str
    examples: tuple[Example, ...]
    volume: Volume
    fit: str
    notes: tuple[str, ...] = ()

    def png(self) -> bytes:
        """Draws the figure as a PNG."""
        return preview_figure(self.name, self.examples, self.volume, self.fit)

    def save(self, path: str | Path) -> None:
        """Writes the figure as a PNG file. Raises UsageError: another suffix, or no such folder."""
        image_form(Path(path), ("png",))
        write_whole(Path(path), self.png())

    def __repr__(self) -> str:
        return f"<Preview of {len(self.examples)} images of {self.name} at {self.volume}; save it>"

    def _repr_png_(self) -> bytes:
        return self.png()


def data_preview(
    data: Any,
    *,
    net: NetLike | None = None,
    volume: VolumeLike | None = None,
    fit: str | None = None,
    range: str | None = None,  # noqa: A002 - the setting's name
    recipe: str | None = None,
    time: str | float | None = None,
    start: str = AUTO,
    each: int = 2,
    seed: int = 0,
    force: bool = False,
) -> Preview:
    """Returns images of each class beside what a network sees of them, plain and twice augmented.

    The network, its input and the augmentation are those that `hubel train` would take: without `net` hubel
    chooses them by the data, the machine and the `time`; `start` is the starting model. Otherwise `net` is
    as for `hubel train`, and `volume` its input, by default its own. `fit` is crop, pad or squash; by default
    the saved model's own, else crop. `recipe` is the name of a recipe or a .toml file, from which the
    augmentation is taken. `each` is the number of images per class, `seed` the random seed. `range` and
    `force` are as for `hubel.train`.

    Raises UsageError, DataError, NotationError, NetworkError, ModelError: an argument cannot be used.
    """
    if each < 1:
        raise UsageError(f"each is at least 1, not {each}")
    if seed < 0:
        raise UsageError(f"seed is at least 0, not {seed}")
    values = Config("", "", "", range=range or AUTO).range
    way = None if fit is None else one_of("fit", fit, get_args(Fit))
    dataset = open_data(data, val=0)
    network = None if net is None else given(net, volume, dataset)
    with forced(force):
        chosen = choose(
            dataset,
            network=None if network is None else (network.short, network.trainable(), network.volume),
            volume=volume_of(volume),
            recipe=recipe,
            start=network.name if network is not None and is_model_file(network.name) else start,
            seconds=0.0 if time is None else seconds(time),
        )
        candidate = chosen.candidate
        preprocessing = preprocessing_of(chosen.start, candidate.volume, way)
    preprocessing = replace(preprocessing, range=range_of(values, dataset.train) or preprocessing.range)
    examples = _examples(dataset, preprocessing, candidate.recipe.augmentation, each=each, seed=seed)
    notes = _notes(dataset, preprocessing, chosen, asked=net is not None)
    return Preview(dataset.name, tuple(examples), candidate.volume, preprocessing.fit, notes)


def preprocessing_of(start: str, volume: Volume, fit: Fit | None) -> Preprocessing:
    """Returns the preprocessing of a starting model, or cropping without one, unless `fit` is given.

    Raises ModelError, DataError: the model cannot be used.
    """
    if not start:
        return Preprocessing.of(volume, fit=fit or "crop")
    if is_model_file(start) and not laid_out(start):
        return Preprocessing.from_json(read_header(start).preprocessing).at(volume).fitting(fit)
    return open_model(start).preprocessing.at(volume).fitting(fit)


def _notes(dataset: DataSet, preprocessing: Preprocessing, chosen: Chosen, *, asked: bool) -> tuple[str, ...]:
    """What the figure does not show: the network that was chosen, images that grow, and what is cut off."""
    candidate, notes = chosen.candidate, []
    if not asked:
        origin = f", from the model {chosen.start}" if chosen.start else ""
        notes.append(f"{candidate.name} would be trained at {candidate.volume}{origin}")
    side = min(candidate.volume.plane)
    first = candidate.recipe.side(0.0, side)
    if first < side:
        notes.append(f"training begins with images of {first} pixels, which grow to {side}")
    kept = float(np.mean([preprocessing.kept(*size) for size in dataset.sizes]))
    if kept < ENOUGH:
        notes.append(
            f"the centre crop shows {100 * kept:.0f} % of an image on average; --fit pad keeps all of it"
        )
    return tuple(notes)


def _examples(
    dataset: DataSet,
    preprocessing: Preprocessing,
    augmentation: Augmentation | OwnAugmentation,
    *,
    each: int,
    seed: int,
) -> list[Example]:
    """The first images of each class: original, as the network sees them, and augmented.

    Raises DataError: an image cannot be used.
    """
    labels = dataset.train.labels
    classes = range(min(len(dataset.classes), MOST_CLASSES))
    places = [int(place) for label in classes for place in np.flatnonzero(labels == label)[:each]]
    seen = np.stack([dataset.train.fitted(place, preprocessing) for place in places])
    colours = None
    if augmentation.needs_colours:  # those of the whole set
        colours = decoded_or_streamed(dataset.train, preprocessing, on_bad="skip").colours
    generator = torch.Generator().manual_seed(seed)
    variants = [
        augmentation.apply(
            torch.from_numpy(seen), generator, indices=torch.arange(len(seen)), epoch=epoch, colours=colours
        )
        for epoch in range(VARIANTS)
    ]
    return [
        Example(
            label=dataset.classes[labels[place]],
            original=flatten(upright(dataset.train.image(place)), COLOUR, preprocessing.range),
            seen=seen[at],
            variants=[variant[at].numpy() for variant in variants],
        )
        for at, place in enumerate(places)
    ]
