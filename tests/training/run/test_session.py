"""What a run in progress reserves for its end, with every time given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hubel.evaluation.metrics import Evaluation
from hubel.training.clock import Clock
from hubel.training.events import RoundDone
from hubel.training.run.session import Session


@pytest.mark.parametrize(("better", "kept"), [(True, 0.5 + 0.25), (False, 0.25 + 4.0)])
def test_it_reserves_what_keeping_its_last_round_takes(
    better: bool, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing the starting model took 4 s, a better model half a second and the state a quarter.

    The last round may be the best, so that its model is written in any case.
    """
    now, model = [0.0], [4.0]

    def passes(seconds: float) -> Any:
        return lambda *_: now.__setitem__(0, now[0] + seconds)

    monkeypatch.setattr("hubel.training.run.session.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("hubel.training.run.session.seconds_to_finish", lambda *_: 5.0)
    monkeypatch.setattr("hubel.training.run.session.round_line", lambda _: {})
    monkeypatch.setattr(Session, "save_state", passes(0.25))
    monkeypatch.setattr(Session, "_model", lambda *_: SimpleNamespace(save=passes(model[0])))
    clock, recipe = Clock(4, limit=100.0), SimpleNamespace(views="one")
    config = SimpleNamespace(recipe=recipe, keep_epochs=False)
    trainer: Any = SimpleNamespace(clock=clock, seconds=10.0, validation=2.0, config=config)
    folder: Any = SimpleNamespace(best=None, keep_round=lambda _: None)
    session = Session(folder, None, trainer)  # type: ignore[arg-type]
    session.keep_start(SimpleNamespace(top1=0.5, loss=1.0))  # type: ignore[arg-type]
    model[0] = 0.5
    found: Any = Evaluation
    event = RoundDone(1.0, 0.1, 0.0, 0.0, 0.0, 0.0, found, 10.0, better)
    session._keep(event)
    session.reserve(None, writing=1.0)  # type: ignore[arg-type]
    assert clock.after == pytest.approx(2.0 + kept + 1.0 + 5.0)
