"""Progress of a run on standard error: a bar on a terminal, a plain line an epoch anywhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hubel.report.units import count, duration, percent, short

if TYPE_CHECKING:
    from hubel.train import BatchDone, EpochDone, Evaluation, Run, Setting, Trainer


class Watch:
    """Shows a run: reading pictures, every batch, every epoch, the end."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("reading pictures", total=None, said="")

    def __enter__(self) -> Watch:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def pictures(self, done: int) -> None:
        """So many pictures are read."""
        self.bar.update(self.task, said=count(done))

    def beginning(self, setting: Setting, trainer: Trainer) -> None:
        """What is trained on what."""
        network, config = setting.network, trainer.config
        parameters = sum(parameter.numel() for parameter in network.parameters())
        self.console.print(
            f"{setting.data.name}: {len(setting.data.classes)} classes, {count(len(setting.train.decoded))} "
            f"pictures to train, {count(len(setting.val.decoded))} held out, seen as {network.volume}\n"
            f"network of {short(parameters)} parameters; epochs {trainer.epoch + 1} to {config.epochs}, "
            f"batches of {config.batch}, learning rate up to {config.lr:g}, seed {config.seed}, "
            f"in {config.precision}"
        )

    def event(self, event: BatchDone | EpochDone) -> None:
        """A batch or an epoch is done."""
        from hubel.train import BatchDone

        if isinstance(event, BatchDone):
            self.bar.update(
                self.task,
                description=f"epoch {event.epoch}",
                total=event.batches,
                completed=event.batch,
                said=f"loss {event.loss:.3f}",
            )
        else:
            self.console.print(epoch_text(event))

    def end(self, run: Run, result: Evaluation) -> None:
        """What came out, and where it is."""
        right = int((result.predicted == result.labels).sum())
        self.console.print(
            f"best model: {percent(result.top1)} of the held-out pictures right "
            f"({count(right)} of {count(len(result.labels))})\n"
            f"  model   {run.best}\n  report  {run.folder / 'report.html'}\n"
            f"  use it  hubel predict {run.best} IMAGE"
        )


def epoch_text(event: EpochDone) -> str:
    """An epoch in one line."""
    number = f"{event.epoch:>{len(str(event.epochs))}}/{event.epochs}"
    return (
        f"epoch {number}  train loss {event.train_loss:.4f}  held out: loss {event.val.loss:.4f}, "
        f"{percent(event.val.top1)} right  {duration(event.seconds)}{'  best so far' if event.best else ''}"
    )
