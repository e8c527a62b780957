"""Synthesise: an image made to excite a unit, a map or a class, by gradient ascent on its activation.

Two things keep the image from becoming noise that excites only this network. The ascent takes place in a
decorrelated space: the image's Fourier coefficients, each divided by its frequency as in natural images, and
colours along axes in which natural colours are uncorrelated. And at each step the image is shifted, rotated
and scaled a little, so that only what is robust to this is reinforced.

Source: Olah et al. 2017, Feature Visualization; its colour and frequency scales are from lucid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.errors import UsageError
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.net.activations import Relu
from hubel.net.layers import Softmax

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.image.preprocess import Preprocessing

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

IMAGENET_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""A square root of ImageNet's colour covariance: red, green, blue x uncorrelated axes. Source: lucid."""

_LEAST = 1e-4


class Shake(NamedTuple):
    """How far the image is shifted, rotated and scaled at most at each step, in either direction.

    `shift` is a fraction of the image's side, `turn` in degrees, `zoom` a fraction of its size. All are drawn
    uniformly.
    """

    shift: float = 1 / 12
    turn: float = 6.0
    zoom: float = 0.08


class Climb(NamedTuple):
    """One step of the ascent: `activations` are of the shaken images, float32, n."""

    step: int
    steps: int
    activations: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Synthesis:
    """An image that excites `unit`; a map stands for its mean over positions.

    `image`: uint8, h x w x depth, before normalisation; `history`: float32, the activation of the shaken
    image at each step; `start` and `score` are the activations of the first image and of this one, in 8 bits
    and not shaken.
    """

    unit: Unit
    image: Bytes
    history: Floats
    start: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Decorrelated:
    """The space of the ascent: Fourier coefficients on uncorrelated colour axes.

    `height` and `width` in pixels; `mixing`: float32, depth x depth, from uncorrelated axes to colours.
    A point is float32, n x depth x height x (width // 2 + 1) x 2, of real and imaginary parts.
    """

    height: int
    width: int
    mixing: Floats

    @classmethod
    def of(cls, plane: tuple[int, int], depth: int, colours: npt.ArrayLike | None = None) -> Decorrelated:
        """Returns the space for grey or colour images.

        `colours` is a root of the colours' covariance, depth x depth (default: ImageNet's); its scale does
        not matter. Raises UsageError: a root of another shape, or one that is not invertible.
        """
        if colours is None:
            colours = IMAGENET_COLOURS if depth == 3 else np.eye(depth)
        root = np.asarray(colours, np.float64)
        if root.shape != (depth, depth) or abs(np.linalg.det(root)) < 1e-12:
            raise UsageError(f"the colours of {depth} channels are an invertible {depth} x {depth} matrix")
        largest = float(np.linalg.norm(root, axis=0).max())
        return cls(*plane, (root / largest).astype(np.float32))

    @property
    def scale(self) -> Tensor:
        """The factor of each coefficient, one over its frequency: height x (width // 2 + 1) x 1."""
        down = torch.fft.fftfreq(self.height)[:, None]
        across = torch.fft.rfftfreq(self.width)[None]
        frequency = (down.square() + across.square()).sqrt().clamp(min=1 / max(self.height, self.width))
        scale: Tensor = math.sqrt(self.height * self.width) / frequency / 4
        return scale[..., None]

    def light(self, point: Tensor) -> Tensor:
        """Returns the images at a point, with values from 0 to 1: n x depth x height x width."""
        spectrum = torch.view_as_complex((point * self.scale.to(point)).contiguous())
        axes = torch.fft.irfft2(spectrum, s=(self.height, self.width), norm="backward")
        mixing = torch.from_numpy(self.mixing).to(point)
        return torch.einsum("cd,ndhw->nchw", mixing, axes).sigmoid()

    def point(self, light: Tensor) -> Tensor:
        """Returns the point of images with values above 0 and below 1: the inverse of `light`."""
        values = light.clamp(_LEAST, 1 - _LEAST).logit()
        apart = torch.from_numpy(np.linalg.inv(self.mixing.astype(np.float64))).to(values)
        axes = torch.einsum("cd,ndhw->nchw", apart, values)
        spectrum = torch.view_as_real(torch.fft.rfft2(axes, norm="backward"))
        return spectrum / self.scale.to(values)


def colour_root(images: Bytes) -> Floats:
    """Returns a root of the covariance of images' colours, uint8, n x h x w x depth: float32, depth x depth.

    Its columns are uncorrelated axes, the one along which colours vary most first.
    Raises UsageError: there are no images.
    """
    if not len(images):
        raise UsageError("there are no images to take colours from")
    values = images.reshape(-1, images.shape[-1]) / 255
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(values.T)))
    order = np.argsort(-variances)
    spread = np.sqrt(np.maximum(variances[order], 1e-6))
    return np.asarray(axes[:, order] * spread, np.float32)


def synthesise(
    subject: Subject,
    units: Sequence[Unit],
    preprocessing: Preprocessing,
    *,
    steps: int = 256,
    seed: int = 0,
    rate: float = 0.05,
    shake: Shake | None = None,
    colours: npt.ArrayLike | None = None,
    progress: Callable[[Climb], None] | None = None,
) -> tuple[Synthesis, ...]:
    """Makes an image for each unit by `steps` of Adam at the learning rate `rate`, all at once.

    A map stands for its mean over positions; `class_unit` gives the unit of a class. Units do not influence
    each other: all start from one image drawn by `seed`, and are shaken alike, by default by `Shake()`.
    `preprocessing` is that of the network; `colours` is as in `Decorrelated.of`. `progress` is called after
    each step.

    Raises UsageError: no units, no such unit, a layer instead of a map, a path without output, fewer than 1
    step, or a preprocessing of another size than the network's.
    """
    climb = ascend(
        subject, units, preprocessing, steps=steps, seed=seed, rate=rate, shake=shake, colours=colours
    )
    while True:
        try:
            step = next(climb)
        except StopIteration as end:
            found: tuple[Synthesis, ...] = end.value
            return found
        if progress is not None:
            progress(step)


def ascend(
    subject: Subject,
    units: Sequence[Unit],
    preprocessing: Preprocessing,
    *,
    steps: int = 256,
    seed: int = 0,
    rate: float = 0.05,
    shake: Shake | None = None,
    colours: npt.ArrayLike | None = None,
) -> Generator[Climb, None, tuple[Synthesis, ...]]:
    """As `synthesise`, step by step: yields each step and returns the images."""
    _check(subject, units, preprocessing, steps)
    space = Decorrelated.of(subject.volume.plane, subject.volume.depth, colours)
    generator = torch.Generator().manual_seed(seed)
    shape = (subject.volume.depth, space.height, space.width // 2 + 1, 2)
    device = next((parameter.device for parameter in subject.module.parameters()), torch.device("cpu"))
    first = 0.01 * torch.randn(shape, generator=generator)
    with torch.inference_mode(mode=False):
        point = first.to(device).repeat(len(units), 1, 1, 1, 1).requires_grad_()
        adam = torch.optim.Adam([point], lr=rate)
        first_scores = _scored(subject, units, _pixels(space, point), preprocessing)
        history = np.empty((steps, len(units)), np.float32)
        for step in range(steps):
            with torch.enable_grad():
                shaken = _shaken(space.light(point), shake or Shake(), generator)
                values, objective = _responses(subject, units, _normal(shaken, preprocessing))
                point.grad = -_gradient(objective, point)
            adam.step()
            history[step] = values.detach().float().cpu().numpy()
            yield Climb(step + 1, steps, history[step])
        images = _pixels(space, point)
        last_scores = _scored(subject, units, images, preprocessing)
    return tuple(
        Synthesis(
            unit, images[at].numpy(), history[:, at].copy(), float(first_scores[at]), float(last_scores[at])
        )
        for at, unit in enumerate(units)
    )


def class_unit(subject: Subject, label: int) -> Unit:
    """Returns the unit of a class's score, before a final softmax. Raises UsageError: no such class."""
    last = subject.last
    if not 0 <= label < last.output.depth:
        raise UsageError(
            f"the network has {last.output.depth} classes, numbered 0 to {last.output.depth - 1}, not {label}"
        )
    before = isinstance(last.layer, Softmax) and subject.sees(last.sources[0])
    return Unit(last.sources[0] if before else last.path, label)


def _check(subject: Subject, units: Sequence[Unit], preprocessing: Preprocessing, steps: int) -> None:
    if not units:
        raise UsageError("name the units to make images for")
    for unit in units:
        unit.check(subject.steps)
        if unit.channel is None:
            raise UsageError(f"{unit} is a layer; name one of its maps, such as {unit}[0]")
    if steps < 1:
        raise UsageError(f"steps is at least 1, not {steps}")
    made = (preprocessing.height, preprocessing.width, preprocessing.depth)
    if made != (*subject.volume.plane, subject.volume.depth):
        raise UsageError(
            f"the preprocessing makes {'x'.join(map(str, made))}, the network sees {subject.volume}"
        )


def _responses(subject: Subject, units: Sequence[Unit], images: Tensor) -> tuple[Tensor, Tensor]:
    """The activation of each unit for its image, n, and the objective of the ascent.

    They are the same, except where a rectifier gives 0: there the gradient is 0 as well, and the objective is
    the rectifier's input.
    """
    steps = {unit.path: subject.step(unit.path) for unit in units}
    under = {
        path: step.sources[0]
        for path, step in steps.items()
        if isinstance(step.layer, Relu) and subject.sees(step.sources[0])
    }
    found = subject.values(images, {*steps, *under.values()})
    values = _activations(found, [(unit.path, unit) for unit in units])
    beneath = [unit.path in under for unit in units]
    if not any(beneath):
        return values, values
    silent = torch.tensor(beneath, device=values.device) & (values.detach() <= 0)
    return values, torch.where(
        silent, _activations(found, [(under.get(unit.path, unit.path), unit) for unit in units]), values
    )


def _activations(found: dict[str, Tensor], units: Sequence[tuple[str, Unit]]) -> Tensor:
    """The activation of each unit for its image, n, from the values at the units' paths."""
    values: list[Tensor] = [torch.empty(0)] * len(units)
    for path in dict.fromkeys(path for path, _ in units):
        means = found[path].mean((2, 3))
        places = [at for at, (its, unit) in enumerate(units) if its == path and unit.row is None]
        if places:
            maps = [units[at][1].channel or 0 for at in places]
            for at, value in zip(places, means[places, maps], strict=True):
                values[at] = value
        for at, (its, unit) in enumerate(units):
            if its == path and unit.row is not None:
                values[at] = found[path][at, unit.channel, unit.row, unit.column]
    return torch.stack(values)


def _gradient(objective: Tensor, point: Tensor) -> Tensor:
    """The gradient of the objective; zero if it does not depend on the point."""
    if not objective.requires_grad:
        return torch.zeros_like(point)
    found: tuple[Tensor | None, ...] = torch.autograd.grad(objective.sum(), point, allow_unused=True)
    return torch.zeros_like(point) if found[0] is None else found[0]


def _shaken(light: Tensor, shake: Shake, generator: torch.Generator) -> Tensor:
    """The images shifted, rotated and scaled a little, all alike, and reflected at the edges."""
    draws = (2 * torch.rand(4, generator=generator) - 1).tolist()
    angle, size = math.radians(shake.turn * draws[2]), 1 + shake.zoom * draws[3]
    height, width = light.shape[2:]
    cosine, sine = size * math.cos(angle), size * math.sin(angle)
    rows = (
        (cosine, -sine * height / width, 2 * shake.shift * draws[0]),
        (sine * width / height, cosine, 2 * shake.shift * draws[1]),
    )
    theta = torch.tensor(rows, device=light.device)[None].expand(len(light), 2, 3)
    grid = F.affine_grid(theta, list(light.shape), align_corners=False)
    return F.grid_sample(light, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _normal(light: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Values from 0 to 1 as the network sees them, as `Preprocessing.normalise` does for bytes."""
    mean, std = (
        torch.tensor(values, device=light.device).view(-1, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    return (light - mean) / std


@torch.no_grad()
def _pixels(space: Decorrelated, point: Tensor) -> Tensor:
    """The images at a point in 8 bits: uint8, n x h x w x depth."""
    return (255 * space.light(point.detach())).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().contiguous()


@torch.no_grad()
def _scored(subject: Subject, units: Sequence[Unit], images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """The activations of units for finished images, uint8, n x h x w x depth: n."""
    device = next((parameter.device for parameter in subject.module.parameters()), torch.device("cpu"))
    return _responses(subject, units, preprocessing.normalise(images.to(device)))[0].cpu()
