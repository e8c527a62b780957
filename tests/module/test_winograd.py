"""Winograd's filtering: compared with PyTorch's convolution in float64, and with finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses import FakeTensorMode

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
def test_results_and_gradients_are_those_of_convolution(
    plane: tuple[int, int], padding: tuple[int, int], count: int, biased: bool
) -> None:
    assume(min(side + 2 * pad for side, pad in zip(plane, padding, strict=True)) >= 3)
    torch.manual_seed(0)
    images = torch.randn(count, 2, *plane, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True) if biased else None
    inputs = [images, weight] if bias is None else [images, weight, bias]
    ours, theirs = winograd(images, weight, bias, padding), F.conv2d(images, weight, bias, 1, padding)
    torch.testing.assert_close(ours, theirs)
    direction = torch.randn_like(theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, direction), torch.autograd.grad(theirs, inputs, direction)
    )


def test_first_and_second_derivatives_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    shapes = (2, 2, 5, 6), (3, 2, 3, 3), (3,)
    parts = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(lambda *given: winograd(*given, (1, 0)), parts)
    assert torch.autograd.gradgradcheck(lambda *given: winograd(*given, (1, 0)), parts)


@pytest.mark.parametrize("last", [True, False])
def test_results_have_the_memory_format_of_the_images(last: bool) -> None:
    kind = torch.channels_last if last else torch.contiguous_format
    images = torch.randn(2, 3, 7, 5).to(memory_format=kind).requires_grad_()
    found = winograd(images, torch.randn(4, 3, 3, 3), None, (1, 1))
    assert found.is_contiguous(memory_format=kind)
    found.relu_().sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert images.grad.is_contiguous(memory_format=kind)


def test_tensors_without_values_leave_no_state_behind() -> None:
    images, weight = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert winograd(images, weight, None, (1, 1)).shape == (1, 3, 5, 5)
    with torch.device("meta"):
        meta = winograd(images.to("meta"), weight.to("meta"), None, (1, 1))
    assert meta.device.type == "meta"
    expected = F.conv2d(images, weight, padding=1)
    torch.testing.assert_close(winograd(images, weight, None, (1, 1)), expected, rtol=1e-4, atol=1e-4)


def test_only_inputs_that_need_one_get_a_gradient() -> None:
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


def test_results_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    images = torch.randn(5, 2, 7, 7, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    whole = winograd(images, weight, None, (1, 1))
    gradients = torch.autograd.grad(whole.square().sum(), (images, weight))
    monkeypatch.setattr("hubel.module.winograd.PART_BYTES", 2 * 36 * 4 * 3 * 8)  # two images
    assert len(list(Tiling.of(images, (1, 1)).parts(images, weight))) == 3
    parted = winograd(images, weight, None, (1, 1))
    torch.testing.assert_close(parted, whole)
    torch.testing.assert_close(torch.autograd.grad(parted.square().sum(), (images, weight)), gradients)


def test_in_float32_it_rounds_to_two_hundred_thousandths_of_the_largest() -> None:
    """0.8 of one with AVX2, 1.3 with AVX-512, where products add up in another order."""
    torch.manual_seed(0)
    given = torch.randn(8, 256, 8, 8), torch.randn(256, 256, 3, 3)
    ours = [part.clone().requires_grad_() for part in given]
    exact = [part.double().requires_grad_() for part in given]
    found, expected = winograd(*ours, None, (1, 1)), F.conv2d(exact[0], exact[1], padding=1)
    direction = torch.randn_like(found)
    ours = [found, *torch.autograd.grad(found, ours, direction)]
    exact = [expected, *torch.autograd.grad(expected, exact, direction.double())]
    for one, other in zip(ours, exact, strict=True):
        assert (one - other).abs().max() < 2e-5 * other.abs().max()


def gained(images: tuple[int, int, int, int], filters: int) -> float:
    return gain(
        torch.empty(images, device="meta"), torch.empty(filters, images[1], 3, 3, device="meta"), (1, 1)
    )


@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 600), st.integers(1, 20))
def test_the_gain_is_at_most_the_products_saved_and_grows_with_maps_and_images(
    images: int, depth: int, filters: int, tiles: int
) -> None:
    shape = (images, depth, 4 * tiles, 4 * tiles)
    assume(gained(shape, filters))
    assert 0 < gained(shape, filters) < 4
    assert gained((2 * images, *shape[1:]), filters) > gained(shape, filters)
    assert gained(shape, filters) > 0.9 * gained(shape, max(1, filters - 1))


def test_nothing_is_gained_by_positions_beyond_the_edge_or_by_images_beyond_the_cache() -> None:
    assert gained((10**6, 10**4, 4, 4), 10**4) == pytest.approx(4, rel=0.05)
    assert gained((10**6, 512, 3, 3), 512) == pytest.approx(gained((10**6, 512, 4, 4), 512) * 9 / 16)
    assert gained((1, 128, 1000, 1000), 128) == 0
    assert gain(torch.empty(1, 512, 2, 2), torch.empty(512, 512, 3, 3), (0, 0)) == 0
