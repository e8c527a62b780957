"""Maps through the states of a network: the patches are those of each state, the table is in their order."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from hubel import Volume, build, parse
from hubel.data.dataset import ArrayImages, numbered
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.instruments.ages import Ages, State, over_time
from hubel.instruments.deconv import project
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.report.instruments.ages import ages_figure

NET = parse("conv(3, 3) >> relu >> fc(2)")
SEEN = Preprocessing.of("6x6x1")
PIXELS = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 1), np.uint8)
IMAGES = ArrayImages(np.zeros(10, np.int64), PIXELS, numbered("image", 10))


def states(count: int) -> list[State]:
    return [State(str(seed), Subject.of(build(NET, "6x6x1", seed=seed)), SEEN) for seed in range(count)]


def test_the_same_maps_through_the_states_of_a_network() -> None:
    seen = states(3)
    done: list[int] = []
    found = over_time(
        seen, [Unit("conv1"), Unit("relu1", 2)], IMAGES, top=2, rule="gradient", progress=done.append
    )
    assert [str(each.unit) for each in found] == ["conv1[0]", "conv1[1]", "conv1[2]", "relu1[2]"]
    assert done == [10, 20, 30]
    images = SEEN.normalise(torch.from_numpy(PIXELS))
    for age, (_, subject, _) in enumerate(seen):
        values = subject.values(images, ["conv1"])["conv1"]
        filters = found[1].filters
        assert filters is not None
        weights = dict(subject.module.named_parameters())["conv1.weight"].detach()
        assert filters[age] == pytest.approx(weights[1].numpy())
        best = values[:, 1].amax((1, 2)).topk(2)
        assert [patch.score for patch in found[1].patches[age]] == pytest.approx(best.values.tolist())
        assert [patch.image for patch in found[1].patches[age]] == best.indices.tolist()
        assert found[1].patches[age][0].pixels.shape == (3, 3, 1)
        # of a convolution of the image itself, what comes back is its filter
        assert found[1].projections[age][0] == pytest.approx(weights[1].numpy(), abs=1e-6)
        patch, shown = found[3].patches[age][0], found[3].projections[age][0]
        whole = project(subject, images[patch.image][None], patch.unit, "gradient").signals[0]
        seen_part = whole[:, patch.seen.top : patch.seen.bottom + 1, patch.seen.left : patch.seen.right + 1]
        assert shown == pytest.approx(seen_part)
    assert found[3].filters is None


def test_a_row_is_a_state_and_a_column_a_map() -> None:
    shades = np.array([[-1.0, 0.0, 1.0], [1.0, 0.5, -1.0]], np.float32)
    found = [
        Ages(
            Unit("conv1", at),
            column[:, None, None, None] * np.ones((1, 3, 3), np.float32),
            ((),) * 3,
            ((),) * 3,
        )
        for at, column in enumerate(shades)
    ]
    image = ages_figure(found, ["a", "b", "c"], Volume(6, 6, 1))
    pixels = np.asarray(Image.open(BytesIO(image)).convert("L"), int)
    tiles = [
        [int(np.median(pixels[top : top + 40, left : left + 40])) for left in (40, 102)]
        for top in (62, 116, 170)
    ]
    assert tiles == [[0, 255], [128, 191], [255, 0]]


def test_errors() -> None:
    for units, message in (([], "name the maps"), ([Unit("conv1", 0, 1, 1)], r"follow the map, conv1\[0\]")):
        with pytest.raises(UsageError, match=message):
            over_time(states(1), units, IMAGES)
    with pytest.raises(UsageError, match="name the states"):
        over_time([], [Unit("conv1")], IMAGES)
    with pytest.raises(UsageError, match="0 to 2, not 3"):
        over_time(states(1), [Unit("conv1", 3)], IMAGES)
