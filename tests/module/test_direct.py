"""Gradients of convolutions by other ways than PyTorch's: compared with PyTorch's in float64."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hubel import build, parse
from hubel.module.direct import Direct, Geometry, Limits, gains
from hubel.module.layers import PaddedConv
from hubel.module.network import Network
from hubel.module.padded import Padded

KINDS = [
    # maps in, filters, size, stride, padding, groups
    (6, 4, (1, 1), (1, 1), (0, 0), 1),
    (6, 4, (1, 1), (2, 2), (0, 0), 1),
    (6, 4, (3, 3), (2, 1), (1, 0), 1),
    (6, 4, (3, 3), (1, 1), (1, 1), 2),
    *[
        (6, 6, (size, size), (step, step), (pad, pad), 6)
        for size in (3, 5, 7)
        for step in (1, 2)
        for pad in (0, size // 2)
    ],
    (6, 6, (3, 5), (1, 2), (2, 1), 6),
    (6, 6, (5, 4), (2, 3), (0, 3), 6),
]


def direct(*parts: Tensor | Geometry | None) -> Tensor:
    found: Tensor = Direct.apply(*parts)  # type: ignore[no-untyped-call]
    return found


@pytest.mark.parametrize("limits", [None, (0.0, 0.5), (0.0, math.inf)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_results_and_gradients_are_those_of_pytorch(
    kind: tuple[int, int, tuple[int, int], tuple[int, int], tuple[int, int], int],
    biased: bool,
    limits: Limits | None,
) -> None:
    depth, filters, size, stride, padding, groups = kind
    torch.manual_seed(0)
    images = torch.randn(3, depth, 9, 8, dtype=torch.float64).to(memory_format=torch.channels_last)
    weight = torch.randn(filters, depth // groups, *size, dtype=torch.float64)
    bias = torch.randn(filters, dtype=torch.float64) if biased else None
    inputs = [each.requires_grad_() for each in (images, weight, bias) if each is not None]
    ours = direct(images, weight, bias, Geometry(stride, padding, groups, limits))
    theirs = F.conv2d(images, weight, bias, stride, padding, 1, groups)
    theirs = F.hardtanh(theirs, *limits) if limits else theirs
    direction = torch.randn_like(theirs)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, direction), torch.autograd.grad(theirs, inputs, direction)
    )


@pytest.mark.parametrize("kind", [KINDS[0], (2, 2, (3, 5), (1, 1), (1, 2), 2)])
def test_second_derivatives_are_those_of_finite_differences(
    kind: tuple[int, int, tuple[int, int], tuple[int, int], tuple[int, int], int],
) -> None:
    depth, filters, size, stride, padding, groups = kind
    torch.manual_seed(0)
    shapes = (1, depth, 3, 4), (filters, depth // groups, *size), (filters,)
    parts = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    geometry = Geometry(stride, padding, groups)
    assert torch.autograd.gradgradcheck(lambda *given: direct(*given, geometry), parts)


def test_what_is_not_finite_stays_so() -> None:
    """The hardtanh that oneDNN fuses into a convolution makes 0 of NaN, which would hide a run that broke."""
    images = torch.full((1, 4, 3, 3), math.nan).to(memory_format=torch.channels_last)
    found = direct(images, torch.ones(4, 1, 3, 3), torch.zeros(4), Geometry((1, 1), (1, 1), 4, (0.0, 6.0)))
    assert found.isnan().all()


@pytest.mark.parametrize("sides", [(0, 1, 0, 1), (2, 1, 0, 3), (0, 0, 1, 0)])
def test_zeros_are_put_around_as_pytorch_puts_them(sides: tuple[int, int, int, int]) -> None:
    torch.manual_seed(0)
    images = (
        torch.randn(2, 3, 4, 5, dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()
    )
    ours: Tensor = Padded.apply(images, sides)  # type: ignore[no-untyped-call]
    theirs = F.pad(images, sides)
    assert torch.equal(ours, theirs)
    direction = torch.randn_like(theirs)
    found = [torch.autograd.grad(each, images, direction)[0] for each in (ours, theirs)]
    assert torch.equal(*found)
    assert torch.autograd.gradgradcheck(lambda given: Padded.apply(given, sides).square(), images)  # type: ignore[no-untyped-call]


def test_ways_are_chosen_by_shape() -> None:
    wide, narrow, dense = (torch.zeros(shape) for shape in ((8, 1, 5, 5), (8, 1, 3, 3), (8, 8, 5, 5)))
    point = torch.zeros(8, 8, 1, 1)
    assert gains(wide, Geometry((1, 1), (2, 2), 8))
    assert not gains(narrow, Geometry((1, 1), (1, 1), 8))
    assert not gains(dense, Geometry((1, 1), (2, 2)))
    assert gains(point, Geometry((1, 1), (0, 0)))
    assert not gains(point, Geometry((2, 2), (0, 0)))


NETS = [
    "conv(8, 3, pad=1, bias=False) >> batchnorm >> relu >> fc(3)",
    "conv(8, 3, pad=1) >> batchnorm >> relu(limit=6) >> conv(4, 1) >> batchnorm >> fc(3)",
    'conv(8, 3, stride=2, pad="same", bias=False) >> batchnorm >> relu(limit=0.5)'
    ' >> conv(8, 5, stride=2, pad="same", groups=8, bias=False) >> batchnorm >> relu >> fc(3)',
    "(conv(3, 3, pad=1) >> batchnorm >> relu >> conv(3, 1) >> batchnorm) + identity >> relu >> fc(3)",
    "conv(8, 3, dilation=2) >> batchnorm >> relu >> globalavgpool >> fc(3)",
    "conv(128, 3, pad=1) >> batchnorm >> relu >> conv(128, 3, pad=1) >> batchnorm >> relu >> fc(3)",
]


def fixed(text: str) -> Network:
    """A network in training mode whose batch normalisation has statistics that stay."""
    torch.manual_seed(0)
    network = build(parse(text), "10x8x3", scores=True).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form torch does not type
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
            for values in (part.running_mean, part.running_var, part.weight, part.bias):
                assert values is not None
                nn.init.uniform_(values, 0.5, 1.5)
    return network


def outcome(network: Network, images: Tensor) -> list[Tensor]:
    """The scores, and the gradients of everything that learns, by the mean of squares."""
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    scores = network(images)
    return [scores, *torch.autograd.grad(scores.square().mean(), [images, *network.parameters()])]


def watched(network: Network) -> list[RemovableHandle]:
    """Hooks that do nothing: the modules run one by one."""
    return [part.register_forward_hook(lambda *_: None) for part in network.modules()]


@pytest.mark.parametrize("text", NETS)
def test_layers_in_one_pass_have_the_gradients_of_layers_one_by_one(text: str) -> None:
    network = fixed(text)
    images = torch.randn(5, 3, 10, 8).to(memory_format=torch.channels_last)
    ours = outcome(network, images)
    hooks = watched(network)
    theirs = outcome(network, images)
    for hook in hooks:
        hook.remove()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-5)


def test_layers_are_one_pass_only_with_fixed_statistics_and_as_they_were_built() -> None:
    seen: list[str] = []

    class Replaced(nn.ReLU):
        def forward(self, images: Tensor) -> Tensor:
            seen.append("replaced")
            return super().forward(images)

    network = fixed(NETS[0])
    images = torch.randn(2, 3, 10, 8)
    scores = network(images)
    network.relu1 = Replaced()
    torch.testing.assert_close(network(images), scores)
    assert seen == ["replaced"]
    network.relu1 = nn.Hardtanh(-1.0, 1.0)
    clipped = network(images)
    hooks = watched(network)
    torch.testing.assert_close(network(images), clipped)
    for hook in hooks:
        hook.remove()
    before = network.get_buffer("batchnorm1.running_mean").clone()
    network.train()
    network(images)
    assert not torch.equal(before, network.get_buffer("batchnorm1.running_mean"))


def test_unevenly_padded_filters_learn_as_pytorchs_do() -> None:
    network = build(parse('conv(8, 5, stride=2, pad="same", groups=8, bias=False)'), "10x10x8").train()
    layer = network.get_submodule("conv1")
    assert isinstance(layer, PaddedConv)
    images = torch.randn(4, 8, 10, 10).to(memory_format=torch.channels_last)
    found = torch.autograd.grad(layer(images).square().sum(), layer.weight)[0]
    expected = F.conv2d(F.pad(images, (1, 2, 1, 2)), layer.weight, None, 2, 0, 1, 8)
    torch.testing.assert_close(found, torch.autograd.grad(expected.square().sum(), layer.weight)[0])
