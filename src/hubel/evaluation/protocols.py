"""The testing protocols of the papers: which views of an image are scored, and how they are averaged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hubel.data.image.modes import flatten, upright
from hubel.errors import UsageError, nearest
from hubel.module.network import Network, build
from hubel.net.dense import dense

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.file import Model

Views: TypeAlias = "Callable[[Image.Image, Preprocessing], list[Bytes]]"
"""From a whole image, 8 bits a channel, to its views: arrays of uint8, n x height x width x depth."""

WHOLE, SIDE = 256, 224
"""The short side, in pixels, to which the papers resize an image, and the side that their networks see.

Here the network's own input stands for the latter, and all other sizes are in the same ratio to it.
"""

GOOGLENETS = (256, 288, 320, 352)
RESNETS = (224, 256, 384, 480, 640)
"""The short sides of several scales."""


def ten_crop(image: Image.Image, seen: Preprocessing) -> list[Bytes]:
    """The corners and the centre of the image's central square, and their mirror images.

    Source: Krizhevsky et al. 2012, section 4.1; He et al. 2015, section 3.4, "10-crop".
    """
    height, width = _scaled(seen.height, WHOLE), _scaled(seen.width, WHOLE)
    square = replace(seen, height=height, width=width, fit="crop", resize=None).pixels(image)
    return [_both_ways(_five(square, seen))]


def crops_144(image: Image.Image, seen: Preprocessing) -> list[Bytes]:
    """At four scales, of three squares the corners, the centre and the whole, and their mirror images.

    The squares are the left, the middle and the right of the image, of an upright one the upper, the middle
    and the lower. Source: Szegedy et al. 2014, section 7.
    """
    found = []
    for scale in GOOGLENETS:
        scaled = _resized(image, seen, scale)
        short, long = min(scaled.size), max(scaled.size)
        for start in (0, (long - short) // 2, long - short):
            left, top = (start, 0) if scaled.width > scaled.height else (0, start)
            square = scaled.crop((left, top, left + short, top + short))
            small = square.resize((seen.width, seen.height), Image.Resampling.BILINEAR)
            crops = [_five(_pixels(square, seen), seen), _pixels(small, seen)[None]]
            found.append(_both_ways(np.concatenate(crops)))
    return [np.concatenate(found)]


def whole(*scales: int) -> Views:
    """The whole image with each of these short sides, in the papers' pixels, and its mirror images.

    For a network in its fully convolutional form. Source: Simonyan and Zisserman 2014, section 3.2; He et al.
    2015, section 3.4.
    """

    def views(image: Image.Image, seen: Preprocessing) -> list[Bytes]:
        return [_both_ways(_pixels(_resized(image, seen, scale), seen)[None]) for scale in scales]

    return views


PROTOCOLS: dict[str, tuple[Views, bool]] = {
    "ten-crop": (ten_crop, False),
    "144-crop": (crops_144, False),
    "dense": (whole(WHOLE), True),
    "multi-scale": (whole(*RESNETS), True),
}
"""Every protocol by its name: its views, and whether the network is to be fully convolutional."""


def protocol_of(text: str) -> tuple[Views, bool]:
    """A protocol by its name; `dense:S,S` has scales of its own, in the papers' pixels.

    Raises UsageError: there is no such protocol.
    """
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    name, colon, scales = text.partition(":")
    if name == "dense" and colon:
        sides = [int(side) for side in scales.split(",") if re.fullmatch(r"[1-9]\d{0,4}", side)]
        if len(sides) < scales.count(",") + 1:
            raise UsageError(f"dense:S,S names short sides in pixels, such as dense:256,384,512, not {text}")
        return whole(*sides), True
    raise UsageError(
        f"there is no protocol {text!r}{nearest(text, PROTOCOLS)}; "
        f"choose {', '.join(PROTOCOLS)}, or dense:S,S with short sides such as 256"
    )


class Tester:
    """Scores whole images by a protocol: the mean probability of each class over the views.

    Raises UsageError: there is no such protocol, or it does not go with the network. Raises NetworkError: the
    network has no fully convolutional form.
    """

    def __init__(self, model: Model, protocol: str, device: torch.device) -> None:
        self.views, convolutional = protocol_of(protocol)
        self.preprocessing, self.temperature, self.device = model.preprocessing, model.temperature, device
        network: nn.Module = dense_network(model) if convolutional else model.network
        self.network = network.to(device).eval()

    @torch.inference_mode()
    def probabilities(self, image: Image.Image) -> Tensor:
        """The probability of each class: float32, classes. Raises DataError: the image cannot be used."""
        plain = flatten(upright(image), self.preprocessing.depth, self.preprocessing.range)
        found = []
        for views in self.views(plain, self.preprocessing):
            height, width, depth = views.shape[1:]
            seen = replace(self.preprocessing, height=height, width=width, resize=None)
            assert seen.depth == depth
            scores = self.network(seen.normalise(torch.from_numpy(views).to(self.device))).float()
            found.append((scores / self.temperature).softmax(1))
        return torch.cat(found).mean(0).cpu()


def dense_network(model: Model) -> Network:
    """The network of a model in its fully convolutional form, with its weights.

    Raises UsageError: it is a module of the user's own. Raises NetworkError: it has no such form.
    """
    network = model.network
    if not isinstance(network, Network):
        raise UsageError("a module of your own has no notation to make fully convolutional; use ten-crop")
    made = build(dense(network.net, network.volume), network.volume, scores=True, force=True)
    sides = tuple(f"{step.path}." for step in network.steps if step.side)
    kept = [value for name, value in network.state_dict().items() if not name.startswith(sides)]
    like = made.state_dict()
    assert len(like) == len(kept), "the same layers with weights"
    weights = zip(like.items(), kept, strict=True)
    made.load_state_dict({name: value.reshape(wanted.shape) for (name, wanted), value in weights})
    return made


def _scaled(side: int, paper: int) -> int:
    """A length of a paper, in pixels, for a network whose input has this side in place of 224."""
    return round(side * paper / SIDE)


def _resized(image: Image.Image, seen: Preprocessing, paper: int) -> Image.Image:
    """The whole image with this short side, in the papers' pixels."""
    by = _scaled(min(seen.height, seen.width), paper) / min(image.size)
    size = (round(image.width * by), round(image.height * by))
    return image.resize(size, Image.Resampling.BILINEAR)


def _pixels(image: Image.Image, seen: Preprocessing) -> Bytes:
    """An image's pixels: uint8, height x width x depth."""
    return np.asarray(image, np.uint8).reshape(image.height, image.width, seen.depth)


def _five(square: Bytes, seen: Preprocessing) -> Bytes:
    """The four corners and the centre, as large as the network sees."""
    down, across = square.shape[0] - seen.height, square.shape[1] - seen.width
    places = [(0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2)]
    return np.stack([square[y : y + seen.height, x : x + seen.width] for y, x in places])


def _both_ways(views: Bytes) -> Bytes:
    """The views and their mirror images."""
    return np.concatenate([views, views[:, :, ::-1]])
