"""What can be explored: models, runs, networks and notations; and the command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hubel
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import HubelError, UsageError
from hubel.model.file import Model
from hubel.module.own import OwnNetwork
from hubel.net.volume import Volume
from hubel.service.explorer.describe import fits_browser, network_json
from hubel.service.explorer.exhibit import Exhibit, digits, in_turn
from hubel.service.explorer.seen import Seen
from hubel.service.explorer.weights import weights_of
from hubel.tasks.explore import exhibit, follower_of

DIGITS = "src/hubel/service/explorer/digits/lenet5.safetensors"


def test_the_digits_were_held_out_and_most_are_correct() -> None:
    shown = digits()
    assert shown.data is not None
    images = shown.data.images
    model = hubel.load(DIGITS)
    marks = hubel.evaluate(model, "digits", engine="torch")
    assert len(images) == len(marks.labels) == 359
    seen = [images.fitted(at, model.preprocessing) for at in range(359)]
    found = [each.label for each in model.predict(iter(seen), top=1, engine="torch")]
    correct = sum(label == str(truth) for label, truth in zip(found, images.labels, strict=True))
    assert correct == marks.correct > 350


def test_a_model_a_name_and_a_notation() -> None:
    assert exhibit(DIGITS).name == "lenet5"
    zoo = exhibit("resnet18")
    assert (zoo.name, zoo.trained) == ("resnet18", False)
    assert zoo.ledger.totals == hubel.ledger("resnet18").totals
    long = " >> ".join(30 * ["conv(4, 3, pad=1) >> relu"])  # longer than the name of a file may be
    assert exhibit(long, "8x8x1").notation == repr(hubel.parse(long))
    assert follower_of(long, zoo) is None
    text = exhibit("conv(4, 3) >> fc(2)", "8x8x1")
    assert text.document()["classes"] == ["0", "1"]
    assert exhibit(hubel.zoo.lenet5(), "32x32x1").notation == repr(hubel.zoo.lenet5())


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("conv(4, 3) >> fx(2)", "no layer fx"),
        ("nothing.safetensors", "nothing.safetensors"),
        ("resnet19", "resnet19"),
    ],
)
def test_what_cannot_be_explored_says_why(what: str, words: str) -> None:
    with pytest.raises(HubelError, match=words):
        exhibit(what, "8x8x1")


def test_samples_take_the_classes_in_turn() -> None:
    shown = digits()
    assert [label for _, label, _ in shown.samples()] == [*"0123456789", "0", "1"]
    assert shown.data is not None
    labels = shown.data.images.labels
    assert [int(labels[at]) for at in in_turn(shown.data.images, 25)] == [*range(10), *range(10), *range(5)]


def test_large_networks_and_layers_of_others_are_not_for_the_browser() -> None:
    assert fits_browser(hubel.ledger("lenet5").steps)
    assert fits_browser(hubel.ledger("resnet20").steps)
    assert not fits_browser(hubel.ledger("resnet18").steps)
    heavy = hubel.ledger("8 * conv(32, 3, pad=1)", "224x224x3")
    assert heavy.totals.params < 1_000_000
    assert not fits_browser(heavy.steps)


class Own(nn.Module):
    """A module of a user's own, with an operation that the notation has no layer for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.conv(images)).cumsum(2)
        found: Tensor = self.head(maps.mean((2, 3)))
        return found


def test_a_module_of_a_user_s_own_is_computed_by_the_service() -> None:
    network = OwnNetwork(Own(), Volume(8, 8, 3), "file.py:Own")
    shown = Exhibit.of("own", Model(network, ("a", "b"), Preprocessing.of("8x8x3")))
    document = json.loads(json.dumps(shown.document(), allow_nan=False))
    assert [step["kind"] for step in document["network"]["steps"]][:3] == ["conv", "relu", "cumsum"]
    assert not document["browser"]
    seen = Seen(shown)
    key = seen.add(np.full((8, 8, 3), 90, np.uint8))["id"]
    arrays, _ = seen.maps(key, ["cumsum1"])
    assert arrays["cumsum1"].shape == (4, 8, 8)
    assert len(seen.neuron(key, "conv[1,2,3]")["here"]) == 4
    assert sorted(weights_of(shown, "conv")) == ["conv.bias", "conv.weight"]


def paths_of(chain: list[Any]) -> Iterator[str]:
    """The paths of all steps in the parts of a drawing."""
    for part in chain:
        for cell in (*part.get("stack", ()), *([part["join"]] if "join" in part else ())):
            yield from (*cell["steps"], *cell["copies"])
            for head in cell["heads"]:
                yield from paths_of(head["chain"])
        for lane in (*part.get("fork", ()), part.get("repeat", [])):
            yield from paths_of(lane)


@pytest.mark.parametrize("name", ["googlenet", "resnet50", "alexnet"])
def test_the_parts_of_a_drawing_name_every_step_once(name: str) -> None:
    found = network_json(hubel.ledger(name))
    assert sorted(paths_of(found["parts"])) == sorted(step["path"] for step in found["steps"])


def test_the_command_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hubel.cli.explore import explore

    explore("conv(4, 3) >> relu >> fc(2)", "8x8x1", out=tmp_path / "page.html")
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 'page.html'}, ")
    with pytest.raises(UsageError, match="no folder"):
        explore(out=tmp_path / "nowhere" / "page.html")


def test_the_command_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, "-m", "hubel", "explore", "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[4].rstrip(";")
        with urlopen(f"{address}/v1/explore") as answer:
            assert json.load(answer)["models"] == ["digits"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
