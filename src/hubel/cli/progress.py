"""The progress of a run on standard error: a bar on a terminal, one line per round anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from hubel.cli.output import bar
from hubel.report.training import event_text, member_text
from hubel.report.units import count
from hubel.training.events import BatchDone
from hubel.training.run.events import EnsembleDone, Event, ImagesRead, MemberBegan

WHOLE = 1000
"""The length of the bar of a whole run."""


class Progress:
    """Shows the events of a run."""

    def __init__(self) -> None:
        self.bar = bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
        )
        self.member = ""
        self.task = self.bar.add_task("reading images", total=None, detail="")

    def __call__(self, event: Event) -> None:
        """Moves the bar, or prints what there is to know as lines."""
        if isinstance(event, ImagesRead):
            self.bar.update(self.task, detail=count(event.count))
        elif isinstance(event, BatchDone):
            self.bar.update(
                self.task,
                description=f"{self.member}epoch {event.epoch}",
                total=WHOLE,
                completed=round(event.progress * WHOLE),
                detail=f"{event.batch}/{event.batches}  loss {event.loss:.3f}",
            )
        else:
            if isinstance(event, MemberBegan):
                self.member = member_text(event)
            elif isinstance(event, EnsembleDone):
                self.member = ""
            text = "\n".join(f"{self.member}{line}" for line in event_text(event).splitlines())
            self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def watching() -> Iterator[Progress]:
    """The progress of a run, shown until it is over."""
    shown = Progress()
    with shown.bar:
        yield shown
