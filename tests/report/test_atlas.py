"""The atlas's page: what is in it, that it stands alone, and that a browser shows it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from hubel import build, parse
from hubel.data.dataset import ArrayImages, numbered
from hubel.data.image.preprocess import Preprocessing
from hubel.instruments.atlas import Atlas, Census, tuned
from hubel.instruments.subject import Subject, features
from hubel.instruments.tuning import tune
from hubel.report.instruments.atlas import TILE, About, atlas_page, layer_text

NET = parse(
    "conv(4, 3, pad=1) >> relu >> maxpool(2) >> (conv(3, 3, pad=1) | conv(2, 1)) >> relu >> "
    "conv(5, 3, pad=1) + identity >> relu >> fc(2)"
)
CLASSES = ("고양이", "</script><b>개")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def images(plane: tuple[int, int] = (12, 12)) -> ArrayImages:
    pixels = np.random.default_rng(1).integers(0, 256, (10, *plane, 3), np.uint8)
    return ArrayImages(np.arange(10) % 2, pixels, numbered("소음", 10))


def atlas(subject: Subject, given: ArrayImages, most: int = 64) -> Atlas:
    preprocessing = Preprocessing.of(subject.volume)
    census = Census(subject, given.labels, 2, top=4)
    census.take(preprocessing.normalise(torch.from_numpy(given.pixels)))
    tunings = tune(subject, tuned(subject, most=most))
    return Atlas(subject, preprocessing, given, census.seen(), tunings, "deconv", most)


@pytest.fixture(scope="module")
def made() -> tuple[Subject, list[str], str]:
    """A network, the texts of its layers, and its page."""
    network = build(NET, "12x12x3", seed=2)
    with torch.no_grad():
        network.get_parameter("conv1.weight")[3] = 0
        network.get_parameter("conv1.bias")[3] = -1  # nothing drives this map
    subject = Subject.of(network)
    whole = atlas(subject, images())
    texts = [
        layer_text(view, whole.units(view.path), subject.volume, whole.images.labels)
        for view in whole.layers()
    ]
    return (
        subject,
        texts,
        atlas_page(About("a <net>", "소음", 10, CLASSES, "deconv", 4, "0f"), subject.steps, texts),
    )


class Page(HTMLParser):
    """What a page has: the JSON in it by its id, its headings, and every attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.script = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.script = dict(attrs).get("id") or "" if tag == "script" else self.script
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[self.script] = self.scripts.get(self.script, "") + data
        else:
            self.texts.append(data)

    def of(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [value for _, its, value in self.attributes if its == name]


def tiles(sheet: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """A sheet's tiles: n x h x w x 4."""
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["webp"]))).convert("RGBA"))
    width, height = sheet["tile"]
    cut = image.reshape(sheet["rows"], height, sheet["across"], width, 4).swapaxes(1, 2)
    return cut.reshape(-1, height, width, 4)


def test_every_unit_is_on_the_page(made: tuple[Subject, list[str], str]) -> None:
    subject, _, text = made
    page = Page(text)
    assert not page.open
    for at, path in enumerate(features(subject)):
        layer = json.loads(page.scripts[f"data-{at}"])
        depth = subject.step(path).output.depth
        assert [unit["unit"] for unit in layer["units"]] == [f"{path}[{each}]" for each in range(depth)]
    assert json.loads(page.scripts["settings"])["classes"] == list(CLASSES)
    assert "a <net>" in "".join(page.texts)


def test_the_page_fetches_nothing(made: tuple[Subject, list[str], str]) -> None:
    text = made[2]
    page = Page(text)
    assert not re.findall(r"(?:https?:)?//[\w.]+\.\w", re.sub(r"/\*\*.*?\*/", "", text))
    assert not page.of("src")
    assert all(value.startswith("#") for value in page.of("href"))
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#", "$"}


def test_three_levels_in_order(made: tuple[Subject, list[str], str]) -> None:
    page = Page(made[2])
    heads = [text.strip() for text in page.texts if "-level features" in text]
    assert heads == ["Low-level features", "Mid-level features", "High-level features"]
    assert page.of("data-path") == list(features(made[0]))


def test_every_layer_can_be_pressed_in_the_image(made: tuple[Subject, list[str], str]) -> None:
    subject, texts, text = made
    pressed = [tuple(map(int, value.split())) for value in Page(text).of("data-layers")]
    # conv1; two branches and where they meet; conv4 and the sum; the scores. Pooling leads nowhere
    assert sorted(pressed) == [(0,), (1,), (1,), (1,), (2,), (2,), (3,)]
    assert len(features(subject)) == len(texts) == 4


def test_small_tiles_are_the_patches_to_the_last_bit(made: tuple[Subject, list[str], str]) -> None:
    subject, texts, _ = made
    whole = atlas(subject, images())
    layer = json.loads(texts[0])
    shown = tiles(layer["patches"])
    for view, unit in zip(whole.units("relu1"), layer["units"], strict=True):
        assert len(view.patches) == len(unit["patches"])
        for at, patch in enumerate(view.patches):
            tile = shown[unit["first"] + at]
            top, left = patch.seen.top - patch.box.top, patch.seen.left - patch.box.left
            height, width = patch.pixels.shape[:2]
            part = tile[top : top + height, left : left + width]
            np.testing.assert_array_equal(part[..., :3], patch.pixels)
            assert (part[..., 3] == 255).all()
            assert (tile[..., 3] > 0).sum() == height * width
            name, label, row, column, box, score = unit["patches"][at]
            assert (name, row, column) == (patch.name, patch.unit.row, patch.unit.column)
            assert label == patch.image % 2
            assert box == [patch.seen.top, patch.seen.left, patch.seen.bottom, patch.seen.right]
            assert float(score) == pytest.approx(patch.score, rel=1e-3)


def test_a_filter_on_the_image_is_its_weights(made: tuple[Subject, list[str], str]) -> None:
    subject, texts, _ = made
    layer = json.loads(texts[0])
    weights = subject.module.get_parameter("conv1.weight").detach().numpy()
    drawn = tiles(layer["filters"])[:4, ..., :3].transpose(0, 3, 1, 2)
    shades = 127.5 + 127.5 * weights / np.abs(weights).max()
    assert np.abs(drawn - shades).max() <= 0.5 + 1e-4


def test_a_silent_unit_says_so(made: tuple[Subject, list[str], str]) -> None:
    unit = json.loads(made[1][0])["units"][3]
    assert unit["patches"] == []
    assert unit["selectivity"] is None
    assert unit["tuning"] is None


def test_only_so_many_classes_are_told_in_their_order() -> None:
    subject = Subject.of(build(NET, "12x12x3", seed=2))
    whole = atlas(subject, images(), most=1)
    view = whole.layers()[0]
    text = layer_text(view, whole.units(view.path), subject.volume, whole.images.labels, bars=1)
    (unit,) = json.loads(text)["units"]
    means = whole.seen.means["relu1"][0]
    assert [label for label, _ in unit["means"]] == [int(means.argmax())]


def test_large_images_become_small() -> None:
    subject = Subject.of(build(parse("conv(1, 5, stride=5) >> conv(1, 15) >> relu >> fc(2)"), "75x90x3"))
    whole = atlas(subject, images((75, 90)))
    view = whole.layers()[0]
    text = layer_text(view, whole.units(view.path), subject.volume, whole.images.labels)
    assert json.loads(text)["patches"]["tile"] == [TILE, TILE]  # of a field of 75 x 75


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser")
def test_a_browser_shows_the_units_of_a_layer(made: tuple[Subject, list[str], str], tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    file = tmp_path / "지도.html"
    file.write_text(made[2], "utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch_persistent_context(
            tmp_path / "browser", executable_path=CHROMIUM, headless=True, args=FLAGS
        )
        page = browser.new_page()
        errors: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        assert page.locator(".cell:visible").count() == 0

        page.locator('.hot[data-layers="1"]').first.click()  # a volume of the image
        cells = page.locator('[data-path="relu2"] .cell')
        assert cells.count() == 5
        assert page.locator(".unit h4").inner_text().startswith("relu2[0]")
        assert page.locator(".unit .tile[role=img]").count() == 2 * 4
        assert "소음/" in page.locator(".unit .tile").first.get_attribute("title")
        assert page.locator(".bars th").all_inner_texts() == list(CLASSES)

        cells.first.focus()  # from unit to unit, and into what is told of it
        page.keyboard.press("ArrowRight")
        assert page.locator('[data-path="relu2"] [aria-selected="true"]').get_attribute("title") == "relu2[1]"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.className") == "unit"
        page.locator('.unit .inputs a[title^="relu1"]').first.click()  # to a unit it reads
        assert page.locator('[data-path="relu1"] .unit h4').inner_text().startswith("relu1[")

        head = page.locator('[data-path="fc1"] .head')
        head.focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-expanded") == "true"
        assert page.locator('[data-path="fc1"] .cell .name').all_inner_texts()[0].split() == ["0", "고양이"]
        drawn = "getComputedStyle(document.querySelector('.unit .tile')).backgroundImage"
        assert page.evaluate(drawn).startswith('url("blob:')
        browser.close()
    assert not errors
    assert all(url.startswith(("file:", "blob:")) for url in asked)
