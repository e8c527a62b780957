"""hubel: write a convolutional network down, know everything about it, train it, look inside it, ship it.

The algebra and the arithmetic are here at once; whatever needs torch is imported when first used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from hubel.errors import HubelError as HubelError
from hubel.net.algebra import Net as Net
from hubel.net.algebra import named as named
from hubel.net.algebra import side as side
from hubel.net.field import Box as Box
from hubel.net.field import Field as Field
from hubel.net.layer import Layer as Layer
from hubel.net.ledger import Ledger as Ledger
from hubel.net.ledger import Row as Row
from hubel.net.ledger import Totals as Totals
from hubel.net.ledger import ledger as _ledger
<<<<<<< HEAD
from hubel.net.names import *  # noqa: F403 - the layers, each of which is named there and nowhere else
from hubel.net.names import LAYERS as _LAYERS
from hubel.net.notation import parse as parse
from hubel.net.trace import Step as Step
from hubel.net.trace import at_inference as at_inference
from hubel.net.trace import trace as trace
from hubel.net.volume import Volume as Volume
from hubel.net.volume import VolumeLike as VolumeLike
=======
from hubel.net.names import (
    adaptiveavgpool,
    avgpool,
    batchnorm,
    conv,
    dropout,
    fc,
    gelu,
    globalavgpool,
    identity,
    lrn,
    maxpool,
    padshortcut,
    rbf,
    relu,
    relu6,
    sigmoid,
    softmax,
    subsample,
    tanh,
)
from hubel.net.notation import parse
from hubel.net.trace import Step, at_inference, trace
from hubel.net.volume import Volume, VolumeLike
from hubel.version import __version__ as __version__
>>>>>>> model

if TYPE_CHECKING:
    from torch import nn

    from hubel import zoo as zoo
    from hubel.model.file import load as load
    from hubel.module.network import build as build
    from hubel.module.weights import load_weights as load_weights

_LATER = {
    "build": "hubel.module.network",
    "load": "hubel.model.file",
    "load_weights": "hubel.module.weights",
}
"""Names that are imported when first used, and where from."""


def ledger(net: Net | nn.Module, volume: VolumeLike, *, strict: bool = False) -> Ledger:
    """The ledger of a network, or of any torch module, on an input volume.

    Of a module it is read off one run on the meta device: see `hubel.module.survey`. Raises UnfitError:
    it does not fit; its `steps` are those before. Raises NetworkError: a module that cannot be followed.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(net, torch.nn.Module):
        from hubel.module.survey.follow import survey

        return survey(net, volume, strict=strict)
    return _ledger(net, volume, strict=strict)  # type: ignore[arg-type]  # trace refuses what is no network


if not TYPE_CHECKING:  # type checkers know the names from above, and take no list that is put together
    __all__ = [
        "Box",
        "Field",
        "HubelError",
        "Layer",
        "Ledger",
        "Net",
        "Row",
        "Step",
        "Totals",
        "Volume",
        "VolumeLike",
        "at_inference",
        "build",
        "ledger",
        "load",
        "load_weights",
        "named",
        "parse",
        "side",
        "trace",
        "zoo",
    ]
    __all__.extend(_LAYERS)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> Any:
        if name == "zoo":
            return importlib.import_module("hubel.zoo")
        if name in _LATER:
            return getattr(importlib.import_module(_LATER[name]), name)
        raise AttributeError(f"module 'hubel' has no attribute {name!r}")
