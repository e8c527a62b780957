"""Whatever happens to the disk at whatever instant, a run that finished a round resumes to the same weights.

Every operation of a run that changes the disk fails in turn, by an error and as in a kill. `HUBEL_FUZZ=1`
takes every operation; else some are taken, spread over the run.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

import hubel
from hubel.errors import HubelError
from hubel.training.events import RoundDone
from hubel.training.run.checkpoint import Checkpoint
from hubel.training.run.events import Began, Event
from tests.fuzz.faults import Killed, Kind, failing

NET = "conv(4, 3) >> batchnorm >> relu >> fc(2)"
SETTINGS: dict[str, Any] = {"epochs": 3, "batch": 8, "precision": "float32", "average": 0.9, "hardest": 0.5}
LONG = "HUBEL_FUZZ" in os.environ
EVERY = 1 if LONG else 13
BEGINNING = 8
"""Which operations fail: each, or one in so many and all of the beginning, before a run has its config."""

KILLS = 20 if LONG else 2


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for number in range(40):
        pixels = generator.integers(0, 120, (8, 8)).astype(np.uint8)
        pixels[:, 4 * (number % 2) : 4 * (number % 2) + 4] += 100
        (folder / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "ab"[number % 2] / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights of a run that nothing happened to."""
    return weights(begin(images, tmp_path_factory.mktemp("whole") / "run"))


def begin(images: Path, out: Path, on_event: Any = None) -> hubel.Run:
    return hubel.train(str(images), net=NET, volume="8x8x1", out=out, on_event=on_event, **SETTINGS)


def weights(run: hubel.Run) -> dict[str, Tensor]:
    return safetensors.torch.load_file(run.best)


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return all(torch.equal(found[name], value) for name, value in wanted.items())


def operations(images: Path, folder: Path) -> int:
    """How many operations on the disk a whole run has."""
    with failing("error", 0) as faults:
        begin(images, folder / "counted")
    return faults.count


@pytest.mark.parametrize("kind", ["error", "kill"])
def test_no_operation_that_fails_loses_a_run(
    kind: Kind, images: Path, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    count = operations(images, tmp_path)
    assert count > 40
    for at in sorted({*range(1, BEGINNING), *range(1, count + 1, EVERY)}):
        out, rounds = tmp_path / f"{at}", list[Event]()

        def told(event: Event, rounds: list[Event] = rounds) -> None:
            if isinstance(event, RoundDone):
                rounds.append(event)

        with failing(kind, at), suppress(OSError, HubelError, Killed):
            begin(images, out, told)
        finished = bool(rounds)
        assert (out / "config.toml").exists() or not finished, f"{kind} at {at} of {count}: the run is gone"
        if not (out / "config.toml").exists():
            assert same(weights(begin(images, out)), whole), f"{kind} at {at}: the folder cannot be used"
            continue
        run = hubel.resume(out)
        assert same(weights(run), whole), f"{kind} at {at} of {count}: other weights"
        assert [line["epoch"] for line in run.history] == [1, 2, 3]
        assert not list(out.rglob(".hubel-*")), f"{kind} at {at} of {count}: unfinished files are left"
        assert (out / "report.html").exists()


def test_a_process_that_is_killed_at_any_moment_resumes(
    images: Path, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    """SIGKILL after a random time from the first round on."""
    generator = random.Random(0)
    command = [sys.executable, "-m", "hubel", "train", images, "--net", NET, "--input", "8x8x1"]
    command += [f"--{name}={SETTINGS[name]}" for name in ("epochs", "batch")]
    command += [
        part for name in ("precision", "average", "hardest") for part in ("--set", f"{name}={SETTINGS[name]}")
    ]
    for number in range(KILLS):
        out = tmp_path / f"{number}"
        process = subprocess.Popen([*map(str, command), "--out", out], stderr=subprocess.DEVNULL)
        while process.poll() is None and not (out / "metrics.jsonl").exists():
            time.sleep(0.001)
        time.sleep(generator.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert same(weights(hubel.resume(out)), whole)


def stopped(images: Path, out: Path, after: int = 2) -> None:
    """A run that is interrupted after some rounds."""
    rounds = []

    def stop(event: Event) -> None:
        if isinstance(event, RoundDone):
            rounds.append(event)
        if len(rounds) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(images, out, stop)


def resumed(out: Path) -> tuple[hubel.Run, list[str]]:
    told: list[Event] = []
    run = hubel.resume(out, on_event=told.append)
    return run, [getattr(event, "text", "") for event in told]


def test_a_checkpoint_that_is_damaged_is_replaced_by_the_one_before(
    images: Path, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    stopped(images, tmp_path / "run")
    state = tmp_path / "run" / "last" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    run, told = resumed(tmp_path / "run")
    assert same(weights(run), whole)
    assert any("resumes from the one before" in text for text in told)


def test_short_rounds_have_few_checkpoints_and_lose_nothing(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two rounds and the last have one where a checkpoint takes too long; the rest is repeated."""
    monkeypatch.setattr("hubel.training.run.session.SHARE", 1e-12)
    monkeypatch.setattr("hubel.training.run.session.SAVING", 1e9)
    written, write = list[float](), Checkpoint.write

    def counted(checkpoint: Checkpoint, folder: Path) -> None:
        written.append(checkpoint.progress["epoch"])
        write(checkpoint, folder)

    monkeypatch.setattr(Checkpoint, "write", counted)
    monkeypatch.setitem(SETTINGS, "epochs", 9)
    run = begin(images, tmp_path / "whole")
    assert written == [1, 2, 9]
    stopped(images, tmp_path / "run", after=7)
    again = hubel.resume(tmp_path / "run")
    assert written[3:] == [1, 2, 3, 4, 9]
    assert same(weights(again), weights(run))
    assert [line["epoch"] for line in again.history] == list(range(1, 10))
    assert [line["val_loss"] for line in again.history] == [line["val_loss"] for line in run.history]


def test_metrics_that_are_cut_short_lose_their_last_line(
    images: Path, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    stopped(images, tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-40])
    run, told = resumed(tmp_path / "run")
    assert same(weights(run), whole)
    assert any("line was cut short" in text for text in told)
    assert len(run.history) >= 2


def test_a_finished_run_without_its_rounds_is_refused(images: Path, tmp_path: Path) -> None:
    begin(images, tmp_path / "run")
    before = weights(hubel.Run(tmp_path / "run"))
    metrics = tmp_path / "run" / "metrics.jsonl"
    for damaged in ("{", ""):
        metrics.write_text(damaged)
        with pytest.raises(HubelError, match=r"its metrics\.jsonl has no rounds"):
            hubel.resume(tmp_path / "run")
    assert same(weights(hubel.Run(tmp_path / "run")), before)


@pytest.mark.parametrize("line", ["[1, 2]", "null", '{"loss": 1}', '{"epoch": "one"}', "{"])
def test_metrics_that_are_damaged_within_are_refused_before_anything_is_trained(
    line: str, images: Path, tmp_path: Path
) -> None:
    stopped(images, tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.write_text(f"{line}\n{metrics.read_text()}")
    told: list[Event] = []
    with pytest.raises(HubelError, match=r"metrics\.jsonl, line 1 is damaged"):
        hubel.resume(tmp_path / "run", on_event=told.append)
    assert not told


@pytest.mark.parametrize("after", [2, 3])
def test_a_best_model_that_is_damaged_is_set_aside(after: int, images: Path, tmp_path: Path) -> None:
    stopped(images, tmp_path / "run", after)
    best = tmp_path / "run" / "best.safetensors"
    best.write_bytes(best.read_bytes()[:-100])
    run, told = resumed(tmp_path / "run")
    assert any("the model of the last checkpoint takes its place" in text for text in told)
    assert best.with_suffix(".damaged").exists()
    assert run.evaluation is not None
    assert run.evaluation.top1 >= run.history[-1]["val_top1"]


def test_of_two_commands_with_one_folder_the_second_leaves_the_first_alone(
    images: Path, tmp_path: Path
) -> None:
    out, refused = tmp_path / "run", list[str]()

    def second(event: Event) -> None:
        if not refused and isinstance(event, RoundDone):
            with pytest.raises(HubelError) as error:
                begin(images, out)
            refused.append(str(error.value))

    run = begin(images, out, second)
    assert "not empty" in refused[0]
    assert len(run.history) == 3


def test_of_two_commands_that_find_a_folder_free_one_leaves_the_other_alone(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look before either has begun."""
    monkeypatch.setattr("hubel.training.run.folder.check_free", lambda _folder: None)
    monkeypatch.setattr("hubel.tasks.train.check_free", lambda _folder: None)
    out, refused = tmp_path / "run", list[str]()

    def second(event: Event) -> None:
        if isinstance(event, Began):
            with pytest.raises(HubelError) as error:
                begin(images, out)
            refused.append(str(error.value))

    run = begin(images, out, second)
    assert "another process trains in" in refused[0]
    assert len(run.history) == 3
