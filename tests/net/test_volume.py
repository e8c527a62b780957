"""Volumes: which values are read as one, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hubel.errors import NetworkError
from hubel.net.volume import Volume

SIDES = st.integers(1, 10_000)


@given(SIDES, SIDES, SIDES)
def test_every_way_to_write_a_volume_is_the_same_volume(height: int, width: int, depth: int) -> None:
    volume = Volume(height, width, depth)
    assert Volume.of(volume) is volume
    assert Volume.parse(str(volume)) == volume
    assume(height not in (1, 3, 4))  # with larger sides after it, that is taken for the depth of an image
    assert Volume.of((height, width, depth)) == volume
    assert Volume.of([height, width, depth]) == volume
    assert Volume.of(str(volume)) == volume
    assert Volume.of(f" {height} x {width}×{depth} ") == volume
    assert tuple(volume) == (height, width, depth)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ((3, 224, 224), "(224, 224, 3)"),
        ([1, 28, 28], "(28, 28, 1)"),
        ((4, 480, 640), "(480, 640, 4)"),
        ("3x224x224", "224x224x3"),
        ("1x8x8", "8x8x1"),
    ],
)
def test_channels_first_is_answered_with_the_remedy(written: Any, meant: str) -> None:
    with pytest.raises(NetworkError) as caught:
        Volume.of(written)
    assert str(caught.value) == (
        f"{written!r} is written channels first; hubel writes height x width x depth: {meant}"
    )


@pytest.mark.parametrize(
    "sides", [(1, 1, 512), (1, 224, 3), (2, 64, 64), (3, 3, 64), (4, 4, 512), (4, 16, 64), (5, 224, 224)]
)
def test_flat_volumes_are_legal(sides: tuple[int, int, int]) -> None:
    assert tuple(Volume.of(sides)) == sides
    assert tuple(Volume.of("x".join(map(str, sides)))) == sides


def test_a_volume_as_flat_as_an_image_channels_first_is_made_by_name() -> None:
    assert tuple(Volume.of(Volume(3, 224, 224))) == (3, 224, 224)


def test_a_volume_counts_its_values() -> None:
    volume = Volume(32, 16, 3)
    assert str(volume) == "32x16x3"
    assert volume.values == 1536  # 32 * 16 * 3 = 512 * 3
    assert volume.plane == (32, 16)
    assert len({volume, Volume(32, 16, 3), Volume(16, 32, 3)}) == 2


@pytest.mark.parametrize(
    "text", ["", "32", "32x32", "32x32x3x1", "axbxc", "-1x2x3", "3.5x2x1", "32,32,3", "x" * 99]
)
def test_a_text_that_is_not_a_volume_gets_an_example(text: str) -> None:
    with pytest.raises(NetworkError, match="such as 32x32x3"):
        Volume.of(text)


@pytest.mark.parametrize("value", [(), (1,), (1, 2), (1, 2, 3, 4), 5, None, {1, 2, 3}])
def test_a_volume_has_three_sides(value: object) -> None:
    with pytest.raises(NetworkError, match="is not a volume"):
        Volume.of(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [0, -1, 1.0, True, "3", None, 10**10, 10**400])
@pytest.mark.parametrize(("place", "name"), [(0, "height"), (1, "width"), (2, "depth")])
def test_a_side_is_a_whole_number_of_at_least_one(side: object, place: int, name: str) -> None:
    sides: list[object] = [4, 4, 4]
    sides[place] = side
    with pytest.raises(NetworkError, match=f"a volume's {name} is a whole number of at least 1"):
        Volume(*sides)  # type: ignore[arg-type]


def test_a_zero_in_a_text_is_the_same_error() -> None:
    with pytest.raises(NetworkError, match="a volume's width is a whole number of at least 1, not 0"):
        Volume.of("1x0x1")
    with pytest.raises(NetworkError, match="at most 1,000,000,000, not 99999999999999999999"):
        Volume.of(f"{10**20 - 1}x1x1")
    with pytest.raises(NetworkError, match="at most 1,000,000,000"):
        Volume.of("9999999999x1x1")
