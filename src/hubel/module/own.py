"""A module of the user's own, with what training, evaluation and the model's file ask of a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from hubel.errors import NetworkError
from hubel.module.network import Heads, Network, class_scores
from hubel.module.survey.follow import survey
from hubel.net.trace import Step
from hubel.net.volume import Volume, VolumeLike

Trainable: TypeAlias = "Network | OwnNetwork"
"""What can be trained: a built network, or a module of the user's own."""


class OwnNetwork(nn.Module):
    """Any `nn.Module` as a network: images in, n x depth x height x width; scores out, n x classes.

    `root` is the module itself: its parameters keep their names. `steps` and `output` are read off one run
    on the meta device. `maker` is the importable name of what makes the module, such as
    `model.py:make_model`: the model's file keeps it in place of a notation.

    Raises SizeError: the module fails on this volume. Raises NetworkError: it cannot be followed, or
    returns something other than one tensor.
    """

    def __init__(self, module: nn.Module, volume: VolumeLike, maker: str = "") -> None:
        super().__init__()
        self.root = module
        self.volume = Volume.of(volume)
        self.maker = maker or maker_of(module)
        self.side_weights: dict[str, float] = {}
        self.steps: tuple[Step, ...] = survey(module, self.volume).steps
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

    @torch.no_grad()
    def _shape(self) -> Volume:
        """The volume of one image's scores: that of a run on zeros, which leaves the module as it was."""
        weight = next(self.root.parameters(), torch.empty(0))
        image = torch.zeros(
            1, self.volume.depth, *self.volume.plane, dtype=weight.dtype, device=weight.device
        )
        modes = [(part, part.training) for part in self.modules()]
        try:
            found = self.eval()(image)
        finally:
            for part, training in modes:
                part.training = training
        assert isinstance(found, Tensor)
        _, depth, height, width = (*found.shape, 1, 1)[:4]
        return Volume(height, width, depth)


def maker_of(made: nn.Module | Callable[..., nn.Module]) -> str:
    """The importable name of a module's class, or of a function that makes one.

    `package.module:name`, or `file.py:name` for what a script or a notebook defines.
    """
    kind = type(made) if isinstance(made, nn.Module) else made
    name = getattr(kind, "__qualname__", type(kind).__qualname__)
    home = getattr(kind, "__module__", "__main__")
    if home == "__main__" or home.startswith("hubel_user_"):
        try:
            home = Path(inspect.getfile(kind)).name
        except (TypeError, OSError):  # typed into a session
            home = "__main__"
    return f"{home}:{name}"
