"""What every instrument is given: the model it is held against, and image files as its network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.look import Subject
    from hubel.ship import Model


@dataclass(frozen=True, slots=True)
class Looked:
    """The model an instrument is held against; it is read when an instrument asks for it."""

    text: str

    def model(self) -> Model:
        """The model. Raises ModelError: it cannot be read."""
        from hubel.ship import open_model

        return open_model(self.text)

    def subject(self) -> Subject:
        """The model's network in front of the instruments."""
        from hubel.look import Subject

        return Subject.of(self.model().network)


def seen(model: Model, images: list[str]) -> Tensor:
    """Image files as the network sees them: float32, n x depth x height x width.

    Raises DataError: a file that cannot be read.
    """
    import torch

    from hubel.data import read_image

    pixels = [torch.from_numpy(model.preprocessing.pixels(read_image(Path(image)))) for image in images]
    return model.preprocessing.normalise(torch.stack(pixels))
