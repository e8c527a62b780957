"""How images are prepared for a network of others, as a user says it, and images to compare networks on."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.import_network import Statistics
    from hubel.net.volume import Volume

PHOTO = "mpl-data/sample_data/grace_hopper.jpg"
"""A photograph that comes with matplotlib, to compare networks on."""

NOISE = 1
"""How many images of noise networks are compared on."""

OWN = 8
"""How many of a user's own images, at most."""


def preprocessing_named(name: str | None, volume: Volume) -> Preprocessing | None:
    """The preprocessing of this name, at the network's volume. Raises UsageError: an unknown name."""
    from hubel.model import import_weights

    return import_weights.fitted(import_weights.preprocessing_named(name), volume) if name else None


def statistics_of(
    mean: Sequence[float] | float | None, std: Sequence[float] | float | None
) -> Statistics | None:
    """The mean and standard deviation that were given. Raises UsageError: only one is."""
    from hubel.model.import_network import Statistics

    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise UsageError("mean and std are given together, of pixel values from 0 to 1")
    both = [tuple(map(float, each)) if isinstance(each, Sequence) else (float(each),) for each in (mean, std)]
    return Statistics(*both)


def trial_images(preprocessing: Preprocessing, images: Any = None) -> Bytes:
    """Images to compare on: noise, a photograph, and the first of `images`, uint8, n x h x w x c.

    `images` are as for `hubel.predict`. Raises DataError: there are none, or one cannot be read.
    """
    import numpy as np

    from hubel.data.image.objects import as_seen
    from hubel.model.inputs import several

    volume = preprocessing.volume
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, *volume.plane, volume.depth), np.uint8)
    spec = find_spec("matplotlib")
    photo = Path(spec.origin).parent / PHOTO if spec and spec.origin else Path()
    given = () if images is None else islice(several(images), OWN)
    own = [as_seen(image, preprocessing) for image in given]
    return np.stack([*noise, *([preprocessing.read(photo)] if photo.is_file() else []), *own])
