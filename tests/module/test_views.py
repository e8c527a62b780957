"""Views compared with the formula of the paper's code, written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel import build, parse
from hubel.errors import UsageError
from hubel.module.views import scores


class Corner(nn.Module):
    """Two scores that depend on positions: the upper left one, and the square of the lower right one."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([images[:, 0, 0, 0], images[:, 0, -1, -1] ** 2], 1)


IMAGE = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])[None, None]


def test_one_view_gives_the_networks_scores() -> None:
    network = build(parse("conv(4, 3) >> relu >> fc(3)"), "6x5x2").eval()
    images = torch.randn(3, 2, 6, 5)
    assert torch.equal(scores(network, images), network(images))


def test_mirror_by_hand() -> None:
    # as it is: 1 and 9²; mirrored: 3 and 7²
    assert scores(Corner(), IMAGE, "mirror").tolist() == [[2, (81 + 49) / 2]]


def test_mirror_shift_by_hand() -> None:
    # numpy's reflection: 5 4 5 6 5 / 2 1 2 3 2 / 5 4 5 6 5 / 8 7 8 9 8 / 5 4 5 6 5
    padded = np.pad(IMAGE[0, 0].numpy(), 1, mode="reflect")
    assert padded[0].tolist() == [5, 4, 5, 6, 5]
    first = (1 + 3) / 4 + (5 + 5) / 8 + (5 + 5) / 8  # in place, from the upper left, from the lower right
    second = (81 + 49) / 4 + (padded[2, 2] ** 2 + padded[2, 0] ** 2) / 8 + (25 + 25) / 8
    assert scores(Corner(), IMAGE, "mirror-shift").tolist() == [[first, second]]


def test_mirror_shift_is_that_of_airbench() -> None:
    network = build(parse("conv(4, 3) >> relu >> fc(3)"), "32x32x3", seed=2).eval()
    images = torch.randn(2, 3, 32, 32)

    def mirrored(inputs: Tensor) -> Tensor:
        mean: Tensor = 0.5 * network(inputs) + 0.5 * network(inputs.flip(-1))
        return mean

    padded = F.pad(images, (1, 1, 1, 1), "reflect")
    moved = torch.stack([mirrored(padded[:, :, 0:32, 0:32]), mirrored(padded[:, :, 2:34, 2:34])]).mean(0)
    torch.testing.assert_close(scores(network, images, "mirror-shift"), 0.5 * mirrored(images) + 0.5 * moved)


def test_every_view_of_a_constant_image_has_the_same_scores() -> None:
    network = build(parse("conv(4, 3, pad=1) >> relu >> globalavgpool >> fc(3)"), "8x8x1").eval()
    plain = torch.full((2, 1, 8, 8), 0.7)
    torch.testing.assert_close(scores(network, plain, "mirror-shift"), network(plain))


def test_a_mirrored_image_has_the_same_scores() -> None:
    network = build(parse("conv(4, 3) >> relu >> fc(3)"), "6x6x1").eval()
    images = torch.randn(3, 1, 6, 6)
    one, other = (scores(network, seen, "mirror") for seen in (images, images.flip(3)))
    torch.testing.assert_close(one, other)
    assert not torch.allclose(network(images), network(images.flip(3)))


def test_unknown_views_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean mirror"):
        scores(Corner(), IMAGE, "miror")
