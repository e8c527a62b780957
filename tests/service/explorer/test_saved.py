"""The page as one file: it holds everything, and a browser shows it with no server at all."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from hubel.errors import UsageError
from hubel.service.explorer.exhibit import digits
from hubel.service.explorer.page import scripts
from hubel.service.explorer.saved import STUDIES
from tests.service.explorer.test_page import WAYS

expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved page of the digits."""
    path = tmp_path_factory.mktemp("saved") / "page.html"
    hubel.explore(out=path)
    return path


def test_everything_is_inside(file: Path) -> None:
    text = file.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    for path in scripts():
        assert f'"hubel/{path}":"data:text/javascript;base64,' in text
    assert len(text) < 3_000_000


def test_it_works_from_a_file(file: Path, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{file.as_uri()}#/through")
    page.locator(".bars .best").first.wait_for()
    page.get_by_role("button", name="Sample: 7").first.click()
    expect(page.locator(".best .bar-name")).to_have_text("7")
    page.get_by_role("link", name="Unit").click()
    page.locator(".total .result").first.wait_for()
    page.get_by_role("link", name="Maps").click()
    page.locator(".patches figure").first.wait_for()
    page.get_by_role("link", name="Design").click()
    page.get_by_text("fits", exact=True).first.wait_for()
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def test_networks_of_the_papers_are_inside(file: Path, page: Page) -> None:
    """A saved page reads no notation, and says so; it has ledgers, and the window of each layer."""
    page.goto(f"{file.as_uri()}#/design")
    page.get_by_text("start hubel explore").wait_for()
    assert page.locator("#zoo option").all_inner_texts() == ["digits", *STUDIES]
    page.select_option("#zoo", "googlenet")
    found = hubel.ledger("googlenet")
    assert f"{found.totals.params:,}" in page.locator("tfoot").inner_text()
    assert page.locator("tbody tr").count() == len(found.steps) + 1
    page.locator("tr[data-path=pool1]").click()
    expect(page.locator("#layer")).to_have_value("pool1")
    assert "(112 − 3 + 2·0) / 2 + 1 = 55.5 rounded up to 56" in page.locator(".formula").inner_text()
    page.select_option("#layer", "conv1")
    assert "(224 − 7 + 2·3) / 2 + 1 = 112.5" in page.locator(".formula").inner_text()
    assert "112×112×64, 9,472 parameters, 118,013,952 MACs" in page.locator(".panel").inner_text()
    page.locator("[data-slider=stride]").fill("1")
    assert "= 224 fits" in page.locator(".formula").inner_text()


def test_a_file_is_read_in_the_page_itself(file: Path, page: Page) -> None:
    page.goto(f"{file.as_uri()}#/through")
    page.locator(".bars .best").first.wait_for()
    page.set_input_files("#file", "docs/images/three.png")
    expect(page.locator(".best .bar-name")).to_have_text("3")


@pytest.mark.parametrize(
    ("mode", "size", "turn"),
    [("RGBA", (32, 32), 1), ("LA", (90, 61), 1), ("RGB", (300, 41), 6), ("L", (8, 11), 3)],
)
def test_an_image_is_prepared_as_hubel_does(
    file: Path, page: Page, tmp_path: Path, mode: str, size: tuple[int, int], turn: int
) -> None:
    """Transparency, other sizes and an EXIF turn: the page has the scores that hubel computes of the file."""
    path = tmp_path / "image.png"
    values = np.random.default_rng(3).integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(values.squeeze(), mode).save(path, exif=exif)
    opened = digits().opened
    take = opened.preprocessing
    with torch.no_grad():
        wanted = opened.subject.module(take.normalise(torch.from_numpy(take.read(path))[None]))[0]
    page.goto(f"{file.as_uri()}#/through")
    page.locator(".bars .best").first.wait_for()
    scores = page.evaluate(
        """async text => {
          const { house } = (await import("hubel/store.js")).state;
          const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
          return (await house.pass(await house.read(new Blob([bytes])))).scores;
        }""",
        b64encode(path.read_bytes()).decode(),
    )
    assert scores == pytest.approx(wanted.tolist(), abs=1e-3)


@pytest.mark.parametrize("way", WAYS)
def test_an_image_comes_in_without_a_server(file: Path, page: Page, way: Callable[[Page], None]) -> None:
    page.goto(f"{file.as_uri()}#/through")
    way(page)


def test_a_large_network_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too large for a page without a server"):
        hubel.explore("conv(64, 3) >> fc(1000)", "32x32x3", out=tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
