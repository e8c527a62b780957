"""The preview of a set: each image, what is seen of it and its variants, side by side."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hubel.net.volume import Volume
from hubel.report.data_preview import Example, preview_figure

COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "grey": (77, 77, 77)}


def plain(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((8, 6, 3), COLOURS[name], np.uint8)


def test_a_row_shows_the_image_then_what_is_seen_then_variants() -> None:
    grey = np.full((8, 6, 1), 77, np.uint8)
    shown = Example("cat", Image.new("RGB", (900, 400), "red"), plain("lime"), [plain("blue"), grey])
    drawn = preview_figure("photos", [shown, shown], Volume(8, 6, 3), "crop")
    pixels = np.asarray(Image.open(BytesIO(drawn)))
    lefts = []
    for colour in COLOURS.values():
        rows, columns = np.nonzero((pixels == colour).all(-1))
        assert len(rows) > 2 * 90 * 90  # twice, and enlarged
        lefts.append(columns.min())
    assert lefts == sorted(lefts)
    columns = np.nonzero((pixels == COLOURS["red"]).all(-1))[1]
    assert np.ptp(columns) + 1 == 256  # of 900


@pytest.mark.filterwarnings("ignore:no font with Korean")  # whether there is one or not
def test_equal_content_is_drawn_as_equal_bytes() -> None:
    shown = Example("고양이", Image.new("L", (3, 4)), plain("lime"), [])
    first, again = (preview_figure("photos", [shown], Volume(8, 6, 3), "pad") for _ in range(2))
    assert first == again
