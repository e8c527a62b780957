"""The process of a command: how its threads wait, and what it says where several processes run it."""

from __future__ import annotations

import os
import sys
import traceback
from functools import partial
from typing import TextIO

from hubel.world import World, started

SPINS = "10000"
"""How many times a waiting thread of OpenMP checks for the others before it sleeps.

Its default, hundreds of thousands, costs nothing on an idle machine. On a busy one it takes the time that the
others need: beside one busy process a step of `fast_tiny` takes 8 times as long by it as by this. By a tenth
of this it is a third faster still, but 1.6 times as slow on an idle machine (benchmarks/README.md).
"""


class Voice:
    """What this process says. The first of several speaks for all; of those that fail, the first says why."""

    def __init__(self) -> None:
        self.world: World = started()
        self.errors: TextIO = sys.stderr
        if not self.world.leads:
            sys.excepthook = partial(traceback.print_exception, file=self.errors)  # a fault of hubel's own
            sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - to the end

    def error(self, text: str) -> None:
        """Prints an error, unless another process has failed before: then it follows from that."""
        if self.world.fails_first():
            print(f"error: {text}", file=self.errors)
