"""A newcomer's script of 25 lines: train, evaluate, predict, look and save, from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

SCRIPT = """
import numpy as np
from sklearn.datasets import load_digits
import hubel

digits = load_digits()
images = (digits.images * 15).astype(np.uint8)                   # 1,797 of 8x8, 0 to 255
train, test = (images[:1500], digits.target[:1500]), (images[1500:], digits.target[1500:])

net = hubel.conv(16, 3, pad=1) >> hubel.relu >> hubel.maxpool(2) >> hubel.fc(10)
print(hubel.table(net, "8x8x1"))

run = hubel.train({"train": train, "test": test}, net=net, volume="8x8x1", epochs=8, seed=1, out="runs/first")
print(run)
print(run.history[-1])

model = hubel.load("runs/first")
found = hubel.evaluate(model, {"train": train, "test": test})
print(f"test accuracy {found.top1:.1%}, {len(found.mistakes())} mistakes")
prediction = model.predict(test[0][0])
print(prediction.label, prediction.probability)

eye = hubel.look(model)
print(eye.neuron("conv1[3,5,7]", test[0][0]))
eye.patches("digits", "conv1[3]").save("patches.png")
model.save("digits.safetensors")
"""


def test_a_newcomers_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(SCRIPT, "script", "exec"), names)
    assert names["found"].top1 > 0.85  # type: ignore[attr-defined]  # by the names that the script makes
    assert Path("patches.png").read_bytes()[:4] == b"\x89PNG"
    assert Path("digits.safetensors").exists()
    assert Path("runs/first/report.html").exists()


def test_it_is_short() -> None:
    assert len([line for line in SCRIPT.splitlines() if line.strip()]) <= 25
