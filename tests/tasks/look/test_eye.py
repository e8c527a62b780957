"""`hubel.look`: what it opens, and that each method does what its command does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hubel import build
from hubel.cli.look.group import INSTRUMENTS
from hubel.data.image.objects import ImageLike
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError, HubelError, UsageError
from hubel.tasks.look.eye import Eye, look
from hubel.tasks.look.finding import Finding
from hubel.tasks.look.specimen import Lookable
from tests.cli.conftest import Hubel
from tests.tasks.look.small import NET, image_folder, saved_model, small_model

GRATINGS = {"orientations": 6, "frequencies": 3, "phases": 4}
CALLS: dict[str, tuple[str, Callable[[Eye], Finding]]] = {
    "filters": ("filters --layer conv2", lambda eye: eye.filters("conv2")),
    "filters of data": (
        "filters --layer conv2 --data DATA --images 8 --maps 3",
        lambda eye: eye.filters("conv2", data="DATA", images=8, maps=3),
    ),
    "maps": ("maps IMAGE", lambda eye: eye.maps("IMAGE")),
    "maps of layers": (
        "maps IMAGE --layers relu1,fc1",
        lambda eye: eye.maps("IMAGE", layers=["relu1", "fc1"]),
    ),
    "patches": (
        "patches DATA --unit relu2[3] --top 4",
        lambda eye: eye.patches("DATA", "relu2[3]", top=4),
    ),
    "synthesise": (
        "synthesise relu1[2] --class dog --steps 3",
        lambda eye: eye.synthesise("relu1[2]", label="dog", steps=3),
    ),
    "attribution": ("attribution IMAGE", lambda eye: eye.attribution("IMAGE")),
    "occlusion": (
        "attribution IMAGE --method occlusion --class dog --square 4",
        lambda eye: eye.attribution("IMAGE", method="occlusion", label="dog", square=4),
    ),
    "embedding": ("embedding DATA --images 10", lambda eye: eye.embedding("DATA", images=10)),
    "neighbours": (
        "embedding DATA --near IMAGE --top 3",
        lambda eye: eye.embedding("DATA", near="IMAGE", top=3),
    ),
    "tuning": (
        "tuning --orientations 6 --frequencies 3 --phases 4 --layer relu1[1]",
        lambda eye: eye.tuning(layer="relu1[1]", orientations=6, frequencies=3, phases=4),
    ),
    "topography": ("topography --spot 2", lambda eye: eye.topography(spot=2)),
    "ablate": ("ablate DATA --layer relu1", lambda eye: eye.ablate("DATA", layer="relu1")),
    "compare": ("compare OTHER DATA", lambda eye: eye.compare("OTHER", "DATA")),
    "ages": (
        "compare OTHER DATA --unit conv1[1]",
        lambda eye: eye.compare("OTHER", "DATA", unit="conv1[1]"),
    ),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a model, another one, a data set and an image of it."""
    monkeypatch.chdir(tmp_path)
    saved_model(tmp_path / "MODEL")
    saved_model(tmp_path / "OTHER", seed=2)
    image_folder(tmp_path / "DATA")
    (tmp_path / "IMAGE").write_bytes((tmp_path / "DATA" / "cat" / "3.png").read_bytes())


@pytest.mark.parametrize("name", CALLS)
def test_a_method_does_what_its_command_does(hubel: Hubel, name: str) -> None:
    words, call = CALLS[name]
    said = hubel("look", "MODEL", *words.split(), "-o", "command.png", "--json")
    assert said.status == 0, said.err
    found = call(look("MODEL"))
    assert found.json() == said.out.removesuffix("\n")
    found.save("method.png")
    assert Path("method.png").read_bytes() == Path("command.png").read_bytes()
    assert found._repr_png_() == Path("method.png").read_bytes()
    assert all(isinstance(each, np.ndarray) for each in found.arrays.values())
    assert found.arrays


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("filters", lambda eye: eye.filters()),
        ("neuron relu2[1,0,0] IMAGE", lambda eye: eye.neuron("relu2[1,0,0]", "IMAGE")),
        ("tuning --orientations 6 --frequencies 3 --phases 4", lambda eye: eye.tuning(**GRATINGS)),
        ("topography", lambda eye: eye.topography()),
        ("ablate DATA", lambda eye: eye.ablate("DATA")),
        ("compare OTHER DATA", lambda eye: eye.compare("OTHER", "DATA")),
        (
            "attribution IMAGE --method gradient --sanity",
            lambda eye: eye.attribution("IMAGE", method="gradient", sanity=True),
        ),
    ],
    ids=lambda each: each.split()[0] if isinstance(each, str) else "",
)
def test_a_finding_prints_as_its_command(hubel: Hubel, words: str, call: Callable[[Eye], Finding]) -> None:
    said = hubel("look", "MODEL", *words.split())
    assert said.status == 0, said.err
    assert str(call(look("MODEL"))) == said.out.removesuffix("\n")


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_a_command_and_its_method_have_the_same_arguments_and_defaults(instrument: str) -> None:
    command = inspect.signature(getattr(import_module(f"hubel.cli.look.{instrument}"), instrument))
    method = inspect.signature(getattr(Eye, instrument))
    printing = {"context", "out", "as_json"}
    told = {"self", "out", "progress", "on_message"}
    defaults = {name: each.default for name, each in command.parameters.items() if name not in printing}
    defaults |= {"others": inspect.Parameter.empty} if "others" in defaults else {}
    assert {name: each.default for name, each in method.parameters.items() if name not in told} == defaults


def test_the_eye_has_every_instrument() -> None:
    methods = [name for name, _ in inspect.getmembers(Eye, inspect.isfunction) if not name.startswith("_")]
    assert sorted(methods) == sorted(INSTRUMENTS)


def test_whatever_has_a_network_in_it_is_opened(tmp_path: Path) -> None:
    model = small_model()
    saved_model(tmp_path / "run" / "best.safetensors")
    eyes = [look(model), look("MODEL"), look(Path("MODEL")), look("run"), look(Path("run"))]
    numbers = [eye.attribution("IMAGE", label="dog").json() for eye in eyes]
    assert set(numbers) == {numbers[0]}
    network = look(model.network)
    assert network.specimen.classes == ("0", "1")
    named = look(model.network, classes=("cat", "dog"))
    assert named.attribution("IMAGE", label="dog").json() == numbers[0]
    assert repr(eyes[3]) == "<Eye on run: 6 layers, 10x10x3 to 1x1x2>"


def test_what_has_a_path_is_looked_into() -> None:
    class Run:
        def __fspath__(self) -> str:
            return "MODEL"

    assert repr(look(Run())) == repr(look("MODEL"))


def test_an_image_is_a_path_an_image_or_an_array() -> None:
    eye = look("MODEL")
    image = Image.open("IMAGE")
    pixels = np.asarray(image)
    floats = torch.from_numpy(pixels / 255).permute(2, 0, 1)
    every: list[ImageLike] = [
        "IMAGE",
        Path("IMAGE"),
        image,
        pixels,
        floats,
        floats.float().numpy().transpose(1, 2, 0),
    ]
    assert len({eye.neuron("conv2[3,1,1]", each).json() for each in every}) == 1
    assert len({eye.embedding("DATA", near=each, top=2).json() for each in every[2:]}) == 1
    for each in (image, floats):
        assert set(eye.deconv(each, "relu2[1]").arrays) == set(eye.deconv("IMAGE", "relu2[1]").arrays)
    with pytest.raises(DataError, match=r"not 3 x .*; move the channels with x.transpose\(1, 2, 0\)"):
        eye.maps(pixels.transpose(2, 0, 1))


class Own(nn.Module):
    """A module of someone's own, which gives three scores to colour images of 9x9."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.last = nn.Linear(4 * 49, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.first(images).relu().flatten(1))
        return out


def test_any_module_is_looked_into() -> None:
    torch.manual_seed(0)
    module = Own()
    eye = look(module, (9, 9, 3))
    shown = eye.specimen.seen("IMAGE")
    assert shown.shape == (3, 9, 9)
    assert 0 <= float(shown.min()) < float(shown.max()) <= 1
    maps = eye.maps("IMAGE", layers="all").arrays
    np.testing.assert_allclose(maps["scores"], module(shown[None])[0].detach().numpy(), rtol=1e-5)
    found = eye.patches("DATA", "first[2]", top=3)
    assert found.arrays["first[2]"].shape == (3, 3, 3, 3)
    with torch.no_grad():
        best = [float(module.first(eye.specimen.seen(path))[2].max()) for path in Path("DATA").rglob("*.png")]
    np.testing.assert_allclose(found.arrays["first[2].scores"], sorted(best)[:-4:-1], rtol=1e-5)
    assert 'class": "2"' in eye.attribution("IMAGE", label="2").json()
    page = eye.atlas("DATA", units=2, top=1)
    assert page.draw("html").startswith(b"<!DOCTYPE html>")


def test_a_module_takes_classes_and_preprocessing() -> None:
    module = Own()
    darker = Preprocessing(9, 9, 3, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "squash")
    eye = look(module, "9x9x3", classes=["dog", "fox", "cat"], preprocessing=darker)
    assert float(eye.specimen.seen("IMAGE").min()) < 0
    assert eye.ablate("DATA", layer="first[0]").arrays["images"].tolist() == [6, 0, 6]
    with pytest.raises(UsageError, match="3 scores, the set 2 classes; name the network's classes"):
        look(module, "9x9x3").ablate("DATA")


class Two(Own):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.first(images)
        return {"features": features, "scores": self.last(features.relu().flatten(1))}  # type: ignore[return-value]  # of two


def test_one_of_several_results_is_chosen() -> None:
    """By the module itself; by default its first result is taken, with a warning."""
    torch.manual_seed(0)
    module = Two()
    eye = look(module, (9, 9, 3), output="scores", classes=["dog", "fox", "cat"])
    shown = eye.specimen.seen("IMAGE")[None]
    maps = eye.maps("IMAGE", layers="first").arrays
    results: Any = module(shown)
    np.testing.assert_allclose(maps["scores"], results["scores"][0].detach().numpy(), rtol=1e-5)
    with pytest.warns(UserWarning, match='its scores are the first: features; output="scores" takes another'):
        first = look(module, (9, 9, 3))
    assert first.specimen.subject.last.path == "first"
    with pytest.raises(UsageError, match="Two returns no 'score'; did you mean scores"):
        look(module, (9, 9, 3), output="score")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: look(build(NET, "10x10x3"), output="0"), "a network has one"),
        (lambda: look("MODEL", output="0"), "give them with a module only"),
        (lambda: look(Own()), "as \\(height, width, depth\\)"),
        (lambda: look(Own(), "9x9x3", classes=["a"]), "3 scores, not 1"),
        (lambda: look(Own(), "9x9x3", preprocessing=Preprocessing.of("8x8x3")), "makes 8x8x3"),
        (lambda: look(build(NET, "10x10x3"), "12x12x3"), "built for 10x10x3, not for 12x12x3"),
        (lambda: look("MODEL", "10x10x3"), "give them with a module only"),
        (lambda: look(NET), "hubel.build\\(net, volume\\)"),  # type: ignore[arg-type]  # what is tested
        (lambda: look("MODEL").patches("DATA", "relu3[1]"), "no layer 'relu3'; did you mean"),
        (lambda: look("MODEL").patches("DATA", maps=0), "maps is at least 1, not 0"),
        (lambda: look("MODEL").patches("DATA").save("p.gif"), "one of .png"),
        (lambda: look("MODEL").filters().save("none/f.svg"), "no folder 'none'"),
        (lambda: look("MODEL").compare((), "DATA"), "name what to compare with"),
        (lambda: look("MODEL").deconv("IMAGE", "relu1[0]", rule="guided"), "all three rules"),
    ],
)
def test_mistakes(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def test_what_is_missing_is_named() -> None:
    for where in ("no/such/file.safetensors", "DATA"):
        with pytest.raises(HubelError, match=where):
            look(where)


def test_a_neuron_shows_itself_as_text_and_an_atlas_as_a_page(tmp_path: Path) -> None:
    eye = look("MODEL")
    neuron = eye.neuron("fc1[1]", "IMAGE")
    assert str(neuron) in neuron.save("n.txt").read_text("utf-8")
    with pytest.raises(UsageError, match=r"the text is written as one of \.txt; 'n\.png' is none"):
        neuron.save("n.png")
    assert not Path("n.png").exists()
    assert (neuron._repr_html_() or "").startswith("<pre>fc1[1,0,0] = ")
    assert neuron._repr_png_() is None
    told: list[str] = []
    page = eye.atlas(
        "DATA", out="a.html", units=2, top=1, progress=lambda what, _done, _total: told.append(what)
    )
    assert page.save("b.html").read_bytes() == Path("a.html").read_bytes()
    assert "<iframe srcdoc=" in (page._repr_html_() or "")
    assert list(dict.fromkeys(told)) == ["looking at images", "showing gratings", "relu1", "relu2", "fc1"]
    assert page.arrays["relu2.means"].shape == (5, 2)
    assert not list(tmp_path.glob("*.parts"))


def test_networks_in_memory_are_compared() -> None:
    eye = look(small_model(1))
    others: list[Lookable | Eye] = [look(small_model(1)), small_model(2)]
    found = eye.compare(others, "DATA")
    assert [len(each.values) for each in found.found] == [3, 3]
    states = eye.compare([small_model(2)], "DATA", unit="conv1[0]").arrays
    assert states["conv1[0].filters"].shape == (2, 3, 3, 3)


def test_progress_is_reported_to_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    look("MODEL").patches("DATA", "relu1[0]", progress=lambda *news: told.append(news))
    assert told == [("looking at images", 12, 12)]
