"""hubel: write a convolutional network down, know everything about it, train it, look inside it, ship it.

The layers are here at once; any other name is imported when it is first used, and torch only if it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubel.net.names import *  # noqa: F403 - the layers, each of which is named there and nowhere else
from hubel.net.names import LAYERS as _LAYERS
from hubel.version import __version__ as __version__

if TYPE_CHECKING:
    from hubel import zoo as zoo
    from hubel.data.augment.policy import Augmentation as Augmentation
    from hubel.errors import HubelError as HubelError
    from hubel.evaluation.metrics import Evaluation as Evaluation
    from hubel.model.file import Model as Model
    from hubel.model.open import open_model as _open_model
    from hubel.model.prediction import Prediction as Prediction
    from hubel.module.weights import load_weights as load_weights
    from hubel.net.algebra import Net as Net
    from hubel.net.algebra import gate as gate
    from hubel.net.algebra import named as named
    from hubel.net.algebra import side as side
    from hubel.net.field import Box as Box
    from hubel.net.field import Field as Field
    from hubel.net.layer import Layer as Layer
    from hubel.net.ledger import Ledger as Ledger
    from hubel.net.ledger import Row as Row
    from hubel.net.ledger import Totals as Totals
    from hubel.net.notation import parse as parse
    from hubel.net.trace import Step as Step
    from hubel.net.trace import at_inference as at_inference
    from hubel.net.trace import trace as trace
    from hubel.net.volume import Volume as Volume
    from hubel.net.volume import VolumeLike as VolumeLike
    from hubel.tasks.bench import bench as bench
    from hubel.tasks.compare import compare as compare
    from hubel.tasks.data import data_check as data_check
    from hubel.tasks.data import data_fetch as data_fetch
    from hubel.tasks.data_preview import data_preview as data_preview
    from hubel.tasks.diff import diff as diff
    from hubel.tasks.draw import draw as draw
    from hubel.tasks.ensemble import resume_ensemble as resume_ensemble
    from hubel.tasks.ensemble import train_ensemble as train_ensemble
    from hubel.tasks.evaluate import evaluate as evaluate
    from hubel.tasks.explore import explore as explore
    from hubel.tasks.export import export as export
    from hubel.tasks.import_model import import_model as import_model
    from hubel.tasks.import_weights import import_weights as import_weights
    from hubel.tasks.info import info as info
    from hubel.tasks.look.eye import look as look
    from hubel.tasks.network import build as build
    from hubel.tasks.network import ledger as ledger
    from hubel.tasks.notation import notation as notation
    from hubel.tasks.predict import predict as predict
    from hubel.tasks.resume import resume as resume
    from hubel.tasks.run import Run as Run
    from hubel.tasks.serve import serve as serve
    from hubel.tasks.table import table as table
    from hubel.tasks.train import train as train
    from hubel.training.settings.recipe import Recipe as Recipe

    load = _open_model

_DOORS = {
    "Augmentation": "hubel.data.augment.policy:Augmentation",
    "Box": "hubel.net.field:Box",
    "Evaluation": "hubel.evaluation.metrics:Evaluation",
    "Field": "hubel.net.field:Field",
    "HubelError": "hubel.errors:HubelError",
    "Layer": "hubel.net.layer:Layer",
    "Ledger": "hubel.net.ledger:Ledger",
    "Model": "hubel.model.file:Model",
    "Net": "hubel.net.algebra:Net",
    "Prediction": "hubel.model.prediction:Prediction",
    "Recipe": "hubel.training.settings.recipe:Recipe",
    "Row": "hubel.net.ledger:Row",
    "Run": "hubel.tasks.run:Run",
    "Step": "hubel.net.trace:Step",
    "Totals": "hubel.net.ledger:Totals",
    "Volume": "hubel.net.volume:Volume",
    "VolumeLike": "hubel.net.volume:VolumeLike",
    "at_inference": "hubel.net.trace:at_inference",
    "bench": "hubel.tasks.bench:bench",
    "build": "hubel.tasks.network:build",
    "compare": "hubel.tasks.compare:compare",
    "data_check": "hubel.tasks.data:data_check",
    "data_fetch": "hubel.tasks.data:data_fetch",
    "data_preview": "hubel.tasks.data_preview:data_preview",
    "diff": "hubel.tasks.diff:diff",
    "draw": "hubel.tasks.draw:draw",
    "evaluate": "hubel.tasks.evaluate:evaluate",
    "explore": "hubel.tasks.explore:explore",
    "export": "hubel.tasks.export:export",
    "import_model": "hubel.tasks.import_model:import_model",
    "import_weights": "hubel.tasks.import_weights:import_weights",
    "gate": "hubel.net.algebra:gate",
    "info": "hubel.tasks.info:info",
    "ledger": "hubel.tasks.network:ledger",
    "load": "hubel.model.open:open_model",
    "load_weights": "hubel.module.weights:load_weights",
    "look": "hubel.tasks.look.eye:look",
    "named": "hubel.net.algebra:named",
    "notation": "hubel.tasks.notation:notation",
    "parse": "hubel.net.notation:parse",
    "predict": "hubel.tasks.predict:predict",
    "resume": "hubel.tasks.resume:resume",
    "serve": "hubel.tasks.serve:serve",
    "side": "hubel.net.algebra:side",
    "table": "hubel.tasks.table:table",
    "trace": "hubel.net.trace:trace",
    "train": "hubel.tasks.train:train",
    "resume_ensemble": "hubel.tasks.ensemble:resume_ensemble",
    "train_ensemble": "hubel.tasks.ensemble:train_ensemble",
    "zoo": "hubel.zoo",
}
"""Where each name is imported from when it is first used: `module:name`, or a module."""

if not TYPE_CHECKING:  # type checkers know the names from above, and take no list that is put together
    __all__ = list(_DOORS)
    __all__ += list(_LAYERS)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> Any:
        if name not in _DOORS:
            raise AttributeError(f"module 'hubel' has no attribute {name!r}")
        from pkgutil import resolve_name

        found = globals()[name] = resolve_name(_DOORS[name])  # the next time it is found at once
        return found
