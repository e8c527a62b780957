"""The papers' testing protocols against loops written by hand, image by image and crop by crop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import hubel
from hubel import build, parse, zoo
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, NetworkError, UsageError
from hubel.evaluation.protocols import dense_network
from hubel.model.ensemble import Ensemble
from hubel.model.file import Model
from hubel.module.own import OwnNetwork
from hubel.net.dense import dense
from hubel.net.volume import Volume

CLASSES = ("a", "b", "c")
NET = "conv(6, 5, stride=2) >> relu >> maxpool(2) >> fc(7) >> relu >> dropout >> fc(3) >> softmax"
SIDE = 28
"""An eighth of the 224 pixels of the papers: their 256 are 32 here."""


def model(seed: int = 3, net: str = NET) -> Model:
    network = build(parse(net), f"{SIDE}x{SIDE}x3", seed=seed, scores=True).eval()
    seen = Preprocessing(SIDE, SIDE, 3, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
    return Model(network, CLASSES, seen, temperature=1.5)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 photographs, upright and wide."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(2)
    for number in range(50):
        size = (61, 40) if number % 2 else (37, 52)
        small = Image.fromarray(generator.integers(0, 256, (7, 9, 3), dtype=np.uint8))
        place = folder / CLASSES[number % 3]
        place.mkdir(exist_ok=True)
        small.resize(size, Image.Resampling.BICUBIC).save(place / f"{number:02}.png")
    return folder


def score(ours: Model, pixels: np.ndarray) -> torch.Tensor:
    """The probabilities of one view, computed from its pixels."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)))
    values = (torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255 - mean) / std
    scores: torch.Tensor = ours.network(values[None])
    return (scores[0] / 1.5).softmax(0)


def short_side(image: Image.Image, side: int) -> Image.Image:
    """An image resized to this shorter side."""
    by = side / min(image.size)
    return image.resize((round(image.width * by), round(image.height * by)), Image.Resampling.BILINEAR)


def ten(ours: Model, image: Image.Image) -> torch.Tensor:
    """Krizhevsky et al. 2012, section 4.1: of the central square of 256 five patches and their mirrors."""
    square = Preprocessing.of("32x32x3").pixels(image)
    total = torch.zeros(3)
    for top, left in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)):
        patch = square[top : top + SIDE, left : left + SIDE]
        total += score(ours, patch) + score(ours, patch[:, ::-1])
    return total / 10


def hundred_and_forty_four(ours: Model, image: Image.Image) -> torch.Tensor:
    """Szegedy et al. 2014, section 7: 4 scales, 3 squares, 6 crops, 2 ways."""
    total, count = torch.zeros(3), 0
    for side in (32, 36, 40, 44):
        pixels = np.asarray(short_side(image, side))
        rest = max(pixels.shape[:2]) - side
        for start in (0, rest // 2, rest):
            wide = pixels.shape[1] > pixels.shape[0]
            square = pixels[:, start : start + side] if wide else pixels[start : start + side]
            gap = side - SIDE
            corners = [(0, 0), (0, gap), (gap, 0), (gap, gap), (gap // 2, gap // 2)]
            crops = [square[y : y + SIDE, x : x + SIDE] for y, x in corners]
            crops.append(np.asarray(Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
            for crop in crops:
                for view in (crop, crop[:, ::-1]):
                    total += score(ours, view)
                    count += 1
    assert count == 144
    return total / count


def slid(ours: Model, pixels: np.ndarray) -> torch.Tensor:
    """The mean scores at every place to which strides take the network, which looks at 27 pixels a side."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25)))
    values = (torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255 - mean) / std
    height, width = values.shape[1:]
    found = [
        ours.network(values[None, :, top : top + SIDE, left : left + SIDE])[0]
        for top in range(0, height - 26, 4)
        for left in range(0, width - 26, 4)
    ]
    return torch.stack(found).mean(0)


def convolved(ours: Model, image: Image.Image, sides: tuple[int, ...]) -> torch.Tensor:
    """Simonyan and Zisserman 2014, section 3.2: the whole image and its mirror image, at each scale."""
    total = torch.zeros(3)
    for side in sides:
        pixels = np.asarray(short_side(image, side))
        total += (slid(ours, pixels) / 1.5).softmax(0) + (slid(ours, pixels[:, ::-1]) / 1.5).softmax(0)
    return total / (2 * len(sides))


BY_HAND: dict[str, Callable[[Model, Image.Image], torch.Tensor]] = {
    "ten-crop": ten,
    "144-crop": hundred_and_forty_four,
    "dense": lambda ours, image: convolved(ours, image, (32,)),
    "dense:256,384,512": lambda ours, image: convolved(ours, image, (32, 48, 64)),
    "multi-scale": lambda ours, image: convolved(ours, image, (28, 32, 48, 60, 80)),
}


@pytest.mark.parametrize("protocol", BY_HAND)
@torch.no_grad()
def test_a_protocol_is_what_a_loop_by_hand_computes(protocol: str, photos: Path) -> None:
    ours = model()
    found = hubel.evaluate(ours, photos, protocol=protocol)
    assert len(found.names) == 50
    for number, name in enumerate(found.names):
        image = Image.open(name).convert("RGB")
        by_hand = BY_HAND[protocol](ours, image)
        torch.testing.assert_close(found.probabilities[number], by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "volume"), [("lenet5", "32x32x1"), ("resnet20", "32x32x3"), ("alexnet", "227x227x3")]
)
@torch.no_grad()
def test_the_fully_convolutional_form_scores_its_own_size_alike(name: str, volume: str) -> None:
    size = Volume.of(volume)
    net = zoo.find(name, 3, size)[0]
    whole = Model(build(net, size, scores=True).eval(), CLASSES, Preprocessing.of(size))
    images = torch.randn(1, size.depth, *size.plane)
    torch.testing.assert_close(
        dense_network(whole).eval()(images), whole.network(images), rtol=1e-3, atol=1e-3
    )


@torch.no_grad()
def test_the_fully_convolutional_form_is_a_value() -> None:
    net = parse("conv(4, 3) >> relu >> 2 * (conv(4, 3) >> relu) >> fc(5) >> relu >> fc(2) >> softmax")
    found = dense(net, Volume(12, 12, 1))
    text = "conv(4, 3) >> relu >> 2 * (conv(4, 3) >> relu) >> conv(5, 6) >> relu >> conv(2, 1)"
    assert found == parse(f"{text} >> globalavgpool")
    same = parse("conv(4, 3) >> adaptiveavgpool(10, 10) >> fc(2)")
    assert dense(same, Volume(12, 12, 1)) == parse("conv(4, 3) >> identity >> conv(2, 10) >> globalavgpool")
    with pytest.raises(NetworkError, match="no fully convolutional form"):
        dense(parse("conv(4, 3) >> adaptiveavgpool(7, 7) >> fc(2)"), Volume(12, 12, 1))
    sided = 'conv(4, 3) >> side("aux", fc(3)) >> batchnorm >> fc(3)'
    ours = model(net=sided)
    other = dense_network(ours)
    images = torch.randn(2, 3, SIDE, SIDE)
    torch.testing.assert_close(other.eval()(images), ours.network(images))


def test_protocols_that_do_not_go(photos: Path) -> None:
    with pytest.raises(UsageError, match="did you mean ten-crop"):
        hubel.evaluate(model(), photos, protocol="ten-crops")
    for text in ("dense:", "dense:256,", "dense:x", "dense:0"):
        with pytest.raises(UsageError, match="names short sides in pixels"):
            hubel.evaluate(model(), photos, protocol=text)
    own = OwnNetwork(nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE * 3, 3)), f"{SIDE}x{SIDE}x3", "my:net")
    with pytest.raises(UsageError, match="no notation"):
        hubel.evaluate(Model(own, CLASSES, Preprocessing.of(own.volume)), photos, protocol="dense")
    assert hubel.evaluate(Model(own, CLASSES, Preprocessing.of(own.volume)), photos, protocol="ten-crop").top1


def test_an_ensemble_is_the_mean_of_its_members(photos: Path, tmp_path: Path) -> None:
    members = [model(seed) for seed in (3, 4, 5)]
    for number, each in enumerate(members, 1):
        (tmp_path / "seven" / str(number)).mkdir(parents=True)
        each.save(tmp_path / "seven" / str(number) / "best.safetensors")
    alone = [hubel.evaluate(each, photos) for each in members]
    mean = torch.stack([each.probabilities for each in alone]).mean(0)
    found = hubel.evaluate(tmp_path / "seven", photos)
    torch.testing.assert_close(found.probabilities, mean)
    assert found.names == alone[0].names
    predicted = hubel.predict(tmp_path / "seven", [photos], top=3)
    for answer, probabilities in zip(predicted, mean, strict=True):
        assert dict(answer.classes) == pytest.approx(dict(zip(CLASSES, probabilities.tolist(), strict=True)))
    crops = hubel.evaluate(tmp_path / "seven", photos, protocol="ten-crop")
    for number, name in enumerate(crops.names):
        image = Image.open(name).convert("RGB")
        by_hand = torch.stack([ten(each, image) for each in members]).mean(0)
        torch.testing.assert_close(crops.probabilities[number], by_hand, rtol=1e-4, atol=1e-5)


def test_members_of_an_ensemble_have_to_agree() -> None:
    one = model()
    with pytest.raises(ModelError, match="member 2 knows other classes"):
        Ensemble((one, Model(one.network, ("a", "c", "b"), one.preprocessing)))
    with pytest.raises(ModelError, match="member 2 sees images as"):
        Ensemble((one, Model(one.network, CLASSES, one.preprocessing.at("20x20x3"))))
    with pytest.raises(ModelError, match="no members"):
        Ensemble(())
