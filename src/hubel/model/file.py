"""A trained network with all it takes to use it: weights, classes, preprocessing, in one file."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
from PIL.Image import Image
from torch import Tensor

import hubel
from hubel.data.image.preprocess import Preprocessing
from hubel.data.marks import marks, read
from hubel.errors import HubelError, ModelError
from hubel.files import write_whole
from hubel.model.header import Header, read_header
from hubel.module.network import Network
from hubel.module.views import VIEWS, scores
from hubel.net.notation import parse
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Flags

SEEN = "seen"
"""The place in a summary of the marks of the images that a model was trained on."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network whose scores stand for `classes`, and the way from an image to its input.

    `network` gives scores, without a final softmax. Their mean over `views` of an image is divided by
    `temperature` before the softmax. `summary` says how it was trained.
    """

    network: Network
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    summary: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    views: str = "one"

    @property
    def header(self) -> Header:
        """What the model's file says of it."""
        return Header(
            notation=repr(self.network.net),
            volume=self.network.volume,
            classes=self.classes,
            preprocessing=self.preprocessing.to_json(),
            versions={
                "hubel": hubel.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            summary=self.summary,
            temperature=self.temperature,
            views=self.views,
        )

    @property
    def seen(self) -> frozenset[bytes]:
        """The marks of the images that it was trained on, none where they are not known."""
        return read(self.summary.get(SEEN, ""))

    def saw(self, images: Bytes) -> Flags:
        """Which images, as it sees them, it was trained on, as far as is known: bool, n.

        `images`: uint8, n x h x w x c. What is kept of the training is a mark of every image.
        """
        seen = self.seen
        return np.array([mark in seen for mark in marks(images)] if seen else [False] * len(images), bool)

    def save(self, path: Path) -> None:
        """Writes the model as one file, whole or not at all."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        write_whole(path, safetensors.torch.save(state, self.header.to_metadata()))

    def probabilities(self, images: Sequence[Image | Path | str]) -> Tensor:
        """The probability of each class for each image: float32, images x classes.

        A file, by its path, is read as in training; an image in memory is taken as it is.

        Raises DataError: an image that cannot be used.
        """
        take = self.preprocessing
        seen = [take.read(Path(p)) if isinstance(p, str | Path) else take.pixels(p) for p in images]
        return self.probabilities_of(np.stack(seen))

    @torch.inference_mode()
    def probabilities_of(self, pixels: Bytes) -> Tensor:
        """The same for images that were read: uint8, images x height x width x depth."""
        self.network.eval()
        there = torch.from_numpy(pixels).to(next(self.network.parameters()).device)
        found = scores(self.network, self.preprocessing.normalise(there), self.views)
        return (found / self.temperature).softmax(1).cpu()


def load(path: str | Path) -> Model:
    """Loads a model from its file.

    Raises ModelError: no such file, damaged, or weights that are not the network's.
    """
    path = Path(path)
    header = read_header(path)
    try:
        network = Network(parse(header.notation), header.volume, scores=True)
        preprocessing = Preprocessing.from_json(header.preprocessing)
    except HubelError as error:
        raise ModelError(f"{path}: its metadata cannot be used: {error}") from None
    sees = Volume(preprocessing.height, preprocessing.width, preprocessing.depth)
    if sees != header.volume:
        raise ModelError(f"{path}: its preprocessing makes {sees}, its network sees {header.volume}")
    if network.output.values != len(header.classes):
        raise ModelError(f"{path}: it names {len(header.classes)} classes for {network.output.values} scores")
    if header.views not in VIEWS:
        raise ModelError(f"{path}: it looks at views {header.views!r}; known are {', '.join(VIEWS)}")
    _take(network, safetensors.torch.load_file(path), path)
    network.eval()
    model = Model(network, header.classes, preprocessing, header.summary, header.temperature, header.views)
    try:
        model.seen  # noqa: B018 - asked for what is wrong with it
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: its marks of images cannot be read: {error}") from None
    return model


def _take(network: Network, state: dict[str, Tensor], path: Path) -> None:
    """Gives a network the weights of a file. Raises ModelError: the first that is not the network's."""
    expected = {name: _form(value) for name, value in network.state_dict().items()}
    found = {name: _form(value) for name, value in state.items()}
    for name in (*expected, *found):
        if expected.get(name) != found.get(name):
            wanted, had = expected.get(name, "nothing"), found.get(name, "nothing")
            raise ModelError(f"{path}: for {name} its network has {wanted}, the file {had}")
    network.load_state_dict(state)  # copied: the file's own memory would change with the file


def _form(tensor: Tensor) -> str:
    """What a tensor is, its values apart: `float32 6x1x5x5`."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {'x'.join(map(str, tensor.shape)) or 'number'}"
