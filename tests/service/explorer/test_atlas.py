"""What maps look for, read from an atlas: one beside the model, or given; one of other weights is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hubel
from hubel.errors import DataError
from hubel.service.explorer.app import application
from hubel.service.explorer.looks import Looks
from hubel.service.explorer.server import beside
from hubel.service.server import bound
from hubel.tasks.explore import exhibit
from tests.service.conftest import write_model
from tests.service.explorer.test_api import told

if TYPE_CHECKING:
    from playwright.sync_api import Page

LAYERS = ["relu1", "fc1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A model with its atlas beside it."""
    file = write_model(tmp_path_factory.mktemp("looked") / "model.safetensors")
    hubel.look(file).atlas(images, out=file.with_name("atlas.html"), units=3)
    return file


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes that the model does not have."""
    from tests.service.conftest import encoded

    folder = tmp_path_factory.mktemp("photos")
    for label in ("고양이", "<b>zebra"):
        (folder / label).mkdir()
        for seed in range(4):
            (folder / label / f"{seed}.png").write_bytes(encoded(seed=seed))
    return folder


def test_an_atlas_beside_the_model_is_read(model: Path) -> None:
    found = Looks(exhibit(model))
    state = found.state()
    assert (state["state"], state["from"], state["layers"]) == ("done", "atlas.html", LAYERS)
    assert state["classes"] == ["<b>zebra", "고양이"]
    units = json.loads(found.layer("relu1"))["units"]
    assert [unit["channel"] for unit in units] == [0, 1, 2]
    assert len(units[0]["patches"]) == 8 or not units[0]["patches"]


def test_an_atlas_is_given_as_a_page_or_a_folder(model: Path, tmp_path: Path) -> None:
    there = exhibit(model).atlas
    assert there is not None
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(model.read_bytes())
    assert exhibit(alone).atlas is None
    for given in (model.parent, model.parent / "atlas.html"):
        found = exhibit(alone, atlas=given).atlas
        assert found is not None
        assert found.layers == there.layers


def test_an_atlas_of_other_weights_is_refused_or_told(model: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(DataError, match="of other weights than those of other"):
        exhibit(other, atlas=model.parent)
    (tmp_path / "atlas.html").write_bytes((model.parent / "atlas.html").read_bytes())
    shown = exhibit(other)
    assert shown.atlas is None
    assert "of other weights" in Looks(shown).state()["remark"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot read the atlas"), (b"<p>no atlas", "is not an atlas"), (b"\xff", "it is not a page")],
)
def test_what_is_no_atlas_is_explained(
    model: Path, tmp_path: Path, content: bytes | None, words: str
) -> None:
    page = tmp_path / "page.html"
    if content is not None:
        page.write_bytes(content)
    with pytest.raises(DataError, match=words):
        exhibit(model, atlas=page)


def test_an_older_atlas_says_what_to_do(model: Path, tmp_path: Path) -> None:
    text = (model.parent / "atlas.html").read_text()
    older = tmp_path / "older.html"
    older.write_text(text.replace('"weights"', '"before"'))
    with pytest.raises(DataError, match="does not say which model"):
        exhibit(model, atlas=older)


def test_the_page_shows_it_at_once(page: Page, model: Path, tmp_path: Path) -> None:
    with bound("127.0.0.1", 0) as place, beside(application({"model": exhibit(model)}), place) as address:
        assert told(address, "v1/explore/models/model/looks")["state"] == "done"
        page.goto(f"{address}/#/looks/fc1/1")
        page.locator(".patches figure").first.wait_for()
        assert "read from atlas.html" in page.locator("main").inner_text()
        assert page.locator(".detail .bar-name").all_inner_texts() == ["<b>zebra", "고양이"]
        assert page.get_by_role("button", name="Look at the images").count() == 0
    hubel.explore(model, out=tmp_path / "page.html")
    page.goto(f"{(tmp_path / 'page.html').as_uri()}#/looks/relu1")
    page.locator(".units button").nth(2).wait_for()
    assert page.locator(".units button").count() == 3
