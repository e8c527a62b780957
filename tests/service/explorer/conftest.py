"""A server of the explorer, and a browser in front of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.model.file import Model
from hubel.service.explorer.app import application
from hubel.service.explorer.exhibit import Exhibit, digits
from hubel.service.explorer.server import beside
from hubel.service.server import bound

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",  # a camera that shows a moving pattern
    "--use-fake-device-for-media-stream",
]

BRANCHES = parse(
    "conv(6, 3, pad=1) >> batchnorm >> relu >> maxpool(2)"
    " >> named('block', (conv(3, 3, pad=1) | conv(3, 1) >> relu))"
    " >> conv(6, 3, pad=1) + identity >> relu >> globalavgpool >> fc(3) >> softmax"
)
HOSTILE = ("<img src=x onerror=alert(1)>", "</script><b>고양이", "fox \udcff")


def hostile() -> Exhibit:
    """A network with branches whose classes are named like HTML; its values are not trivial."""
    network = build(BRANCHES, "12x12x3", seed=3)
    with torch.no_grad():
        network.get_buffer("batchnorm1.running_mean").uniform_(-0.5, 0.5)
        network.get_buffer("batchnorm1.running_var").uniform_(0.5, 2)
    return Exhibit.of("branches", Model(network, HOSTILE, Preprocessing.of("12x12x3")))


def large() -> Exhibit:
    """A network that the page does not compute itself: it has more than a million parameters."""
    net = parse("conv(8, 3, pad=1) >> relu >> maxpool(2) >> conv(4, 3) >> fc(16000) >> relu >> fc(3)")
    model = Model(build(net, "12x12x3", seed=4), ("cat", "dog", "fox"), Preprocessing.of("12x12x3"))
    return Exhibit.of("large", model)


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """The address of a server that shows the digits, a network with branches, and a large one."""
    exhibits = {each.name: each for each in (digits(), hostile(), large())}
    with bound("127.0.0.1", 0) as place, beside(application(exhibits), place) as found:
        yield found


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser; of a module, for its event loop, while it runs, is in the way of others."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        place: Path = tmp_path_factory.mktemp("browser")
        with started.chromium.launch_persistent_context(
            place,
            executable_path=CHROMIUM,
            args=FLAGS,
            viewport={"width": 1280, "height": 900},
            locale="en-GB",
        ) as found:
            found.set_default_timeout(15_000)
            yield found


@pytest.fixture
def console() -> list[str]:
    """The errors and warnings in a page's console."""
    return []


@pytest.fixture
def page(context: BrowserContext, console: list[str]) -> Iterator[Page]:
    """A page whose console stays silent."""
    found = context.new_page()

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            console.append(message.text)

    found.add_init_script("addEventListener('error', event => console.error(event.message))")
    found.on("console", hear)
    found.on("pageerror", lambda error: console.append(str(error)))
    yield found
    found.close()
    assert console == []
