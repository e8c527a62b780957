"""Several processes of one command: the first alone speaks, and the first that fails says why."""

from __future__ import annotations

import os
import sys
import traceback
from functools import partial
from typing import TextIO

from hubel.world import World, started


class Voice:
    """What this process says. All but the first print into nothing, but for errors."""

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
