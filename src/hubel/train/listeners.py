"""Listeners: whoever wants to know how a run goes is called with every event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from hubel.errors import UsageError
from hubel.train.loop import Event, RoundDone
from hubel.train.run import round_line

Listener: TypeAlias = Callable[[Event], None]


class TensorBoard:
    """Writes the numbers of every round into a run's folder, as TensorBoard reads them.

    `rounds` are those that the run has already. Raises UsageError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, rounds: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError('--tensorboard needs a package: pip install "hubel[tensorboard]"') from None
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
