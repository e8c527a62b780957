"""Patches against brute force, and their boxes against gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from hubel import Volume, avgpool, build, conv, fc, maxpool, parse, relu
from hubel.data.dataset import ArrayImages, numbered
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError, UsageError
from hubel.instruments.deconv import project
from hubel.instruments.patches import Patch, Top, cut, maps_of, top_images
from hubel.instruments.stream import stream
from hubel.instruments.subject import Subject, features
from hubel.instruments.unit import Unit
from hubel.module.network import Network
from hubel.net.field import Box, box
from tests.instruments.subjects import BRANCHED, Foreign, state

Bytes = npt.NDArray[np.uint8]

GENERATOR = np.random.default_rng(7)
PIXELS: Bytes = GENERATOR.integers(0, 256, (23, 8, 8, 2), np.uint8)
PIXELS[11] = PIXELS[4]  # drives every unit as much as image 4 does


def seen(pixels: Bytes) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 100 - 1


def brute(subject: Subject, path: str, top: int) -> list[list[tuple[int, int, int, float]]]:
    """Image, row, column and score, place by place in Python."""
    values = subject.values(seen(PIXELS), [path])[path]
    maps = []
    for channel in range(values.shape[1]):
        found = []
        for image, plane in enumerate(values[:, channel].tolist()):
            places = [
                (value, row, column) for row, line in enumerate(plane) for column, value in enumerate(line)
            ]
            score, row, column = max(places, key=lambda place: (place[0], -place[1], -place[2]))
            found.append((image, row, column, score))
        maps.append(sorted(found, key=lambda one: (-one[3], one[0]))[:top])
    return maps


def as_lists(top: Top) -> list[list[tuple[int, int, int, float]]]:
    return [
        list(
            zip(
                *(column[channel].tolist() for column in (top.images, top.rows, top.columns, top.scores)),
                strict=True,
            )
        )
        for channel in range(len(top.scores))
    ]


@pytest.mark.parametrize(("top", "batch"), [(1, 1), (3, 5), (9, 4), (9, 23), (40, 7)])
def test_one_pass_finds_what_brute_force_finds(top: int, batch: int) -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2", seed=3))
    paths = [step.path for step in subject.steps]
    # one batch size for both: the last bit of a convolution may depend on it
    found = top_images(subject, torch.split(seen(PIXELS), batch), paths, top=top)
    whole = top_images(subject, [seen(PIXELS)], paths, top=top)
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5, atol=1e-6)
        assert as_lists(other) == brute(subject, other.path, top)


def test_of_equal_images_the_first_wins_whatever_the_batches() -> None:
    subject = Subject.of(build(conv(3, 3) >> relu, "8x8x2", seed=3))
    same = seen(PIXELS[:1]).expand(9, -1, -1, -1)
    for batch in (1, 2, 4, 9):
        (found,) = top_images(subject, torch.split(same, batch), ["conv1"], top=4)
        assert found.images.tolist() == [[0, 1, 2, 3]] * 3
        assert (found.rows == found.rows[:, :1]).all()


def test_channels_last_changes_nothing() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2", seed=3))
    images = seen(PIXELS)
    plain, last = (
        top_images(subject, [each], ["relu2"])[0]
        for each in (images.contiguous(), images.contiguous(memory_format=torch.channels_last))
    )
    np.testing.assert_array_equal(plain.rows, last.rows)
    np.testing.assert_array_equal(plain.columns, last.columns)


def positive(network: Network) -> Network:
    """With positive weights every pixel a unit is wired to drives it."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().add_(0.1)
    return network


@pytest.mark.parametrize(
    "net",
    [
        conv(3, 3, pad=1) >> conv(2, 3, stride=2, pad=1),
        conv(2, 3, pad=2, dilation=2) >> avgpool(3, 2, pad=1, ceil=True),
        (conv(2, 1) | conv(2, 5, pad=2)) >> avgpool(2) >> conv(3, 2),
        parse(
            "(conv(2, 1) + identity | conv(1, 3, pad=1) | identity) + conv(5, 1) >> batchnorm >> conv(2, 2)"
        ),
        parse("(conv(2, 3, pad=1) + identity) >> avgpool(2) >> fc(3)"),
    ],
)
def test_a_patch_is_the_pixels_a_gradient_reaches(net: object) -> None:
    subject = Subject.of(positive(build(net, "8x8x2")))  # type: ignore[arg-type]
    tops = top_images(subject, [seen(PIXELS)], [step.path for step in subject.steps], top=4)
    cuts = cut(subject, tops, maps_of(tops), lambda index: PIXELS[index], str)
    for patches in cuts.values():
        for patch in patches:
            images = seen(PIXELS[patch.image : patch.image + 1])
            reached = project(subject, images, patch.unit, "gradient").signals[0].any(0)
            rows, columns = np.flatnonzero(reached.any(1)), np.flatnonzero(reached.any(0))
            assert patch.seen == Box(rows[0], columns[0], rows[-1], columns[-1])
            part = PIXELS[patch.image, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            np.testing.assert_array_equal(patch.pixels, part)
            unit = patch.unit
            if "|" not in repr(net):
                assert patch.box == box(subject.steps, unit.path, unit.row or 0, unit.column or 0)


def test_patches_carry_name_score_and_place() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2", seed=3))
    tops = top_images(subject, [seen(PIXELS)], ["conv2"], top=2)
    asked: list[int] = []

    def pixels(index: int) -> Bytes:
        asked.append(index)
        chosen: Bytes = PIXELS[index]
        return chosen

    unit = Unit("conv2", 1)
    cuts = cut(subject, tops, maps_of(tops, 3), pixels, lambda index: f"image {index}")
    assert list(cuts) == [Unit("conv2", 0), unit, Unit("conv2", 2)]
    assert len(asked) == len(set(asked))
    for at, patch in enumerate(cuts[unit]):
        assert patch.unit == tops[0].unit(1, at)
        assert patch.name == f"image {patch.image}"
        value = subject.values(seen(PIXELS[[patch.image]]), ["conv2"])["conv2"]
        assert patch.unit.row is not None
        assert patch.unit.column is not None
        assert value[0, 1, patch.unit.row, patch.unit.column] == pytest.approx(patch.score, rel=1e-5)


def test_a_map_that_never_answers_has_no_patches() -> None:
    network = build(conv(2, 3) >> relu, "8x8x2")
    with torch.no_grad():
        network.conv1.bias.copy_(torch.tensor([-1e6, 1e6]))  # type: ignore[union-attr, operator]
    subject = Subject.of(network)
    tops = top_images(subject, [seen(PIXELS)], ["relu1", "conv1"], top=2)
    assert tops[0].silent.tolist() == [[True, True], [False, False]]
    assert not tops[1].silent.any()
    cuts = cut(subject, tops, maps_of(tops), lambda index: PIXELS[index], str)
    assert [len(patches) for patches in cuts.values()] == [0, 2, 2, 2]


def test_what_one_looks_at_first() -> None:
    assert features(Subject.of(build(BRANCHED, "8x8x2"))) == ("relu1", "relu2", "relu3", "fc1")
    plain = conv(2, 3) >> maxpool(2) >> fc(3)
    assert features(Subject.of(build(plain, "8x8x2"))) == ("conv1", "fc1")
    assert features(Subject.of(Foreign(), "8x8x2")) == ("act", "sigmoid1")


def test_a_module_of_ones_own_is_left_as_it_was() -> None:
    module = Foreign()
    before = state(module)
    subject = Subject.of(module, "8x8x2")
    tops = top_images(subject, [seen(PIXELS)])
    assert [top.path for top in tops] == ["act", "sigmoid1"]
    assert as_lists(tops[0]) == brute(subject, "act", 9)
    assert state(module) == before


def test_a_module_used_again_is_seen_where_it_is_used_first() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.act = nn.ReLU()

        def forward(self, images: Tensor) -> Tensor:
            return self.act(self.conv(self.act(self.conv(images))))  # type: ignore[no-any-return]

    module = Again()
    (found,) = top_images(Subject.of(module, "8x8x2"), [seen(PIXELS)], ["act"], top=1)
    first = module.act(module.conv(seen(PIXELS))).amax((0, 2, 3))
    np.testing.assert_allclose(found.scores[:, 0], first.detach().numpy(), rtol=1e-6)


def test_images_stream_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = GENERATOR.integers(0, 256, (11, 9, 9, 1), np.uint8)
    images = ArrayImages(np.zeros(11, np.int64), grey, numbered("grey", 11))
    preprocessing = Preprocessing.of("6x6x1")
    monkeypatch.setattr("hubel.instruments.stream._BLOCK_BYTES", 36 * 7)
    said: list[int] = []
    parts = list(stream(images, preprocessing, batch=3, progress=said.append))
    assert [len(part) for part in parts] == [3, 3, 3, 2] == np.diff([0, *said]).tolist()
    whole = preprocessing.normalise(torch.from_numpy(decode(images, preprocessing).pixels))
    assert torch.equal(torch.cat(parts), whole)


def test_a_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    from hubel.data.dataset import FileImages

    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    images = FileImages(np.zeros(1, np.int64), (broken,))
    with pytest.raises(DataError, match=r"broken\.png"):
        list(stream(images, Preprocessing.of("6x6x1")))


def test_errors() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2"))
    with pytest.raises(UsageError, match="top is at least 1"):
        top_images(subject, [seen(PIXELS)], top=0)
    with pytest.raises(UsageError, match="no layer 'cnv1'"):
        top_images(subject, [seen(PIXELS)], ["cnv1"])
    with pytest.raises(UsageError, match="no images"):
        top_images(subject, [])
    tops = top_images(subject, [seen(PIXELS)], ["conv1"])
    for unit in (Unit("conv1"), Unit("conv1", 0, 1, 1), Unit("conv2", 0)):
        with pytest.raises(UsageError, match="is no map of conv1"):
            cut(subject, tops, [unit], lambda index: PIXELS[index], str)


def test_a_patch_is_drawn_where_its_field_lies() -> None:
    from hubel.report.instruments.canvas import GROUND
    from hubel.report.instruments.patches import placed

    volume = Volume(8, 8, 1)
    pixels = np.full((3, 2, 1), 7, np.uint8)
    # a field of 5 x 4 of which 2 rows lie above the image and 2 columns right of it
    corner = Patch(Unit("c", 0, 0, 0), 1.0, 0, "", Box(-2, 6, 2, 9), Box(0, 6, 2, 7), pixels)
    drawn = placed(pixels, corner, volume, (5, 4))
    assert (drawn[2:, :2] == 7).all()
    assert (drawn[:2] == GROUND).all()
    assert (drawn[:, 2:] == GROUND).all()
    # beside units that see more, the field is in the middle of what they see
    assert (placed(pixels, corner, volume, (7, 8))[1:6, 2:6] == drawn).all()
    # a field larger than the image: the patch stands at its place on the image
    large = Patch(Unit("c", 0, 0, 0), 1.0, 0, "", Box(3, -6, 12, 1), Box(3, 0, 5, 1), pixels)
    drawn = placed(pixels, large, volume, (8, 8))
    assert (drawn[3:6, :2] == 7).all()
    assert (drawn[..., 0] == 7).sum() == 6


def test_a_signal_has_its_zero_in_the_middle() -> None:
    from hubel.report.instruments.canvas import signal

    values = np.array([[[0.0, 2.0, -1.0]]], np.float32)
    assert signal(values)[0].tolist() == [[128] * 3, [255] * 3, [64] * 3]
    assert (signal(np.zeros((3, 2, 2), np.float32)) == 128).all()
