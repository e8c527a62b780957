"""Whitening: the filters' answers are uncorrelated, of variance 1, and stay as they are."""

from __future__ import annotations

import pytest
import torch

from hubel import build, parse
from hubel.errors import NetworkError
from hubel.training.run.whiten import whiten, whitening_filters


def images() -> torch.Tensor:
    """Images whose neighbouring pixels and colours go together."""
    noise = torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 3, 1)
    return smooth + 0.5 * smooth.flip(1)


def test_answers_are_white() -> None:
    seen = images()
    answers = torch.nn.functional.conv2d(seen, whitening_filters(seen, (2, 2), 24))
    rows = answers.transpose(0, 1).flatten(1)
    covariance = torch.cov(rows[:12])
    values = torch.linalg.eigvalsh(
        torch.cov(seen.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12).T)
    )
    expected = torch.diag((values / (values + 5e-4)).flip(0))
    torch.testing.assert_close(covariance, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(rows[12:], -rows[:12])


def test_fewer_filters_are_the_strongest() -> None:
    filters, all_ = (whitening_filters(images(), (2, 2), count) for count in (8, 24))
    torch.testing.assert_close(filters, torch.cat((all_[:4], -all_[:4])))
    spread = torch.nn.functional.conv2d(
        images(), all_[:12] / all_[:12].flatten(1).norm(dim=1)[:, None, None, None]
    )
    variances = spread.transpose(0, 1).flatten(1).var(1)
    assert (variances.diff() <= 0).all()


def test_a_network_gets_them_for_good() -> None:
    network = build(parse("conv(24, 2) >> gelu >> fc(2)"), "12x12x3")
    before = network.get_parameter("conv1.bias").clone()
    whiten(network, images())
    weight = network.get_parameter("conv1.weight")
    torch.testing.assert_close(weight.detach(), whitening_filters(images(), (2, 2), 24))
    bias = network.get_parameter("conv1.bias")
    assert torch.equal(bias, before)
    assert not weight.requires_grad
    assert not bias.requires_grad


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("fc(2)", "the first layer, fc1, is no plain convolution"),
        ("conv(8, 2) >> fc(2)", "8 filters.*12 values.*from 12 to 24"),
        ("conv(26, 2) >> fc(2)", "26 filters.*from 12 to 24"),
        ("conv(13, 2) >> fc(2)", "13 filters.*an even number"),
    ],
)
def test_networks_that_cannot_be_whitened(net: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        whiten(build(parse(net), "12x12x3"), images())
