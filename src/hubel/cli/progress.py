"""Progress of a run on standard error: a bar on a terminal, a plain line a round anywhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from hubel.cli.output import bar
from hubel.report.training import beginning_text, end_text, round_text
from hubel.report.units import count

if TYPE_CHECKING:
    from hubel.evaluation.metrics import Evaluation
    from hubel.model.file import Model
    from hubel.training.events import Event
    from hubel.training.run.folder import Run
    from hubel.training.run.prepare import Setting
    from hubel.training.trainer import Trainer

WHOLE = 1000
"""How finely the bar of a run is cut."""


class Watch:
    """Shows a run: reading images, every batch, every round, the end."""

    def __init__(self) -> None:
        self.bar = bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
        )
        self.task = self.bar.add_task("reading images", total=None, said="")

    def __enter__(self) -> Watch:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def images(self, done: int) -> None:
        """So many images are read."""
        self.bar.update(self.task, said=count(done))

    def say(self, text: str) -> None:
        """Something to know, as a line."""
        self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Something that hinders, as a line."""
        self.say(f"warning: {text}")

    def beginning(self, setting: Setting, trainer: Trainer) -> None:
        """What is trained on what."""
        self.say(beginning_text(setting, trainer))

    def event(self, event: Event) -> None:
        """A batch or a round is done, or something is to be known."""
        from hubel.training.events import BatchDone, RoundDone

        if isinstance(event, BatchDone):
            self.bar.update(
                self.task,
                description=f"epoch {event.epoch}",
                total=WHOLE,
                completed=round(event.progress * WHOLE),
                said=f"{event.batch}/{event.batches}  loss {event.loss:.3f}",
            )
        elif isinstance(event, RoundDone):
            self.say(round_text(event))
        else:
            self.warn(event.text)

    def end(self, run: Run, model: Model, result: Evaluation) -> None:
        """What came out, and where it is."""
        self.say(end_text(run, model, result))
