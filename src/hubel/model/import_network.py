"""A network of another program becomes a model: its notation, its weights, and how it takes images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, UsageError
from hubel.model.file import Model
from hubel.model.import_weights import MEAN, STD, class_names
from hubel.module.network import Network, taken_names
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT
from hubel.net.untrace import Untraced, untrace
from hubel.zoo.imagenet import imagenet_classes

if TYPE_CHECKING:
    from hubel.foreign.found import Entry, Found
    from hubel.net.volume import Volume

PIXEL = 255.0
"""The value of white in files whose pixels are whole numbers."""

FAR = 20.0
"""Values of a network's input are never this far from 0: a file that would give such takes 0 to 1."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The mean and standard deviation of pixels from 0 to 1, one number each or one per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def at(self, depth: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Returns one number per channel. Raises UsageError: there are more or fewer."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, depth):
                raise UsageError(f"{name} has one number or {depth}, one per channel, not {len(values)}")
        mean, std = (np.broadcast_to(values, depth) for values in (self.mean, self.std))
        return tuple(mean.tolist()), tuple(std.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class ImportedNetwork:
    """A model made from a file of another program, `paths` of its layers by those in the file, and remarks.

    `white` is the value of a white pixel in the file's own input, 0 where it takes prepared images.
    """

    model: Model
    paths: dict[str, str]
    white: float
    remarks: tuple[str, ...]


def import_network(
    found: Found,
    *,
    preprocessing: Preprocessing | None = None,
    statistics: Statistics | None = None,
    classes: Sequence[str] | None = None,
    source: str = "",
) -> ImportedNetwork:
    """Makes a model of a network that was read.

    `preprocessing` or `statistics` say how images are prepared where the file does not; by default they are
    those of ImageNet. `classes` are the class names; by default the file's, else ImageNet's for 1,000.

    Raises ModelError: the network gives no scores, or takes no images. Raises TangledError, NetworkError: it
    has no notation. Raises UsageError: the file already says how images are prepared.
    """
    untraced = untrace(found.steps, found.end, taken=taken_names())
    network = Network(untraced.net, found.volume, scores=True)
    if network.output.plane != (1, 1):
        raise ModelError(
            f"the network ends in {network.output}, not in one score per class; see `hubel table`"
        )
    _give(network, found, untraced)
    prepared, white, remark = _prepared(found, preprocessing, statistics)
    names, said = chosen_names(classes or found.classes, network.output.depth, "the file")
    remarks = (*found.remarks, *remark, *said)
    network.eval()
    model = Model(network, names, prepared, {"weights": source})
    return ImportedNetwork(model, untraced.paths, white, remarks)


def chosen_names(
    given: Sequence[str] | None, count: int, what: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of classes, and a remark where none were given. Raises ModelError: their number is wrong."""
    if given:
        if len(given) != count:
            raise ModelError(f"{len(given)} class names are given for {count} classes")
        return tuple(given), ()
    names = class_names(count)
    assumed = "ImageNet's" if count == len(imagenet_classes()) else f"called {names[0]} to {names[-1]}"
    return names, (
        f"{what} names no classes: they are {assumed}; name them with --classes FILE, as evaluate needs",
    )


def _give(network: Network, found: Found, untraced: Untraced) -> None:
    """Copies the weights into a network. Raises ModelError: one is missing, or has another shape."""
    state = network.state_dict()
    for path, own in found.weights.items():
        for name, value in own.items():
            target = state[f"{untraced.paths[path]}.{name}"].numpy()
            if target.shape != value.shape:
                raise ModelError(f"{path}: its {name} is {list(value.shape)}, not {list(target.shape)}")
            np.copyto(target, value, casting="same_kind")
            if not np.isfinite(target).all():
                raise ModelError(f"{path}: its {name} is not finite: its weights are of no use")
    if found.entry.bgr:
        _turn(network, found, untraced)


def _turn(network: Network, found: Found, untraced: Untraced) -> None:
    """Turns the first layers of a network that takes blue, green, red into ones that take red, green, blue.

    Raises ModelError: a first layer is none whose weights tell the channels apart.
    """
    state = network.state_dict()
    for step in found.steps:
        if INPUT in step.sources:
            path = untraced.paths.get(step.path, "")
            if isinstance(step.layer, Conv) and step.layer.groups == 1:
                weight = state[f"{path}.weight"]
                weight.copy_(weight.flip(1))
            else:
                raise ModelError(f"{step.path}: the order of colours cannot be turned before {step.layer!r}")


def _prepared(
    found: Found, preprocessing: Preprocessing | None, statistics: Statistics | None
) -> tuple[Preprocessing, float, tuple[str, ...]]:
    """The preprocessing of a network, the value of white in the file's input, and remarks."""
    volume, entry = found.volume, found.entry
    bare = _bare(volume)
    if entry.known:
        if statistics is not None or preprocessing is not None:
            raise UsageError(
                "the file itself says how images are prepared; leave --mean, --std and --preprocessing out"
            )
        white = white_of(entry)
        order = slice(None, None, -1) if entry.bgr else slice(None)
        std = 1 / (white * entry.scale[order])
        if (std <= 0).any():
            raise ModelError("the file turns white into less than black, which no preprocessing does")
        mean = -entry.shift[order] * std
        return (
            replace(bare, mean=_floats(mean), std=_floats(std)),
            white,
            (f"the file prepares images itself: mean {_said(mean)}, std {_said(std)} of values from 0 to 1",),
        )
    if entry.usual is not None and preprocessing is None and statistics is None:
        mean_of, std_of = entry.usual
        remark = (
            "the file does not say how images are prepared; the means that Caffe's networks subtract, "
            f"{_said(mean_of)}, are assumed, unless --mean and --std give others"
        )
        return replace(bare, mean=mean_of, std=(std_of,) * volume.depth), 0.0, (remark,)
    chosen, remarks = chosen_preprocessing(volume, preprocessing, statistics, "the file")
    return chosen, 0.0, remarks


def chosen_preprocessing(
    volume: Volume, preprocessing: Preprocessing | None, statistics: Statistics | None, what: str
) -> tuple[Preprocessing, tuple[str, ...]]:
    """How images are prepared where `what` does not say it, and a remark where nothing was given.

    Raises ModelError: the network takes no images. Raises UsageError: both are given.
    """
    if preprocessing is not None and statistics is not None:
        raise UsageError("give preprocessing, or mean and std, not both")
    bare = _bare(volume)
    if preprocessing is not None:
        return preprocessing, ()
    if statistics is not None:
        mean_of, std_of = statistics.at(volume.depth)
        return replace(bare, mean=mean_of, std=std_of), ()
    mean_of, std_of = (MEAN, STD) if volume.depth == 3 else ((float(np.mean(MEAN)),), (float(np.mean(STD)),))
    return replace(bare, mean=mean_of, std=std_of), (
        f"{what} does not say how images are prepared; ImageNet's mean {_said(mean_of)} and std "
        f"{_said(std_of)} are assumed, unless --mean and --std give others",
    )


def _bare(volume: Volume) -> Preprocessing:
    """A preprocessing that changes nothing. Raises ModelError: the network takes no images."""
    if volume.depth not in (1, 3):
        raise ModelError(f"the network takes {volume}; images have depth 1 or 3")
    return Preprocessing.of(volume)


def white_of(entry: Entry) -> float:
    """Returns the value of white in a file's input: 255, or 1 where 255 would give values far from 0."""
    small = np.abs(entry.scale).max() * PIXEL <= FAR
    centred = np.abs(entry.shift / entry.scale).max() > 2
    return PIXEL if small or centred else 1.0


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)


def _said(values: Sequence[float] | np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
