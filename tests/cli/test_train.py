"""`hubel train`: times as they are written, and what does not go together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubel import zoo
from hubel.cli.progress import Progress
from hubel.data.sources import open_data
from hubel.errors import UsageError
from hubel.net.volume import Volume
from hubel.tasks.follow import ONE_STEP, left
from hubel.tasks.network import given
from hubel.tasks.train import seconds
from hubel.training.events import BatchDone, RoundDone
from hubel.training.run.checkpoint import Checkpoint
from hubel.training.run.events import Event


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


def test_what_is_left_of_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the time is over, it is that of one step: a timed run ends with a model."""
    monkeypatch.setattr("hubel.tasks.follow.perf_counter", lambda: 100.0)
    assert left(0.0, 0.0) == 0
    assert left(130.0, 0.0) == 30
    assert left(90.0, 0.0) == left(100.0, 0.0) == ONE_STEP


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to train on: data (DATA), or config"),
        (("digits", "--resume", "run"), "a resumed run keeps its settings"),
        (("digits", "--config", "run/config.toml"), "run/config.toml cannot be read"),
        (("--resume", "run", "--epochs", "3"), "a resumed run keeps its settings"),
        (("digits", "--time", "9s", "--epochs", "3"), "a run goes by the clock or by epochs"),
        (("digits", "--time", "9s", "--set", "epochs=3"), "a run goes by the clock or by epochs"),
        (("--resume", "run", "--net", "lenet5"), "a resumed run keeps its settings"),
        (("digits", "--seed", "-1"), "seed is from 0 to below 2^63, not -1"),
        (("digits", "--lr", "0.1", "--set", "lr=0.2"), "lr is set twice"),
        (("digits", "--set", "input=8x8x1"), "set it with volume (--input)"),
        (("digits", "--net", "fc(10)", "--freeze", "fc1"), "every layer with parameters is frozen"),
        (("digits", "--set", "lr"), "key=value"),
        (("digits", "--set", "leaning_rate=1"), "no setting 'leaning_rate'"),
        (("digits", "--recipe", "fats"), "did you mean fast"),
        (("digits", "--time", "soon"), "like 90s"),
        (("digits", "--time", "0s"), "a time is above 0"),
        (("digits", "--fit", "padd"), "did you mean pad?"),
        (("digits", "--set", "lr=fast"), "lr is a number, not 'fast'"),
        (("",), "no data set is named"),
        (("digits", "--net", "lenet5", "--freeze", "conv9"), "no part 'conv9'; its parts are C1"),
        (("digits", "--net", "lenet5", "--recipe", "fast"), "with --set smallest=1"),
        (("digits", "--net", "conv(4, 3) >> fc(10)", "--recipe", "fast"), "made for one size, such as fc"),
        (("digits", "--net", "lenet5", "--recipe", "fast", "--set", "smallest=1"), "C1 has 6 filters"),
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
    assert "network:" not in found.err or arguments[1] in (
        "--net",
        "--time",
    )  # else nothing is measured first
    assert not list(tmp_path.iterdir())


def test_a_network_made_to_measure_gets_the_measure_of_its_input(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    digits = open_data("digits", val=0)
    for size, side in ((None, 32), ("64x48x1", 48)):
        found = given("fast_small", size, digits)
        assert (found.short, found.volume) == ("fast_small", Volume.of(size or "32x32x1"))
        assert found.net == zoo.ZOO["fast_small"].make(classes=10, depth=1, side=side)


def test_a_run_that_is_interrupted_says_how_to_go_on(
    hubel: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    shown = Progress.__call__

    def interrupted(watch: Progress, event: Event) -> None:
        shown(watch, event)
        if isinstance(event, RoundDone):
            os.kill(os.getpid(), signal.SIGTERM)  # as Ctrl-C

    def at_once(_watch: Progress, event: Event) -> None:
        if isinstance(event, BatchDone):
            raise KeyboardInterrupt
        shown(_watch, event)

    run = tmp_path / "a run"
    kept = ("--set", "precision=float32", "--set", "hardest=0.5")
    options = ("--input", "8x8x1", *kept, "--epochs", "2", "--out", run)
    monkeypatch.setattr(Progress, "__call__", interrupted)
    stopped = hubel("train", "digits", "--net", "conv(4, 3) >> relu >> fc(10)", *options)
    assert stopped.status == 128 + signal.SIGTERM
    assert f"stopped; resume with  hubel resume '{run}'" in stopped.err
    assert "each trains on the hardest 50.00 % of the images" in stopped.err
    monkeypatch.setattr(Progress, "__call__", at_once)
    stopped = hubel("train", "digits", "--net", "conv(4, 3) >> relu >> fc(10)", *options[:-1], tmp_path / "b")
    assert "stopped before the end of the first round: nothing is kept" in stopped.err
    assert stopped.status == 128 + signal.SIGINT
    assert "leaves no folder" in hubel("train", "--resume", tmp_path / "b").err
    monkeypatch.setattr(Progress, "__call__", shown)
    assert hubel("train", "--resume", run).status == 0
    ended = hubel("train", "--resume", run)
    assert ended.status == 0
    assert "; nothing left to train, " in ended.err
    assert f"To train on from its model: hubel train DATA --from '{run}'; to train longer" in ended.err
    assert "hardest" not in ended.err
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2


def test_the_clock_of_a_run_began_with_its_process() -> None:
    """Seen from outside, by the time around a child that sleeps before it looks: no bound is tight."""
    look = "import time; time.sleep(1); from hubel.process import process_began as began; "
    look += "print(time.perf_counter() - began())"
    started = time.perf_counter()
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    age = float(said.stdout)
    assert age <= time.perf_counter() - started + 0.02  # starts are counted in hundredths of a second
    assert age >= 1 or sys.platform != "linux"


def test_what_a_run_by_the_clock_keeps_for_its_end_is_known_from_its_first_round(
    hubel: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run that ended with that would have time left when it goes on. Here it ends by its target."""
    pytest.importorskip("sklearn")
    monkeypatch.setattr("hubel.training.clock.ROUNDS", 10**6)  # the first is over at once
    options = ("--input", "8x8x1", "--time", "10m", "--target", "0.01", "--out", tmp_path / "run")
    assert hubel("train", "digits", "--net", "fc(10)", *options).status == 0
    kept = Checkpoint.read(tmp_path / "run")
    assert kept is not None
    assert kept.progress["after"] > 0
