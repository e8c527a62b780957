"""Marks: images recognised by their pixels."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from hubel.data.marks import marks, read, written


def test_images_have_the_same_mark_if_their_pixels_are_the_same() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    images[4] = images[1]
    images[5] = images[2]
    images[5, 0, 0, 0] ^= 1
    found = marks(images)
    assert found[4] == found[1]
    assert len(set(found)) == 5
    assert marks(np.asfortranarray(images)) == found


def test_a_text_has_each_mark_once() -> None:
    found = marks(np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1))
    assert read(written(found * 2)) == frozenset(found)
    assert len(base64.b64decode(written(found * 2))) == 6 * 9
    assert read(written([])) == frozenset()


@pytest.mark.parametrize("text", ["AAAA", "?", "AAAAAAAA=A"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)
