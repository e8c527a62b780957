"""The line of the user's own code that an error comes from."""

from __future__ import annotations

import traceback
from pathlib import Path

import torch

_NOT_THEIRS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]), "<frozen")


def why(error: BaseException) -> str:
    """Returns an error in one line: type, message, and the last line of the user's code in its traceback."""
    text = (str(error).strip() or "no reason given").splitlines()[0]
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS)]
    where = f" ({theirs[-1].filename}, line {theirs[-1].lineno}: {theirs[-1].line})" if theirs else ""
    return f"{type(error).__name__}: {text}{where}"
