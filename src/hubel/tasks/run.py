"""A run in Python: its model, its rounds, its report, read from its folder."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError
from hubel.evaluation.model import ModelEvaluation
from hubel.model.file import Model, load
from hubel.shown import Shown
from hubel.training.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from hubel.training.settings.config import Config

REPORT = "report.html"


class History(list[dict[str, Any]]):
    """The rounds of a run, first to last: one dictionary per round, as `metrics.jsonl` has them."""

    def frame(self) -> pd.DataFrame:
        """The rounds as a table, one row per round. Raises UsageError: pandas is not installed."""
        try:
            import pandas as pd
        except ImportError:
            raise UsageError("a table of the rounds needs pandas: pip install pandas") from None

        return pd.DataFrame(list(self))


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a run: one HTML page that needs nothing else."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> None:
        """Opens the page in a browser."""
        webbrowser.open(self.path.resolve().as_uri())


@dataclass(frozen=True)
class Run(Shown):
    """A run's folder. Where it was just trained, `trained` is its best model and `evaluation` how well that
    does on the validation images.

    Raises UsageError: the folder is no run's.
    """

    folder: Path
    evaluation: ModelEvaluation | None = field(default=None, repr=False, compare=False)
    trained: Model | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if self.trained is None:
            self.config  # noqa: B018 - asked for whether there is one

    def __repr__(self) -> str:
        rounds = self.history
        best = max((line["val_top1"] for line in rounds), default=None)
        found = f", best validation accuracy {best:.2%}" if best is not None else ""
        return f"Run({str(self.folder)!r}: {len(rounds)} rounds{found})"

    def __fspath__(self) -> str:
        return str(self.folder)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @cached_property
    def config(self) -> Config:
        """What the run was asked for; `hubel.train(config=run / "config.toml")` repeats it."""
        return RunFolder(self.folder).config()

    @property
    def best(self) -> Path:
        """The file of the best model."""
        return RunFolder(self.folder).best

    @cached_property
    def model(self) -> Model:
        """The best model. Raises ModelError: there is none yet, or it needs code (see `hubel.load`)."""
        return self.trained or load(self.best)

    @property
    def history(self) -> History:
        """The rounds, first to last; `history.frame()` is a pandas table of them."""
        return History(RunFolder(self.folder).metrics())

    @property
    def report(self) -> Report:
        """The page of the run, written at its end; `report.open()` shows it in a browser."""
        return Report(self.folder / REPORT)
