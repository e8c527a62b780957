"""Every view for everybody: axe in both languages and themes, the keyboard alone, windows of any width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import hubel
from hubel.service.explorer.app import application
from hubel.service.explorer.exhibit import digits
from hubel.service.explorer.server import beside
from hubel.service.explorer.training import FollowedFolder
from hubel.service.server import bound
from hubel.tasks.explore import exhibit
from tests.service.explorer.conftest import hostile
from tests.service.explorer.test_page import branches_with_an_image, open_view

expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

UNITS = ("C3/4/2/5", "S2/1/6/6", "F6/3/0/0")


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with every view: a training, maps that were looked at, a network with branches."""
    folder = tmp_path_factory.mktemp("followed") / "run"
    hubel.train("digits", net="conv(4, 3) >> relu >> maxpool(2) >> fc(10)", epochs=1, out=folder)
    exhibits = {each.name: each for each in (digits(), hostile())}
    follower = FollowedFolder(folder, exhibit(folder))
    with bound("127.0.0.1", 0) as place, beside(application(exhibits, follower), place) as found:
        yield found


def look(page: Page, address: str) -> None:
    """Opens the maps, once they have been looked at."""
    open_view(page, address, "looks/relu1/2")
    start = page.locator("button.primary")
    start.or_(page.locator(".units")).first.wait_for()
    if start.count():
        start.click()
    page.locator(".patches figure").first.wait_for(timeout=40_000)


def serious(page: Page) -> dict[str, list[str]]:
    """What axe-core finds serious or critical, by rule."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    violations: list[dict[str, Any]] = axe.run(page).response["violations"]
    return {
        each["id"]: [node["html"][:120] for node in each["nodes"]][:3]
        for each in violations
        if each["impact"] in ("serious", "critical")
    }


@pytest.mark.parametrize(("theme", "language"), [("light", "EN"), ("dark", "한국어")])
def test_nothing_keeps_anybody_out(page: Page, every: str, theme: str, language: str) -> None:
    open_view(page, every, "network")
    page.get_by_role("button", name=language, exact=True).click()
    page.evaluate("theme => localStorage.setItem('hubel.theme', theme)", theme)
    page.reload()
    look(page, every)
    assert serious(page) == {}, "looks"
    for view in ("network", "through", *(f"neuron/{unit}" for unit in UNITS), "design", "training"):
        open_view(page, every, view)
        page.wait_for_timeout(250)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert serious(page) == {}, view
    open_view(page, every, "design")
    page.locator("#notation").fill("conv(6, 5) >> relo")
    page.locator("#problem:visible").wait_for()
    assert serious(page) == {}, "an error"
    page.evaluate("localStorage.clear()")  # the language and the theme of the next test are the usual ones


def tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Presses Tab until the focus is on an element like this."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{most} times Tab, and not at {selector}")


def test_the_keyboard_alone_reaches_every_view(page: Page, every: str) -> None:
    open_view(page, every, "network")
    tab_to(page, ".skip", 1)
    page.keyboard.press("Enter")
    tab_to(page, ".network .cell")
    page.keyboard.press("ArrowRight")
    assert "C1" in page.locator(".card.rows").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/through/C1"))
    page.locator("#layer-C1 button.map").first.wait_for()
    tab_to(page, ".sample")
    page.keyboard.press("Enter")
    tab_to(page, "button.map")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"#/neuron/\w+/0/15/14"))
    page.locator(".total, .arithmetic").first.wait_for()
    tab_to(page, "select[name=layer]")
    page.keyboard.press("ArrowDown")
    page.wait_for_url(re.compile("#/neuron/relu1|#/neuron/S2"))
    expect(page.locator("select[name=layer]")).to_be_focused()  # to go on from there
    tab_to(page, "input[name=place]")
    before = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_function("before => location.href !== before", arg=before)
    look(page, every)
    page.keyboard.press("Home")
    tab_to(page, ".unit[aria-label$='[1]']")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/looks/relu1/1"))
    for view in ("design", "training"):
        page.locator("body").evaluate("body => document.activeElement.blur()")
        page.evaluate("document.querySelector('.skip').focus()")
        tab_to(page, f"nav [href='#/{view}']")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"#/{view}"))
        expect(page.locator("#main")).to_be_focused()
    page.go_back()
    page.locator("#notation").wait_for()
    tab_to(page, "#notation")
    page.keyboard.press("Control+a")
    page.keyboard.type("conv(1, 3) >> fc(2)")
    page.keyboard.press("Home")
    page.locator("[data-slider=filters]").wait_for()  # the sliders are those of the conv
    tab_to(page, "[data-slider=stride]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#notation")).to_have_value("conv(1, 3, stride=2) >> fc(2)")


@pytest.mark.parametrize("view", ["network", "through", "neuron/conv1/2/3/4", "design", "training"])
def test_no_view_is_wider_than_its_window(page: Page, every: str, view: str) -> None:
    """From a large screen to a phone and back, with the drawing following; nothing is said in the console."""
    branches_with_an_image(page, every)
    open_view(page, every, view)
    for width in (1280, 390, 320, 800, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
