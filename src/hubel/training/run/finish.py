"""The end of a run: the best model is evaluated as it will be used, and calibrated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hubel.data.feed.batches import Batch
from hubel.device import now
from hubel.evaluation.calibration import temperature
from hubel.evaluation.metrics import EVALUATION_BATCH, Evaluation, evaluate
from hubel.model.file import Model
from hubel.training.run.folder import RunFolder
from hubel.training.run.prepare import Prepared
from hubel.training.run.statistics import set_exact_statistics
from hubel.world import ALONE

TIMED = 32
"""How many validation images tell how long all of them will take."""

SLOWER = 1.2
"""The margin for other programs: finishing may take this many times what was measured."""


def finish(
    folder: RunFolder, prepared: Prepared, *, hurried: bool = False, exact: bool = False
) -> tuple[Model, Evaluation]:
    """Evaluates the best model on the validation images, calibrates it and saves it.

    It looks at one view of an image where several do no better, or if the run is `hurried`. If `exact`, and
    if there is time, its batch normalisation first gets exact statistics.
    """
    kept = prepared.load(folder.best)
    model = replace(kept, views="one") if hurried else kept
    network = model.network.to(prepared.train.device)
    exact = exact and not hurried and set_exact_statistics(network, _plain(prepared)) > 0
    result = evaluate(network, prepared.val.epoch(0), model.views)
    finished = model
    if model.views != "one" and result.top1 <= model.summary["val_top1"]:
        result, finished = evaluate(network, prepared.val.epoch(0)), replace(model, views="one")
    finished = replace(finished, temperature=temperature(result.scores, result.labels))
    if exact or (finished.views, finished.temperature) != (kept.views, kept.temperature):
        finished.save(folder.best)  # else it was finished before, and its file stays as it is
    return finished, result.at(finished.temperature)


def _plain(prepared: Prepared) -> Iterable[Batch]:
    """Training images in random order, as they are at prediction."""
    plain = replace(prepared.train, augmentation=None, balanced=False, repeat=1, world=ALONE)
    return replace(plain, batch=EVALUATION_BATCH).epoch(0)


def seconds_to_finish(model: Model, prepared: Prepared) -> float:
    """How long `finish` of the best model will take: from a few validation images, and a fifth more."""
    images, labels = (part[:TIMED] for part in prepared.val.first())
    network, device = model.network.to(images.device), images.device
    took = []
    for _ in range(2):  # the first may load something
        began = now(device)
        evaluate(network, [(images, labels)], model.views)
        took.append(now(device) - began)
    return SLOWER * min(took) * len(prepared.val.labels) / len(labels)
