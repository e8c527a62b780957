"""The walk of a command: what a reader enters who follows it through the code.

Counts the functions of hubel that the command calls, each once, the files they are in, and the moves: how
often the next function that is entered is in another file. With `--list` prints them in order, a line a move.

    python scripts/walk.py [--list] COMMAND...      for example: python scripts/walk.py table resnet18
"""

from __future__ import annotations

import inspect
import sys
import threading
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType

import hubel

HOME = f"{Path(hubel.__file__).parent}/"


class Walk:
    """The functions of hubel in the order in which they are first entered."""

    def __init__(self) -> None:
        self.entered: dict[CodeType, None] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Notes a call; the bodies of modules and classes, lambdas and comprehensions are no functions."""
        code = frame.f_code
        function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
        if event == "call" and function and code.co_filename.startswith(HOME):
            self.entered.setdefault(code)

    def stays(self) -> list[tuple[str, list[str]]]:
        """Each file in turn, with the functions that are entered before the next one."""
        return [
            (file.removeprefix(HOME), [code.co_qualname for code in codes])
            for file, codes in groupby(self.entered, key=lambda code: code.co_filename)
        ]


def walked(words: list[str]) -> Walk:
    """Runs a command in this process and returns its walk."""
    from hubel.cli import main

    walk = Walk()
    sys.argv = ["hubel", *words]
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return walk


def report(words: list[str], *, listed: bool) -> str:
    """What the walk of a command counts and, if `listed`, what it enters."""
    stays = walked(words).stays()
    lines = [f"{file}: {' '.join(names)}" for file, names in stays] if listed else []
    functions, files = sum(len(names) for _, names in stays), len({file for file, _ in stays})
    return "\n".join([*lines, f"{functions} functions, {files} files, {len(stays) - 1} moves"])


if __name__ == "__main__":
    listed = sys.argv[1:2] == ["--list"]
    print(report(sys.argv[1 + listed :], listed=listed), file=sys.stderr)
