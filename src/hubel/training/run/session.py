"""A run in progress: the trainer, its data and the folder that keeps it, from the first step to the last."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hubel.errors import TrainingError
from hubel.evaluation.metrics import Evaluation, evaluate
from hubel.model.file import Model
from hubel.model.header import CONFIG, read_header
from hubel.training.events import Event, RoundDone, Settled, Warned
from hubel.training.run.checkpoint import Checkpoint
from hubel.training.run.diagnose import Diagnosis, unseen
from hubel.training.run.finish import finish, seconds_to_finish
from hubel.training.run.folder import RunFolder, round_line
from hubel.training.run.prepare import Prepared
from hubel.training.trainer import Trainer

SAVING = 60.0
"""The seconds after which a timed run writes a checkpoint within a round, if that takes at most `SHARE`."""

BOTH = 2
"""The checkpoints that a run keeps: where one is damaged, it resumes from the other."""

SHARE = 0.01
"""The largest share of the time that checkpoints take, but for the first two and the last."""


@dataclass(slots=True)
class Session:
    """A run that is being trained."""

    folder: RunFolder
    prepared: Prepared
    trainer: Trainer
    _saves: int = field(default=0, init=False)
    _saved: float = field(default=-math.inf, init=False)
    _took: float = field(default=0.0, init=False)
    _kept: float = field(default=0.0, init=False)  # the seconds that keeping a round with its model takes
    _first: float = field(default=0.0, init=False)  # those of writing the starting model

    def keep_start(self, found: Evaluation) -> None:
        """Keeps the starting model, and how it did, as the best so far: a round has to improve on it."""
        self._keep_best(found, 0)

    def train(self) -> Iterator[Event]:
        """Trains to the end, or to the target, and passes every event on; a round is kept first.

        Of short rounds not each has a checkpoint, so that they take a hundredth of the time; but the first
        two have, and the last. A timed run keeps one every minute within a round too, if that takes no more;
        resumed there, it is not promised to repeat exactly.
        """
        trainer = self.trainer
        diagnosis = Diagnosis(self.prepared.data.classes)
        began = time.perf_counter()
        for event in trainer.run(self.prepared.train, self.prepared.val):
            if isinstance(event, RoundDone):
                self._keep(event)
            elif self._due(since=began):
                self.save_state()
            yield event
            if isinstance(event, RoundDone):
                for warning in diagnosis.of(event, trainer, self.prepared.val):
                    yield Warned(warning)
        if trainer.settled and trainer.progress < 1:
            yield Settled(trainer.waited)
        elif trainer.clock.limit and not trainer.reached and (text := unseen(trainer.done)):
            yield Warned(text)

    @property
    def needs_reserve(self) -> bool:
        """Whether a timed run has yet to reserve time for its end."""
        return self.trainer.clock.unreserved

    def reserve(self, best: Model, writing: float) -> None:
        """Reserves time for the end of a timed run with this best model, whose report takes so many seconds.

        The last round is validated and kept as the first one was, its model as that of the start.
        """
        trainer = self.trainer
        trainer.clock.reserve(
            trainer.seconds,
            writing=trainer.validation + self._kept + writing,
            finishing=seconds_to_finish(best, self.prepared),
            views=trainer.config.recipe.views,
        )
        self.save_state()

    def finish(self) -> tuple[Model, Evaluation]:
        """The best model, evaluated as it will be used, calibrated and saved."""
        exact = self.trainer.config.recipe.exact_statistics
        return finish(self.folder, self.prepared, hurried=self.trainer.clock.hurried, exact=exact)

    def restore(self, kept: Checkpoint) -> None:
        """Brings the trainer to a checkpoint.

        Raises TrainingError: it is of another network or of other images, of which validation images might
        be trained on.
        """
        folder = self.folder.folder
        if name := kept.unfit(self.trainer.network):
            raise TrainingError(
                f"{folder}: its {CONFIG} names another network: {name} does not fit. "
                f"Restore the file, or start a new run: hubel train --config {self.folder.folder / CONFIG} "
                "--out NEW"
            )
        if kept.of_other_images(self.prepared.fingerprint, self.prepared.pixels):
            raise TrainingError(
                f"{self.prepared.data.name}: the images have changed since this run started. "
                f"Restore them, or start a new run from its model: hubel train DATA --from {self.folder.best}"
            )
        kept.bring_back(self.trainer)
        self.folder.forget_rounds(self.trainer.done)
        if self.folder.best.exists():
            if self.trainer.clock.limit:  # a round that was cut short will come out otherwise
                line = read_header(self.folder.best).summary
                self.trainer.improves(line["val_top1"], line.get("val_loss", math.inf))
        elif self.folder.metrics():  # the best is missing or damaged: that of the checkpoint takes its place
            self._keep_best(evaluate(self.trainer.model, self.prepared.val.epoch(0)), self.trainer.done)

    def _keep_best(self, found: Evaluation, epoch: float) -> None:
        """Keeps the model as it is, and how it did, as the best so far."""
        began = time.perf_counter()
        self.trainer.best, self.trainer.best_loss = found.top1, found.loss
        line = {"epoch": epoch, "val_top1": found.top1, "val_loss": found.loss}
        self._model(line).save(self.folder.best)
        self._first = time.perf_counter() - began

    def save_state(self) -> None:
        """Writes a checkpoint: everything that changes in training."""
        began = time.perf_counter()
        prepared = self.prepared
        Checkpoint.of(self.trainer, prepared.fingerprint, prepared.pixels).write(self.folder.folder)
        self._saved = time.perf_counter()
        self._took, self._saves = self._saved - began, self._saves + 1

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train."""
        return self.trainer.progress >= 1 or self.trainer.reached or self.trainer.settled

    def _due(self, since: float) -> bool:
        """Whether a timed run that goes on `since` then should write a checkpoint between two rounds."""
        running = self.trainer.clock.limit and self.trainer.progress < 1
        passed = time.perf_counter() - max(self._saved, since)
        return bool(running) and passed > max(SAVING, self._took / SHARE)

    def _keep(self, event: RoundDone) -> None:
        """Keeps a round: its model where it is the best so far, its line, the checkpoint."""
        began, config = time.perf_counter(), self.trainer.config
        if event.best or config.keep_epochs:
            model = self._model(round_line(event))
            if event.best:
                model.save(self.folder.best)
            if config.keep_epochs:
                self.folder.keep_epoch(model, event)
        self.folder.keep_round(event)
        passed = time.perf_counter() - self._saved
        if self._saves < BOTH or self.is_over or passed >= self._took / SHARE:
            self.save_state()
        self._kept = time.perf_counter() - began + (0 if event.best else self._first)

    def _model(self, line: dict[str, Any]) -> Model:
        """The model as it is, with a line on how it was trained."""
        config, prepared = self.trainer.config, self.prepared
        summary = {
            "data": config.data,
            "val": config.val,
            "val_images": len(prepared.val.labels),
            "seed": config.seed,
            "trained_on": prepared.fingerprint,
            **line,
        }
        return prepared.model(self.trainer.model, summary, views=config.recipe.views)
