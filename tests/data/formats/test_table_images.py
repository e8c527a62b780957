"""Images in the rows of a table, as the library `datasets` gives them without decoding."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from hubel.data.formats.huggingface import TableImages
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


def encoded(kind: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind)
    return buffer.getvalue()


def images(*cells: Any) -> TableImages:
    rows = [{"image": cell} for cell in cells]
    return TableImages(np.zeros(len(rows), np.int64), np.arange(len(rows)), rows, "image", "pets/train")


def test_bytes_and_paths_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    given = images(
        {"bytes": encoded("BMP"), "path": None},
        {"bytes": None, "path": str(tmp_path / "a.png")},
        {"bytes": encoded("PNG"), "path": "gone.png"},
    )
    for place in range(3):
        assert np.array_equal(given.fitted(place, Preprocessing.of("4x5x3")), PIXELS)
        assert given.size(place) == (4, 5)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "has no image; remove the row"),
        ({"bytes": None, "path": None}, "has no image; remove the row"),
        ({"bytes": b"no image", "path": None}, "is a damaged image"),
        ({"bytes": encoded("EPS"), "path": "a.png"}, "is a damaged image"),
        ({"bytes": None, "path": "/dev/zero"}, "is a damaged image"),
    ],
)
def test_what_cannot_be_read_is_named(cell: object, reason: str) -> None:
    with pytest.raises(DataError, match=f"^pets/train/0: {reason}"):
        images(cell).fitted(0, Preprocessing.of("4x5x3"))
