"""The network in front of the instruments, with its preprocessing and the names of its classes."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

from hubel.data.image.objects import as_seen, is_path
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError, nearest_or_few
from hubel.instruments.subject import Subject
from hubel.module.network import Network
from hubel.module.own import OwnNetwork
from hubel.net.algebra import Net
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.image.objects import ImageLike
    from hubel.model.file import Model
    from hubel.net.volume import VolumeLike

Lookable: TypeAlias = "Model | nn.Module | str | os.PathLike[str]"
"""What can be looked at: a model, a module, a run, or the name or path of a model or a run's folder."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A network in front of the instruments, with all it takes to show it images.

    `where` is what it was opened from, or what to call it. `classes` are the names of its scores; where
    nobody gave names (`named` is False), they are numbers. `model` is None for a bare module. `allow_code`
    and `force` are for the models that it is compared with.
    """

    where: str
    subject: Subject
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    model: Model | None = None
    named: bool = True
    allow_code: bool = False
    force: bool = False

    @property
    def name(self) -> str:
        """A short name: the stem of the model's file or the name of the run's folder."""
        return Path(self.where).stem

    def pixels(self, image: ImageLike) -> Bytes:
        """Returns an image at the size of the network's input: uint8, height x width x depth.

        Raises DataError: an image that cannot be read.
        """
        return as_seen(image, self.preprocessing)

    def seen(self, image: ImageLike) -> Tensor:
        """Returns an image as the network sees it: float32, depth x height x width.

        Raises DataError: an image that cannot be read.
        """
        return self.batch(image)[0]

    def batch(self, image: ImageLike) -> Tensor:
        """Returns an image as a batch of one, which keeps the layout in memory of a larger batch.

        Raises DataError: an image that cannot be read.
        """
        return self.preprocessing.normalise(torch.from_numpy(self.pixels(image))[None])

    def label(self, name: str) -> int:
        """Returns a class's number by its name. Raises UsageError: no such class."""
        if not isinstance(name, str):
            raise UsageError(f"a class is given by name, a text such as {self.classes[0]!r}, not {name!r}")
        if name not in self.classes:
            hint = nearest_or_few(name, self.classes, "classes")
            raise UsageError(f"the model has no class {name!r}{hint}")
        return self.classes.index(name)


@dataclass(frozen=True, slots=True)
class Bare:
    """What a bare module does not know: its volume, classes, preprocessing, and which result to take."""

    volume: VolumeLike | None = None
    classes: Sequence[str] | None = None
    preprocessing: Preprocessing | None = None
    output: str | None = None

    @property
    def given(self) -> bool:
        """Whether any of it was given."""
        return any(each is not None for each in (self.volume, self.classes, self.preprocessing, self.output))


def open_specimen(
    model: Lookable, bare: Bare | None = None, *, allow_code: bool = False, force: bool = False
) -> Specimen:
    """Opens whatever can be looked at; the arguments are those of `hubel.look`.

    Raises ModelError: a model that cannot be read. Raises UsageError: nothing that can be looked at, or
    what was given for a bare module does not fit it. Raises SizeError, NetworkError: a module that does
    not run on the volume.
    """
    from hubel.model.file import Model
    from hubel.model.open import open_model

    if isinstance(model, nn.Module):
        return _of_module(model, bare or Bare())
    if isinstance(model, Net):
        raise UsageError("the network has no weights yet; build it first: look(hubel.build(net, volume))")
    if bare is not None and bare.given:
        raise UsageError(
            "a model knows its volume, classes, preprocessing and output; give them with a module only"
        )
    where = os.fspath(model) if is_path(model) else type(model).__name__
    if is_path(model):
        model = open_model(model, allow_code=allow_code, force=force)
    if not isinstance(model, Model):
        raise UsageError(
            "look takes a model, a run's folder, a model's file, the name of a pretrained network, or a "
            f"torch module with its input volume, not {where}; hubel.build(net, volume) makes a module"
        )
    if model.untrained:
        warnings.warn("the model's head was never trained: its scores mean nothing", stacklevel=3)
    subject = Subject.of(_on_cpu(model.network))
    return Specimen(
        where,
        subject,
        model.preprocessing,
        model.classes,
        model,
        allow_code=allow_code,
        force=force,
    )


def _of_module(module: nn.Module, bare: Bare) -> Specimen:
    """The specimen of a bare module; without names, its classes are numbers."""
    volume, classes = bare.volume, bare.classes
    subject = Subject.of(_on_cpu(module), volume, output=bare.output)
    fixed = isinstance(module, Network | OwnNetwork)
    if fixed and volume is not None and Volume.of(volume) != subject.volume:
        raise UsageError(f"the network is built for {subject.volume}, not for {Volume.of(volume)}")
    take = bare.preprocessing or Preprocessing.of(subject.volume)
    makes = Volume(take.height, take.width, take.depth)
    if makes != subject.volume:
        raise UsageError(f"the preprocessing makes {makes}, the network sees {subject.volume}")
    scores = subject.last.output.depth
    names = tuple(map(str, range(scores) if classes is None else classes))
    if len(names) != scores:
        raise UsageError(f"the network has {scores} scores, not {len(names)}: give a name for each class")
    return Specimen(type(module).__name__, subject, take, names, named=classes is not None)


def _on_cpu(module: nn.Module) -> nn.Module:
    """The module, or a copy of one that is on a GPU: instruments run on the CPU."""
    device = next((parameter.device.type for parameter in module.parameters()), "cpu")
    return module if device == "cpu" else copy.deepcopy(module).cpu()


def at_least_one(name: str, value: int) -> None:
    """Raises UsageError: the value of this argument is below 1."""
    if value < 1:
        raise UsageError(f"{name} is at least 1, not {value}")
