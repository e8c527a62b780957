"""Convolution as a matrix product: compared with PyTorch's convolution and with finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from hubel.module.product import Product

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
def test_results_and_gradients_of_products_are_those_of_convolution(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    biased: bool,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubel.module.product.FILTERS_PER_POSITION", few)
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
