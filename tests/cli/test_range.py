"""`--range`: the values of deep images that become black and white, of `train` and `data preview`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubel as package
from hubel.tasks.data_preview import data_preview
from tests.cli.conftest import Hubel

NET = ("--net", "fc(2)", "--input", "8x8x1")


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """Two classes of 16-bit images, whose values are 29,000 to 29,063 or 29,500 to 29,563."""
    for label, least in (("cold", 29_000), ("warm", 29_500)):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(5):
            values = np.arange(least, least + 64, dtype=np.uint16).reshape(8, 8)
            Image.fromarray(np.roll(values, number)).save(tmp_path / "set" / label / f"{number}.png")
    return tmp_path / "set"


def test_train_takes_a_range(hubel: Hubel, deep: Path, tmp_path: Path) -> None:
    given = []
    ways = (("--range", "29000:30000"), ("--set", "range=29000:30000"), ("--range", "full"), ())
    for number, way in enumerate(ways):
        out = tmp_path / str(number)
        said = hubel("train", deep, *NET, "--epochs", 1, "--batch", 4, *way, "--out", out)
        assert said.status == 0, said.err
        given.append(package.load(out).preprocessing.range)
    assert given == [(29000, 30000), (29000, 30000), (0, 65535), (29000, 29563)]
    assert package.Run(tmp_path / "0").config.range == "29000:30000"
    for wrong, why in (
        (("--range", "30000:29000"), "range is auto, full or LOW:HIGH"),
        (("--range", "full", "--set", "range=auto"), "range is set twice"),
    ):
        said = hubel("train", deep, *NET, *wrong)
        assert said.status == 2
        assert why in said.err


def test_preview_shows_a_range(hubel: Hubel, deep: Path, tmp_path: Path) -> None:
    """255 * 0 / 1000 to 255 * 63 / 1000 of the cold, 255 * 500 / 1000 to 255 * 563 / 1000 of the warm."""
    found = data_preview(str(deep), net="fc(2)", volume="8x8x1", range="29000:30000", each=1)
    spans = [(int(each.seen.min()), int(each.seen.max())) for each in found.examples]
    assert spans == [(0, 16), (pytest.approx(127.5, abs=0.5), 144)]
    out = tmp_path / "preview.png"
    assert hubel("data", "preview", deep, *NET, "--range", "29000:30000", "-o", out).status == 0
    said = hubel("data", "preview", deep, *NET, "--range", "wide", "-o", out)
    assert (said.status, "range is auto, full or LOW:HIGH" in said.err) == (2, True)
