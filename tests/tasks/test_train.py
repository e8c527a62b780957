"""Training from Python: against the command, and against PyTorch's own parts in place of hubel's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Generator, Tensor, nn

import hubel
from hubel.data.augment.policy import Augmentation
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError, HubelError, TrainingError, UsageError
from hubel.model.file import Model
from hubel.model.header import Validated
from hubel.tasks.follow import Spent
from hubel.training.events import BatchDone, RoundDone, Warned
from hubel.training.run.events import Began, Event, Finished, HeadTrained
from tests.cli.conftest import Hubel

NET = "conv(4, 3) >> batchnorm >> relu >> maxpool(2) >> fc(3)"
THREE = nn.Sequential(nn.Flatten(), nn.Linear(81, 3))
PLAIN: dict[str, Any] = {"epochs": 2, "batch": 16, "precision": "float32", "flip": "none", "shift": 0}
"""Settings under which a run is plain SGD on images as they are."""


def images(count: int = 90) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Grey images whose class is the brightest third, and the names of the classes."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 100, (count, 9, 9, 1)).astype(np.uint8)
    labels = [number % 3 for number in range(count)]
    for image, label in zip(pixels, labels, strict=True):
        image[:, 3 * label : 3 * label + 3] += 120
    return pixels, [["left", "middle", "right"][label] for label in labels]


def weights(run: hubel.Run) -> dict[str, Tensor]:
    return safetensors.torch.load_file(run.best)


def same(one: hubel.Run, other: hubel.Run) -> bool:
    ours, theirs = weights(one).values(), weights(other).values()
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_run_in_one_line(tmp_path: Path) -> None:
    events: list[Event] = []
    out = tmp_path / "run"
    run = hubel.train(images(), net=NET, epochs=3, out=out, lr=0.02, on_event=events.append)
    assert (run.folder, run.best) == (out, out / "best.safetensors")
    assert [line["epoch"] for line in run.history] == [1, 2, 3]
    assert run.evaluation is not None
    assert run.evaluation.top1 == max(line["val_top1"] for line in run.history) > 0.8
    kinds = [type(event) for event in events if not isinstance(event, BatchDone)]
    assert kinds.count(RoundDone) == 3
    assert kinds.index(Began) < kinds.index(RoundDone)
    assert kinds[-1] is Finished
    assert Path(run.report).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    pixels, names = images()
    assert run.model.predict(pixels[0]).label == names[0]
    assert hubel.load(run.folder).classes == ("left", "middle", "right")
    assert len(repr(run).splitlines()) == 1
    found = hubel.compare(run, run.model, "fc(3)", volume="9x9x1").facts
    correct = round(run.evaluation.top1 * len(run.evaluation.labels))
    assert found[0].validated == found[1].validated == Validated(correct, len(run.evaluation.labels), 3)
    assert found[2].validated is None


def test_the_command_trains_the_same_weights(hubel_command: Hubel, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    settings: dict[str, Any] = {"epochs": 1, "batch": 64, "lr": 0.02, "seed": 3, "precision": "float32"}
    ours = hubel.train("digits", net="lenet5", out=tmp_path / "ours", **settings)
    options = ["--epochs", 1, "--batch", 64, "--lr", 0.02, "--seed", 3, "--set", "precision=float32"]
    done = hubel_command("train", "digits", "--net", "lenet5", *options, "--out", tmp_path / "theirs")
    assert done.status == 0, done.err
    assert same(ours, hubel.Run(tmp_path / "theirs"))
    assert ours.config == hubel.Run(tmp_path / "theirs").config


def test_a_module_trains_like_the_network_it_is(tmp_path: Path) -> None:
    """The same layers and first weights, once as a value and once as somebody's module."""
    value = hubel.train(images(), net=NET, volume=(9, 9, 1), out=tmp_path / "value", **PLAIN)
    module = hubel.build(NET, "9x9x1", scores=True)
    own = hubel.train(images(), net=module, volume=(9, 9, 1), out=tmp_path / "own", **PLAIN)
    assert same(value, own)
    assert own.model.network.root is not module
    with pytest.raises(HubelError, match="only executes if asked"):
        hubel.load(own.folder)
    assert hubel.load(own) is own.model  # the run that was just trained has its module
    run: Any = own
    assert hubel.evaluate(run, images()).top1 == hubel.evaluate(own.model, images()).top1
    assert hubel.look(own).specimen.model is own.model
    again = hubel.load(own.folder, hubel.build(NET, "9x9x1", scores=True))
    assert torch.equal(*(each.probabilities(images()[0][:5]) for each in (again, value.model)))


def test_a_function_that_makes_a_module(tmp_path: Path) -> None:
    def make() -> nn.Module:
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 7, 3))

    run = hubel.train(images(), net=make, volume="9x9x1", out=tmp_path / "run", **PLAIN)
    assert run.config.net.endswith("make")
    assert "Conv2d" not in (run.folder / "config.toml").read_text(encoding="utf-8")
    assert set(weights(run)) == set(make().state_dict())


def test_a_module_of_a_file_trains_by_the_command(hubel_command: Hubel, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    file = tmp_path / "model.py"
    file.write_text(
        "from torch import nn\n\n\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    out = tmp_path / "run"
    net = ["--net", f"{file}:make"]
    done = hubel_command("train", "digits", *net, "--input", "8x8x1", "--epochs", 2, "--out", out)
    assert done.status == 0, done.err
    assert hubel_command("resume", out).status == 2
    assert hubel_command("resume", out, *net).status == 0


def test_an_own_loss_is_the_loss(tmp_path: Path) -> None:
    """PyTorch's cross-entropy as a function of one's own is a run without label smoothing."""
    plain = hubel.train(images(), net=NET, label_smoothing=0.0, out=tmp_path / "plain", **PLAIN)
    own = hubel.train(images(), net=NET, loss=F.cross_entropy, out=tmp_path / "own", **PLAIN)
    assert same(plain, own)
    assert own.config.own_loss == "torch.nn.functional:cross_entropy"


def test_an_own_optimizer_moves_the_weights(tmp_path: Path) -> None:
    """PyTorch's SGD at the recipe's numbers is the recipe's, where nothing decays."""
    numbers: dict[str, Any] = {"lr": 0.02, "momentum": 0.9}
    wishes = {**PLAIN, **numbers, "weight_decay": 0.0}
    plain = hubel.train(images(), net=NET, out=tmp_path / "plain", **wishes)

    def sgd(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, nesterov=True, fused=True, **numbers)

    own = hubel.train(images(), net=NET, optimizer=sgd, out=tmp_path / "own", **wishes)
    assert same(plain, own)


def test_an_own_augmentation_sees_the_images(tmp_path: Path) -> None:
    shapes = set()

    def darker(pixels: Tensor, generator: Generator) -> Tensor:
        shapes.add((pixels.dtype, tuple(pixels.shape[1:])))
        assert isinstance(torch.rand((), generator=generator), Tensor)
        pixels //= 2  # the copy it is given: the set itself stays
        return pixels

    plain = hubel.train(images(), net=NET, out=tmp_path / "plain", **PLAIN)
    kept = hubel.train(
        images(), net=NET, augmentation=lambda pixels, _: pixels, out=tmp_path / "kept", **PLAIN
    )
    assert same(plain, kept)
    own = hubel.train(images(), net=NET, augmentation=darker, out=tmp_path / "own", **PLAIN)
    assert not same(plain, own)
    assert shapes == {(torch.uint8, (9, 9, 1))}
    assert own.model.preprocessing == plain.model.preprocessing
    with pytest.raises(DataError, match=r"returns torch\.float32 of"):
        hubel.train(images(), net=NET, augmentation=lambda pixels, _: pixels / 2, **PLAIN)


def test_an_augmentation_of_hubels_is_a_value(tmp_path: Path) -> None:
    value = Augmentation(flip="random", cutout=2)
    run = hubel.train(images(), net=NET, epochs=1, augmentation=value, out=tmp_path / "run")
    assert run.config.recipe.augmentation == value


def test_what_python_gave_is_given_again_to_resume(tmp_path: Path) -> None:
    """A run that is stopped after its first round ends as one that was not."""
    own: dict[str, Any] = {"loss": F.cross_entropy, "optimizer": adam}
    whole = hubel.train(images(), net=NET, out=tmp_path / "whole", **own, **PLAIN)

    def stop(event: Event) -> None:
        if isinstance(event, RoundDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hubel.train(images(), net=NET, out=tmp_path / "run", on_event=stop, **own, **PLAIN)
    with pytest.raises(DataError, match="give them again"):
        hubel.resume(tmp_path / "run", **own)
    with pytest.raises(UsageError, match="loss is a function of your own, torch"):
        hubel.resume(tmp_path / "run", data=images(), optimizer=adam)
    run = hubel.resume(tmp_path / "run", data=images(), **own)
    assert same(run, whole)
    assert len(run.history) == 2


def test_all_that_is_missing_is_asked_for_at_once(tmp_path: Path) -> None:
    own: dict[str, Any] = {"loss": F.cross_entropy, "optimizer": adam}
    module = nn.Sequential(nn.Flatten(), nn.Linear(81, 3))
    run = hubel.train(
        images(), net=module, volume=(9, 9, 1), out=tmp_path / "run", **own, **{**PLAIN, "epochs": 1}
    )
    with pytest.raises(UsageError, match=r"data \(\d+ images from Python\), net .*:Sequential, loss ") as no:
        hubel.resume(run)
    assert str(no.value).endswith("again: data=..., net=..., loss=..., optimizer=...")
    with pytest.raises(UsageError, match=r"again: net=\.\.\., optimizer=\.\.\.$"):
        hubel.train(images(), config=run / "config.toml", loss=F.cross_entropy)


def test_a_run_of_other_classes_is_not_resumed_and_the_way_out_works(tmp_path: Path) -> None:
    pixels, names = images()
    before = hubel.train((pixels, names), net=NET, out=tmp_path / "run", **PLAIN)
    more = pixels, ["top" if at % 9 == 0 else name for at, name in enumerate(names)]
    with pytest.raises(
        DataError, match=r"have changed since this run started: top added\. Restore them"
    ) as no:
        hubel.resume(before.folder, data=more)
    assert "hubel train DATA --from RUN" in str(no.value)
    fewer = pixels[:, :, ::-1], ["left" if name == "middle" else name for name in names]
    with pytest.raises(DataError, match=r"started: middle missing\. Restore them"):
        hubel.resume(before.folder, data=fewer)
    after = hubel.train(more, start=before.folder, out=tmp_path / "new", **PLAIN)
    assert after.model.classes == ("left", "middle", "right", "top")


def shifted(scores: Tensor, labels: Tensor) -> Tensor:
    """A loss that teaches every image the next class."""
    return F.cross_entropy(scores, (labels + 1) % 3)


def test_fine_tuning_that_ruins_the_network_ends_with_the_head_alone(tmp_path: Path) -> None:
    before = hubel.train(images(), net=NET, out=tmp_path / "run", **PLAIN)
    pixels, names = images()
    renamed, events = (pixels, [name.upper() for name in names]), list[Event]()
    ruinous = {**PLAIN, "lr": 0.1, "average": 0.0, "loss": shifted, "on_event": events.append}
    after = hubel.train(renamed, start=before.folder, out=tmp_path / "new", **ruinous)
    head = next(event.val for event in events if isinstance(event, HeadTrained))
    assert after.history[-1]["val_top1"] < 0.5 < head.top1
    assert after.evaluation is not None
    assert after.evaluation.top1 == head.top1


def adam(parameters: Any) -> torch.optim.Optimizer:
    """PyTorch's Adam."""
    return torch.optim.Adam(parameters, lr=1e-3)


def test_the_rounds_are_a_table_where_pandas_is(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    run = hubel.train(images(), net=NET, out=tmp_path / "run", **PLAIN)
    frame = run.history.frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["val_loss"].tolist() == [line["val_loss"] for line in run.history]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"leaning_rate": 1.0}, "no setting 'leaning_rate'"),
        ({"input": "9x9x1"}, r"set it with volume \(--input\)"),
        ({"own_loss": "x"}, "give the function as loss="),
        ({"time": "soon"}, "like 90s, 10m or 1h30m"),
        ({"time": 0}, "a time is above 0"),
        ({"time": 9.0, "epochs": 3}, "by the clock or by epochs"),
        ({"net": nn.Flatten()}, r"a module does not state its input.*volume=\("),
        ({"net": lambda: 3, "volume": "9x9x1"}, "makes a int; a torch.nn.Module is expected"),
        ({"config": "run/config.toml"}, "run/config.toml cannot be read"),
        ({"net": 5}, "a network is expected here"),
        ({"freeze": ["none", "conv1"]}, "is none, for no part, or names parts, not both"),
        ({"net": "googlenet", "volume": "20x20x1"}, "the smallest square input is 79x79"),
        ({"recipe": 5}, "recipe is a name"),
        ({"time": [1]}, "a time is a number of seconds or a text"),
        ({"loss": "focal"}, "loss is a function, not str"),
        ({"optimizer": 5}, r"optimizer is a function, not int: give optimizer\(parameters\)"),
        ({"optimizer": torch.optim.SGD([nn.Parameter(torch.ones(1))])}, "optimizer is a function, not SGD"),
        ({"optimizer": lambda _: None}, "returns NoneType, not a torch.optim.Optimizer"),
        ({"loss": nn.CrossEntropyLoss}, "takes other arguments; give loss"),
        ({"loss": nn.CrossEntropyLoss(reduction="none")}, r"returns a tensor of \(16,\)"),
        ({"augmentation": "flip"}, "augmentation is a function, not str"),
        ({"augmentation": nn.Identity()}, r"takes other arguments; give augmentation\(images, generator\)"),
        ({"loss": F.cross_entropy, "balance": "loss"}, "a loss of your own takes no weights"),
        ({"net": THREE, "volume": (9, 9, 1), "start": "efficientnet_lite0"}, "a module of your own"),
    ],
)
def test_mistakes(
    arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HubelError, match=message):
        hubel.train(images(), **{"net": NET, "batch": 16, **arguments})
    assert not list(tmp_path.iterdir())


def test_a_run_whose_time_is_over_before_it_begins_ends_with_a_model_and_says_how_late(
    tmp_path: Path,
) -> None:
    events: list[Event] = []
    out = tmp_path / "run"
    run = hubel.train(images(), net=NET, time=0.001, out=out, on_event=events.append)
    assert run.model.predict(images()[0][0]).label in ("left", "middle", "right")
    assert Path(run.report).exists()
    last = events[-1]
    assert isinstance(last, Warned)
    assert "s more than the 0.001 s it was given: " in last.text
    assert "training, validating and finishing" in last.text


def test_a_run_that_keeps_its_time_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([2.0, 3.0, 50.0, 104.0])
    monkeypatch.setattr("hubel.tasks.follow.perf_counter", lambda: next(clock))
    spent = Spent(0.0)
    for part in ("reading the images", "training the head", "training, validating and finishing"):
        spent.on(part)
    assert spent.late(0.0) is spent.late(100.0) is None
    said = spent.late(90.0)
    assert said is not None
    assert said.startswith(
        "the run took 104.0 s, 14.0 s more than the 90 s it was given: opening the data and"
    )
    assert "network 2.0 s, reading the images 1.0 s, training the head 47.0 s, training, validating" in said


@pytest.mark.parametrize(("freeze", "frozen"), [(None, ("conv1",)), ("none", ()), (["conv2"], ("conv2",))])
def test_early_parts_of_a_model_stay_in_a_timed_run(
    freeze: Any, frozen: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the machine: so slow that few epochs are reckoned with. One step is enough to move weights."""
    monkeypatch.setattr("hubel.training.run.auto.images_per_second", lambda _: 1.0)
    net = "conv(4, 3, 2, pad=1) >> maxpool(4) >> conv(64, 3, pad=1) >> globalavgpool >> fc(2)"
    start = tmp_path / "start.safetensors"
    Model(hubel.build(net, "64x64x3"), ("a", "b"), Preprocessing.of("64x64x3")).save(start)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3)).astype(np.uint8)
    photos = (pixels, ["ab"[number % 2] for number in range(40)])
    run = hubel.train(photos, start=start, freeze=freeze, time=0.2, out=tmp_path / "run", keep_epochs=True)
    assert run.config.freeze == frozen
    last = sorted((tmp_path / "run" / "epochs").glob("*"))[-1]
    before, after = (safetensors.torch.load_file(file) for file in (start, last))
    for name in ("conv1.weight", "conv2.weight"):
        assert torch.equal(before[name], after[name]) == (name.partition(".")[0] in frozen)


def test_a_run_and_its_images_may_be_moved(hubel_command: Hubel, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for number, (pixels, name) in enumerate(zip(*images(60), strict=True)):
        (before / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(before / name / f"{number:02}.png")

    def stop(event: object) -> None:
        if isinstance(event, RoundDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hubel.train(before, net=NET, volume="9x9x1", **PLAIN, out=tmp_path / "run", on_event=stop)
    before.rename(after)
    (tmp_path / "run").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match=r"not at .*before; say where they are: data, on .* --data NEW"):
        hubel.resume(tmp_path / "moved")
    shutil.copytree(after, tmp_path / "other")
    (tmp_path / "other" / "left" / "00.png").unlink()
    with pytest.raises(TrainingError, match="the images have changed"):
        hubel.resume(tmp_path / "moved", data=tmp_path / "other")
    for file in sorted(after.rglob("*.png"))[::7]:  # some to train on and some held out
        shutil.rmtree(tmp_path / "other")
        shutil.copytree(after, tmp_path / "other")
        Image.new("L", (9, 9), 200).save(tmp_path / "other" / file.relative_to(after))
        with pytest.raises(TrainingError, match="the images have changed"):
            hubel.resume(tmp_path / "moved", data=tmp_path / "other")
    hubel_command("resume", str(tmp_path / "moved"), "--data", str(after))
    run = hubel.Run(tmp_path / "moved")
    assert run.config.data == str(after)
    assert [line["epoch"] for line in run.history] == [1, 2]
    assert same(run, hubel.train(after, net=NET, volume="9x9x1", **PLAIN, out=tmp_path / "whole"))
