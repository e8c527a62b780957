"""Several processes train as one does: the same weights, every image once, and an end when one is killed."""

from __future__ import annotations

import copy
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import hubel
from hubel import build
from hubel.data.feed.decoded import Decoded
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.model.file import Model
from hubel.training.events import RoundDone
from hubel.training.run.checkpoint import Checkpoint
from hubel.training.step.shared import SharedBatchNorm
from hubel.world import ALONE, World, started
from tests.training.processes import CASES, ROOT, environments, images, launched, trained

SHAPE = "2x2x1"


def numbered(count: int) -> Decoded:
    """Images whose every pixel is their place."""
    pixels = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 2, 2, 1)
    return Decoded(pixels.numpy(), torch.zeros(count, dtype=torch.int64).numpy(), ("",) * count)


def dealt(count: int, batch: int, world: World, among: torch.Tensor | None = None) -> list[list[int]]:
    """The places that one process's images show, batch by batch, in one epoch."""
    plain = Preprocessing.of(SHAPE)
    plain = Preprocessing(plain.height, plain.width, plain.depth, (0.0,), (1 / 255,))
    epoch = numbered(count).batches(plain, batch, shuffle=True, seed=7, world=world).epoch(2, among=among)
    found = []
    for seen, _ in epoch:
        values = seen[:, 0, 0, 0].round().long()
        assert set(values.tolist()) <= set(epoch.places.tolist())
        found.append(values.tolist())
    return found


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 5), st.integers(1, 5), st.integers(0, 12))
def test_every_image_comes_once_also_after_resuming_in_other_processes(
    count: int, batch: int, before: int, after: int, done: int
) -> None:
    """The first `done` batches are dealt to `before` processes, the others to `after`."""
    alone = dealt(count, batch, ALONE)
    assert sorted(chain(*alone)) == list(range(count))
    for world, batches in ((before, slice(done)), (after, slice(done, None))):
        parts = [dealt(count, batch, World(rank, world))[batches] for rank in range(world)]
        for whole, *own in zip(alone[batches], *parts, strict=True):
            if len(whole) < 2 * world:  # too few to part: each process has all, and counts for its share
                assert all(each == whole for each in own)
            else:
                assert list(chain(*own)) == whole
                assert max(map(len, own)) - min(map(len, own)) <= 1


def test_one_process_alone_needs_no_launcher() -> None:
    assert World.join({}) == World.join({"WORLD_SIZE": "1", "RANK": "0"}) == ALONE == World(0, 1)
    assert started({"RANK": "2", "WORLD_SIZE": "3"}) == World(2, 3)
    values = torch.arange(3)
    assert ALONE.part(values) is values
    assert ALONE.whole(values, 3) is values
    assert ALONE.first(values) is values
    with pytest.raises(UsageError, match="WORLD_SIZE is 2, but MASTER_ADDR, MASTER_PORT is not set"):
        World.join({"WORLD_SIZE": "2", "RANK": "1"})
    with pytest.raises(UsageError, match="WORLD_SIZE is a whole number, not 'two'"):
        World.join({"WORLD_SIZE": "two"})


def ended(processes: list[subprocess.Popen[str]], seconds: float = 120) -> list[str]:
    """What processes print on standard error; all have to succeed."""
    texts = [each.communicate(timeout=seconds)[1] for each in processes]
    assert [each.returncode for each in processes] == [0] * len(processes), texts
    return texts


@pytest.fixture(scope="module")
def one() -> dict[str, tuple[dict[str, torch.Tensor], dict[str, float]]]:
    """What one process makes of every case."""
    found = {}
    for case in CASES:
        weights, rounds = trained(case, ALONE)
        last = rounds[-1]
        numbers = {"loss": last.train_loss, "top1": last.train_top1, "val": last.val.loss}
        found[case] = (weights, numbers | {"correct": float(last.val.correct)})
    return found


DIGITS: dict[str, Any] = {
    "net": "conv(8, 3) >> batchnorm >> relu >> fc(10)",
    "precision": "float32",
    "seed": 5,
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of two epochs that one process has stopped after the first, and one that it has finished."""
    folder = tmp_path_factory.mktemp("runs")

    def stop(event: object) -> None:
        if isinstance(event, RoundDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hubel.train("digits", **DIGITS, epochs=2, out=folder / "stopped", on_event=stop)
    hubel.train("digits", **DIGITS, epochs=2, out=folder / "whole")
    return folder / "stopped", folder / "whole"


@pytest.mark.parametrize("count", [2, 3])
def test_processes_train_resume_measure_and_predict_as_one_does(
    count: int,
    one: dict[str, tuple[dict[str, torch.Tensor], dict[str, float]]],
    stopped: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    shutil.copytree(stopped[0], tmp_path / "run")
    photos = tmp_path / "photos"
    shown = images(11, 5)
    for at, (pixels, label) in enumerate(zip(shown.pixels, shown.labels.tolist(), strict=True)):
        (photos / f"class{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(photos / f"class{label}" / f"{at:02}.png")
    (photos / "class0" / "99.png").write_bytes(b"no image")
    model = tmp_path / "model.safetensors"
    network = build("conv(4, 3) >> relu >> fc(3)", "8x8x3", seed=1)
    Model(network, ("class0", "class1", "class2"), Preprocessing.of("8x8x3")).save(model)
    ended(launched(count, "-m", "tests.training.processes", str(tmp_path)))
    for number, case in enumerate(CASES):
        weights, numbers = one[case]
        ranks = [load_file(tmp_path / f"{number}-{rank}.safetensors") for rank in range(count)]
        for name, value in weights.items():
            assert all(torch.equal(ranks[0][name], other[name]) for other in ranks), name
            # of two images that go to every process, the variance is estimated as if they were more
            apart = 1e-3 if "last batch" in case and name.endswith("running_var") else 1e-4
            rtol, atol = (apart, 2e-5) if "bfloat16" not in case else (2e-2, 2e-2)
            torch.testing.assert_close(ranks[0][name], value, rtol=rtol, atol=atol)
        for rank in range(count):
            with safe_open(tmp_path / f"{number}-{rank}.safetensors", "pt") as file:
                found = {name: float(text) for name, text in file.metadata().items()}
            if "bfloat16" in case:  # rounding may change which class of two is the likelier
                assert [found[name] for name in ("loss", "val")] == pytest.approx(
                    [numbers[name] for name in ("loss", "val")], rel=2e-2
                )
            else:
                assert found == pytest.approx(numbers, rel=1e-4)
    resumed, whole = (hubel.load(run).network.state_dict() for run in (tmp_path / "run", stopped[1]))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-3, atol=1e-4)
    for name in ("apart", "timed", "found"):
        texts = {(tmp_path / f"{name}-{rank}.txt").read_text(encoding="utf-8") for rank in range(count)}
        assert len(texts) == 1
    alone = hubel.evaluate(model, photos, on_bad="skip")
    predicted = hubel.predict(model, [photos])
    loss, rest = texts.pop().split(" ", 1)
    assert float(loss) == pytest.approx(alone.loss)
    assert rest.startswith(f"{alone.names} ")
    for each in predicted:
        for name, probability in each.classes:
            assert f"({name!r}, {str(probability)[:6]}" in rest
    lines = (tmp_path / "found.csv").read_text(encoding="utf-8").splitlines()
    hubel.predict(model, photos, out=tmp_path / "alone.csv")
    wanted = (tmp_path / "alone.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:2] for line in lines] == [line.split(",")[:2] for line in wanted]
    assert len(lines) == 13  # a header, eleven images and the one that is none


def test_torchrun_starts_it_and_the_first_process_alone_talks(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--redirects", "3")
    train = ("-m", "hubel", "train", "digits", "--net", DIGITS["net"], "--epochs", "1", "--out", str(run))
    subprocess.run([sys.executable, *torchrun, "--log-dir", str(log), *train], check=True, cwd=ROOT)
    said = {path.parent.name: path.read_text() for path in log.rglob("stderr.log")}
    assert f"use it  hubel predict {run} IMAGE" in said["0"]
    assert not said["1"]
    assert hubel.load(run).summary["val_images"] == 359


def test_an_epoch_goes_on_in_other_processes_with_every_image_once(tmp_path: Path) -> None:
    """Two processes, then three, then one train two batches each of one epoch of six."""
    for count in (2, 3, 1):
        ended(launched(count, "-m", "tests.training.processes", str(tmp_path), "--batches", "2"))
    parts = {path.name: path.read_text().split() for path in tmp_path.glob("seen-*.txt")}
    assert sorted(parts) == [f"seen-{part}.txt" for part in ("1-0", "1-1", "3-0", "3-1", "3-2", "5-0")]
    assert [len(parts[f"seen-1-{rank}.txt"]) for rank in range(2)] == [10, 8]
    assert sorted(map(int, chain(*parts.values()))) == list(range(53))
    (tmp_path / "alone").mkdir()
    ended(launched(1, "-m", "tests.training.processes", str(tmp_path / "alone"), "--batches", "6"))
    found, wanted = Checkpoint.read(tmp_path), Checkpoint.read(tmp_path / "alone")
    assert found is not None
    assert wanted is not None
    assert found.progress["epoch"] == 1
    for name, value in wanted.tensors.items():
        torch.testing.assert_close(found.tensors[name], value, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_run_which_resumes_alone(killed: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train = ("-m", "hubel", "train", "digits", "--net", DIGITS["net"], "--epochs", "400", "--out", str(run))
    processes = launched(2, *train)
    try:
        deadline = time.monotonic() + 120
        while not (run / "last" / "previous.safetensors").exists():
            assert time.monotonic() < deadline
            assert all(each.poll() is None for each in processes), [each.communicate() for each in processes]
            time.sleep(0.05)
        processes[killed].send_signal(signal.SIGKILL)
        _, errors = processes[1 - killed].communicate(timeout=60)
    finally:
        for each in processes:
            each.kill()
            each.communicate()
    assert processes[1 - killed].returncode == 1
    assert errors.count("error:") == 1
    assert "cannot reach another one" in errors
    assert "Traceback" not in errors
    epochs = [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert epochs == list(range(1, len(epochs) + 1))
    config = run / "config.toml"
    config.write_text(config.read_text().replace("epochs = 400", f"epochs = {len(epochs) + 2}"))
    hubel.resume(run)
    epochs = [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert epochs == list(range(1, len(epochs) + 1))
    assert hubel.load(run).summary["val_images"] == 359


class Mirrored(World):
    """Two processes that have the same images, in one."""

    def total(self, values: torch.Tensor) -> torch.Tensor:
        return 2 * values


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (6, 5)])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_shared_batch_norm_is_torchs_on_the_images_of_all(
    shape: tuple[int, ...], momentum: float | None
) -> None:
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    usual = kind(5, momentum=momentum)
    nn.init.uniform_(usual.weight)
    nn.init.uniform_(usual.bias)
    ours = SharedBatchNorm(copy.deepcopy(usual), Mirrored(0, 2))
    assert list(ours.state_dict()) == list(usual.state_dict())
    for _ in range(2):
        images, gradient = torch.randn(shape), torch.randn(shape)
        both = images.repeat(2, *(1 for _ in shape[1:])).requires_grad_()
        half = images.clone().requires_grad_()
        wanted, found = usual(both), ours(half)
        wanted.backward(gradient.repeat(2, *(1 for _ in shape[1:])))
        found.backward(gradient)
        torch.testing.assert_close(found, wanted[:6])
        torch.testing.assert_close(half.grad, both.grad[:6] if both.grad is not None else None)
    for one, other in zip(ours.parameters(), usual.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(2 * one.grad, other.grad)
    for name, value in usual.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    torch.testing.assert_close(ours.eval()(images), usual.eval()(images))


@pytest.mark.parametrize("launcher", ["SLURM", "Kubernetes"])
def test_other_launchers_set_the_variables(launcher: str) -> None:
    """SLURM's by the line of docs/how-to/many-devices.md; Kubernetes sets none of LOCAL_RANK and the like."""
    show = "from hubel.world import World; w = World.join(); print(w.rank, w.size, w.listed(w.rank), w.leads)"
    own = {"WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"}
    command = [sys.executable, "-c", show]
    if launcher == "SLURM":
        page = (ROOT / "docs" / "how-to" / "many-devices.md").read_text(encoding="utf-8")
        line = re.search(r"bash -c '(WORLD_SIZE=.*?exec) hubel train", page, re.DOTALL)
        assert line
        translated = line[1].replace("\\\n", "")
        command = ["bash", "-c", f"{translated} {shlex.join(command)}"]
    running = []
    for each in environments(2):
        theirs = {name: each[name] for name in ("WORLD_SIZE", "RANK")}
        if launcher == "SLURM":
            theirs = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}
            theirs |= {"SLURM_PROCID": each["RANK"], "SLURM_LOCALID": each["RANK"]}
        rest = {name: value for name, value in each.items() if name not in own}
        running.append(subprocess.Popen(command, env=rest | theirs, text=True, stdout=subprocess.PIPE))
    said = [process.communicate(timeout=120)[0].strip() for process in running]
    assert said == ["0 2 [0, 1] True", "1 2 [0, 1] False"]
