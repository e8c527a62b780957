"""Response normalisation with a gradient of its own, compared with PyTorch's operations one after another."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel import build, lrn
from hubel.module import norms
from hubel.net.norms import Lrn

SHAPE = (5, 7, 6, 4)


def plain(images: Tensor, layer: Lrn) -> Tensor:
    """The same by PyTorch's operations."""
    if not layer.within:
        return F.local_response_norm(images, layer.size, layer.alpha * layer.size, layer.beta, layer.k)
    window = torch.ones(images.shape[1], 1, layer.size, layer.size, dtype=images.dtype)
    sums = F.conv2d(images.square(), window, padding=layer.size // 2, groups=images.shape[1])
    return images / (layer.k + layer.alpha * sums) ** layer.beta


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("part", [1, 300, 10**6])
@pytest.mark.parametrize(
    "layer",
    [
        *(Lrn(size, 0.5, beta, 2.0) for size in (1, 2, 4, 5, 9) for beta in (0.75, 1.5)),
        *(Lrn(size, 0.5, 0.75, 1.0, within=True) for size in (1, 3, 5)),
    ],
    ids=repr,
)
def test_its_output_and_gradient_are_pytorchs(
    layer: Lrn, part: int, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(norms, "PART", part)
    given = torch.randn(SHAPE, dtype=torch.double, requires_grad=True)
    ours = given.detach().to(memory_format=layout).requires_grad_()
    wanted, found = plain(given, layer), norms.Response.apply(ours, layer)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, wanted)
    gradient = torch.randn(SHAPE, dtype=torch.double)
    wanted.backward(gradient)  # type: ignore[no-untyped-call]
    found.backward(gradient)
    torch.testing.assert_close(ours.grad, given.grad)
    assert found.is_contiguous(memory_format=layout)


def test_in_bfloat16_the_sums_are_exact() -> None:
    layer = Lrn(5, 1e-4, 0.75, 2.0)
    images = 100 * torch.randn(SHAPE)
    rounded = images.bfloat16().requires_grad_()
    exact = rounded.detach().float().requires_grad_()
    found = norms.Response.apply(rounded, layer)  # type: ignore[no-untyped-call]
    wanted = plain(exact, layer)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted.bfloat16(), rtol=2**-7, atol=0)
    found.sum().backward()
    wanted.sum().backward()  # type: ignore[no-untyped-call]
    assert rounded.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(rounded.grad.float(), exact.grad, rtol=2**-7, atol=1e-3)


def test_it_is_taken_in_training() -> None:
    images = torch.randn(SHAPE, requires_grad=True)
    module = norms.ResponseNorm(Lrn(5, 1e-4, 0.75, 2.0))
    assert type(module(images).grad_fn).__name__ == "ResponseBackward"
    assert type(module.eval()(images).grad_fn).__name__ != "ResponseBackward"


def test_at_inference_it_is_pytorchs_to_the_last_bit() -> None:
    module = build(lrn(5, 1e-4, 0.75, 2.0), SHAPE[2:] + SHAPE[1:2]).eval()
    images = torch.randn(SHAPE)
    found = module(images).view(SHAPE)
    assert torch.equal(found, F.local_response_norm(images, 5, 5e-4, 0.75, 2.0))
