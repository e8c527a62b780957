"""The report of a training run: one HTML page that stands alone, nothing to fetch, nothing to install."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from torch import Tensor

from hubel.counted import between, within
from hubel.data.feed.bad import Bad
from hubel.data.feed.batches import Feed
from hubel.evaluation.metrics import Evaluation
from hubel.model.file import Model
from hubel.module.layers import LinkedConv
from hubel.module.views import VIEWS
from hubel.net.sliding import Conv
from hubel.report.evaluation import ClassLine, class_lines, confused_pairs, share
from hubel.report.figures import confusion, curves, filters, reliability, thumbnail
from hubel.report.table import COLUMNS, DEFAULT, NUMBERS, foot_lines
from hubel.report.units import count, duration
from hubel.training.settings.config import Config

MOST_MISTAKES = 36
"""How many mistakes the page shows as images."""

MOST_PAIRS = 10
"""How many pairs of classes the page lists as most often confused; what happened once tells nothing."""

MOST_ROWS = 24
"""The longest table that stands open on the page; a longer one unfolds."""


def run_page(
    config: Config,
    lines: list[dict[str, Any]],
    model: Model,
    evaluation: Evaluation,
    validation: Feed,
    *,
    skipped: Sequence[Bad] = (),
) -> str:
    """Returns the report of a run as HTML.

    `lines` are those of its `metrics.jsonl`, one per round and at least one; `evaluation` is that of the
    model on the `validation` images, at its temperature. `skipped` images were left out.
    """
    assert len(evaluation.labels) == len(validation) > 0, "the evaluation is of other images"
    assert lines, "a run without an epoch has nothing to report"
    text = (
        _environment()
        .get_template("run.html")
        .render(
            config=config,
            lines=lines,
            model=model,
            title=PurePath(config.data).name or config.data,
            headline=_headline(lines, model, evaluation),
            network=_network(model),
            curves=[Markup(figure) for figure in curves(lines)],
            confusion=Markup(confusion(evaluation.confusion.numpy(), model.classes)),
            calibration=_calibration(evaluation),
            filters=_filters(model),
            mistakes=_mistakes(model.classes, evaluation, validation),
            pairs=confused_pairs(model.classes, evaluation, most=MOST_PAIRS, least=2),
            classes=sorted(class_lines(model.classes, evaluation), key=_recall),
            settings={name: _shown(value) for name, value in _flat(asdict(config)) if name != "net"},
            preprocessing={
                name: _shown(value)
                for name, value in (*asdict(model.preprocessing).items(), ("views", model.views))
            },
            versions=model.header.versions,
            views=VIEWS[model.views],
            used_otherwise=VIEWS[model.views] > 1 or evaluation.temperature != 1,
            skipped=skipped,
            most_rows=MOST_ROWS,
        )
    )
    return text.encode("utf-8", "backslashreplace").decode()  # a file's name need not be Unicode


@cache
def _environment() -> Environment:
    """The templates, escaping whatever they are given, and the ways numbers become text."""
    environment = Environment(
        loader=PackageLoader("hubel.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count,
        "duration": duration,
        "percent": share,
        "between": between,
        "within": within,
        "number": lambda number: f"{number:.4g}",
    }
    return environment


def _headline(lines: Sequence[Mapping[str, Any]], model: Model, evaluation: Evaluation) -> dict[str, Any]:
    """The numbers that come first."""
    return {
        "top1": evaluation.top1,
        "top5": evaluation.top5,
        "macro_f1": evaluation.macro_f1,
        "correct": evaluation.correct,
        "correct5": evaluation.correct5,
        "chance": evaluation.chance,
        "loss": evaluation.loss,
        "images": len(evaluation.labels),
        "mistakes": len(evaluation.wrong),
        "seconds": lines[-1]["seconds"],
        "epochs": lines[-1]["epoch"],
        "best": max((line["epoch"] for line in lines if line["best"]), default=0),
        "params": sum(parameter.numel() for parameter in model.network.parameters()),
        "classes": len(model.classes),
    }


def _calibration(evaluation: Evaluation) -> dict[str, Any]:
    """Confidence against accuracy, as trained and at the model's temperature."""
    drawn = {"as trained": evaluation.at(1).reliability}
    if evaluation.temperature != 1:
        drawn["with its temperature"] = evaluation.reliability
    return {
        "temperature": evaluation.temperature,
        "before": evaluation.at(1).ece,
        "after": evaluation.ece,
        "image": Markup(reliability(drawn)),
    }


def _recall(line: ClassLine) -> float:
    """What the classes are sorted by; those without an image come last."""
    return math.inf if line.recall is None else line.recall


def _network(model: Model) -> dict[str, Any]:
    """The network's notation and its ledger as cells of text."""
    book = model.ledger
    rows = [[COLUMNS[name][1](row) for name in DEFAULT] for row in book.rows]
    return {
        "notation": model.description,
        "volume": book.volume,
        "heads": [COLUMNS[name][0].replace("\n", " ") for name in DEFAULT],
        "numeric": [name in NUMBERS for name in DEFAULT],
        "rows": [[count(cell) if isinstance(cell, int) else cell for cell in row] for row in rows],
        "totals": [count(getattr(book.totals, name)) if name in NUMBERS else "" for name in DEFAULT[1:]],
        "notes": [f"{row.path}: {row.note}" for row in book.rows if row.note],
        "foot": foot_lines(book),
    }


def _filters(model: Model) -> dict[str, Any] | None:
    """The filters of the first convolution as an image; None where the network has none."""
    parts = dict(model.network.root.named_modules())
    step = next((step for step in model.network.steps if isinstance(step.layer, Conv)), None)
    if step is None or step.path not in parts:  # a function's filters have no module
        return None
    weights = _dense(parts[step.path]).numpy()
    height, width = weights.shape[2:]
    return {
        "path": step.path,
        "filters": len(weights),
        "size": f"{height}x{width}x{weights.shape[1]}",
        "depth": weights.shape[1],
        "largest": float(np.abs(weights if weights.shape[1] in (1, 3) else weights.mean(1)).max()),
        "image": _data_uri(filters(weights, side=96 if len(weights) <= 16 else 48)),
    }


def _dense(conv: torch.nn.Module) -> Tensor:
    """The weights of a convolution: float32, n x depth x h x w; where links are missing, 0."""
    weight = conv.get_parameter("weight").detach().float().cpu()
    if not isinstance(conv, LinkedConv):
        return weight
    places = (conv.filter_of.cpu(), conv.map_of.cpu())
    return weight.new_zeros(conv.shape).index_put(places, weight)


def _mistakes(classes: Sequence[str], evaluation: Evaluation, validation: Feed) -> list[dict[str, Any]]:
    """The misclassified images with what the page shows of each, the most confident first."""
    shown = []
    for place in evaluation.wrong[:MOST_MISTAKES].tolist():
        taken, truth = int(evaluation.predicted[place]), int(evaluation.labels[place])
        image = validation[place]
        shown.append(
            {
                "name": validation.names[place],
                "short": "/".join(PurePath(validation.names[place]).parts[-2:]),
                "truth": classes[truth],
                "taken": classes[taken],
                "probability": float(evaluation.probabilities[place, taken]),
                "of_truth": float(evaluation.probabilities[place, truth]),
                "image": _data_uri(thumbnail(image)),
                "small": max(image.shape[:2]) <= 80,
            }
        )
    return shown


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings without the groups they stand in."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value


def _shown(value: object) -> str:
    """A setting as text: yes and no for a truth, four digits for a number that is not whole."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
