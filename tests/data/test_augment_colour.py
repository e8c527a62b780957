"""Colour operations against Pillow and NumPy, image by image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from hubel.data.augment import colour
from hubel.data.augment.colour import Colours, jitter, pca
from hubel.data.augment.trivial import STRENGTHS, WIDE, trivial

FACTORS = [0.0, 0.3, 0.99, 1.0, 1.4, 1.99]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, height: int = 12, width: int = 15, depth: int = 3) -> torch.Tensor:
    """Noise, noise of few values in a narrow range, and a constant image last."""
    rng = np.random.default_rng(8)
    pixels = rng.integers(0, 256, (count, height, width, depth), dtype=np.uint8)
    pixels[1::3] = 60 + pixels[1::3] // 4
    pixels[-1] = 77
    return torch.from_numpy(pixels)


def image(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray(pixels.numpy()[..., 0] if pixels.shape[-1] == 1 else pixels.numpy())


def apart(expected: Image.Image, found: torch.Tensor) -> int:
    """The largest difference between the values of two images."""
    pixels: npt.NDArray[np.int16] = np.asarray(expected, np.int16).reshape(found.shape)
    return int(np.abs(pixels - found.numpy()).max())


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    ("change", "enhancer"),
    [
        (colour.brightness, ImageEnhance.Brightness),
        (colour.contrast, ImageEnhance.Contrast),
        (colour.saturation, ImageEnhance.Color),
        (colour.sharpness, ImageEnhance.Sharpness),
    ],
)
def test_enhancements_are_pillows_but_for_rounding(
    change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    enhancer: Callable[[Image.Image], ImageEnhance.Brightness],
    depth: int,
) -> None:
    before = images(len(FACTORS), depth=depth)
    after = change(before, torch.tensor(FACTORS))
    for old, new, factor in zip(before, after, FACTORS, strict=True):
        # Pillow truncates where we round, in the degenerate image and in the result
        assert apart(enhancer(image(old)).enhance(factor), new) <= 2
    assert torch.equal(after[3], before[3])


def test_posterize_is_pillows() -> None:
    before = images(8)
    after = colour.posterize(before, torch.arange(1, 9))
    for bits, (old, new) in enumerate(zip(before, after, strict=True), 1):
        assert apart(ImageOps.posterize(image(old), bits), new) == 0


def test_solarize_is_pillows() -> None:
    thresholds = [0, 1, 77, 128, 255, 256]
    before = images(len(thresholds))
    after = colour.solarize(before, torch.tensor(thresholds))
    for threshold, old, new in zip(thresholds, before, after, strict=True):
        assert apart(ImageOps.solarize(image(old), threshold), new) == 0


@pytest.mark.parametrize("depth", [1, 3])
def test_autocontrast_is_pillows_but_for_rounding(depth: int) -> None:
    before = images(7, depth=depth)
    for old, new in zip(before, colour.autocontrast(before), strict=True):
        assert apart(ImageOps.autocontrast(image(old)), new) <= 1


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(12, 15), (32, 32), (5, 5), (61, 47)])
def test_equalize_is_pillows(height: int, width: int, depth: int) -> None:
    before = images(7, height, width, depth)
    for old, new in zip(before, colour.equalize(before), strict=True):
        assert apart(ImageOps.equalize(image(old)), new) == 0


def test_jitter_is_three_enhancements_with_factors_in_the_range() -> None:
    even = torch.full((400, 2, 2, 3), 100, dtype=torch.uint8)
    found = jitter(even, 0.4, seeded(0))[:, 0, 0, 0].double()  # only brightness changes a constant grey
    assert found.min() >= 60
    assert found.max() <= 140
    # uniform: standard deviation 80 / sqrt(12)
    assert found.std() == pytest.approx(80 / 12**0.5, rel=0.1)
    before = images(30)
    after = jitter(before, 0.4, seeded(0))
    draws = 1 + 0.4 * (2 * torch.rand((3, 30), generator=seeded(0)) - 1)
    for old, new, factors in zip(before, after, draws.T.tolist(), strict=True):
        expected = image(old)
        for enhancer, factor in zip(
            (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), factors, strict=True
        ):
            expected = enhancer(expected).enhance(factor)
        assert apart(expected, new) <= 5


def test_colours_are_numpys_mean_and_covariance() -> None:
    rng = np.random.default_rng(1)
    blend = np.array([[60.0, 10, 0], [50, -10, 5], [40, 0, -20]])
    pixels = 128 + rng.normal(size=(40, 9, 7, 3)) @ blend.T
    before = torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))
    colours = Colours.of(before)
    values = before.numpy().reshape(-1, 3) / 255
    np.testing.assert_allclose(colours.mean, values.mean(0) * 255, rtol=1e-5)
    covariance = np.cov(values.T, bias=True)
    lengths = np.linalg.norm(colours.axes, axis=0)
    np.testing.assert_allclose(np.sort(lengths), np.linalg.eigvalsh(covariance), rtol=1e-4)
    # an eigenvector as long as its eigenvalue: the matrix stretches it by its own length
    np.testing.assert_allclose(covariance @ colours.axes.numpy(), colours.axes.numpy() * lengths, atol=1e-6)


def test_colours_of_many_images_come_from_a_sample() -> None:
    tile = images(1, 64, 64)
    many = tile.expand(2500, -1, -1, -1)  # 10 million pixels
    np.testing.assert_allclose(Colours.of(many).axes.abs(), Colours.of(tile).axes.abs(), atol=1e-6)


def test_pca_adds_one_colour_per_image_with_krizhevskys_covariance() -> None:
    before = torch.full((4000, 2, 3, 3), 128, dtype=torch.uint8)
    rng = np.random.default_rng(2)
    directions, lengths = np.linalg.qr(rng.normal(size=(3, 3)))[0], np.array([0.3, 0.15, 0.05])
    axes = torch.from_numpy(directions * lengths).float()
    after = pca(before, 0.1, Colours(torch.zeros(3), axes), seeded(0))
    assert (after == after[:, :1, :1]).all()
    offsets = (after[:, 0, 0].double() - 128) / 255
    assert offsets.mean(0).abs().max() < 5 * 0.03 / 4000**0.5
    # [p1 p2 p3][alpha1 l1, alpha2 l2, alpha3 l3] has the covariance P diag((0.1 l)^2) P^T
    expected = directions @ np.diag((0.1 * lengths) ** 2) @ directions.T
    np.testing.assert_allclose(np.cov(offsets.T), expected, atol=0.08 * expected.max())


def test_pca_stops_at_black_and_white() -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1).expand(200, 3, 2, 1)
    after = pca(ends, 1.0, Colours(torch.zeros(1), torch.tensor([[0.1]])), seeded(3)).int()
    assert ((after[:, :, 0] < 128) & (after[:, :, 1] > 127)).all()
    assert (after[:, 0, 0, 0] > 0).any()
    assert (after[:, 0, 1, 0] < 255).any()


def test_trivial_applies_one_operation_per_image_uniformly() -> None:
    before = images(1, 32, 32).clone()
    before[0] = torch.from_numpy(np.random.default_rng(0).integers(0, 200, (32, 32, 3), dtype=np.uint8))
    shares = torch.arange(-(STRENGTHS - 1), STRENGTHS) / (STRENGTHS - 1)
    known: dict[bytes, set[str]] = {}
    for name, operation in WIDE.items():
        for variant in operation(before.expand(len(shares), -1, -1, -1), shares):
            known.setdefault(variant.numpy().tobytes(), set()).add(name)
    draws = 1400
    found = dict.fromkeys(WIDE, 0)
    for variant in trivial(before.expand(draws, -1, -1, -1), seeded(5)):
        names = known[variant.numpy().tobytes()]
        if len(names) == 1:
            found[next(iter(names))] += 1
    # strength 0 changes nothing in all operations but two, so a 31st of the others looks unchanged
    for name in set(WIDE) - {"identity"}:
        assert abs(found[name] - 100) < 5 * 100**0.5, name


def test_strengths_of_trivial_are_even_and_go_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []

    def noted(images: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        found.extend(shares.tolist())
        return images

    for name in WIDE:
        monkeypatch.setitem(WIDE, name, noted)
    trivial(torch.zeros((6200, 1, 1, 3), dtype=torch.uint8), seeded(0))
    levels = np.round(np.abs(found) * (STRENGTHS - 1)).astype(int)
    np.testing.assert_allclose(np.abs(found), levels / 30, atol=1e-6)
    counts = np.bincount(levels, minlength=31)
    assert len(counts) == 31
    assert np.abs(counts - 200).max() < 5 * 200**0.5
    assert abs(sum(share < 0 for share in found) - 3000) < 5 * (6000 / 4) ** 0.5


def test_operations_of_trivial_reach_the_published_strengths() -> None:
    before = images(2, 40, 40)
    both = torch.tensor([1.0, -1.0])
    down = WIDE["translate_y"](before, both)
    assert torch.equal(down[0, :8], before[0, 32:])
    assert not down[0, 8:].any()
    assert torch.equal(down[1, 32:], before[1, :8])
    turned = WIDE["rotate"](before, both)
    for old, new, degrees in zip(before, turned, (135, -135), strict=True):
        expected = np.asarray(image(old).rotate(degrees, Image.Resampling.BILINEAR), np.int16)
        x, y = np.meshgrid(np.arange(40) - 19.5, np.arange(40) - 19.5)
        inner = np.hypot(x, y) < 18
        assert np.abs(expected - new.numpy())[inner].max() <= 2
    for name, factors in (("brightness", (1.99, 0.01)), ("contrast", (1.99, 0.01))):
        enhancer = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast}[name]
        for old, new, factor in zip(before, WIDE[name](before, both), factors, strict=True):
            assert apart(enhancer(image(old)).enhance(factor), new) <= 2
    assert apart(ImageOps.posterize(image(before[0]), 2), WIDE["posterize"](before, both)[0]) == 0
    assert apart(ImageOps.solarize(image(before[0]), 0), WIDE["solarize"](before, both)[0]) == 0
    for name, shear in (("shear_x", (1, 0.99, 0, 0, 1, 0)), ("shear_y", (1, 0, 0, 0.99, 1, 0))):
        sheared = WIDE[name](before, both)[0]
        drawn = image(before[0]).transform((40, 40), Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR)
        y, x = np.mgrid[1:39, 1:39]
        inner = x + y < 38
        assert np.abs(np.asarray(drawn, np.int16) - sheared.numpy())[1:39, 1:39][inner].max() <= 2
    across = WIDE["translate_x"](before, both)
    assert torch.equal(across[0, :, :8], before[0, :, 32:])
    assert torch.equal(across[1, :, 32:], before[1, :, :8])
    nothing = torch.zeros(2)
    for name in set(WIDE) - {"autocontrast", "equalize"}:
        assert torch.equal(WIDE[name](before, nothing), before), name


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    "change",
    [
        lambda images: jitter(images, 0.5, seeded(0)),
        lambda images: pca(images, 0.5, Colours.of(images), seeded(0)),
        lambda images: trivial(images, seeded(0)),
        *(
            lambda images, name=name: WIDE[name](images, torch.full((30,), 0.7))
            for name in sorted(set(WIDE) - {"identity", "colour"})
        ),
    ],
)
def test_images_keep_their_type_and_are_not_changed_in_place(
    change: Callable[[torch.Tensor], torch.Tensor], depth: int
) -> None:
    before = images(30, 20, 20, depth)
    kept = before.clone()
    after = change(before)
    assert torch.equal(before, kept)
    assert not torch.equal(after, kept)
    assert after.shape == kept.shape
    assert after.dtype == torch.uint8
    assert torch.equal(after, change(before))
