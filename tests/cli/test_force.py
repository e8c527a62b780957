"""`--force`: every command that may refuse a network for its memory takes it, and its error says so."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch

import hubel as package
from tests.cli.conftest import Hubel
from tests.tasks.look.small import saved_model
from tests.weights.fixtures import seeded

COMMANDS = [
    "look {model} filters --json",
    "look {model} compare {other} {data} --json",
    "look {model} compare {other} {data} --unit conv1[0] --json",
    "predict {model} {image}",
    "evaluate {model} {data}",
    "train {data} --net fc(2) --input 10x10x3 --epochs 1 --batch 4 --out {out}",
    "train {data} --from {model} --epochs 1 --batch 4 --out {out}2",
    "resume {run}",
    "train --resume {run}",
    "data preview {data} --from {model} -o {png}",
    "import-weights {weights} --net resnet18 --out {out}.safetensors",
]


@pytest.fixture
def places(tmp_path: Path, model: Path, data: Path) -> dict[str, Path]:
    """Everything that the commands name."""
    run = package.train(
        data, net="fc(2)", volume="10x10x3", epochs=1, batch=4, out=tmp_path / "run", precision="float32"
    )
    torch.save(seeded("torchvision resnet18"), tmp_path / "weights.pth")
    other = saved_model(tmp_path / "other.safetensors", seed=2)
    found = {"model": model, "other": other, "data": data, "image": data / "cat" / "0.png"}
    names = {"run": run.folder, "weights": tmp_path / "weights.pth"}
    return found | names | {"out": tmp_path / "out", "png": tmp_path / "a.png"}


def test_a_command_that_says_memory_has_the_option(
    hubel: Hubel, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte is free, but the machine has more than enough."""
    monkeypatch.setattr("hubel.ram.free_memory", lambda: 0)
    monkeypatch.setattr("hubel.ram.total_memory", lambda: 1 << 40)
    for command in COMMANDS:
        words = [word.format(**places) if "{" in word else word for word in shlex.split(command, posix=False)]
        refused = hubel(*words)
        assert refused.status == 1, command
        assert "of memory are free. Use a smaller network or input; force=True (--force)" in (refused.err), (
            command
        )
        taken = hubel(*words, "--force")
        assert taken.status == 0, (command, taken.err)


def test_force_ends_with_its_task(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.ram.free_memory", lambda: 0)
    monkeypatch.setattr("hubel.ram.total_memory", lambda: 1 << 40)
    package.resume(places["run"], force=True)
    with pytest.raises(package.HubelError, match="--force"):
        package.resume(places["run"])
    with pytest.raises(package.HubelError, match="--force"):
        package.load(places["model"])
