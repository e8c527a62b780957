"""TensorBoard as a listener: the numbers of every round, in a run's folder."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hubel.errors import UsageError
from hubel.training.events import RoundDone
from hubel.training.run.events import Event
from hubel.training.run.folder import round_line


def check_installed() -> None:
    """Raises UsageError: TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise UsageError('--tensorboard needs a package: pip install "hubel[tensorboard]"')


class TensorBoard:
    """Writes the numbers of every round into a run's folder; `rounds` are those that it has already."""

    def __init__(self, folder: Path, rounds: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))
        self.rounds = rounds

    def event(self, event: Event) -> None:
        """Takes an event; a round's numbers are on the disk afterwards."""
        if not isinstance(event, RoundDone):
            return
        self.rounds += 1
        for name, value in round_line(event).items():
            if value is not None:
                self.writer.add_scalar(name, float(value), self.rounds)
        self.writer.flush()
