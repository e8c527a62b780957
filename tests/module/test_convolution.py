"""Convolution as a matrix product: held against PyTorch's convolution and against finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from hubel.module.convolution import Convolution, Product
from hubel.train.device import computing_in

WAYS = [
    ((3, 3), (1, 1), (1, 1), True),
    ((3, 3), (2, 2), (1, 1), False),
    ((1, 1), (1, 1), (0, 0), True),
    ((1, 1), (2, 2), (0, 0), False),
    ((3, 2), (1, 2), (0, 2), True),
    ((2, 2), (1, 1), (2, 2), False),
]
"""Kernel, stride, padding, whether there is a bias."""


@pytest.mark.parametrize("few", [1, 0], ids=["by convolution", "by product"])
@pytest.mark.parametrize(("kernel", "stride", "padding", "biased"), WAYS)
def test_a_product_is_the_convolution_and_has_its_gradients(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    biased: bool,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubel.module.convolution.FILTERS_A_PLACE", few)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, *kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True) if biased else None

    def product(*parts: torch.Tensor | None) -> torch.Tensor:
        found: torch.Tensor = Product.apply(*parts, stride, padding)  # type: ignore[no-untyped-call]
        return found

    expected = F.conv2d(images, weight, bias, stride, padding)
    torch.testing.assert_close(product(images, weight, bias), expected)
    given = (images, weight) if bias is None else (images, weight, bias)
    assert torch.autograd.gradcheck(lambda *parts: product(*parts, *[None] * (3 - len(parts))), given)


def test_only_small_maps_in_bfloat16_are_made_by_a_product(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[torch.Size] = []
    apply = Product.apply

    def counted(images: torch.Tensor, *rest: object) -> torch.Tensor:
        used.append(images.shape)
        found: torch.Tensor = apply(images, *rest)  # type: ignore[no-untyped-call]
        return found

    monkeypatch.setattr(Product, "apply", counted)
    layer = Convolution(128, 128, 3, padding=1)
    small, large = torch.randn(1, 128, 7, 7), torch.randn(1, 128, 8, 8)
    layer(small)
    with computing_in("bfloat16", torch.device("cpu")):
        layer(large)
        layer(small.expand(300, -1, -1, -1))  # 33.9 MB of windows
        Convolution(128, 128, 3, padding=1, groups=2)(small)
        Convolution(128, 64, 3, padding=1)(small)
        assert used == []
        layer(small)
    assert used == [small.shape]


def test_both_ways_agree_to_bfloat16() -> None:
    torch.manual_seed(0)
    layer = Convolution(128, 160, 3, stride=2, padding=1)
    plain = nn.Conv2d(128, 160, 3, stride=2, padding=1)
    plain.load_state_dict(layer.state_dict())
    images = torch.randn(4, 128, 8, 8).to(memory_format=torch.channels_last)
    results = []
    for module in (layer, plain):
        seen = images.clone().requires_grad_()
        with computing_in("bfloat16", torch.device("cpu")):
            out = module(seen)
        out.float().square().sum().backward()
        assert out.dtype == torch.bfloat16
        assert out.is_contiguous(memory_format=torch.channels_last)
        assert seen.grad is not None
        assert module.weight.grad is not None
        assert module.weight.grad.dtype == torch.float32
        results.append((out.float(), seen.grad, module.weight.grad))
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).norm() < 0.01 * theirs.norm()
