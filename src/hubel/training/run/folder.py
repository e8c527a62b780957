"""The folder of a run: what it keeps on disk, and when.

    config.toml        reruns the run
    metrics.jsonl      one line per round
    best.safetensors   the model of the best round; until a round improves on it, the starting model
    last/              the last checkpoint and the one before, from which the run resumes
    epochs/            the model of every round, where the config keeps them
    errors.csv         the mistakes of the best model, and report.html, both written at the end

A folder that already holds something is never overwritten.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from hubel.errors import TrainingError, UsageError
from hubel.evaluation.metrics import Evaluation
from hubel.files import UNFINISHED, clear_unfinished, parse_json, read_text, write_whole
from hubel.model.header import BEST, CONFIG
from hubel.training.events import RoundDone
from hubel.training.run.checkpoint import Checkpoint
from hubel.training.settings.config import Config

if TYPE_CHECKING:
    from hubel.model.file import Model

RUNS = Path("runs")
"""Where runs are kept that are given no folder."""

METRICS = "metrics.jsonl"
LOCK = Path("last", "lock")
EPOCHS = "epochs"

CONFUSED = 100
"""The most classes for which every round keeps its confusion matrix."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder; `made` are the folders that are removed with an unfinished run, the innermost first."""

    folder: Path
    made: tuple[Path, ...] = ()

    @classmethod
    def create(cls, folder: Path | None, data: str, net: str) -> RunFolder:
        """Makes the folder: `folder`, or the first free `runs/DATA-NET-N`.

        Raises UsageError: it already holds something, or cannot be made.
        """
        try:
            if folder is not None:
                check_free(folder)
                made = tuple(each for each in (folder, *folder.parents) if not each.exists())
                folder.mkdir(parents=True, exist_ok=True)
                return cls(folder, made)
            RUNS.mkdir(exist_ok=True)
            for number in count(1):
                place = RUNS / f"{_slug(data)}-{_slug(net)}-{number}"
                with suppress(FileExistsError):  # another run's
                    place.mkdir()
                    return cls(place, (place, RUNS))
        except OSError as error:
            raise UsageError(f"no run can be kept in {folder or RUNS}: {error.strerror}") from None
        raise AssertionError("count() never ends")

    @property
    def best(self) -> Path:
        """The file of the best model."""
        return self.folder / BEST

    @property
    def is_run(self) -> bool:
        """Whether a run has begun in the folder."""
        return (self.folder / CONFIG).is_file()

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of the finished rounds, first to last. Raises TrainingError: they are damaged."""
        path = self.folder / METRICS
        lines = read_text(path, "replace").splitlines() if path.exists() else []
        return [_round(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]

    def repair(self) -> str | None:
        """Deletes what killed processes left unfinished, and a last line of the metrics that is cut short.

        Returns a warning where a line was deleted. Raises TrainingError: another line is damaged.
        """
        clear_unfinished(self.folder)
        path = self.folder / METRICS
        lines = read_text(path, "replace").splitlines() if path.exists() else []
        try:
            self.metrics()
        except TrainingError:
            if not _is_damaged(lines[-1]) or any(map(_is_damaged, lines[:-1])):
                raise
            write_whole(path, "".join(f"{line}\n" for line in lines[:-1]))
            return f"{path}: the last line was cut short and is deleted"
        return None

    def write_config(self, config: Config) -> None:
        """Writes what reruns the run."""
        write_whole(self.folder / CONFIG, config.to_toml())

    def keep_round(self, event: RoundDone) -> None:
        """Writes the line of a round, after those of the rounds before it."""
        before = [line for line in self.metrics() if line["epoch"] < event.epoch]
        lines = [json.dumps(line) for line in (*before, round_line(event) | by_class(event.val))]
        write_whole(self.folder / METRICS, "\n".join(lines) + "\n")

    def forget_rounds(self, done: float) -> None:
        """Deletes the lines of rounds after so many epochs, which a run that resumes there trains again."""
        lines = self.metrics()
        kept = [line for line in lines if line["epoch"] <= round(done, 4)]
        if len(kept) < len(lines):
            write_whole(self.folder / METRICS, "".join(f"{json.dumps(line)}\n" for line in kept))

    def keep_epoch(self, model: Model, event: RoundDone) -> None:
        """Writes the model of a round into `epochs/`."""
        (self.folder / EPOCHS).mkdir(exist_ok=True)
        number = 1 + sum(line["epoch"] < event.epoch for line in self.metrics())
        model.save(self.folder / EPOCHS / f"{number:04}.safetensors")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from training in the folder. Raises UsageError: one does."""
        lock = self.folder / LOCK
        lock.parent.mkdir(exist_ok=True)
        try:
            held = FileLock(lock).acquire(timeout=0)
        except Timeout:
            raise UsageError(f"another process trains in {self.folder}; let it end, or stop it") from None
        with held:
            yield

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Keeps the folder for a run that begins; if that fails before its first round, nothing is left.

        Raises UsageError: another process has begun a run in the folder meanwhile. What that wrote stays.
        """
        with self.alone():
            if _holds_something(self.folder):
                raise UsageError(f"another process has begun a run in {self.folder}; name another folder")
            clear_unfinished(self.folder)
            try:
                yield
            except BaseException:
                self.discard_unfinished()
                raise

    @property
    def can_resume(self) -> bool:
        """Whether a round is finished, or a checkpoint kept, from which the run resumes."""
        return Checkpoint.exists(self.folder) or (self.folder / METRICS).exists()

    def discard_unfinished(self) -> None:
        """Removes what a run wrote that cannot resume; a folder that was there before stays.

        To be called by the process that made the folder and keeps it to itself.
        """
        if self.can_resume:
            return
        for path in list(self.folder.iterdir()):  # it was empty
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        for folder in self.made:
            with suppress(OSError):  # another run is in it by now
                folder.rmdir()

    def config(self) -> Config:
        """The run's config. Raises UsageError: the folder is no run's."""
        if not self.folder.exists():
            raise UsageError(
                f"{self.folder} does not exist; a run that stops in its first round leaves no folder"
            )
        if not self.is_run:
            raise UsageError(f"{self.folder} is not a run: it has no {CONFIG}")
        return Config.from_toml(self.folder / CONFIG)

    def checkpoint(self) -> Checkpoint | None:
        """The last intact checkpoint, None where there is none yet. Raises TrainingError: all are damaged."""
        kept = Checkpoint.read(self.folder)
        if kept is None and Checkpoint.exists(self.folder):
            raise TrainingError(
                f"{self.folder}: its checkpoints are damaged; train again with "
                f"--config {self.folder / CONFIG} --out NEW"
            )
        return kept


def _round(text: str, where: str) -> dict[str, Any]:
    """A line of the metrics. Raises TrainingError: it is damaged."""
    try:
        line = parse_json(text)
    except ValueError as error:
        raise TrainingError(f"{where} is damaged ({error}); delete the line, or train again") from None
    if not isinstance(line, dict) or not isinstance(line.get("epoch"), int | float):
        raise TrainingError(f"{where} is damaged: it is not a round; delete the line, or train again")
    return line


def _is_damaged(text: str) -> bool:
    try:
        _round(text, "")
    except TrainingError:
        return True
    return False


def check_free(folder: Path) -> None:
    """Raises UsageError: the folder already holds something, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for the run")
    if folder.is_dir() and _holds_something(folder):
        raise UsageError(f"{folder} is not empty, and a run is never overwritten; name another folder")


def round_line(event: RoundDone) -> dict[str, Any]:
    """The numbers of a round that `metrics.jsonl` keeps."""
    return {
        "epoch": int(event.epoch) if event.epoch == int(event.epoch) else round(event.epoch, 4),
        "lr": event.lr,
        "train_loss": event.train_loss,
        "train_top1": event.train_top1,
        "waited": round(event.waited, 4),
        "val_loss": event.val.loss,
        "val_top1": event.val.top1,
        "val_top5": event.val.top5,
        "val_macro_f1": event.val.macro_f1,
        "val_ece": event.val.ece,
        "seconds": round(event.seconds, 3),
        "best": event.best,
    }


def by_class(val: Evaluation) -> dict[str, Any]:
    """The numbers of a round per class, null where there is none.

    The confusion matrix, whose rows are the true classes, is kept only where there are few classes.
    """
    shares = {"val_precision": val.precision, "val_recall": val.recall}
    kept: dict[str, Any] = {
        name: [None if math.isnan(share) else round(share, 4) for share in of.tolist()]
        for name, of in shares.items()
    }
    if len(val.support) <= CONFUSED:
        kept["val_confusion"] = val.confusion.tolist()
    return kept


def _holds_something(folder: Path) -> bool:
    """Whether there is anything in a folder but what a run leaves that is killed before it began.

    That is its lock, and a temporary file of its config.
    """
    own = (folder / LOCK, folder / LOCK.parent)
    return any(path not in own and not path.name.startswith(UNFINISHED) for path in folder.rglob("*"))


def _slug(text: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.").lower() or "net"
