"""What the values in a network reveal: maps that are dead, and numbers that are not finite."""

from __future__ import annotations

import torch
from torch import Tensor

from hubel.instruments.subject import Subject
from hubel.module.own import Trainable
from hubel.net.activations import Relu


@torch.no_grad()
def dead_maps(network: Trainable, images: Tensor) -> dict[str, float]:
    """The share of each rectifier's maps that are 0 at every place of every image, by path.

    Images: n x depth x height x width, as the network sees them; some hundreds tell.
    """
    subject = Subject.of(network)
    dead: dict[str, float] = {}

    def look(path: str, value: Tensor) -> Tensor:
        dead[path] = (value == 0).all(3).all(2).all(0).double().mean().item()
        return value

    subject.run(images.float(), look, [step.path for step in subject.steps if isinstance(step.layer, Relu)])
    return dead


@torch.no_grad()
def first_non_finite(network: Trainable, images: Tensor) -> str | None:
    """The path of the first layer from which an infinity or NaN comes, or of the number in it that is one.

    A path such as `conv2`, or `conv2.weight` where the layer's own numbers are not finite; None where all
    is finite in evaluation mode. Images: as `dead_maps`.
    """
    subject = Subject.of(network)
    broken = [name for name, value in network.state_dict().items() if not value.isfinite().all()]
    found: list[str] = []

    def look(path: str, value: Tensor) -> Tensor:
        if not value.isfinite().all():
            found.append(path)
        return value

    subject.run(images.float(), look, [step.path for step in subject.steps])
    own = [name for name in broken if not found or name.startswith(f"{found[0]}.")]
    return next(iter([*own, *found]), None)
