"""The explorer's page in Chromium: first paint, an image through a network, and a notation while it is typed.

    python -m benchmarks.explorer

It serves LeNet-5 for digits, which the page computes itself, and ResNet-18, which the service computes. Times
are what a person waits: from the press or the key to the frame that shows the result.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

import hubel
from hubel.service.explorer.app import application
from hubel.service.explorer.exhibit import digits
from hubel.service.explorer.page import assets
from hubel.service.explorer.server import beside
from hubel.service.server import bound
from hubel.tasks.explore import exhibit

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
ROUNDS = 9

TYPE = """async text => {
  const area = document.getElementById('notation');
  const foot = () => document.querySelector('tfoot').textContent;
  const before = foot();
  area.value = text;
  const began = performance.now();
  area.dispatchEvent(new Event('input'));
  while (foot() === before) await new Promise(on => setTimeout(on, 1));
  await new Promise(on => requestAnimationFrame(() => setTimeout(on, 0)));
  return performance.now() - began;
}"""

PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def first_paint(page: Page, address: str) -> list[float]:
    """Milliseconds to the first paint, of several visits."""
    found = []
    for _ in range(ROUNDS):
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_timeout(500)
        found.append(page.evaluate(PAINT))
    return found


def typed(page: Page, address: str) -> list[float]:
    """Milliseconds from a key to the new table and drawing of ResNet-50, 186 layers."""
    text = repr(hubel.zoo.resnet50())
    page.goto(f"{address}/#/design")
    page.locator("tfoot").wait_for()
    page.locator("#volume").fill("224x224x3")
    page.evaluate(TYPE, text)
    found = []
    for at in range(ROUNDS):
        page.wait_for_timeout(300)
        found.append(page.evaluate(TYPE, text.replace("conv(64, 7", f"conv({40 + at}, 7")))
    return found


def images(page: Page, address: str, model: str, files: list[str]) -> list[float]:
    """Milliseconds from an image to its scores and all its maps on the page, as the page says."""
    page.goto(f"{address}/#/network")
    page.locator("select.model").wait_for()
    page.select_option("select.model", model)
    page.goto(f"{address}/#/through")
    found = []
    for file in files:
        page.set_input_files("#file", [])
        page.set_input_files("#file", file)
        page.wait_for_timeout(2500)  # until then the page may still show the last image's time
        page.locator(".time", has_text=" ms").wait_for()
        found.append(float(page.locator(".time").inner_text().split(" ms")[0].split()[-1]))
    return found


def show(what: str, times: list[float]) -> None:
    """Prints the median and the extremes."""
    print(
        f"{what}: median {statistics.median(times):.0f} ms, {min(times):.0f} to {max(times):.0f}", flush=True
    )


def main() -> None:
    """Measures and prints."""
    code = b"".join(content for path, content in assets().items() if path.endswith(".js"))
    print(f"JavaScript: {len(code) / 1e3:.0f} kB, {len(gzip.compress(code)) / 1e3:.0f} kB compressed")
    shown = {each.name: each for each in (digits(), exhibit("resnet18"))}
    files = [str(path) for path in sorted(Path("docs/images/explore").glob("*.png"))]
    with (
        bound("127.0.0.1", 0) as place,
        beside(application(shown), place) as address,
        sync_playwright() as started,
    ):
        chromium = shutil.which("chromium")
        browser = started.chromium.launch_persistent_context(
            tempfile.mkdtemp(), executable_path=chromium, args=FLAGS, locale="en-GB"
        )
        page = browser.new_page()
        show("first paint", first_paint(page, address))
        show("typing, ResNet-50", typed(page, address))
        show("an image through LeNet-5, in the page", images(page, address, "digits", files))
        show("an image through ResNet-18, in the service", images(page, address, "resnet18", files))
        browser.close()


if __name__ == "__main__":
    main()
