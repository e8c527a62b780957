"""hubel: write a convolutional network down, know everything about it, train it, look inside it, ship it.

The algebra is here at once; a verb's function, and whatever needs torch, is imported when it is first used.
"""

from __future__ import annotations

import importlib
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
from hubel.net.names import *  # noqa: F403 - the layers, each of which is named there and nowhere else
from hubel.net.names import LAYERS as _LAYERS
from hubel.net.notation import parse as parse
from hubel.net.trace import Step as Step
from hubel.net.trace import at_inference as at_inference
from hubel.net.trace import trace as trace
from hubel.net.volume import Volume as Volume
from hubel.net.volume import VolumeLike as VolumeLike
from hubel.version import __version__ as __version__

if TYPE_CHECKING:
    from hubel import zoo as zoo
    from hubel.data.augment.policy import Augmentation as Augmentation
    from hubel.evaluation.metrics import Evaluation as Evaluation
    from hubel.model.file import Model as Model
    from hubel.model.open import open_model as _open_model
    from hubel.model.prediction import Prediction as Prediction
    from hubel.module.weights import load_weights as load_weights
    from hubel.tasks.compare import compare as compare
    from hubel.tasks.data import data_check as data_check
    from hubel.tasks.data import data_fetch as data_fetch
    from hubel.tasks.data_preview import data_preview as data_preview
    from hubel.tasks.diff import diff as diff
    from hubel.tasks.draw import draw as draw
    from hubel.tasks.evaluate import evaluate as evaluate
    from hubel.tasks.import_weights import import_weights as import_weights
    from hubel.tasks.look.eye import look as look
    from hubel.tasks.network import build as build
    from hubel.tasks.network import ledger as ledger
    from hubel.tasks.predict import predict as predict
    from hubel.tasks.resume import resume as resume
    from hubel.tasks.run import Run as Run
    from hubel.tasks.table import table as table
    from hubel.tasks.train import train as train
    from hubel.training.settings.recipe import Recipe as Recipe

    load = _open_model

_DOORS = {
    "Augmentation": "hubel.data.augment.policy",
    "Evaluation": "hubel.evaluation.metrics",
    "Model": "hubel.model.file",
    "Prediction": "hubel.model.prediction",
    "Recipe": "hubel.training.settings.recipe",
    "Run": "hubel.tasks.run",
    "build": "hubel.tasks.network",
    "compare": "hubel.tasks.compare",
    "data_check": "hubel.tasks.data",
    "data_fetch": "hubel.tasks.data",
    "data_preview": "hubel.tasks.data_preview",
    "diff": "hubel.tasks.diff",
    "draw": "hubel.tasks.draw",
    "evaluate": "hubel.tasks.evaluate",
    "import_weights": "hubel.tasks.import_weights",
    "ledger": "hubel.tasks.network",
    "look": "hubel.tasks.look.eye",
    "load": "hubel.model.open:open_model",
    "load_weights": "hubel.module.weights",
    "predict": "hubel.tasks.predict",
    "resume": "hubel.tasks.resume",
    "table": "hubel.tasks.table",
    "train": "hubel.tasks.train",
    "zoo": "hubel:zoo",
}
"""The names that are imported when first used, and where from; `module:name` for a name that differs."""

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
        "named",
        "parse",
        "side",
        "trace",
    ]
    __all__.extend([*_DOORS, *_LAYERS])

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> Any:
        if name == "zoo":
            return importlib.import_module("hubel.zoo")
        if name in _DOORS:
            module, _, other = _DOORS[name].partition(":")
            found = getattr(importlib.import_module(module), other or name)
            globals()[name] = found  # the next time it is found at once
            return found
        raise AttributeError(f"module 'hubel' has no attribute {name!r}")
