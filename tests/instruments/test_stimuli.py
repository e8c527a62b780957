"""Filters by what drives them: the maps they read most, what drives those, and the filters nothing drives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hubel import build, parse
from hubel.data.dataset import ArrayImages, numbered
from hubel.data.image.preprocess import Preprocessing
from hubel.instruments.filters import filters
from hubel.instruments.stimuli import answers, stimuli
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.report.instruments.filters import driven_image

NET = parse("conv(3, 1) >> relu >> conv(4, 3, pad=1) >> batchnorm >> relu >> maxpool(2) >> fc(2)")
SEEN = Preprocessing.of("8x8x3")
PIXELS = np.zeros((4, 8, 8, 3), np.uint8)
PIXELS[0, :, :, 0], PIXELS[1, :, :, 1], PIXELS[2, :, :, 2] = 255, 255, 255
IMAGES = ArrayImages(np.zeros(4, np.int64), PIXELS, numbered("image", 4))


@pytest.fixture
def subject() -> Subject:
    """Maps of red, green and blue; filter 0 reads mostly green, 1 blue and red, 2 nothing ever drives."""
    network: Any = build(NET, "8x8x3")
    with torch.no_grad():
        network.conv1.weight.copy_(torch.eye(3)[:, :, None, None])
        network.conv1.bias.zero_()
        network.conv2.weight.zero_()
        network.conv2.weight[0, 1], network.conv2.weight[0, 0] = 1.0, -0.5
        network.conv2.weight[1, 2], network.conv2.weight[1, 0] = 1.0, 0.25
        network.conv2.weight[2] = 0.01
        network.conv2.weight[3, 0] = 0.1
        network.conv2.bias.zero_()
        network.conv2.bias[2] = -100
    return Subject.of(network)


def test_filters_are_told_by_the_maps_they_read_and_what_drives_those(subject: Subject) -> None:
    done: list[int] = []
    found = stimuli(subject, filters(subject, "conv2"), IMAGES, SEEN, reads=2, progress=done.append)
    assert (found.answer, found.rule, found.images, done) == ("relu2", "deconv", 4, [4])
    assert list(found.inputs) == [0, 1, 3, 2]  # by their energy
    assert [str(each.unit) for each in found.inputs[0]] == ["relu1[1]", "relu1[0]"]
    assert [each.share for each in found.inputs[0]] == pytest.approx([0.8, 0.2])
    assert found.inputs[0][1].weights == pytest.approx(np.full((3, 3), -0.5))
    assert [str(each.unit) for each in found.inputs[1]] == ["relu1[2]", "relu1[0]"]
    drives = {str(unit): each.patch.image for unit, each in found.stimuli.items()}
    assert drives == {
        "relu2[0]": 1,
        "relu2[1]": 2,
        "relu2[3]": 0,
        "relu1[0]": 0,
        "relu1[1]": 1,
        "relu1[2]": 2,
    }
    # a map of one colour shows that colour alone
    assert found.stimuli[Unit("relu1", 1)].projection[:, 0, 0] == pytest.approx([0, 1, 0])


def test_what_no_image_drives_is_dead(subject: Subject) -> None:
    found = stimuli(subject, filters(subject, "conv2"), IMAGES, SEEN)
    assert found.filters.dead == {2: "relu2 is 0 for it on all of 4 images"}
    assert Unit("relu2", 2) not in found.stimuli
    assert driven_image(found, subject.volume, "png").startswith(b"\x89PNG")


def test_the_first_filters_read_the_image_itself(subject: Subject) -> None:
    found = stimuli(subject, filters(subject), IMAGES, SEEN)
    assert found.answer == "relu1"
    assert not any(found.inputs.values())


def test_filters_are_seen_at_the_activation_that_is_all_that_reads_them(subject: Subject) -> None:
    assert [answers(subject, path) for path in ("conv1", "conv2", "fc1")] == ["relu1", "relu2", "fc1"]
    skipped = Subject.of(
        build(parse("conv(3, 3, pad=1) >> (conv(3, 1) + identity) >> relu >> fc(2)"), "8x8x3")
    )
    assert [answers(skipped, path) for path in ("conv1", "conv2")] == ["conv1", "conv2"]
