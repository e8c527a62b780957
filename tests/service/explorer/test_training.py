"""A training on the page: a thread answers while it goes, and its folder tells the same afterwards."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.request import urlopen

import numpy as np
import pytest
import safetensors.numpy

import hubel
from hubel.errors import UsageError
from hubel.service.explorer.training import Live
from hubel.tasks.explore import exhibit, follower_of
from hubel.training.events import RoundDone
from hubel.training.run.events import Event

expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

Watched: TypeAlias = tuple[hubel.Run, list[dict[str, Any]], list[str]]

NET = "conv(4, 3) >> relu >> maxpool(2) >> fc(10)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """A run with its page: what the page was told after every event, and what was opened in a browser."""
    told: list[dict[str, Any]] = []
    opened: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, RoundDone):
            with urlopen(f"{opened[0]}/v1/explore/training") as answer:
                told.append(json.load(answer))
            with urlopen(f"{opened[0]}/v1/explore/training/filters") as answer:
                told[-1]["filters"] = safetensors.numpy.load(answer.read())["filters"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webbrowser, "open", opened.append)
        out = tmp_path_factory.mktemp("live") / "run"
        found = hubel.train("digits", net=NET, epochs=3, live=True, out=out, on_event=hear)
    return found, told, opened


def test_the_page_follows_a_run(run: Watched) -> None:
    found, told, opened = run
    assert len(opened) == 1
    assert opened[0].startswith("http://127.0.0.1:")
    assert [len(each["rounds"]) for each in told] == [
        0,
        1,
        2,
    ]  # this listener hears of a round before the page
    assert told[-1]["rounds"][0]["val_loss"] == found.history[0]["val_loss"]
    assert [each["state"] for each in told] == ["running"] * 3
    assert told[-1]["speed"] > 0
    assert told[-1]["filters"].shape == (4, 1, 3, 3)
    assert (told[-1]["filters"] != told[0]["filters"]).any()
    mistake = told[-1]["mistakes"][0]
    assert mistake["label"] != mistake["predicted"]
    assert 0 < mistake["confidence"] <= 1


def test_a_folder_tells_the_same(run: Watched) -> None:
    found = run[0]
    shown = exhibit(found.folder)
    follower = follower_of(found.folder, shown)
    assert follower is not None
    state = follower.state()
    assert (state["state"], len(state["rounds"])) == ("finished", 3)
    assert state["mistakes"]
    weight = found.model.network.get_parameter("conv1.weight").detach().numpy()
    np.testing.assert_array_equal(follower.filters(), weight)
    assert follower_of("lenet5", shown) is None


def test_before_anything_has_begun() -> None:
    state = Live().state()
    assert (state["state"], state["rounds"], state["mistakes"]) == ("preparing", [], [])
    with pytest.raises(UsageError, match="not built yet"):
        Live().filters()


def test_the_page_shows_a_training(page: Page, run: Watched, tmp_path: Path) -> None:
    hubel.explore(run[0].folder, out=tmp_path / "page.html")
    page.goto(f"{(tmp_path / 'page.html').as_uri()}#/training")
    page.locator(".chart").nth(1).wait_for()
    figures = page.locator(".figures dd").all_inner_texts()
    assert figures[:2] == ["finished", "3"]
    assert page.locator(".mistakes figure").count() > 0
    expect(page.get_by_text("Mistakes of the best model, with calibrated confidence")).to_be_visible()
    expect(page.locator(".filters canvas")).to_have_count(4)
