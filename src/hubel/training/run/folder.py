"""The folder of a run: what it keeps, when, and how a run goes on from it.

    config.toml        reruns the run
    metrics.jsonl      a line a round, which is an epoch, or a tenth of the time where the clock counts
    best.safetensors   the model of the best round, or the one the run starts from until it is beaten
    last/              the last state, and the one before, from which the run resumes
    epochs/            the model of every round, where the config keeps them
    errors.csv         what the best model gets wrong, and report.html, both written at the end

A folder that holds something already is never written over.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hubel.device import now
from hubel.errors import TrainingError, UsageError
from hubel.evaluation.calibration import temperature
from hubel.evaluation.metrics import Evaluation, evaluate
from hubel.files import write_whole
from hubel.model.file import Model, load
from hubel.model.header import BEST, CONFIG, read_header
from hubel.training.events import Event, RoundDone, Warned
from hubel.training.run.checkpoint import STATE, Checkpoint
from hubel.training.run.diagnose import (
    ENOUGH,
    dead_maps,
    dying,
    never_named,
    stuck,
    unseen,
    waiting,
    wild,
)
from hubel.training.run.prepare import Setting
from hubel.training.settings.config import Config
from hubel.training.trainer import Trainer

RUNS = Path("runs")
"""Where runs are kept that are given no folder."""

METRICS = "metrics.jsonl"
LOCK = Path("last", "lock")
EPOCHS = "epochs"

CONFUSED = 100
"""The most classes of which every round keeps who is taken for whom."""

SAVING = 60.0
"""After how many seconds without a round a run by the clock keeps its state."""

FINISHED = 32
"""How many held-out images tell how long all of them take at the end."""

HALF = 0.5
"""How far a run is before classes that are never named and filters that are dead are worth a word."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder; `made` are the folders that go again with an unfinished run, the innermost first."""

    folder: Path
    made: tuple[Path, ...] = ()

    @classmethod
    def create(cls, folder: Path | None, data: str, net: str) -> Run:
        """Makes the folder: `folder`, or the first free `runs/DATA-NET-N`.

        Raises UsageError: there is something in it already, or it cannot be made.
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

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of the finished rounds, first to last. Raises TrainingError: they are damaged."""
        path = self.folder / METRICS
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise TrainingError(f"{path} is damaged ({error}); train anew with --config") from None

    def begin(self, config: Config) -> None:
        """Writes what reruns the run."""
        write_whole(self.folder / CONFIG, config.to_toml())

    def keep_start(self, setting: Setting, trainer: Trainer, found: Evaluation) -> None:
        """Keeps the model that a run starts from, and how it did, as the best so far: one to be beaten."""
        trainer.best = found.top1
        self._model(setting, trainer, {"epoch": 0, "val_top1": found.top1}).save(self.best)

    def follow(self, setting: Setting, trainer: Trainer) -> Iterator[Event]:
        """Trains to the end, or to the target, and passes every event on; a round is kept before.

        By the clock the state is kept every minute too: within an epoch, after which nothing is promised to
        come out the same.
        """
        if trainer.seconds and 0 < trainer.config.target <= trainer.best:
            return
        warned: set[str] = set()
        saved = time.perf_counter()
        for event in trainer.run(setting.train, setting.val):
            if isinstance(event, RoundDone):
                self._keep(event, trainer, setting)
                saved = time.perf_counter()
            elif trainer.pace.limit and trainer.progress < 1 and time.perf_counter() - saved > SAVING:
                self.save_state(trainer, setting)
                saved = time.perf_counter()
            yield event
            if isinstance(event, RoundDone):
                yield from _warnings(event, setting, trainer, warned)
            if isinstance(event, RoundDone) and 0 < trainer.config.target <= trainer.best:
                return
        if trainer.pace.limit and (text := unseen(trainer.done)):
            yield Warned(text)

    def _keep(self, event: RoundDone, trainer: Trainer, setting: Setting) -> None:
        """Keeps a round: the model if it is the best so far, its line, the state to resume from."""
        line = round_line(event)
        before = [line for line in self.metrics() if line["epoch"] < event.epoch]
        config = trainer.config
        if event.best or config.keep_epochs:
            model = self._model(setting, trainer, line)
            if event.best:
                model.save(self.best)
            if config.keep_epochs:
                (self.folder / EPOCHS).mkdir(exist_ok=True)
                model.save(self.folder / EPOCHS / f"{len(before) + 1:04}.safetensors")
        lines = [json.dumps(line) for line in (*before, line | by_class(event.val))]
        write_whole(self.folder / METRICS, "\n".join(lines) + "\n")
        self.save_state(trainer, setting)

    def _model(self, setting: Setting, trainer: Trainer, line: dict[str, Any]) -> Model:
        """The model as it is, with a line on how it came about."""
        config = trainer.config
        about = {"data": config.data, "val": config.val, "seed": config.seed}
        summary = {**about, "trained_on": setting.fingerprint, **line}
        return setting.model(trainer.model, summary, views=config.recipe.views)

    def finish(self, setting: Setting, *, hurried: bool = False) -> tuple[Model, Evaluation]:
        """Measures the best model on the held-out images, as it will be used, and calibrates it.

        Of the recipe's views there is one alone where several do no better, or if it is `hurried`.
        """
        kept = load(self.best)
        model = replace(kept, views="one") if hurried else kept
        network = model.network.to(setting.train.device)
        result = evaluate(network, setting.val.epoch(0), model.views)
        finished = model
        if model.views != "one" and result.top1 <= model.summary["val_top1"]:
            result, finished = evaluate(network, setting.val.epoch(0)), replace(model, views="one")
        finished = replace(finished, temperature=temperature(result.scores, result.labels))
        if (finished.views, finished.temperature) != (kept.views, kept.temperature):
            finished.save(self.best)  # else it was finished before, and its file stays as it is
        return finished, result.at(finished.temperature)

    def finishing(self, setting: Setting) -> float:
        """How many seconds `finish` will take, by what it takes for a few of the held-out images."""
        model = load(self.best)
        images, labels = (part[:FINISHED] for part in setting.val.first())
        network, device = model.network.to(images.device), images.device
        took = []
        for _ in range(2):  # the first may load something
            began = now(device)
            evaluate(network, [(images, labels)], model.views)
            took.append(now(device) - began)
        return min(took) * len(setting.val.labels) / len(labels)

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

    @property
    def can_go_on(self) -> bool:
        """Whether there is a state to go on from."""
        return (self.folder / STATE).exists()

    def discard_unfinished(self) -> None:
        """Takes back what a run wrote that cannot go on; a folder that it was given stays."""
        if self.can_go_on:
            return
        for path in list(self.folder.iterdir()):  # it was empty
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        for folder in self.made:
            with suppress(OSError):  # there is another run in it by now
                folder.rmdir()

    def config(self) -> Config:
        """The run's config. Raises UsageError: the folder is no run's."""
        if not self.folder.exists():
            raise UsageError(f"there is no {self.folder}: a run that stops in its first round leaves none")
        if not (self.folder / CONFIG).is_file():
            raise UsageError(f"{self.folder} is no run: it has no {CONFIG}")
        return Config.from_toml(self.folder / CONFIG)

    def restore(self, trainer: Trainer, setting: Setting) -> None:
        """Brings a trainer to the last state that was kept whole.

        Raises TrainingError: there is none, or it is of another network or of other images, of which some
        would be trained on that were held out, or the other way round.
        """
        kept = Checkpoint.read(self.folder)
        if kept is None:
            raise TrainingError(
                f"{self.folder} has no state to go on from; train anew with "
                f"--config {self.folder / CONFIG} --out NEW"
            )
        if name := kept.unfit(trainer.network):
            raise TrainingError(f"{self.folder}: its {CONFIG} names another network: {name} does not fit")
        if kept.images != setting.fingerprint:
            raise TrainingError(
                f"{setting.data.name}: its images have changed since the run began; bring them back, or "
                f"begin another run from its model, with --from {self.best}"
            )
        kept.bring_back(trainer)
        if trainer.pace.limit and self.best.exists():  # a round that was cut short comes out otherwise now
            trainer.best = max(trainer.best, read_header(self.best).summary["val_top1"])

    def save_state(self, trainer: Trainer, setting: Setting) -> None:
        """Keeps all that changes in training, to go on from."""
        Checkpoint.of(trainer, setting.fingerprint).write(self.folder)


def check_free(folder: Path) -> None:
    """Raises UsageError: there is something in a folder already, or it is none."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for the run")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty, and a run is never written over; name another")


def round_line(event: RoundDone) -> dict[str, Any]:
    """What `metrics.jsonl` keeps of a round."""
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
    """What `metrics.jsonl` keeps of a round class by class, null where there is no number.

    Rows of the confusion are true classes; it grows with the square of the classes and is kept of few.
    """
    shares = {"val_precision": val.precision, "val_recall": val.recall}
    kept: dict[str, Any] = {
        name: [None if math.isnan(share) else round(share, 4) for share in of.tolist()]
        for name, of in shares.items()
    }
    if len(val.support) <= CONFUSED:
        kept["val_confusion"] = val.confusion.tolist()
    return kept


def _warnings(event: RoundDone, setting: Setting, trainer: Trainer, said: set[str]) -> Iterator[Warned]:
    """What goes wrong in a run, each kind once: what may yet come right is said after half of it."""
    classes = setting.data.classes
    train_loss = event.train_loss / (1 + sum(setting.network.side_weights.values()))
    found = {"waiting": waiting(event.waited, event.seconds)}
    steps = trainer.epoch * trainer.batches + trainer.batch  # at least, where the first epoch has more
    if event.epoch >= 1 and (steps >= ENOUGH or event.progress == 1):
        found["stuck"] = stuck(train_loss, event.val.loss, len(classes), steps)
    found["wild"] = wild(event.val) if event.progress >= HALF and event.epoch >= 1 else None
    if event.progress >= HALF and not found["wild"] and not {"never named", "dying"} <= said:
        found["never named"] = never_named(event.val, classes)
        found["dying"] = dying(dead_maps(trainer.model, setting.val.first()[0]))
    for kind, text in found.items():
        if text and kind not in said:
            said.add(kind)
            yield Warned(text)


def _slug(text: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.").lower() or "net"
