"""Tuning on filters planted by hand, whose preferences are known in closed form."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from hubel import Volume, build, conv, fc, maxpool, parse, relu
from hubel.errors import UsageError
from hubel.instruments.subject import Subject, glance
from hubel.instruments.tuning import Gratings, Tuning, summary, tune
from hubel.instruments.unit import Unit
from hubel.module.network import Network
from hubel.report.instruments.tuning import as_json, oriented, tuning_figure
from tests.instruments.subjects import Foreign, state

SIDE, SIGMA = 15, 2.5
CENTRED = Volume(25, 25, 1)
GRATINGS = Gratings(tuple(np.arange(36) * 5.0), (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35), phases=8)


def gabor(orientation: float, frequency: float, phase: float = 0) -> npt.NDArray[np.float32]:
    """A Gabor filter whose bars lie at `orientation`, written in x to the right and y upwards; sums to 0."""
    x, y = np.arange(SIDE) - SIDE // 2, SIDE // 2 - np.arange(SIDE)[:, None]
    angle = np.deg2rad(orientation)
    across = -x * np.sin(angle) + y * np.cos(angle)  # at a right angle to the bars' (cos, sin)
    envelope = np.exp(-(x**2 + y**2) / (2 * SIGMA**2))
    wave = envelope * np.cos(2 * np.pi * frequency * across + np.deg2rad(phase))
    values: npt.NDArray[np.float64] = wave - envelope * wave.sum() / envelope.sum()
    return np.asarray(values / np.abs(values).sum(), np.float32)


def planted(*filters: npt.NDArray[np.float32]) -> Network:
    network = build(conv(len(filters), SIDE, bias=False) >> relu, CENTRED)
    with torch.no_grad():
        next(network.parameters()).copy_(torch.from_numpy(np.stack(filters)[:, None]))
    return network


class Energy(nn.Module):
    """The energy model: the squares of a quadrature pair, added (Adelson and Bergen 1985)."""

    def __init__(self, orientation: float, frequency: float) -> None:
        super().__init__()
        self.pair = nn.Conv2d(1, 2, SIDE, bias=False)
        filters = np.stack([gabor(orientation, frequency, phase) for phase in (0, 90)])
        self.pair.weight = nn.Parameter(torch.from_numpy(filters[:, None]))
        self.energy = nn.Conv2d(2, 1, 1, bias=False)
        nn.init.ones_(self.energy.weight)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.energy(self.pair(images).square())
        return out


def tuned(network: nn.Module, path: str, gratings: Gratings = GRATINGS) -> Tuning:
    return tune(Subject.of(network, CENTRED), [Unit(path)], gratings=gratings)[0]


def apart(one: npt.ArrayLike, other: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The angle between orientations, of which 180 degrees is none."""
    return np.asarray(np.abs((np.asarray(one, float) - np.asarray(other, float) + 90) % 180 - 90))


def test_a_planted_gabor_is_found() -> None:
    wanted = [(0, 0.15), (20, 0.2), (45, 0.25), (90, 0.2), (135, 0.15), (170, 0.2)]
    found = tuned(planted(*(gabor(*each, phase=37 * at) for at, each in enumerate(wanted))), "relu1")
    orientations, frequencies = np.array(wanted).T
    assert (apart(found.peak, orientations) <= 5).all()  # the grid's step
    assert (apart(found.preferred, orientations) < 1).all()
    assert (np.abs(found.frequency - frequencies) <= 0.05).all()
    # a Gabor answers by exp(-2 pi^2 sigma^2 d^2), d between the waves' vectors: half at this angle
    centre = found.gratings.frequencies[found.best[1][1]]
    assert centre == 0.2
    half = np.rad2deg(np.arccos(1 - np.log(2) / (4 * np.pi**2 * SIGMA**2 * 0.2**2)))
    assert half == pytest.approx(21.6, abs=0.05)
    assert found.bandwidth[[1, 3, 5]] == pytest.approx(half, abs=1.5)


def test_a_half_rectified_gabor_is_simple_and_a_quadrature_pair_complex() -> None:
    simple = tuned(planted(gabor(60, 0.2, 50)), "relu1")
    assert simple.modulation == pytest.approx(np.pi / 2, rel=0.08)  # of half a cosine; 8 phases
    assert simple.simple.all()
    pair = tuned(Energy(60, 0.2), "energy")
    assert pair.modulation[0] < 0.1
    assert not pair.simple.any()
    assert apart(pair.preferred, 60) < 1
    assert tuned(planted(gabor(60, 0.2)), "conv1").modulation[0] > 20  # a linear unit has a mean of nothing


def test_turning_a_filter_turns_its_preference() -> None:
    first = gabor(30, 0.2, 80)
    found = tuned(planted(first, np.rot90(first).copy(), np.fliplr(first).copy()), "relu1")
    upright, turned, mirrored = found.preferred
    assert apart(turned, upright + 90) < 0.01
    assert apart(mirrored, -upright) < 0.01
    assert found.selectivity == pytest.approx(found.selectivity[0], rel=1e-4)
    assert found.modulation == pytest.approx(found.modulation[0], rel=1e-3)


def test_a_line_is_drawn_only_where_one_orientation_is_preferred() -> None:
    """Not of a blob, which answers to all alike, nor of a cross, whose two bars' sum points anywhere."""
    x, y = np.meshgrid(np.arange(SIDE) - SIDE // 2, np.arange(SIDE) - SIDE // 2)
    centre, around = (np.exp(-(x**2 + y**2) / (2 * width**2)) / width**2 for width in (1.5, 3))
    blob = np.asarray(centre / centre.sum() - around / around.sum(), np.float32)
    cross = gabor(30, 0.2) + gabor(120, 0.2)
    leaning = gabor(20, 0.2) + gabor(80, 0.2)  # the vector sum is at 50, where it answers least
    found = tuned(planted(gabor(30, 0.2), gabor(177, 0.2), blob, cross, leaning), "relu1")
    assert oriented(found).tolist() == [True, True, False, False, False]
    assert apart(found.preferred[4], 50) < 3


def test_the_image_shows_kind_and_orientation() -> None:
    quick = Gratings(tuple(np.arange(12) * 15.0), (0.2,), phases=8)
    standing = tuned(planted(gabor(90, 0.2)), "relu1", quick)
    pair = tuned(Energy(0, 0.2), "energy", quick)
    pixels = [np.asarray(Image.open(BytesIO(tuning_figure([each]))), int) for each in (standing, pair)]
    blue, orange = (47, 111, 176), (200, 96, 43)
    drawn = [[(each[..., :3] == colour).all(2) for colour in (blue, orange)] for each in pixels]
    assert [[each.any() for each in row] for row in drawn] == [[True, False], [False, True]]
    (high, wide), (low, broad) = (np.ptp(np.argwhere(drawn[at][at]), axis=0) for at in (0, 1))
    assert high > 1.5 * wide  # bars that stand: lobes up and down
    assert broad > 1.5 * low
    assert json.loads(as_json([pair]))["layers"][0]["tuning"][0]["kind"] == "complex"


def test_a_blob_prefers_no_orientation_and_a_dead_unit_answers_to_nothing() -> None:
    x = np.arange(SIDE) - SIDE // 2
    blob = np.exp(-(x**2 + x[:, None] ** 2) / (2 * 1.5**2)).astype(np.float32)
    found = tuned(planted(blob / blob.sum(), np.zeros_like(blob)), "relu1")
    assert found.selectivity[0] < 0.01
    assert np.isnan(found.bandwidth[0])
    assert found.frequency[0] == 0.05
    assert found.answers.tolist() == [True, False]
    assert np.isnan([found.preferred[1], found.modulation[1], found.selectivity[1], found.frequency[1]]).all()
    assert summary(found).answering == 1


def test_phases_and_orientations_are_what_they_say() -> None:
    volume = Volume(9, 11, 3)
    gratings = Gratings.over(volume, contrast=0.5, orientations=4)
    lying = gratings.light(volume, 0, 0.25, 0)
    assert lying.shape == (9, 11, 3)
    assert np.ptp(lying, axis=1).max() < 1e-12  # bars that lie: rows are even
    assert lying[4, 0, 0] == pytest.approx(0.75)  # a bright bar at the centre, at half contrast
    assert lying[6, 0, 0] == pytest.approx(0.25)  # half a cycle on
    rising = gratings.light(volume, 45, 0.1, 0)
    assert rising[3, 6, 0] == pytest.approx(rising[4, 5, 0])  # up and to the right along the bar
    tinted = Gratings.over(volume, colour="red-green").light(volume, 0, 0.25, 0)
    assert tinted[4, 0] == pytest.approx([1, 0, 0.5])
    shown = torch.cat(list(gratings.pixels(volume, batch=7)))
    assert (shown.dtype, len(shown)) == (torch.uint8, len(gratings))
    assert shown[1 * 8 * 8 + 2 * 8 + 3].numpy() == pytest.approx(
        np.rint(255 * gratings.light(volume, 45, gratings.frequencies[2], 135))
    )


def test_one_run_tunes_units_of_several_layers() -> None:
    net = conv(3, 3) >> relu >> (conv(2, 3, pad=1) | conv(4, 1)) >> maxpool(2) >> fc(5)
    subject = Subject.of(build(net, "12x10x3"))
    gratings = Gratings.over(subject.volume, orientations=4, frequencies=2, phases=4)
    seen: list[int] = []
    units = [Unit("relu1", 1, 2, 3), Unit("fc1"), Unit("conv3", 2), Unit("conv3")]
    found = tune(subject, units, gratings=gratings, batch=10, progress=seen.append)
    assert [(each.path, len(each.units)) for each in found] == [("relu1", 1), ("conv3", 4), ("fc1", 5)]
    assert found[1].units == tuple(Unit("conv3", at, 5, 4) for at in (2, 0, 1, 3))
    images = torch.cat(list(gratings.pixels(subject.volume)))
    values = subject.values(images.permute(0, 3, 1, 2) / 255, ["relu1", "fc1"])
    assert found[0].responses.ravel() == pytest.approx(values["relu1"][:, 1, 2, 3].numpy(), rel=1e-5)
    assert found[2].responses[4].ravel() == pytest.approx(values["fc1"][:, 4, 0, 0].numpy(), abs=1e-5)
    assert seen[-1] == len(gratings) == 32


@pytest.mark.parametrize("module", [build(parse("conv(2, 3) >> relu >> fc(2)"), "8x8x2"), Foreign()])
def test_a_glance_stops_and_leaves_the_module_as_it_was(module: nn.Module) -> None:
    module.train()
    subject = Subject.of(module, "8x8x2")
    path = subject.steps[1].path
    images = torch.randn(3, 2, 8, 8)
    before = state(module)
    found = glance(subject, images, [path])
    assert state(module) == before
    torch.testing.assert_close(found[path], subject.values(images, [path])[path])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"orientations": 3}, "orientations are 4 or more"),
        ({"frequencies": 0}, "frequencies are one or more"),
        ({"phases": 3}, "phases are at least 4"),
        ({"contrast": 1.5}, "contrast is above 0"),
        ({"colour": "red-gren"}, "did you mean red-green"),
    ],
)
def test_what_cannot_be_shown(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Gratings.over(Volume(8, 8, 1), **wrong)  # type: ignore[arg-type]


def test_errors() -> None:
    subject = Subject.of(planted(gabor(0, 0.2)))
    with pytest.raises(UsageError, match="need three channels"):
        tune(subject, [Unit("relu1")], gratings=Gratings.over(subject.volume, colour="red-green"))
    with pytest.raises(UsageError, match="name the units"):
        tune(subject, [])
    with pytest.raises(UsageError, match="did you mean relu1"):
        tune(subject, [Unit("relu2")])
