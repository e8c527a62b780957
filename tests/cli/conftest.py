"""The command line as a person meets it: arguments in, exit status and two streams out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import pytest

from hubel.cli import main


class Said(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


Hubel: TypeAlias = Callable[..., Said]


@pytest.fixture
def hubel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hubel:
    """Runs `hubel ARGUMENTS...` and returns what it said; an exception that escapes fails the test."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["hubel", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return run
