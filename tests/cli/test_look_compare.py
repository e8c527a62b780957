"""`hubel look MODEL compare OTHER... DATA`: by CKA, and map by map over states of a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.model.file import Model
from tests.cli.conftest import Hubel

NET = "conv(3, 3) >> relu >> maxpool(2) >> fc(10)"


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    paths = []
    for seed, side in ((0, 8), (1, 8), (2, 10)):
        path = tmp_path / f"model{seed}.safetensors"
        volume = (side, side, 1)
        network = build(parse(NET), volume, seed=seed)
        Model(network, tuple("0123456789"), Preprocessing.of(volume)).save(path)
        paths.append(path)
    return paths


def test_networks_by_cka(hubel: Hubel, models: list[Path], tmp_path: Path) -> None:
    first, second, larger = models
    out = tmp_path / "cka.png"
    said = hubel("look", first, "compare", second, larger, "digits", "--images", 60, "-o", out)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("model0 and model1: linear CKA on 60 images\n")
    assert "model0 and model2" in said.out
    assert out.read_bytes().startswith(b"\x89PNG")
    told = json.loads(hubel("look", first, "compare", first, "digits", "--images", 40, "--json").out)
    assert told[0]["first_layers"] == ["relu1", "fc1"]
    assert [told[0]["cka"][at][at] for at in range(2)] == pytest.approx([1, 1], abs=1e-5)


def test_maps_over_states(hubel: Hubel, models: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "ages.png"
    arguments = ("look", models[0], "compare", models[1], "digits", "--images", 30, "--unit")
    said = hubel(*arguments, "conv1", "--unit", "relu1[1]", "--top", 2, "-o", out)
    assert (said.status, said.err, said.out) == (0, "", f"wrote {out}\n")
    assert out.read_bytes().startswith(b"\x89PNG")
    told = json.loads(hubel(*arguments, "conv1[2]", "--json").out)
    assert [state["model"] for state in told[0]["states"]] == ["model0", "model1"]
    assert told[0]["states"][1]["filter_cosine_to_last"] == pytest.approx(1)
    assert told[0]["states"][0]["patches"][0]["file"].startswith("digits/")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder that kept ten epochs."""
    folder = tmp_path / "run"
    (folder / "epochs").mkdir(parents=True)
    for epoch in range(1, 11):
        network = build(parse(NET), (8, 8, 1), seed=epoch)
        model = Model(network, tuple("0123456789"), Preprocessing.of((8, 8, 1)))
        model.save(folder / "epochs" / f"{epoch:04}.safetensors")
    model.save(folder / "best.safetensors")
    return folder


def test_a_run_stands_for_the_epochs_it_kept(hubel: Hubel, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "ages.png"
    arguments = ("look", run, "compare", "digits", "--images", 20, "--unit", "relu1")
    said = hubel(*arguments, "-o", out)
    assert (said.status, said.err, said.out) == (0, "", f"wrote {out}\n")
    assert out.read_bytes().startswith(b"\x89PNG")
    told = json.loads(hubel(*arguments, "--states", 5, "--json").out)
    assert [state["model"] for state in told[0]["states"]] == [f"epoch {epoch}" for epoch in (1, 2, 3, 6, 10)]


def test_a_run_stands_for_its_best_where_networks_are_compared(hubel: Hubel, run: Path) -> None:
    said = hubel(
        "look", run, "compare", run / "epochs" / "0010.safetensors", "digits", "--images", 40, "--json"
    )
    told = json.loads(said.out)
    assert (told[0]["first"], told[0]["second"]) == ("run", "0010")
    assert [told[0]["cka"][at][at] for at in range(2)] == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits"], "name what to compare with"),
        (["digits", "--unit", "conv1", "--json"], "one state alone does not change"),
        (["FOLDER", "digits", "--unit", "conv1", "--json"], "train with --keep-epochs"),
        (["MODEL", "digits", "--unit", "conv1", "--states", "1", "--json"], "states is at least 2, not 1"),
        (["MODEL", "digits", "--unit", "conv1", "--layer", "conv1", "--json"], "give only one"),
        (["MODEL", "digits", "--unit", "conv1"], "name a file for the image"),
        (["MODEL", "digits", "--layer", "conv2"], "did you mean conv1"),
    ],
)
def test_errors(hubel: Hubel, models: list[Path], arguments: list[str], message: str) -> None:
    given = [{"MODEL": models[1], "FOLDER": models[1].parent}.get(each, each) for each in arguments]
    said = hubel("look", models[0], "compare", *given)
    assert (said.status, said.out) == (2, "")
    assert message in said.err
