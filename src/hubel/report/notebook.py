"""HTML for notebooks: a function per class of value, everything escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from hubel.counted import between, percent
from hubel.report.units import count

if TYPE_CHECKING:
    from hubel.evaluation.model import ModelEvaluation
    from hubel.model.file import Model
    from hubel.net.algebra import Net
    from hubel.net.ledger import Ledger

LONGEST = 2000
"""The most characters of a text that are shown."""

MOST_CLASSES = 20
"""The most classes that are shown one by one: those with the lowest F1, and a confusion matrix."""

MOST_ROUNDS = 20
"""The most rounds of a run that are shown, the last ones."""


def html(value: object) -> str:
    """Returns a value as HTML: what `_repr_html_` of a `hubel.shown.Shown` answers.

    The class is looked up by name, so that a value is shown without importing the rooms of the others.
    """
    for kind in type(value).__mro__:
        if kind.__module__.startswith("hubel.") and kind.__name__ in _PAGES:
            return _PAGES[kind.__name__](value)
    return f"<pre>{_text(repr(value))}</pre>"


def of_net(net: Net) -> str:
    """A network: its notation."""
    return f'<pre style="white-space: pre-wrap">{_text(repr(net))}</pre>'


def of_ledger(ledger: Ledger) -> str:
    """A ledger: its table with totals and memory."""
    from hubel.report.table import as_html

    return as_html(ledger)


def of_model(model: Model) -> str:
    """A model: what it is and how it was trained."""
    return f"<b>Model of {count(len(model.classes))} classes</b>{_facts(model.facts())}"


def of_evaluation(found: ModelEvaluation) -> str:
    """An evaluation: its numbers, the classes and, of few classes, the confusion matrix."""
    from hubel.report.evaluation import class_lines, share
    from hubel.report.figures import confusion

    lines = sorted(class_lines(found.classes, found), key=lambda line: 2.0 if line.f1 is None else line.f1)
    rows = [
        (
            line.name,
            f"{count(line.correct)} of {count(line.images)}",
            share(line.recall),
            between(line.correct, line.images),
            share(line.precision),
            between(line.correct, line.predicted),
            share(line.f1),
        )
        for line in lines[:MOST_CLASSES]
    ]
    rest, interval = len(lines) - len(rows), "95 % interval"
    more = f"<p>and {count(rest)} classes with a higher F1</p>" if rest else ""
    matrix = "" if rest else f"<div>{confusion(found.confusion.numpy(), found.classes)}</div>"
    table = _table(("class", "correct", "recall", interval, "precision", interval, "F1"), rows)
    return f"<b>Evaluation of a model</b>{_facts(found.facts())}{table}{more}{matrix}"


def of_run(run: Any) -> str:
    """A run: its folder and its last rounds."""
    history = run.history
    rows = [
        (
            f"{line['epoch']:g}",
            f"{line['train_loss']:.4f}",
            f"{line['val_loss']:.4f}",
            percent(line["val_top1"]),
            f"{line['seconds']:.1f} s",
            "best so far" if line["best"] else "",
        )
        for line in history[-MOST_ROUNDS:]
    ]
    earlier = len(history) - len(rows)
    more = f"<p>after {count(earlier)} earlier rounds</p>" if earlier else ""
    heads = ("epoch", "training loss", "validation loss", "validation accuracy", "time", "")
    return f"<b>Run in {_text(str(run.folder))}</b>{more}{_table(heads, rows)}"


_PAGES: Mapping[str, Callable[[Any], str]] = {
    "Net": of_net,
    "Ledger": of_ledger,
    "Model": of_model,
    "ModelEvaluation": of_evaluation,
    "Run": of_run,
}


def _facts(facts: Mapping[str, str]) -> str:
    """Names and texts as a table of two columns."""
    left = 'style="text-align: left"'
    rows = (
        f"<tr><th {left}>{_text(name)}</th><td {left}>{_text(text)}</td></tr>" for name, text in facts.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with a heading line."""
    head = "".join(f"<th>{_text(cell)}</th>" for cell in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    """A text that is safe within HTML, and not too long."""
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
