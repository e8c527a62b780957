"""`evaluate`: how well a model does on labelled images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from hubel.data.feed.bad import OnBad
from hubel.engines.engine import AUTO, TORCH
from hubel.evaluation.model import ModelEvaluation, measure
from hubel.model.classifier import classifier
from hubel.model.exported import Exported, is_exported
from hubel.model.header import is_ensemble
from hubel.model.open import open_model
from hubel.tasks.words import one_of
from hubel.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from hubel.model.file import Model


def evaluate(
    model: Model | str | Path,
    data: Any,
    *,
    split: str = "auto",
    on_bad: str = "stop",
    engine: str | None = None,
    protocol: str = "",
    allow_code: bool = False,
    force: bool = False,
) -> ModelEvaluation:
    """Measures a model on labelled images: `.top1`, `.loss`, `.confusion`, `.f1`, `.mistakes()` and more.

    `model` is a model, its file, a run's folder or the name of a trained network; `data` is whatever
    `hubel.train` takes. `split` is train, val, test, or auto: the test set if there is one, else the
    validation set. If the data has no splits, auto takes the images held out for validation when the model
    was trained on them, else all images that are new to the model. `on_bad` is what to do with unreadable
    images: stop or skip. `engine` runs the network, as for `hubel.predict`; by default torch, as in training,
    or for an exported file what it is for. `protocol` is a paper's way to test: ten-crop, 144-crop, dense,
    multi-scale, or dense:S,S at short sides S, in pixels for a network that sees 224. A folder of runs stands
    for the ensemble of their models. `allow_code` and `force` are as for `hubel.load`. Processes that
    torchrun or the like has started share the images; all return the same.

    Raises ModelError, DataError, UsageError: the model, the data or an argument cannot be used.
    """
    way = one_of("on_bad", on_bad, get_args(OnBad))
    world = World.join()
    with world.unbroken():
        if engine in {None, TORCH} and not is_exported(model) and not is_ensemble(model):
            runs: Any = open_model(model, allow_code=allow_code, force=force)
        else:
            runs = classifier(model, engine or AUTO, allow_code=allow_code, force=force)
        of = None
        if isinstance(runs, Exported) and not is_exported(model):
            of = open_model(model, allow_code=allow_code, force=force)
        return measure(runs, data, split, way, protocol=protocol, world=world, of=of)
