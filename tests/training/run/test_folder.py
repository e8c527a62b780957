"""A run's folder: what it keeps, and that a run that was stopped ends as if it had not been."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hubel import zoo
from hubel.data.augment.policy import Augmentation
from hubel.errors import HubelError, NetworkError, TrainingError, UsageError
from hubel.evaluation.metrics import Evaluation, evaluate
from hubel.model.file import load
from hubel.training.events import BatchDone, RoundDone, Warned
from hubel.training.run.checkpoint import STATE
from hubel.training.run.finish import TIMED, seconds_to_finish
from hubel.training.run.finish import finish as finish_run
from hubel.training.run.folder import RunFolder
from hubel.training.run.prepare import Inputs, Prepared, prepare
from hubel.training.run.session import Session
from hubel.training.settings.config import Config
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.recipes import RECIPES
from hubel.training.settings.toml import changed
from hubel.training.step.hardest import Hardest
from hubel.training.trainer import Trainer

pytest.importorskip("sklearn")

NET = "conv(4, 3) >> batchnorm >> relu >> conv(8, 3) >> relu >> dropout(p=0.1) >> maxpool(2) >> fc(10)"
CONFIG = Config(
    data="digits",
    net=NET,
    input="8x8x1",
    precision="float32",
    recipe=Recipe(epochs=4, batch=128, augmentation=Augmentation(shift=1)),
)


def start(folder: Path) -> tuple[RunFolder, Prepared, Trainer]:
    run = RunFolder.create(folder, "digits", "net")
    run.write_config(CONFIG)
    setting = prepare(CONFIG)
    return run, setting, Trainer.of(setting.network, CONFIG, setting.train)


def restore(run: RunFolder, prepared: Prepared, trainer: Trainer) -> None:
    """Brings a trainer to the last intact checkpoint."""
    kept = run.checkpoint()
    assert kept is not None
    Session(run, prepared, trainer).restore(kept)


def finish(folder: Path) -> RunFolder:
    run, setting, trainer = start(folder)
    assert (
        sum(isinstance(event, RoundDone) for event in Session(run, setting, trainer).train())
        == CONFIG.recipe.epochs
    )
    return run


def weights(path: Path) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in load(path).network.state_dict().values()])


@pytest.mark.parametrize("there", [False, True])
def test_a_run_without_a_round_leaves_nothing_behind(there: bool, tmp_path: Path) -> None:
    """Not what listeners wrote either, such as TensorBoard's events."""
    if there:
        (tmp_path / "run").mkdir()
    run, setting, trainer = start(tmp_path / "run")
    next(Session(run, setting, trainer).train())
    (run.folder / "events.out.tfevents.0").write_bytes(b"event")
    (run.folder / "epochs").mkdir()
    (run.folder / "epochs" / "1.safetensors").write_bytes(b"model")
    run.discard_unfinished()
    assert list(tmp_path.rglob("*")) == [run.folder] * there


def test_the_folders_above_a_run_that_fails_go_where_they_were_made_for_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    run = RunFolder.create(tmp_path / "a" / "b" / "c" / "run", "digits", "net")
    other = RunFolder.create(tmp_path / "a" / "b" / "run", "digits", "net")
    run.discard_unfinished()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "run"]
    other.write_config(CONFIG)
    run = RunFolder.create(tmp_path / "a" / "d" / "run", "digits", "net")
    run.discard_unfinished()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b"]


def test_what_is_kept(tmp_path: Path) -> None:
    run = finish(tmp_path / "run")
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "best.safetensors",
        "config.toml",
        "last",
        "metrics.jsonl",
    ]
    lines = run.metrics()
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert run.config() == CONFIG
    for line in lines:
        confusion = np.array(line["val_confusion"])
        right = confusion.diagonal()
        assert right.sum() / confusion.sum() == pytest.approx(line["val_top1"])
        np.testing.assert_allclose(line["val_recall"], right / confusion.sum(1), atol=1e-4)
        named = confusion.sum(0)
        precision = [hit / of if of else None for hit, of in zip(right, named, strict=True)]
        assert line["val_precision"] == [each and pytest.approx(each, abs=1e-4) for each in precision]
    model = load(run.best)
    assert "val_confusion" not in model.summary
    assert repr(model.network.net) == NET
    assert model.classes == tuple("0123456789")
    best = [line for line in lines if line["best"]][-1]
    held_out = prepare(CONFIG).val
    assert evaluate(model.network, held_out.epoch(0)).top1 == best["val_top1"]
    assert model.summary["val_top1"] == best["val_top1"]
    assert model.summary["val_images"] == len(held_out.labels)


def test_the_model_to_start_from_is_the_best_until_it_is_beaten(tmp_path: Path) -> None:
    run, setting, trainer = start(tmp_path / "run")
    labels = torch.arange(10)
    Session(run, setting, trainer).keep_start(
        Evaluation(torch.eye(10), labels)
    )  # none can do better than all right
    began = weights(run.best)
    list(Session(run, setting, trainer).train())
    assert not any(line["best"] for line in run.metrics())
    assert torch.equal(weights(run.best), began)
    assert load(run.best).summary["epoch"] == 0
    goal = RunFolder.create(tmp_path / "goal", "digits", "net")
    aimed = Trainer.of(setting.network, replace(CONFIG, target=0.9), setting.train)
    Session(goal, setting, aimed).keep_start(Evaluation(torch.eye(10), labels))
    rounds = [event for event in Session(goal, setting, aimed).train() if isinstance(event, RoundDone)]
    assert len(rounds) == 1  # one is run, for the report, and the start has reached the target
    other, setting, trainer = start(tmp_path / "other")
    Session(other, setting, trainer).keep_start(Evaluation(torch.eye(10), labels.flip(0)))  # none right
    list(Session(other, setting, trainer).train())
    assert load(other.best).summary["epoch"] > 0


@pytest.mark.parametrize("damage", ["nothing", "the last state", "the checksum"])
def test_a_stopped_run_goes_on_to_the_same_end(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.training.run.session.SHARE", float("inf"))  # a checkpoint of every round
    whole = finish(tmp_path / "whole")
    run, setting, trainer = start(tmp_path / "stopped")
    epochs = (event for event in Session(run, setting, trainer).train() if isinstance(event, RoundDone))
    assert len(list(islice(epochs, 3))) == 3
    state = run.folder / STATE
    if damage == "the last state":
        state.write_bytes(state.read_bytes()[:1000])
    if damage == "the checksum":
        content = bytearray(state.read_bytes())
        content[-1] ^= 255
        state.write_bytes(content)
    setting = prepare(CONFIG)
    trainer = Trainer.of(setting.network, CONFIG, setting.train)
    restore(run, setting, trainer)
    assert trainer.epoch == (3 if damage == "nothing" else 2)
    list(Session(run, setting, trainer).train())
    assert torch.equal(weights(run.best), weights(whole.best))
    mine, theirs = (
        [{**line, "seconds": 0, "waited": 0} for line in finished.metrics()] for finished in (run, whole)
    )
    assert mine == theirs


def test_no_state_to_go_on_from(tmp_path: Path) -> None:
    run, _, _ = start(tmp_path / "run")
    assert run.checkpoint() is None
    (run.folder / STATE).parent.mkdir()
    (run.folder / STATE).write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="its checkpoints are damaged"):
        run.checkpoint()


def test_a_run_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        RunFolder.create(tmp_path, "digits", "net")
    with pytest.raises(UsageError, match="no run can be kept"):
        RunFolder.create(tmp_path / "notes.txt" / "run", "digits", "net")


def test_free_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [str(RunFolder.create(None, "My photos/é", "resnet34(shortcut='A')").folder) for _ in range(2)]
    assert names == [f"runs/my-photos-é-resnet34-shortcut-a-{number}" for number in (1, 2)]


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a run: it has no config\.toml"):
        RunFolder(tmp_path).config()


def test_metrics_are_one_json_object_a_line(tmp_path: Path) -> None:
    run = finish(tmp_path / "run")
    for line in (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        keys = {"epoch", "lr", "train_loss", "train_top1", "waited", "seconds", "best"}
        keys |= {f"val_{name}" for name in ("loss", "top1", "top5", "macro_f1", "ece")}
        keys |= {f"val_{name}" for name in ("precision", "recall", "confusion")}
        assert json.loads(line).keys() == keys


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    run = finish(tmp_path / "run")
    other = replace(CONFIG, net=NET.replace("conv(8, 3)", "conv(9, 3)"))
    setting = prepare(other)
    with pytest.raises(TrainingError, match=r"names another network: conv2\.weight does not fit"):
        restore(run, setting, setting.trainer(other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": "fc(4) >> batchnorm >> fc(10)", "batch": 1}, "batchnorm1 has one value per map"),
        ({"net": "fc(7)"}, "ends in 1x1x7, but digits has 10 classes"),
    ],
)
def test_settings_that_cannot_train(change: dict[str, Any], message: str) -> None:
    with pytest.raises(HubelError, match=message):
        prepare(changed(CONFIG, change))


@pytest.mark.parametrize("change", [{"net": "rbf(10)"}, {"net": "fc(10)", "freeze": ["fc1"]}])
def test_a_network_with_nothing_to_learn_is_refused(change: dict[str, Any]) -> None:
    asked = changed(CONFIG, change)
    setting = prepare(asked)
    with pytest.raises(UsageError, match="nothing to learn"):
        Trainer.of(setting.network, asked, setting.train)


def test_a_run_does_not_go_on_with_other_images(tmp_path: Path) -> None:
    """With another seed other images are held out, as of a folder that has got more."""
    run = finish(tmp_path / "run")
    other = prepare(replace(CONFIG, seed=1))
    with pytest.raises(TrainingError, match="images have changed since this run started"):
        restore(run, other, other.trainer(CONFIG))


def test_a_run_goes_on_without_the_model_it_started_from(tmp_path: Path) -> None:
    began = finish(tmp_path / "began")
    asked = replace(CONFIG, start=str(began.best), fit="squash")
    run, setting = RunFolder.create(tmp_path / "run", "digits", "net"), prepare(asked)
    trainer = Trainer.of(setting.network, asked, setting.train)
    next(event for event in Session(run, setting, trainer).train() if isinstance(event, RoundDone))
    kept = load(run.best)
    assert kept.preprocessing == setting.preprocessing
    began.best.unlink()
    again = prepare(asked, Inputs(kept=kept))
    assert again.seen == setting.seen
    trainer = Trainer.of(again.network, asked, again.train)
    restore(run, again, trainer)
    assert (again.preprocessing, trainer.epoch) == (kept.preprocessing, 1)
    assert torch.equal(*(n.state_dict()["conv1.weight"] for n in (again.network, setting.network)))


def test_filters_that_whiten_stay_when_a_run_goes_on(tmp_path: Path) -> None:
    asked = changed(CONFIG, {"net": "conv(18, 3) >> relu >> fc(10)", "whiten": True, "epochs": 2})
    run, setting = RunFolder.create(tmp_path / "run", "digits", "net"), prepare(asked)
    trainer = Trainer.of(setting.network, asked, setting.train)
    next(event for event in Session(run, setting, trainer).train() if isinstance(event, RoundDone))
    filters = setting.network.get_parameter("conv1.weight").clone()
    again = prepare(asked, Inputs(kept=load(run.best)))
    trainer = Trainer.of(again.network, asked, again.train)
    restore(run, again, trainer)
    list(Session(run, again, trainer).train())
    assert torch.equal(again.network.get_parameter("conv1.weight"), filters)


def test_runs_that_begin_at_once_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each looks before any has made its folder; where none can be made, one is told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert [RunFolder.create(None, "digits", "net").folder.name for _ in range(2)] == [
        "digits-net-1",
        "digits-net-2",
    ]
    Path("runs").rename("elsewhere")
    Path("runs").symlink_to(tmp_path / "unmounted" / "disk")
    with pytest.raises(UsageError, match="no run can be kept in runs"):
        RunFolder.create(None, "digits", "net")


def test_a_large_seed_is_a_seed(tmp_path: Path) -> None:
    asked = changed(CONFIG, {"seed": 2**62, "epochs": 1, "net": "fc(10)"})
    setting = prepare(asked)
    assert len(list(Trainer.of(setting.network, asked, setting.train).run(setting.train, setting.val))) > 1


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_every_optimizer_goes_on_as_if_it_had_not_stopped(tmp_path: Path, optimizer: str) -> None:
    """With an average, and a kept model of every round; and the hardest images are the same."""
    asked = changed(
        CONFIG, {"optimizer": optimizer, "average": 0.9, "lr": 0.01, "keep_epochs": True, "hardest": 0.6}
    )
    ends = []
    for stops in ((4,), (2, 2)):
        run = RunFolder.create(tmp_path / f"{len(stops)}", "digits", "net")
        for sitting, rounds in enumerate(stops):
            setting = prepare(asked)
            trainer = Trainer.of(setting.network, asked, setting.train)
            if sitting:
                restore(run, setting, trainer)
            events = (
                event for event in Session(run, setting, trainer).train() if isinstance(event, RoundDone)
            )
            list(islice(events, rounds))
        ends.append(weights(run.best))
        kept = sorted(path.name for path in (run.folder / "epochs").iterdir())
        assert kept == [f"{number:04}.safetensors" for number in (1, 2, 3, 4)]
    assert torch.equal(*ends)


def test_a_stopped_epoch_goes_on_with_its_hardest_images(tmp_path: Path) -> None:
    """What its batches taught before the stop changes how hard they are, but not which the epoch has."""
    asked = changed(CONFIG, {"hardest": 0.5, "net": "conv(4, 3) >> relu >> fc(10)"})
    run, setting = RunFolder.create(tmp_path / "run", "digits", "net"), prepare(asked)
    trainer = Trainer.of(setting.network, asked, setting.train)
    steps = (event for event in trainer.run(setting.train, setting.val) if isinstance(event, BatchDone))
    next(step for step in steps if (step.epoch, step.batch) == (2, 2))
    Session(run, setting, trainer).save_state()
    whole = [(step.epoch, step.batch, step.batches, step.loss) for step in steps if step.epoch == 2]
    again = Trainer.of(prepare(asked).network, asked, setting.train)
    restore(run, setting, again)
    steps = (event for event in again.run(setting.train, setting.val) if isinstance(event, BatchDone))
    assert [(step.epoch, step.batch, step.batches, step.loss) for step in steps if step.epoch == 2] == whole
    again.hardest = Hardest.of(0.5, torch.zeros(7, dtype=torch.int64))
    with pytest.raises(TrainingError, match=r"the run had [\d,]+ training images, and now there are 7"):
        restore(run, setting, again)


def test_a_target_that_is_reached_ends_the_run(tmp_path: Path) -> None:
    run, setting, trainer = start(tmp_path / "run")
    trainer.config = replace(CONFIG, target=0.01)
    assert sum(isinstance(event, RoundDone) for event in Session(run, setting, trainer).train()) == 1


def test_finishing_calibrates_the_best_model(tmp_path: Path) -> None:
    run = finish(tmp_path / "run")
    held_out = prepare(CONFIG)
    before = evaluate(load(run.best).network, held_out.val.epoch(0))
    model, result = finish_run(run, held_out)
    assert load(run.best).temperature == model.temperature != 1.0
    assert result.loss < before.loss
    assert result.top1 == before.top1


@pytest.mark.parametrize(("top1", "views"), [(0.0, "mirror-shift"), (1.0, "one")])
def test_several_views_are_kept_where_they_do_better(top1: float, views: str, tmp_path: Path) -> None:
    """What a round measured with one view, made up: no accuracy is less, and none is more."""
    run = finish(tmp_path / "run")
    kept = load(run.best)
    replace(kept, views="mirror-shift", summary={**kept.summary, "val_top1": top1}).save(run.best)
    setting = prepare(CONFIG)
    assert finish_run(run, setting, hurried=True)[0].views == "one"
    replace(load(run.best), views="mirror-shift").save(run.best)
    model, result = finish_run(run, setting)
    assert load(run.best).views == model.views == views
    expected = evaluate(model.network, setting.val.epoch(0), views, model.temperature)
    torch.testing.assert_close(result.probabilities, expected.probabilities)


def test_where_several_views_do_no_better_one_is_kept(tmp_path: Path) -> None:
    """The accuracy of one view, made up: exactly that of several."""
    run, setting = finish(tmp_path / "run"), prepare(CONFIG)
    kept = load(run.best)
    tie = evaluate(kept.network, setting.val.epoch(0), "mirror-shift").top1
    replace(kept, views="mirror-shift", summary={**kept.summary, "val_top1": tie}).save(run.best)
    assert finish_run(run, setting)[0].views == "one"


def test_a_run_that_reached_its_target_has_nothing_left(tmp_path: Path) -> None:
    run, setting, trainer = start(tmp_path / "run")
    trainer.config = replace(CONFIG, target=0.1)
    rounds = [event for event in Session(run, setting, trainer).train() if isinstance(event, RoundDone)]
    assert len(rounds) == 1
    assert not list(Session(run, setting, trainer).train())


def test_a_run_by_the_clock_goes_on_with_its_pace(tmp_path: Path) -> None:
    run, setting, trainer = start(tmp_path / "run")
    trainer.clock.after, trainer.clock.hurried = 25.0, True
    events = Session(run, setting, trainer).train()
    trainer.clock.limit = 1e-9  # the first step is the last
    assert any(isinstance(event, RoundDone) for event in events)
    again = Trainer.of(setting.network, CONFIG, setting.train)
    restore(run, setting, again)
    assert (again.clock, again.seconds, again.done) == (trainer.clock, trainer.seconds, trainer.done)
    assert again.validation == trainer.validation > 0


def test_by_the_clock_the_state_is_kept_within_a_round_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here after every batch; a run goes on from the last of an epoch, and from one within."""
    monkeypatch.setattr("hubel.training.run.session.SAVING", 0.0)
    monkeypatch.setattr("hubel.training.run.session.SHARE", float("inf"))
    run, setting, trainer = start(tmp_path / "run")
    trainer.clock.limit = 1000.0
    for steps, event in enumerate(Session(run, setting, trainer).train(), start=1):
        assert isinstance(event, BatchDone)
        again = Trainer.of(setting.network, CONFIG, setting.train)
        restore(run, setting, again)
        assert (again.epoch, again.batch) == divmod(steps, event.batches)
        assert again.seconds == trainer.seconds > 0
        if again.done == 1:
            break
    assert run.can_resume
    assert not run.metrics()
    run.discard_unfinished()
    again.clock.limit = 1.001 * again.seconds  # until after the next step
    assert any(isinstance(event, RoundDone) for event in Session(run, setting, again).train())
    assert again.done > 1
    run, setting, trainer = start(tmp_path / "by epochs")
    next(Session(run, setting, trainer).train())
    assert not run.can_resume


def test_of_two_processes_one_trains_in_a_folder(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", "digits", "net")
    with run.alone():
        other = "from hubel.training.run.folder import RunFolder; from pathlib import Path; import sys\n"
        other += "with RunFolder(Path(sys.argv[1])).alone(): pass"
        command = [sys.executable, "-c", other, str(run.folder)]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        assert "UsageError: another process trains in" in told
    with run.alone():
        pass


def test_by_the_clock_a_best_model_that_is_kept_stays_to_be_beaten(tmp_path: Path) -> None:
    """As where the power fails between it and the state: what comes again is not the same round."""
    run, setting, trainer = start(tmp_path / "run")
    trainer.clock.limit = 1e-9
    assert any(isinstance(event, RoundDone) for event in Session(run, setting, trainer).train())
    kept = load(run.best)
    replace(kept, summary={**kept.summary, "val_top1": 1.0}).save(run.best)
    again = Trainer.of(setting.network, CONFIG, setting.train)
    restore(run, setting, again)
    assert (again.best, trainer.best < 1) == (1.0, True)


def test_a_class_never_predicted_is_told_even_where_the_time_ends_within_an_epoch(tmp_path: Path) -> None:
    """After one step at a rate too small to learn ten classes."""
    run, setting, trainer = start(tmp_path / "run")
    trainer.clock.limit = 1e-9
    told = [event.text for event in Session(run, setting, trainer).train() if isinstance(event, Warned)]
    assert trainer.done < 1
    assert any("no validation image is predicted as" in text for text in told)
    assert not any("guessing" in text for text in told)
    assert told[-1].startswith("the time ended within the first epoch")
    assert f" {1 - trainer.batch / trainer.batches:.0%} of the images were never seen" in told[-1]


def test_how_long_finishing_takes_is_told_by_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that moves a second an image, and nine more the first time; there is a margin of a fifth."""
    run, clock, seen = finish(tmp_path / "run"), [0.0], list[int]()

    def timed(_network: object, batches: list[Any], _views: str) -> None:
        seen.append(len(batches[0][0]))
        clock[0] += seen[-1] + (9 if len(seen) == 1 else 0)

    monkeypatch.setattr("hubel.training.run.finish.evaluate", timed)
    monkeypatch.setattr("hubel.training.run.finish.now", lambda device: clock[0])
    setting = prepare(CONFIG)
    assert seconds_to_finish(load(run.best), setting) == pytest.approx(1.2 * len(setting.val.labels))
    assert max(seen) <= TIMED


def test_single_images_that_grow_are_refused_where_they_are_too_small_to_normalise() -> None:
    """`fast_small` ends in 3x3 at 32 pixels, but begins at 16, where it ends in 1x1."""
    recipe = replace(RECIPES["fast"], batch=1)
    asked = replace(CONFIG, net=repr(zoo.fast_small(depth=1)), input="32x32x1", recipe=recipe)
    with pytest.raises(NetworkError, match="has one value per map to normalise with --batch 1"):
        prepare(asked)
