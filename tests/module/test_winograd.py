"""Winograd's filtering: held against PyTorch's convolution in float64, and against finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hubel.module.winograd import Tiling, Winograd, gain


def winograd(*parts: Tensor | tuple[int, int] | None) -> Tensor:
    found: Tensor = Winograd.apply(*parts)  # type: ignore[no-untyped-call]
    return found


@given(
    st.tuples(*[st.integers(1, 11)] * 2),
    st.tuples(*[st.integers(0, 3)] * 2),
    st.integers(1, 3),
    st.booleans(),
)
def test_it_is_the_convolution_and_has_its_gradients(
    plane: tuple[int, int], padding: tuple[int, int], pictures: int, biased: bool
) -> None:
    if min(side + 2 * pad for side, pad in zip(plane, padding, strict=True)) < 3:
        return  # no window fits
    torch.manual_seed(0)
    images = torch.randn(pictures, 2, *plane, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True) if biased else None
    inputs = [images, weight] if bias is None else [images, weight, bias]
    ours, theirs = winograd(images, weight, bias, padding), F.conv2d(images, weight, bias, 1, padding)
    torch.testing.assert_close(ours, theirs)
    direction = torch.randn_like(theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, direction), torch.autograd.grad(theirs, inputs, direction)
    )


def test_its_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    parts = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 2, 5, 6), (3, 2, 3, 3), (3,))
    ]
    assert torch.autograd.gradcheck(lambda *given: winograd(*given, (1, 0)), parts)


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    torch.manual_seed(0)
    parts = torch.randn(2, 2, 5, 5), torch.randn(3, 2, 3, 3)
    for moved in range(2):
        images, weight = (part.clone().requires_grad_(at == moved) for at, part in enumerate(parts))
        (found,) = torch.autograd.grad(
            winograd(images, weight, None, (1, 1)).square().sum(), (images, weight)[moved]
        )
        (expected,) = torch.autograd.grad(
            F.conv2d(images, weight, padding=1).square().sum(), (images, weight)[moved]
        )
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_pictures_that_are_worked_on_in_parts_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    images = torch.randn(5, 2, 7, 7, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    whole = winograd(images, weight, None, (1, 1))
    gradients = torch.autograd.grad(whole.square().sum(), (images, weight))
    monkeypatch.setattr("hubel.module.winograd.PART_BYTES", 2 * 36 * 4 * 3 * 8)  # two pictures
    assert len(list(Tiling.of(images, (1, 1)).parts(images, weight))) == 3
    parted = winograd(images, weight, None, (1, 1))
    torch.testing.assert_close(parted, whole)
    torch.testing.assert_close(torch.autograd.grad(parted.square().sum(), (images, weight)), gradients)


def test_in_float32_it_rounds_to_a_hundred_thousandth_of_the_largest() -> None:
    torch.manual_seed(0)
    images, weight = torch.randn(8, 256, 8, 8), torch.randn(256, 256, 3, 3)
    exact = F.conv2d(images.double(), weight.double(), padding=1)
    error = (winograd(images, weight, None, (1, 1)) - exact).abs().max()
    assert error < 2e-5 * exact.abs().max()


@pytest.mark.parametrize(
    ("images", "filters", "expected"),
    [
        ((128, 230, 16, 16), 230, 4 / (1 + 1 + 60 / 2048)),
        ((128, 115, 16, 16), 230, 4 / (1 + 1.5 + 60 / 2048)),
        ((128, 230, 3, 5), 230, 4 * 15 / 32 / (1 + 1 + 60 / 256)),
    ],
)
def test_the_gain_is_a_quarter_of_the_products_less_what_mapping_and_edges_cost(
    images: tuple[int, ...], filters: int, expected: float
) -> None:
    weight = torch.empty(filters, images[1], 3, 3)
    assert gain(torch.empty(images), weight, (1, 1)) == pytest.approx(expected)
