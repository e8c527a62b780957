"""`hubel train`: times as they are written, and what does not go together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubel.cli.train import seconds
from hubel.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("1.5m", 90.0), ("1h1m1s", 3661.0)],
)
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "10x", "-5s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="like 90s, 10m or 1h30m"):
        seconds(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to train on"),
        (("digits", "--resume", "run"), "say what to train on"),
        (("--resume", "run", "--epochs", "3"), "a run that goes on keeps its settings"),
        (("--resume", "run", "--net", "lenet5"), "take --net and the like away"),
        (("digits", "--seed", "-1"), "--seed is at least 0"),
        (("digits", "--set", "lr"), "key=value"),
        (("digits", "--set", "leaning_rate=1"), "no setting 'leaning_rate'"),
        (("digits", "--recipe", "fats"), "did you mean fast"),
        (("digits", "--time", "soon"), "like 90s"),
        (("digits", "--net", "lenet5", "--freeze", "conv9"), "no part 'conv9'"),
        (("digits", "--net", "lenet5", "--recipe", "fast"), "C1 has 6 filters"),
    ],
)
def test_usage(
    hubel: Callable[..., Any],
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    found = hubel("train", *arguments)
    assert found.status != 0
    assert message in found.err
    assert "Traceback" not in found.err
    assert not list(tmp_path.iterdir())
