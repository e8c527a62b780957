"""An ensemble: its members are resumed, named and counted; what takes a single model says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import hubel
from hubel.cli.progress import Progress
from hubel.errors import UsageError
from hubel.report.training import event_text
from hubel.training.events import RoundDone, Warned
from hubel.training.run.events import EnsembleDone, Event, MemberBegan, NetworkChosen, Stopped

SMALL: dict[str, Any] = {"net": "conv(4, 3) >> relu >> fc(10)", "epochs": 2, "batch": 200}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(hubel.load(folder).network.state_dict())


def stopping(member: int, epoch: int, seen: list[Event]) -> Any:
    """A listener that stops a member after one of its epochs, as Ctrl-C does."""

    def listen(event: Event) -> None:
        seen.append(event)
        began = [each for each in seen if isinstance(each, MemberBegan)]
        if isinstance(event, RoundDone) and (began[-1].number, event.epoch) == (member, epoch):
            raise KeyboardInterrupt

    return listen


def test_a_stopped_ensemble_continues_as_if_it_was_never_stopped(tmp_path: Path) -> None:
    whole, seen = hubel.train_ensemble(3, "digits", **SMALL, seed=4, out=tmp_path / "whole"), list[Event]()
    stopped = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        hubel.train_ensemble(3, "digits", **SMALL, seed=4, out=stopped, on_event=stopping(2, 1, seen))
    assert isinstance(seen[-1], Stopped)
    assert event_text(seen[-1]) == f"stopped; resume with  hubel resume {stopped}"
    assert not (stopped / "3").exists()
    again: list[Event] = []
    assert hubel.resume_ensemble(stopped, on_event=again.append) == stopped
    members = [each for each in again if isinstance(each, MemberBegan)]
    assert [(each.number, each.members) for each in members] == [(2, 3), (3, 3)]
    assert list(map(event_text, members)) == ["resumes", "starts from random weights"]
    for number in "123":
        for name, value in weights(whole / number).items():
            assert torch.equal(value, weights(stopped / number)[name])
    done = again[-1]
    assert isinstance(done, EnsembleDone)
    assert done.val is not None
    found = hubel.evaluate(stopped, "digits", split="val")
    assert (done.val.correct, len(done.val.labels)) == (found.correct, len(found.labels))
    for member, each in enumerate(done.each, 1):
        assert each is not None
        one = hubel.evaluate(stopped / str(member), "digits", split="val")
        assert (each.correct, each.images) == (one.correct, len(one.labels))
    assert "the ensemble: validation accuracy" in event_text(done)


def test_nothing_is_left_of_an_ensemble_without_a_round(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, NetworkChosen):
            raise KeyboardInterrupt

    out = tmp_path / "above" / "two"
    with pytest.raises(KeyboardInterrupt):
        hubel.train_ensemble(2, "digits", **SMALL, out=out, on_event=stop)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="no setting 'epoch'"):
        hubel.train_ensemble(2, "digits", epoch=2, out=out)
    assert not list(tmp_path.iterdir())


def test_the_last_members_start_from_other_models(tmp_path: Path) -> None:
    """Its network is that of the model, which is wider; a step so small leaves its filters as they were."""
    larger = hubel.train("digits", net="conv(9, 3) >> relu >> fc(10)", epochs=1, out=tmp_path / "larger")
    seen: list[Event] = []
    folder = hubel.train_ensemble(
        2,
        "digits",
        **SMALL | {"lr": 1e-9},
        pretrained=[larger.folder],
        freeze="none",
        out=tmp_path / "two",
        on_event=seen.append,
    )
    starts = [each.start for each in seen if isinstance(each, MemberBegan)]
    assert starts == ["", str(larger.folder)]
    first, second = (hubel.Run(folder / name).config for name in "12")
    assert (first.start, second.start, second.member) == ("", str(larger.folder), 1)
    assert second.recipe.epochs == 2
    assert '"freeze = []"' in (folder / "ensemble.toml").read_text(encoding="utf-8")
    torch.testing.assert_close(
        weights(folder / "2")["conv1.weight"], weights(larger.folder)["conv1.weight"], atol=1e-5, rtol=0
    )
    assert weights(folder / "1")["conv1.weight"].shape[0] == 4
    with pytest.raises(UsageError, match="of 2 members at most 1 start from a pretrained model"):
        hubel.train_ensemble(2, "digits", **SMALL, pretrained=["a", "b"])


def test_alexnets_seven_say_that_two_were_pretrained(tmp_path: Path) -> None:
    seen: list[Event] = []
    with pytest.raises(UsageError, match="no setting 'epoch'"):
        hubel.train_ensemble(7, "digits", recipe="alexnet", epoch=1, out=tmp_path / "a", on_event=seen.append)
    warned = [event.text for event in seen if isinstance(event, Warned)]
    assert len(warned) == 1
    assert "two of the paper's seven networks were pretrained" in warned[0]


def test_what_takes_one_model_names_the_members(tmp_path: Path) -> None:
    folder = hubel.train_ensemble(2, "digits", **SMALL | {"epochs": 1}, out=tmp_path / "two")
    with pytest.raises(UsageError, match=r"is an ensemble, which no exported file holds: export each member"):
        hubel.export(folder)
    with pytest.raises(UsageError, match=r"is an ensemble: hubel.resume_ensemble continues its members"):
        hubel.resume(folder)
    with pytest.raises(hubel.errors.ModelError, match=r"give one of them, such as .*two/1"):
        hubel.look(folder)
    with pytest.raises(hubel.errors.ModelError, match=r"give one of them, such as .*two/1"):
        hubel.explore(folder, out=tmp_path / "page.html")
    with pytest.raises(UsageError, match=r"has no ensemble.toml; give a run's or an ensemble's"):
        hubel.resume_ensemble(tmp_path)
    (folder / "ensemble.toml").unlink()
    with pytest.raises(UsageError, match=r"resume its runs one by one, such as .*two/1"):
        hubel.resume_ensemble(folder)


def test_each_line_names_its_member(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown = Progress()
    shown(MemberBegan(2, 5, 1_000_003))
    shown(Warned("first\nsecond"))
    shown(EnsembleDone(tmp_path, (None,), None))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [
        "member 2 of 5, seed 1000003: starts from random weights",
        "member 2 of 5, seed 1000003: warning: first",
        "member 2 of 5, seed 1000003: second",
    ]
    assert not lines[-1].startswith("member")
