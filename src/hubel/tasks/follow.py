"""A run as it goes: its events are passed on, and at its end its files are written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

from hubel.evaluation.metrics import Evaluation, evaluate_together
from hubel.evaluation.model import ModelEvaluation
from hubel.files import write_whole
from hubel.model.file import Model
from hubel.report.mistakes import mistakes_csv
from hubel.report.page import run_page
from hubel.tasks.run import REPORT, Run
from hubel.training.events import RoundDone, Warned
from hubel.training.run.events import Began, Event, Finished, HeadTrained, ImagesRead, Stopped
from hubel.training.run.folder import RunFolder
from hubel.training.run.prepare import Inputs, Prepared, prepare
from hubel.training.run.session import Session
from hubel.training.run.tensorboard import TensorBoard
from hubel.training.settings.config import Config
from hubel.training.trainer import Trainer
from hubel.world import LostError, World

ONE_STEP = 1e-6
"""A limit in seconds after which a timed run ends with its first step."""

LATE = 1.1
"""How many times its limit a timed run may take before it says that it is late."""

Listener: TypeAlias = Callable[[Event], object]
"""Called with every event of a run."""


class Watch:
    """Passes the events of a run to whoever listens."""

    def __init__(self, listener: Listener | None, *, tensorboard: bool) -> None:
        self.listeners = [listener] if listener else []
        self.tensorboard = tensorboard

    def __call__(self, event: Event) -> None:
        """Passes an event on."""
        for listener in self.listeners:
            listener(event)

    def images(self, count: int) -> None:
        """Reports how many images are read."""
        self(ImagesRead(count))

    def warn(self, text: str) -> None:
        """Reports a warning."""
        self(Warned(text))

    def begin(self, session: Session) -> None:
        """Reports that training begins; from now on TensorBoard listens too, where it is asked for."""
        if self.tensorboard:
            folder = session.folder
            self.listeners.append(TensorBoard(folder.folder, len(folder.metrics())).event)
        self(Began(session))


def begin(folder: RunFolder | None, config: Config, inputs: Inputs, watch: Watch, began: float) -> Run:
    """Trains a run from its first step on; together.

    The first process has a `folder` that it keeps to itself, the others have none. A timed run that ends late
    says so, and what took the time.
    """
    spent = Spent(began)
    prepared = prepare(config, inputs, watch.images, watch.warn)
    config = replace(config, fit=prepared.preprocessing.fit)
    spent.on("reading the images")
    if (head := prepared.train_head()) is not None:
        spent.on("training the head")
        watch(HeadTrained(head))
    at_start = None
    if prepared.start and (head or not prepared.start.loaded.head):  # a random head is no model to keep
        at_start = head or evaluate_together(prepared.network, prepared.val, prepared.world)
    trainer = prepared.trainer(config)
    if folder is None:
        trainer.start_clock(left(config.seconds, began))
        return follow_along(prepared, trainer)
    session = Session(folder, prepared, trainer)
    folder.write_config(session.trainer.config)
    if at_start is not None:
        session.keep_start(at_start)
    spent.on("preparing the network")
    session.trainer.start_clock(left(config.seconds, began))
    run = follow(session, watch)
    spent.on("training, validating and finishing")
    if text := spent.late(config.seconds):
        watch.warn(text)
    return run


class Spent:
    """What the time of a run went into, since it `began` on the scale of `perf_counter`."""

    def __init__(self, began: float) -> None:
        self.began = self.last = began
        self.parts: dict[str, float] = {}
        self.on("opening the data and choosing the network")

    def on(self, part: str) -> None:
        """Counts the time since the last call for a part."""
        now = perf_counter()
        self.parts[part], self.last = now - self.last, now

    def late(self, limit: float) -> str | None:
        """What to say of a run that took longer than its `limit` in seconds by more than a tenth."""
        total = self.last - self.began
        if not limit or total <= LATE * limit:
            return None
        parts = ", ".join(f"{part} {took:.1f} s" for part, took in self.parts.items() if took >= 0.05)
        return (
            f"the run took {total:.1f} s, {total - limit:.1f} s more than the {limit:g} s it was given: "
            f"{parts}. Give more time, or let nothing else use this machine meanwhile"
        )


def left(limit: float, began: float) -> float:
    """The seconds that are left of a `limit` since `began`; 0 without a limit.

    Where none are left, it is as little as one step takes: a timed run ends with a model, though late.
    """
    return max(limit - (perf_counter() - began), ONE_STEP) if limit else 0.0


def follow(session: Session, watch: Watch) -> Run:
    """Trains to the end, passes every event on, finishes the model and writes its files.

    To the other processes, which `follow_along`, it hands the finished run. After its first round a timed run
    reserves the time that the end will take.
    """
    folder = session.folder
    watch.begin(session)
    with _stops_reported(folder, watch):
        for event in session.train():
            watch(event)
            if isinstance(event, RoundDone) and session.needs_reserve:
                began = perf_counter()
                best = session.prepared.load(folder.best)
                _files(session, best, event.val)
                session.reserve(best, writing=perf_counter() - began)
        model, result = session.finish()
        for name, text in _files(session, model, result).items():
            write_whole(folder.folder / name, text)
        watch(Finished(folder, model, result))
    found = _with_names(result, session, model)
    session.prepared.world.first((folder.folder, found))
    same_model(folder.best, session.prepared.load, session.prepared.world)
    return Run(folder.folder, found, model)


def follow_along(prepared: Prepared, trainer: Trainer) -> Run:
    """Trains to the end beside the first process, which alone has a folder; returns what it has finished."""
    for _ in trainer.run(prepared.train, prepared.val):
        pass
    folder, found = prepared.world.first((Path(), None))
    return Run(folder, found, same_model(None, prepared.load, prepared.world))


def same_model(path: Path | None, load: Callable[[Path], Model], world: World) -> Model | None:
    """The model in a file of the first process, which need not be on a disk of the others; together.

    The first process, which has it, gets None; and so do the others if it has none.
    """
    written = world.first(path.read_bytes() if path is not None and world.size > 1 else None)
    if world.leads or written is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "model.safetensors")
        copy.write_bytes(written)
        return load(copy)


def _with_names(result: Evaluation, session: Session, model: Model) -> ModelEvaluation:
    """The evaluation of the best model on the validation images, which knows their names."""
    return ModelEvaluation(
        result.scores,
        result.labels,
        result.temperature,
        classes=model.classes,
        names=session.prepared.val.images.names,
        split="val",
        skipped=session.prepared.skipped,
    )


@contextmanager
def _stops_reported(folder: RunFolder, watch: Watch) -> Iterator[None]:
    """Reports that a run was stopped, lost a process or filled its disk, before the error goes on."""
    try:
        yield
    except (KeyboardInterrupt, LostError, OSError):
        watch(Stopped(folder, folder.can_resume))
        raise


def _files(session: Session, model: Model, result: Evaluation) -> dict[str, str]:
    """The files that describe how a model does: their texts by name."""
    prepared, config = session.prepared, session.trainer.config
    images = prepared.val.images
    page = run_page(config, session.folder.metrics(), model, result, images, skipped=prepared.skipped)
    return {"errors.csv": mistakes_csv(model.classes, result, images.names), REPORT: page}
