"""`hubel data preview`: what a network will see of a set of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.network import HELP
from hubel.cli.output import image_form
from hubel.errors import UsageError
from hubel.tasks.network import is_model_file, network_for
from hubel.tasks.words import one_of

if TYPE_CHECKING:
    from hubel.data.augment.policy import Augmentation
    from hubel.data.dataset import DataSet
    from hubel.data.image.preprocess import Fit, Preprocessing
    from hubel.net.volume import Volume
    from hubel.report.data_preview import Shown

MOST_CLASSES = 20
"""How many classes are shown, the first of them."""

VARIANTS = 2


def preview(
    data: Annotated[str, typer.Argument(help="A folder of images, or a set's name.", metavar="DATA")],
    *,
    net: Annotated[str, typer.Option("--net", help=HELP)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The PNG to write.", metavar="FILE")],
    size: Annotated[str | None, typer.Option("--input", help="The volume the network sees, HxWxD.")] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            help="What becomes of other shapes: crop, pad, squash; else a model's own way, or crop."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="How it would be trained: a recipe's name or a .toml file.")
    ] = None,
    each: Annotated[int, typer.Option("--each", help="How many images of a class.")] = 2,
    seed: Annotated[int, typer.Option(help="What decides all that is random.")] = 0,
) -> None:
    """Draw images of each class beside what the network sees of them, plainly and twice in training."""
    image_form(out, ("png",))
    if each < 1:
        raise UsageError(f"--each is at least 1, not {each}")
    if seed < 0:
        raise UsageError(f"--seed is at least 0, not {seed}")
    from typing import get_args

    from hubel.data.image.preprocess import Fit
    from hubel.data.sources import open_data
    from hubel.files import write_whole
    from hubel.report.data_preview import preview_figure
    from hubel.training.run.auto import choose
    from hubel.training.settings.config import NONE

    way = None if fit is None else one_of("--fit", fit, get_args(Fit))
    dataset = open_data(data, val=0)
    network = network_for(net, size, dataset)
    volume = network[2]
    preprocessing = preprocessing_of(net, volume, way)
    start = net if is_model_file(net) else NONE
    chosen = choose(dataset, network=network, recipe=recipe, start=start)
    shown = shown_of(dataset, preprocessing, chosen.candidate.recipe.augmentation, each=each, seed=seed)
    write_whole(out, preview_figure(dataset.name, shown, volume, preprocessing.fit))
    print(f"wrote {out}")


def preprocessing_of(net: str, volume: Volume, fit: Fit | None) -> Preprocessing:
    """How NET sees images: a saved model in its own way, any other by cropping; `fit` comes before both.

    Raises ModelError, DataError: the model's file cannot be used.
    """
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.header import read_header

    if not is_model_file(net):
        return Preprocessing.of(volume, fit=fit or "crop")
    return Preprocessing.from_json(read_header(Path(net)).preprocessing).at(volume).fitting(fit)


def shown_of(
    dataset: DataSet, preprocessing: Preprocessing, augmentation: Augmentation, *, each: int, seed: int
) -> list[Shown]:
    """The first images of each class, as they are, as the network sees them, and as in training.

    Raises DataError: an image that cannot be used.
    """
    import numpy as np
    import torch

    from hubel.data.feed.open import decoded_or_streamed
    from hubel.data.image.modes import COLOUR, flatten, upright
    from hubel.report.data_preview import Shown

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
        Shown(
            label=dataset.classes[labels[place]],
            original=flatten(upright(dataset.train.image(place)), COLOUR),
            sees=seen[at],
            variants=[variant[at].numpy() for variant in variants],
        )
        for at, place in enumerate(places)
    ]
