"""An augmentation of the user's own: a function of images, in place of hubel's policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from hubel.data.augment.colour import Colours
from hubel.data.augment.draws import Draws, Random
from hubel.errors import DataError


@dataclass(frozen=True, slots=True)
class OwnAugmentation:
    """Calls `change` on every batch: images, uint8, n x h x w x c, to images of the same shape and type.

    It is called with a torch generator, for a GPU in a thread of its own; a function that draws its random
    numbers from that one makes the same variants for the same seed.
    """

    change: Callable[[Tensor, Generator], Tensor]
    mixes: bool = False
    needs_colours: bool = False

    def apply(
        self,
        images: Tensor,
        random: Random,
        *,
        indices: Tensor,
        epoch: int,
        colours: Colours | None = None,
    ) -> Tensor:
        """The changed images; the given ones are copied first. Raises DataError: another shape or type."""
        changed = self.change(images.clone(), random.generator if isinstance(random, Draws) else random)
        if not isinstance(changed, Tensor) or changed.shape != images.shape or changed.dtype != torch.uint8:
            found = (
                f"{changed.dtype} of {tuple(changed.shape)}"
                if isinstance(changed, Tensor)
                else type(changed).__name__
            )
            raise DataError(
                f"the augmentation returns {found}; it is to return uint8 of {tuple(images.shape)}, "
                "images x height x width x depth, as it was given"
            )
        return changed

    def mix(
        self, images: Tensor, labels: Tensor, classes: int, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """The images and labels as they are: nothing is mixed."""
        return images, labels
