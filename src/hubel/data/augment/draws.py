"""The random numbers of a batch's images, the same however many processes share the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws random numbers for `count` images, from number `start` of a batch of `whole`.

    The numbers of the whole batch are drawn and those of these images returned, so that an image gets the
    same ones wherever it is dealt to. All are drawn on the CPU.
    """

    generator: Generator
    whole: int
    start: int
    count: int

    @classmethod
    def of(cls, random: Random, images: Tensor) -> Draws:
        """The draws for images that are a whole batch, where `random` does not know better."""
        if isinstance(random, Draws):
            return random
        return cls(random, len(images), 0, len(images))

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 to 1: float32, `shape` x count."""
        return self._own(torch.rand((*shape, self.whole), generator=self.generator), -1)

    def integers(self, below: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to `below` - 1: int64, `shape` x count."""
        return self._own(torch.randint(below, (*shape, self.whole), generator=self.generator), -1)

    def normal(self, depth: int) -> Tensor:
        """Numbers of a standard normal distribution: float32, count x `depth`."""
        return self._own(torch.randn((self.whole, depth), generator=self.generator), 0)

    def _own(self, drawn: Tensor, dimension: int) -> Tensor:
        return drawn.narrow(dimension, self.start, self.count)


Random: TypeAlias = Generator | Draws
"""Where random numbers come from: torch's generator, or draws for a part of a batch."""
