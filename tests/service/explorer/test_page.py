"""The page in a browser, each view as a person uses it; the console stays silent throughout."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

import hubel
from tests.service.explorer.conftest import HOSTILE, large

expect = pytest.importorskip("playwright.sync_api").expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

THREE = "docs/images/three.png"
DIGITS = "src/hubel/service/explorer/digits/lenet5.safetensors"
TITLES = "all => all.map(each => each.title)"


def number(text: str) -> float:
    """A number as the page writes it, with a real minus sign."""
    return float(text.replace("−", "-"))


def answers(page: Page, label: str) -> None:
    """Waits until the most probable class is this one."""
    expect(page.locator(".best .bar-name")).to_have_text(label)


def open_view(page: Page, address: str, view: str) -> None:
    page.goto(f"{address}/#/{view}")
    page.locator("#title").wait_for()


def branches_with_an_image(page: Page, address: str) -> None:
    """Chooses the network with branches, and puts an image through it."""
    open_view(page, address, "network")
    page.select_option("select.model", "branches")
    page.locator(".network .frame").first.wait_for()
    page.locator("nav [href='#/through']").click()
    page.set_input_files("#file", THREE)
    page.locator(".bars li").first.wait_for()


def test_the_network_is_drawn_and_its_rows_follow_the_focus(page: Page, address: str) -> None:
    open_view(page, address, "network")
    boxes = page.locator(".network .cell")
    assert boxes.count() == 8  # the input, three convolutions, two poolings, two fully connected
    boxes.first.focus()
    page.keyboard.press("ArrowRight")
    card = page.locator(".card.rows")
    assert "(5·5·1+1)·6 = 156" in card.inner_text()
    assert "(32-5+2·0)/1+1 = 28" in card.inner_text()
    assert "28·28·6 × 5·5·1 = 117,600" in card.inner_text()
    page.locator("tr[data-path=S4]").hover()
    assert "S4" in card.inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/through/C1"))


def test_branches_fold_and_unfold(page: Page, address: str) -> None:
    open_view(page, address, "network")
    page.select_option("select.model", "branches")
    page.locator(".network .frame").first.wait_for()
    before = page.locator(".network .cell").count()
    page.get_by_role("button", name="Fold all", exact=True).click()
    folded = page.locator(".network .cell").count()
    page.locator("[data-fold='block.concat1']").focus()
    page.keyboard.press("Enter")
    assert folded < page.locator(".network .cell").count() < before
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator(".network .cell").count() == before
    assert page.locator(".network .over").count() == 1  # the skip connection


def test_side_heads_unfold(page: Page, address: str) -> None:
    open_view(page, address, "design")
    page.locator("#notation").fill('conv(4, 3) >> side("aux", fc(9) >> relu >> fc(2)) >> fc(2)')
    page.locator("[data-fold='↳aux']").wait_for()
    before = page.locator(".network .cell").count()
    page.locator("[data-fold='↳aux']").press("Enter")
    assert page.locator(".network .cell").count() == before + 2


def test_hostile_names_are_texts(page: Page, address: str) -> None:
    branches_with_an_image(page, address)
    names = page.locator(".bar-name").all_inner_texts()
    assert set(names) == set(HOSTILE)
    assert page.locator("img").count() == 0


def test_an_image_goes_through(page: Page, address: str) -> None:
    open_view(page, address, "through")
    page.locator(".layer").nth(10).wait_for()
    page.set_input_files("#file", THREE)
    answers(page, "3")
    expected = hubel.load("src/hubel/service/explorer/digits/lenet5.safetensors").predict(
        THREE, engine="torch"
    )
    share = page.locator(".best .bar-share").inner_text()
    assert share == f"{100 * expected.probability:.1f} %"
    first = page.locator("button.map").first
    first.focus()
    page.keyboard.press("ArrowUp")
    assert page.locator(".frame-of-image .field").is_visible()
    value = number(page.locator(".tile .value").first.inner_text())
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/neuron/C1/0/13/14"))
    page.locator("#title b").wait_for()
    assert number(page.locator("#title b").inner_text()) == pytest.approx(value, abs=6e-4)


def test_a_file_that_is_no_image_is_explained(page: Page, address: str, console: list[str]) -> None:
    open_view(page, address, "through")
    page.locator(".layer").first.wait_for()
    page.set_input_files("#file", "pyproject.toml")
    page.locator(".error:visible").wait_for()
    assert "image" in page.locator(".error:visible").inner_text()
    assert "422" in console.pop()  # the browser's own words on the answer


def test_the_service_computes_a_large_network(page: Page, address: str) -> None:
    open_view(page, address, "network")
    page.select_option("select.model", "large")
    page.get_by_role("link", name="Image").click()
    page.set_input_files("#file", THREE)
    page.locator(".time", has_text="by the service").wait_for()
    model = large().opened
    eye = hubel.look(model.subject.module, classes=model.classes)
    found = eye.maps(THREE, layers="all").arrays
    scores = [number(text) for text in page.locator(".bar-score").all_inner_texts()]
    assert scores == pytest.approx(sorted(found["scores"].tolist(), reverse=True), abs=6e-3)
    open_view(page, address, "neuron/conv2/3/1/2")
    page.locator(".total .result").wait_for()
    assert number(page.locator(".total .result").inner_text()) == pytest.approx(
        float(found["conv2"][3, 1, 2]), abs=6e-5
    )
    assert page.locator(".depth").count() == 8
    expect(page.locator(".other-unit .kernel")).to_have_count(4)


def paste(page: Page) -> None:
    """Pastes a three."""
    page.locator(".layer").first.wait_for()
    encoded = b64encode(Path(THREE).read_bytes()).decode()
    page.evaluate(
        """text => {
          const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], 'pasted.png', { type: 'image/png' }));
          document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }));
        }""",
        encoded,
    )
    answers(page, "3")


def shoot(page: Page) -> None:
    """Takes an image with the camera."""
    page.locator(".layer").first.wait_for()
    page.get_by_role("button", name="Sample: 3").first.click()
    answers(page, "3")
    before = page.locator(".best .bar-score").inner_text()
    page.get_by_role("button", name="Camera").click()
    page.locator("video").evaluate(
        "video => video.readyState > 1 || new Promise(on => video.onloadeddata = on)"
    )
    page.get_by_role("button", name="Take the image").click()
    expect(page.locator(".best .bar-score")).not_to_have_text(before)


def test_clearing_a_drawing_clears_what_was_made_of_it(page: Page, address: str) -> None:
    open_view(page, address, "through")
    page.locator(".layer").first.wait_for()
    draw(page)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("There is no image yet.")).to_be_visible()
    assert page.locator(".bars, .layer").count() == 0


def test_an_address_of_no_unit_is_said(page: Page, address: str) -> None:
    open_view(page, address, "neuron/C1/77/99/1")
    expect(page.get_by_text("There is no unit C1[77,99,1] here; C1[0,14,1] is shown.")).to_be_visible()


def draw(page: Page) -> None:
    """Draws a one."""
    page.get_by_role("button", name="Draw").click()
    pad = page.locator(".pad")
    pad.scroll_into_view_if_needed()
    bounds = pad.bounding_box()
    assert bounds is not None
    x = bounds["x"] + bounds["width"] / 2
    page.mouse.move(x, bounds["y"] + 30)
    page.mouse.down()
    page.mouse.move(x, bounds["y"] + bounds["height"] - 30, steps=8)
    page.mouse.up()
    answers(page, "1")


WAYS = (paste, shoot, draw)


@pytest.mark.parametrize("way", WAYS)
def test_an_image_comes_in(page: Page, address: str, way: Callable[[Page], None]) -> None:
    open_view(page, address, "through")
    way(page)


def test_the_numbers_of_a_unit_add_up(page: Page, address: str) -> None:
    open_view(page, address, "neuron/C3/4/2/5")
    page.locator(".total .result").wait_for()
    sums = [number(text) for text in page.locator(".depth span:last-child").all_inner_texts()]
    bias = number(re.search(r"bias \(?([−\d.]+)", page.locator(".total").inner_text())[1])  # type: ignore[index]
    value = number(page.locator(".total .result").inner_text())
    assert len(sums) == 6
    assert sum(sums) + bias == pytest.approx(value, abs=6 * 5e-4 + 1e-3)
    assert number(page.locator("#title b").inner_text()) == value
    page.locator(".depth").nth(3).click()
    grids = page.locator(".product table")
    window, weights, products = (
        [
            float(cell.replace("−", "-"))
            for cell in grids.nth(at).locator("td").evaluate_all("all => all.map(each => each.title)")
        ]
        for at in range(3)
    )
    assert len(window) == 25
    for one, other, product in zip(window, weights, products, strict=True):
        assert one * other == pytest.approx(product, abs=3e-6 * max(1, abs(one) + abs(other)))
    assert sum(products) == pytest.approx(sums[3], abs=6e-4)


@pytest.mark.parametrize(
    ("unit", "words", "lines"),
    [
        ("C1/0/13/14", "784 cells share these 25 weights and 1 bias.", 1),
        ("C3/4/2/5", "100 cells share these 150 weights and 1 bias.", 1),
        (
            "C5/7/0/0",
            "The map has one cell, so nothing is shared: it alone uses these 400 weights and 1 bias.",
            0,
        ),
        ("relu1/0/3/3", None, 0),
    ],
)
def test_the_cells_that_share_weights_are_marked(
    page: Page, address: str, unit: str, words: str | None, lines: int
) -> None:
    """LeNet-5: 28x28 cells and 5·5·1 weights, 10x10 cells and 5·5·6, one cell and 5·5·16."""
    open_view(page, address, f"neuron/{unit}")
    page.locator(".other-unit").first.wait_for()
    if words is None:
        assert page.get_by_text("share").count() == 0
    else:
        expect(page.get_by_text(words)).to_be_visible()
    assert page.locator(".sharers").count() == lines
    assert page.locator(".chain .shares").count() == 2 * lines  # the filter and the whole map
    if lines:
        wide = "each => each.getBoundingClientRect().width"
        whole, marked = (
            page.locator(each).evaluate(wide) for each in (".holder.shares:has(.sharers)", ".sharers")
        )
        assert marked == pytest.approx(whole, abs=3)
        assert page.locator(".other-unit .kernel").count() > 1


def test_normalisation_shares_its_scale(page: Page, address: str) -> None:
    branches_with_an_image(page, address)
    open_view(page, address, "neuron/batchnorm1/2/3/4")
    expect(page.get_by_text("144 cells share one scale γ and one shift β.")).to_be_visible()


def test_the_filter_slides(page: Page, address: str) -> None:
    open_view(page, address, "neuron/S4/3/0/0")
    page.locator(".arithmetic").wait_for()
    page.get_by_role("button", name="Slide the filter").click()
    page.wait_for_url(re.compile("#/neuron/S4/3/0/2"))
    assert page.locator(".filling").count() == 1
    page.get_by_role("button", name="Stop").click()
    page.locator(".filling").wait_for(state="detached")


def test_the_winner_of_a_pooling_is_shown_and_linked(page: Page, address: str) -> None:
    open_view(page, address, "neuron/S2/1/6/6")
    won = page.locator("td.won")
    won.wait_for()
    values = page.locator(".product td").evaluate_all(
        "all => all.map(each => Number(each.title.replace('−', '-')))"
    )
    assert number(won.get_attribute("title") or "") == max(values)
    page.locator(".total a").click()
    page.wait_for_url(re.compile("#/neuron/relu1/1/"))


def test_what_a_map_looks_for_is_computed_on_demand(page: Page, address: str) -> None:
    open_view(page, address, "looks")
    start = page.get_by_role("button", name="Look at the images")
    start.or_(page.locator(".units")).first.wait_for()
    if start.count():
        start.click()
    page.locator(".patches figure").first.wait_for(timeout=40_000)
    assert page.locator(".patches figure").count() == 9
    assert page.locator(".units button").count() == 6
    page.locator(".units button").nth(2).click()
    page.wait_for_url(re.compile("#/looks/relu1/2"))
    assert page.locator(".polar").count() == 1
    assert page.locator(".detail .bars li").count() == 10


def test_a_network_is_designed(page: Page, address: str) -> None:
    open_view(page, address, "design")
    text = page.locator("#notation")
    text.fill("conv(1, 3, stride=3) >> fc(2)")
    page.locator("#volume").fill("7x7x1")
    page.locator("td.noted", has_text="2.33, floor 2").wait_for()
    text.click()
    text.evaluate("area => { area.setSelectionRange(3, 3); area.dispatchEvent(new Event('click')); }")
    page.locator(".formula .fits-not").first.wait_for()
    assert "does not fit" in page.locator(".formula").inner_text()
    stride = page.locator("[data-slider=stride]")
    stride.focus()
    page.keyboard.press("ArrowLeft")
    expect(text).to_have_value("conv(1, 3, stride=2) >> fc(2)")
    expect(page.locator(".formula b")).to_have_text("3")
    page.keyboard.press("ArrowLeft")
    expect(text).to_have_value("conv(1, 3) >> fc(2)")
    text.fill("conv(1, 3) >> fx(2)")
    page.locator("#problem:visible").wait_for()
    assert "there is no layer fx" in page.locator("#problem").inner_text()
    expect(page.get_by_text("Below is the last network that could be read.")).to_be_visible()
    text.fill("conv(1, 3) >> fc(2)")
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.get_by_text("Below is the last network that could be read.")).to_be_hidden()


HOSTILE_TEXTS = {
    "(" * 5000 + "relu" + ")" * 5000: "too many nested parentheses",
    "relu" + " >> relu" * 9000: "maximum recursion depth",
    "named('<img src=x onerror=alert(1)>', relu)": "not '<img src=x onerror=alert(1)>'",
    "__import__('os').system('id')": "only layers, gate, named and side are called",
    "999999999999 * relu": "at most 1,000,000,000",
    "conv(1e400, 3)": "not inf",
    "relu \0": "null bytes",
    "": "empty",
}


def test_hostile_notations_are_explained(page: Page, address: str) -> None:
    open_view(page, address, "design")
    page.locator("tfoot").wait_for()
    for text, words in HOSTILE_TEXTS.items():
        page.locator("#notation").evaluate("(area, text) => { area.value = text; }", text)
        page.locator("#notation").dispatch_event("input")
        expect(page.locator("#problem")).to_contain_text(words)
    assert page.locator("img").count() == 0
    page.locator("#notation").fill("relu >> fc(3)")
    page.locator("#volume").fill("axb")
    expect(page.locator("#problem")).to_contain_text("write height x width x depth")
    page.locator("#volume").fill("8x8x1")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_text_that_is_too_long_is_refused_on_the_page(page: Page, address: str, console: list[str]) -> None:
    open_view(page, address, "design")
    page.locator("tfoot").wait_for()
    page.locator("#notation").evaluate("area => { area.value = 'relu'.padEnd(100001); }")
    page.locator("#notation").dispatch_event("input")
    expect(page.locator("#problem")).to_contain_text("at most 100000 characters")
    assert "422" in console.pop()  # the browser's own words on the answer


@pytest.mark.parametrize("name", ["empty.png", "bomb.svg", "cut.jpg"])
def test_hostile_uploads_are_explained(
    page: Page, address: str, console: list[str], tmp_path: Path, name: str
) -> None:
    whole = Path("docs/images/three.png").read_bytes()
    contents = {"empty.png": b"", "bomb.svg": b"<svg onload='alert(1)'/>", "cut.jpg": whole[:60]}
    (tmp_path / name).write_bytes(contents[name])
    open_view(page, address, "through")
    page.locator(".bars .best").first.wait_for()
    page.set_input_files("#file", tmp_path / name)
    page.locator(".error:visible").wait_for()
    assert "image" in page.locator(".error:visible").inner_text()
    assert "422" in console.pop()
    page.set_input_files("#file", THREE)
    answers(page, "3")
    expect(page.locator(".error:visible")).to_have_count(0)


def test_the_sliders_mend_a_layer_that_does_not_fit(page: Page, address: str) -> None:
    open_view(page, address, "design")
    text = page.locator("#notation")
    text.fill("conv(1, 3, stride=2) >> fc(2)")
    page.locator("#volume").fill("7x7x1")
    text.evaluate("area => { area.setSelectionRange(3, 3); area.dispatchEvent(new Event('click')); }")
    stride = page.locator("[data-slider=stride]")
    page.locator("[data-slider=filters]").wait_for()
    page.locator("#strict").check()
    expect(page.locator("#problem")).to_be_hidden()
    stride.fill("3")
    expect(page.locator("#problem")).to_contain_text("9x9x1 fits (3)")
    text.dispatch_event("click")  # asks again, with the caret where it was
    page.wait_for_timeout(100)
    stride.fill("1")
    expect(page.locator("#problem")).to_be_hidden()
    expect(text).to_have_value("conv(1, 3) >> fc(2)")


def test_a_network_of_the_zoo_is_a_start_and_a_link_leads_to_it(page: Page, address: str) -> None:
    open_view(page, address, "design")
    page.locator("#zoo option[value=alexnet]").wait_for(state="attached")
    page.select_option("#zoo", "alexnet")
    page.get_by_text("60,965,224").first.wait_for()
    query = urlencode({"net": page.locator("#notation").input_value(), "input": "227x227x3"})
    page.goto("about:blank")
    page.goto(f"{address}/#/design?{query}")
    page.get_by_text("60,965,224").first.wait_for()


def test_what_is_copied_can_be_used(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_view(page, address, "design")
    text = "conv(4, 3) >> relu >> fc(2)"
    page.locator("#notation").fill(text)
    copied = {}
    for kind in ("text", "Python", "link"):
        page.get_by_role("button", name=f"Copy {kind}").click()
        copied[kind] = page.evaluate("navigator.clipboard.readText()")
    assert copied["text"] == text
    found: dict[str, Any] = {}
    exec(copied["Python"], found)  # what a reader would do with it
    assert found["net"] == hubel.parse(text)
    page.goto("about:blank")
    page.goto(copied["link"])
    expect(page.locator("#notation")).to_have_value(text)


def test_the_lecture_s_window(page: Page, address: str) -> None:
    open_view(page, address, "design")
    page.locator("#notation").fill("relu")
    page.locator("[data-slider=n]").wait_for()
    shown = {}
    for stride in (1, 2, 3):
        page.locator("[data-slider=stride]").fill(str(stride))
        shown[stride] = page.locator(".formula").inner_text()
    assert "= 5 fits" in shown[1]
    assert "= 3 fits" in shown[2]
    assert "= 2.33 does not fit" in shown[3]


@pytest.mark.parametrize("language", ["EN", "한국어"])
def test_both_languages_in_every_view(page: Page, address: str, language: str) -> None:
    open_view(page, address, "network")
    page.get_by_role("button", name=language, exact=True).click()
    lang = {"EN": "en", "한국어": "ko"}[language]
    assert page.evaluate("document.documentElement.lang") == lang
    titles = set()
    for view in ("network", "through", "neuron", "looks", "design"):
        open_view(page, address, view)
        page.wait_for_timeout(50)
        titles.add(page.locator("nav [aria-current]").inner_text())
        text = page.locator("main").inner_text()
        assert bool(re.search("[가-힣]", text)) == (lang == "ko"), view
        assert not re.search(r"\b(view|column|part|kind|slider)\.\w+|\{\w+\}", text), view
    assert len(titles) == 5
