"""TrivialAugment: one operation per image at one strength, both uniform; nothing to tune.

Source: Müller and Hutter 2021, with the wide range of strengths and the origin of shears of their code.
Deviation: pixels are interpolated; the code takes the nearest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hubel.data.augment import colour
from hubel.data.augment.draws import Draws, Random
from hubel.data.augment.geometry import warp
from hubel.data.pinned import moved

STRENGTHS = 31
"""The number of strengths of an operation, from none to the strongest."""


def trivial(images: Tensor, random: Random) -> Tensor:
    """Changes each image (uint8, n x h x w x c) by one operation of `WIDE` at one of 31 strengths."""
    draws = Draws.of(random, images)
    chosen = draws.integers(len(WIDE))
    strengths = draws.integers(STRENGTHS) / (STRENGTHS - 1)
    strengths = torch.where(draws.uniform() < 0.5, strengths, -strengths)
    changed = images.clone()
    for number, operation in enumerate(WIDE.values()):
        places = (chosen == number).nonzero().flatten()
        if len(places):
            selected = moved(places, images.device)
            variants = operation(images.index_select(0, selected), strengths[places])
            changed.index_copy_(0, selected, variants)
    return changed


def _warped(images: Tensor, *entries: Tensor | float) -> Tensor:
    """`warp` with the six entries of the matrices, each one number or one per image."""
    matrices = torch.stack([torch.as_tensor(entry).expand(len(images)) for entry in entries], dim=1)
    return warp(images, matrices.view(-1, 2, 3))


def _rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """The images rotated counterclockwise around their centres."""
    _, height, width, _ = images.shape
    x, y, cos, sin = width / 2, height / 2, degrees.deg2rad().cos(), degrees.deg2rad().sin()
    return _warped(images, cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos)


WIDE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda images, _: images,
    "shear_x": lambda images, s: _warped(images, 1.0, 0.99 * s, 0.0, 0.0, 1.0, 0.0),
    "shear_y": lambda images, s: _warped(images, 1.0, 0.0, 0.0, 0.99 * s, 1.0, 0.0),
    "translate_x": lambda images, s: _warped(images, 1.0, 0.0, (32 * s).round(), 0.0, 1.0, 0.0),
    "translate_y": lambda images, s: _warped(images, 1.0, 0.0, 0.0, 0.0, 1.0, (32 * s).round()),
    "rotate": lambda images, s: _rotated(images, 135 * s),
    "brightness": lambda images, s: colour.brightness(images, 1 + 0.99 * s),
    "colour": lambda images, s: colour.saturation(images, 1 + 0.99 * s),
    "contrast": lambda images, s: colour.contrast(images, 1 + 0.99 * s),
    "sharpness": lambda images, s: colour.sharpness(images, 1 + 0.99 * s),
    "posterize": lambda images, s: colour.posterize(images, 8 - (6 * s.abs()).round().long()),
    "solarize": lambda images, s: colour.solarize(images, 256 * (1 - s.abs())),
    "autocontrast": lambda images, _: colour.autocontrast(images),
    "equalize": lambda images, _: colour.equalize(images),
}
"""The operations on uint8 images with a strength per image, from -1 to 1 (float32, n, on the CPU).

Operations without a direction ignore the sign.
"""
