"""The augmentation policy: which variants of the training images are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Generator, Tensor

from hubel.data.augment.colour import Colours, jitter, pca
from hubel.data.augment.draws import Random
from hubel.data.augment.geometry import alternate, crop, cutout, erase, flip, rescaled, shift
from hubel.data.augment.mixing import cutmix, mixup
from hubel.data.augment.trivial import trivial
from hubel.errors import UsageError, nearest

Flip: TypeAlias = Literal["none", "random", "alternating"]

PAPERS_SIDE = 224
"""The side, in pixels, that the papers' networks see."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """An augmentation policy, applied in this order; the default changes nothing.

    `crop`: the smallest share of the area that a random crop keeps, 1 for no crop. `scales`: none, or the
    least and the greatest length, in the pixels of a paper whose network sees 224, to which the short side is
    scaled before a random crop. `flip`: how images are
    mirrored. `shift`: the most pixels an image is moved by. `trivial`: whether TrivialAugment is applied.
    `jitter`: how much brightness, contrast and saturation vary. `pca`: the standard deviation of AlexNet's
    colour shift, `pca_epochs` the first epochs, in which alone there is one, 0 for all. `cutout`: the side in
    pixels of a square covered with the mean colour; `erase`: the probability that a rectangle of 2 to 33 % of
    the area is. `mixup` and `cutmix`: the alpha of the Beta distribution
    of the mixing shares, 0 for no mixing; with both, each batch uses one.

    Raises UsageError: a value outside its range.
    """

    flip: Flip = "none"
    shift: int = 0
    crop: float = 1.0
    scales: tuple[float, ...] = ()
    cutout: int = 0
    erase: float = 0.0
    pca: float = 0.0
    pca_epochs: int = 0
    jitter: float = 0.0
    trivial: bool = False
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        known = get_args(Flip)
        if self.flip not in known:
            raise UsageError(
                f"flip is one of {', '.join(known)}, not {self.flip!r}{nearest(str(self.flip), known)}"
            )
        for name, unit in (("shift", "pixels"), ("cutout", "pixels"), ("pca_epochs", "epochs")):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is a number of {unit} of at least 0, not {getattr(self, name)}")
        if not 0 < self.crop <= 1:
            raise UsageError(f"crop is a share of the area above 0 and at most 1, not {self.crop}")
        if self.scales and not (len(self.scales) == 2 and PAPERS_SIDE <= self.scales[0] <= self.scales[1]):
            raise UsageError(
                f"scales is none or two lengths in pixels, of at least {PAPERS_SIDE} and rising, such as "
                f"[256, 512], not {list(self.scales)}"
            )
        for name in ("jitter", "erase"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is from 0 to 1, not {getattr(self, name)}")
        for name in ("pca", "mixup", "cutmix"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is a finite number of at least 0, not {getattr(self, name)}")

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, so that targets are class shares."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def needs_colours(self) -> bool:
        """Whether `apply` uses the colours of the training set."""
        return self.pca > 0 or self.cutout > 0 or self.erase > 0

    def apply(  # noqa: C901 - one case for each operation
        self,
        images: Tensor,
        random: Random,
        *,
        indices: Tensor,
        epoch: int,
        colours: Colours | None = None,
    ) -> Tensor:
        """Returns a variant of each image, with the same shape, type and device; `images` are not changed.

        Images: uint8, n x h x w x c. `indices`: int64, n, on the CPU; the images' places in their set, used
        by alternating flips. `colours`: those of the training set; default: those of these images.

        Raises DataError: as `shift` and `cutout`.
        """
        if self.crop < 1:
            images = crop(images, self.crop, random)
        if self.scales:
            least, most = self.scales
            images = rescaled(images, PAPERS_SIDE / least, PAPERS_SIDE / most, random)
        if self.flip != "none":
            drawn = self.flip == "random"
            images = flip(images, random) if drawn else alternate(images, indices, epoch)
        if self.shift:
            images = shift(images, self.shift, random)
        if self.trivial:
            images = trivial(images, random)
        if self.jitter:
            images = jitter(images, self.jitter, random)
        if self.needs_colours:
            colours = colours or Colours.of(images)
            if self.pca and not 0 < self.pca_epochs <= epoch:
                images = pca(images, self.pca, colours, random)
            if self.cutout:
                images = cutout(images, self.cutout, colours.mean, random)
            if self.erase:
                images = erase(images, self.erase, colours.mean, random)
        return images

    def mix(
        self, images: Tensor, labels: Tensor, classes: int, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Returns mixed images and their targets: float32, n x `classes`, each row of sum 1.

        Images: float32, n x c x h x w, as the network sees them; labels: int64, n, on the same device.
        """
        targets = F.one_hot(labels, classes).float()
        both = self.mixup > 0 and self.cutmix > 0
        if self.cutmix and (not both or torch.rand((), generator=generator) < 0.5):
            return cutmix(images, targets, self.cutmix, generator)
        if self.mixup:
            return mixup(images, targets, self.mixup, generator)
        return images, targets
