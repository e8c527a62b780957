"""hubel: write a convolutional network down, know everything about it, train it, look inside it, ship it.

The algebra and the arithmetic are here at once; whatever needs torch is imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hubel.errors import HubelError
from hubel.net import *  # noqa: F403
from hubel.net import __all__ as _net_names

if TYPE_CHECKING:
    from hubel import zoo as zoo
    from hubel.module import build as build
    from hubel.ship import load as load

__version__ = "0.1.0"

_LATER = {
    "build": "hubel.module",
    "load": "hubel.ship",
}
"""Names that are imported when first used, and where from."""

__all__ = ["HubelError", "build", "load", "zoo", *_net_names]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "zoo":
        return importlib.import_module("hubel.zoo")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'hubel' has no attribute {name!r}")
