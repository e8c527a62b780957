"""A trained model as its files and engines need it: what `Model` is, without its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.data.arrays import Bytes
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.header import Header
    from hubel.module.own import Trainable


class Trained(Protocol):
    """A network with all it takes to use it; see `hubel.model.file.Model`."""

    @property
    def network(self) -> Trainable:
        """The network, for scores."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What makes an image the network's input."""

    @property
    def header(self) -> Header:
        """The header of the model's file."""

    @property
    def views(self) -> str:
        """The views of an image whose scores are averaged."""

    @property
    def temperature(self) -> float:
        """What scores are divided by."""

    def check_trained(self) -> None:
        """Raises ModelError: the head was never trained."""

    def probabilities_of(self, pixels: Bytes) -> Tensor:
        """Returns float32, images x classes, for images after preprocessing."""
