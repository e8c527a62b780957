"""Geometry against a search and Pillow: every variant is an allowed one, and all allowed ones occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.augment.geometry import alternate, crop, cutout, erase, flip, rescaled, resize, shift, warp
from hubel.errors import DataError


def images(count: int, height: int = 7, width: int = 9, depth: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(1, 256, (count, height, width, depth), dtype=torch.uint8, generator=generator)


def smooth(count: int, height: int, width: int) -> torch.Tensor:
    """Colour images without fine detail, so that small differences in rounding do not matter."""
    rng = np.random.default_rng(3)
    images = [
        Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)).resize((width, height))
        for _ in range(count)
    ]
    return torch.from_numpy(np.stack([np.asarray(image) for image in images]))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(image: torch.Tensor, down: int, across: int) -> torch.Tensor:
    """Moves one image over its reflection, by NumPy's padding."""
    by = max(abs(down), abs(across))
    padded = np.pad(image.numpy(), ((by, by), (by, by), (0, 0)), mode="reflect")
    height, width = image.shape[:2]
    return torch.from_numpy(padded[by - down :, by - across :][:height, :width].copy())


def is_even(found: Counter[tuple[int, int]], kinds: int, draws: int) -> bool:
    """Whether chi-square is below its mean plus five standard deviations, and every value occurs."""
    expected, freedom = draws / kinds, kinds - 1
    distance = sum((count - expected) ** 2 / expected for count in found.values())
    return len(found) == kinds and distance < freedom + 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize(("by", "depth"), [(1, 3), (2, 1), (2, 3)])
def test_shift_moves_each_image_by_an_offset_of_its_own(by: int, depth: int) -> None:
    before = images(600, depth=depth)
    after = shift(before, by, seeded(0))
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    steps = range(-by, by + 1)
    found: Counter[tuple[int, int]] = Counter()
    for old, new in zip(before, after, strict=True):
        offsets = [(y, x) for y in steps for x in steps if torch.equal(moved(old, y, x), new)]
        assert len(offsets) == 1
        found[offsets[0]] += 1
    assert is_even(found, len(steps) ** 2, 600)


@pytest.mark.parametrize(("height", "width", "by"), [(7, 9, 6), (9, 7, 6), (1, 4, 0), (2, 2, 1)])
def test_shift_reflects_up_to_its_limit(height: int, width: int, by: int) -> None:
    before = images(40, height, width)
    steps = range(-by, by + 1)
    for old, new in zip(before, shift(before, by, seeded(1)), strict=True):
        assert any(torch.equal(moved(old, y, x), new) for y in steps for x in steps)


@pytest.mark.parametrize("by", [-1, 7, 20])
def test_a_shift_by_a_whole_side_is_refused(by: int) -> None:
    with pytest.raises(DataError, match="does not fit 7x9; give 0 to 6"):
        shift(images(2), by, seeded(0))


def test_flip_mirrors_half_of_the_images() -> None:
    before = images(1000)
    after = flip(before, seeded(1)).numpy()
    mirrored = 0
    for old, new in zip(before.numpy(), after, strict=True):
        if np.array_equal(new, np.fliplr(old)):
            mirrored += 1
        else:
            assert np.array_equal(new, old)
    assert abs(mirrored - 500) < 5 * (1000 / 4) ** 0.5


def test_alternating_flips_show_every_image_both_ways_in_two_epochs() -> None:
    before, indices = images(1000), torch.randperm(100_000, generator=seeded(2))[:1000]
    epochs = [alternate(before, indices, epoch) for epoch in range(4)]
    straight = torch.tensor([torch.equal(*pair) for pair in zip(before, epochs[0], strict=True)])
    assert torch.equal(epochs[0][~straight], before[~straight].flip(2))
    assert torch.equal(epochs[1][~straight], before[~straight])
    assert torch.equal(epochs[1][straight], before[straight].flip(2))
    assert torch.equal(epochs[2], epochs[0])
    assert torch.equal(epochs[3], epochs[1])
    assert abs(int(straight.sum()) - 500) < 5 * (1000 / 4) ** 0.5


def test_alternating_flips_depend_on_the_index_alone() -> None:
    before = images(1)[0].expand(4000, -1, -1, -1)
    straight = (alternate(before, torch.arange(4000), 0) == before).all(3).all(2).all(1)
    backwards = alternate(before, torch.arange(4000).flip(0), 0).flip(0)
    assert torch.equal((backwards == before).all(3).all(2).all(1), straight)
    agree = int((straight[1:] == straight[:-1]).sum())
    assert abs(agree - 2000) < 5 * (4000 / 4) ** 0.5


def ramp(count: int, height: int, width: int) -> torch.Tensor:
    """Images whose red is 8 times the column and whose green is 8 times the row."""
    image = torch.zeros((height, width, 3), dtype=torch.uint8)
    image[..., 0] = 8 * torch.arange(width)
    image[..., 1] = 8 * torch.arange(height)[:, None]
    return image.expand(count, -1, -1, -1).contiguous()


def drawn_box(rng: np.random.Generator, height: int, width: int, least: float) -> tuple[float, float]:
    """Width and height of a crop as torchvision's RandomResizedCrop draws it, before rounding to pixels."""
    for _ in range(10):
        area = height * width * rng.uniform(least, 1)
        ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        wide, tall = np.sqrt(area * ratio), np.sqrt(area / ratio)
        if wide <= width and tall <= height:
            return wide, tall
    return width, height


def test_crop_takes_boxes_of_the_areas_and_shapes_published() -> None:
    height, width, least, count = 24, 30, 0.2, 2000
    inner = crop(ramp(count, height, width), least, seeded(4))[:, 4:-4, 4:-4].double() / 8
    # the slope of an enlarged ramp is the side of the box over the side of the image
    wide = (inner[:, 0, -1, 0] - inner[:, 0, 0, 0]) / (width - 9) * width
    tall = (inner[:, -1, 0, 1] - inner[:, 0, 0, 1]) / (height - 9) * height
    rng = np.random.default_rng(0)
    sides = np.array([drawn_box(rng, height, width, least) for _ in range(3 * count)])
    for found, expected in (
        (wide * tall, sides[:, 0] * sides[:, 1]),
        ((wide / tall).log(), np.log(sides[:, 0] / sides[:, 1])),
    ):
        slack = 5 * expected.std() * (1 / count + 1 / len(expected)) ** 0.5
        assert float(found.mean()) == pytest.approx(expected.mean(), abs=slack)
        assert float(found.std()) == pytest.approx(expected.std(), rel=0.1)
    # where there is room, the place is uniform: mean 1/2, standard deviation 1 / sqrt(12)
    for side, length, start in ((wide, width, inner[:, 0, 0, 0]), (tall, height, inner[:, 0, 0, 1])):
        roomy = side < 0.8 * length
        place = ((start + 0.5 - 4.5 * side / length) / (length - side))[roomy]
        assert len(place) > 500
        assert place.mean() == pytest.approx(0.5, abs=5 / (12 * len(place)) ** 0.5)
        assert place.std() == pytest.approx(12**-0.5, rel=0.1)


def test_crop_is_pillows_enlargement_of_a_box() -> None:
    before = smooth(6, 20, 26)
    with_ramp = torch.cat([ramp(1, 20, 26), before])
    for seed in range(8):
        after = crop(with_ramp[[0]].expand(7, -1, -1, -1), 0.3, seeded(seed))
        drawn = crop(with_ramp, 0.3, seeded(seed))
        for place in range(1, 7):
            where = after[place, 4:-4, 4:-4].double() / 8
            wide = float(where[0, -1, 0] - where[0, 0, 0]) / 17 * 26
            tall = float(where[-1, 0, 1] - where[0, 0, 1]) / 11 * 20
            left = min(max(float(where[..., 0].mean()) + 0.5 - wide / 2, 0), 26 - wide)
            top = min(max(float(where[..., 1].mean()) + 0.5 - tall / 2, 0), 20 - tall)
            image = Image.fromarray(with_ramp[place].numpy())
            box = (max(left, 0), max(top, 0), min(left + wide, 26), min(top + tall, 20))
            expected = np.asarray(image.resize((26, 20), Image.Resampling.BILINEAR, box=box), np.int16)
            assert np.abs(expected - drawn[place].numpy()).mean() < 3


def test_rescaled_images_have_lengths_that_are_uniform_and_their_own_shape() -> None:
    """Scaled to 256 to 512 for an input of 224, a crop shows 224/512 to 224/256 of each side."""
    height, width, count = 24, 30, 2000
    inner = rescaled(ramp(count, height, width), 224 / 256, 224 / 512, seeded(4))[:, 4:-4, 4:-4].double() / 8
    wide = (inner[:, 0, -1, 0] - inner[:, 0, 0, 0]) / (width - 9)
    tall = (inner[:, -1, 0, 1] - inner[:, 0, 0, 1]) / (height - 9)
    torch.testing.assert_close(wide, tall, atol=0.025, rtol=0)
    lengths = 224 / wide
    assert lengths.min() > 248
    assert lengths.max() < 530
    assert lengths.mean() == pytest.approx(384, abs=5 * 256 / 12**0.5 / count**0.5 + 1)
    assert lengths.std() == pytest.approx(256 / 12**0.5, rel=0.05)
    place = (inner[:, 0, 0, 0] + 0.5 - 4.5 * wide) / (width * (1 - wide))
    assert place.mean() == pytest.approx(0.5, abs=5 / (12 * count) ** 0.5)
    assert place.std() == pytest.approx(12**-0.5, rel=0.1)


def test_erasing_covers_rectangles_as_torchvision_draws_them() -> None:
    """RandomErasing's defaults: 2 to 33 % of the area, ratio 0.3 to 3.3; here of a tenth of the images."""
    count, height, width = 6000, 40, 50
    before = torch.ones((count, height, width, 3), dtype=torch.uint8)
    after = erase(before, 0.1, torch.tensor([7.0, 8.0, 9.0]), seeded(2))
    assert {tuple(colour) for colour in np.unique(after.flatten(0, 2), axis=0).tolist()} == {
        (1, 1, 1),
        (7, 8, 9),
    }
    covered = after[..., 0] == 7
    rows, columns = covered.any(2).sum(1), covered.any(1).sum(1)
    assert torch.equal(covered.sum((1, 2)), rows * columns), "one rectangle each"
    chosen = rows > 0
    assert int(chosen.sum()) == pytest.approx(600, abs=5 * (600 * 0.9) ** 0.5)
    rng, drawn = np.random.default_rng(0), list[tuple[int, float]]()
    while len(drawn) < 4000:
        area, ratio = height * width * rng.uniform(0.02, 0.33), np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
        tall, wide = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if tall < height and wide < width:
            drawn.append((tall * wide, np.log(tall / wide)))
    for found, wanted in (
        ((rows * columns)[chosen], [area for area, _ in drawn]),
        ((rows / columns).log()[chosen], [ratio for _, ratio in drawn]),
    ):
        slack = 5 * np.std(wanted) * (1 / len(found) + 1 / len(wanted)) ** 0.5
        assert float(found.double().mean()) == pytest.approx(np.mean(wanted), abs=slack)
        assert float(found.double().std()) == pytest.approx(np.std(wanted), rel=0.15)
    top = covered.any(2).float().argmax(1)[chosen] / (height - rows[chosen])
    assert float(top.mean()) == pytest.approx(0.5, abs=0.06)
    assert torch.equal(erase(before[:9], 0.0, torch.zeros(3), seeded(0)), before[:9])


def test_a_crop_of_the_whole_image_changes_nothing() -> None:
    # at a share of 1 a square has one ratio that fits; all others fall back to the whole image
    before = images(20, 8, 8)
    assert torch.equal(crop(before, 1.0, seeded(0)), before)


@pytest.mark.parametrize(("side", "height", "width"), [(3, 7, 9), (4, 8, 8), (7, 7, 9)])
def test_cutout_covers_one_square_anywhere(side: int, height: int, width: int) -> None:
    before = images(800, height, width)
    after = cutout(before, side, torch.tensor([0.2, 0.0, 0.4]), seeded(6))
    found: Counter[tuple[int, int]] = Counter()
    for old, new in zip(before, after, strict=True):
        matches = []
        for y in range(height):
            for x in range(width):
                expected = old.clone()
                top, left = y - side // 2, x - side // 2
                expected[max(top, 0) : top + side, max(left, 0) : left + side] = 0
                if torch.equal(expected, new):
                    matches.append((y, x))
        assert len(matches) == 1
        found[matches[0]] += 1
    assert is_even(found, height * width, 800)


def test_cutout_fills_with_the_nearest_of_the_colour() -> None:
    after = cutout(images(50, 5, 5), 5, torch.tensor([10.4, 127.6, 255.0]), seeded(0))
    covered = (after == torch.tensor([10, 128, 255], dtype=torch.uint8)).all(3)
    assert covered[:, 2, 2].all()
    with pytest.raises(DataError, match="cutout of 6 pixels does not fit 5x7; give 0 to 5"):
        cutout(images(1, 5, 7), 6, torch.zeros(3), seeded(0))


@pytest.mark.parametrize(
    "matrix",
    [
        (1, 0, 3, 0, 1, -2),
        (1, 0.3, 0, 0, 1, 0),
        (1, 0, 0, -0.4, 1, 0),
        (0.8, -0.6, 9.5, 0.6, 0.8, -4.25),
        (0.5, 0, 2.25, 0, 0.75, 1.5),
    ],
)
def test_warp_is_pillows_affine_transform(matrix: tuple[float, ...]) -> None:
    before = smooth(3, 21, 26)
    after = warp(before, torch.tensor(matrix, dtype=torch.float32).view(1, 2, 3).expand(3, -1, -1))
    x, y = np.meshgrid(np.arange(26) + 0.5, np.arange(21) + 0.5)
    a, b, c, d, e, f = matrix
    across, down = a * x + b * y + c, d * x + e * y + f
    inside = (across > 0.5) & (across < 25.5) & (down > 0.5) & (down < 20.5)
    outside = (across < -0.5) | (across > 26.5) | (down < -0.5) | (down > 21.5)
    assert inside.sum() > 100
    for old, new in zip(before.numpy(), after.numpy(), strict=True):
        drawn = Image.fromarray(old).transform(
            (26, 21), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        assert np.abs(np.asarray(drawn, np.int16) - new)[inside].max() <= 1
        assert not new[outside].any()


@pytest.mark.parametrize(
    ("height", "width", "side"), [(32, 32, 24), (32, 32, 16), (20, 30, 9), (8, 8, 13), (7, 7, 7)]
)
def test_resize_is_pillows(height: int, width: int, side: int) -> None:
    before = images(4, height, width)
    after = resize(before, side)
    assert after.dtype == torch.uint8
    assert after.is_contiguous()
    for old, new in zip(before.numpy(), after.numpy(), strict=True):
        plane = round(width * side / min(height, width)), round(height * side / min(height, width))
        expected = Image.fromarray(old).resize(plane, Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(expected, np.int16) - new).max() <= 1


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    "change",
    [
        lambda images: shift(images, 2, seeded(0)),
        lambda images: flip(images, seeded(0)),
        lambda images: alternate(images, torch.arange(30), 0),
        lambda images: crop(images, 0.2, seeded(0)),
        lambda images: cutout(images, 3, torch.zeros(images.shape[-1]), seeded(0)),
    ],
)
def test_images_keep_their_type_and_are_not_changed_in_place(
    change: Callable[[torch.Tensor], torch.Tensor], depth: int
) -> None:
    before = images(30, depth=depth)
    kept = before.clone()
    after = change(before)
    assert torch.equal(before, kept)
    assert not torch.equal(after, kept)
    assert after.shape == kept.shape
    assert after.dtype == torch.uint8
    assert torch.equal(after, change(before))
