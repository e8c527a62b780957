"""The user's own torch module, with the interface of a network that training, evaluation and files use."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from hubel.errors import NetworkError, UsageError
from hubel.module.network import Heads, Network, class_scores
from hubel.module.survey.follow import survey
from hubel.module.survey.user_line import why
from hubel.net.memory import bytes_to_run
from hubel.net.trace import Step
from hubel.net.volume import Volume, VolumeLike
from hubel.ram import check_fits

Trainable: TypeAlias = "Network | OwnNetwork"
"""What can be trained: a built network, or the user's own module.

Both have `root`, `volume`, `steps`, `output` and `side_weights`; a `notation` or a `maker`, the other is
None; `spare` and `steps_at`.
"""


class OwnNetwork(nn.Module):
    """Any `nn.Module` as a network: n x depth x height x width to n x classes.

    `root` is the module itself. `steps` come from one run on the meta device, and `output` from one run on
    zeros. `maker` is the importable name of what makes the module, such as `model.py:make_model`; the model's
    file stores it in place of a notation.

    Raises UnfitError: the module fails on this volume. Raises NetworkError: its run cannot be recorded, or it
    returns something other than one tensor.
    """

    notation = None
    """No text describes it."""

    def __init__(self, module: nn.Module, volume: VolumeLike, maker: str = "") -> None:
        super().__init__()
        self.root = module
        self.volume = Volume.of(volume)
        self.maker = maker or maker_of(module)
        self.side_weights: dict[str, float] = {}
        self.steps: tuple[Step, ...] = survey(module, self.volume).steps
        check_fits(self.maker, bytes_to_run(self.steps), force=True)  # its parameters are there already
        self.output = self._shape()

    def forward(self, images: Tensor) -> Tensor | Heads:
        """Runs the module. Raises NetworkError: it returns something other than one tensor."""
        scores = self.root(images)
        if not isinstance(scores, Tensor):
            mode = "training" if self.training else "evaluation"
            raise NetworkError(
                f"{self.maker} returns a {type(scores).__name__} in {mode}; a network that is trained "
                "returns its scores alone, one tensor of n x classes"
            )
        return class_scores(scores)

    def spare(self) -> nn.Module:
        """A copy of the module, for the weights of a file to go into."""
        return copy.deepcopy(self.root)

    def steps_at(self, volume: Volume) -> tuple[Step, ...]:
        """The steps on images of another volume. Raises NetworkError: the module does not take them."""
        return OwnNetwork(self.root, volume, self.maker).steps

    @torch.no_grad()
    def _shape(self) -> Volume:
        """Returns the volume of one image's scores, from a run on zeros that leaves the module unchanged."""
        weight = next(self.root.parameters(), torch.empty(0))
        image = torch.zeros(
            1, self.volume.depth, *self.volume.plane, dtype=weight.dtype, device=weight.device
        )
        modes = [(part, part.training) for part in self.modules()]
        try:
            scores = self.eval()(image)
        finally:
            for part, training in modes:
                part.training = training
        assert isinstance(scores, Tensor)
        _, depth, height, width = (*scores.shape, 1, 1)[:4]
        return Volume(height, width, depth)


def maker_of(made: nn.Module | Callable[..., nn.Module]) -> str:
    """Returns the importable name of a module's class, or of a function that makes modules.

    It is `package.module:name`, or `file.py:name` for a definition in a script or a notebook.
    """
    kind = type(made) if isinstance(made, nn.Module) else made
    name = getattr(kind, "__qualname__", type(kind).__qualname__)
    home = getattr(kind, "__module__", "__main__")
    if home == "__main__" or home.startswith("hubel_user_"):
        try:
            home = Path(inspect.getfile(kind)).name
        except (TypeError, OSError):  # defined in an interactive session
            home = "__main__"
    return f"{home}:{name}"


def made_by(maker: Callable[[], nn.Module]) -> nn.Module:
    """Returns the module that a class or function makes.

    Raises UsageError: it makes something else. Raises NetworkError: its code fails.
    """
    try:
        made = maker()
    except Exception as error:  # the user's code may raise anything
        raise NetworkError(f"{maker_of(maker)} fails: {why(error)}") from error
    if not isinstance(made, nn.Module):
        raise UsageError(f"{maker_of(maker)} makes a {type(made).__name__}; a torch.nn.Module is expected")
    return made
