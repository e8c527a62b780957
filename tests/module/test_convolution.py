"""Which algorithm a convolution uses, and that every algorithm has its results."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hubel.module.convolution import Convolution
from hubel.module.product import Product
from hubel.module.winograd import Winograd
from hubel.training.step.precision import computing_in


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the algorithms that were used, without PyTorch's."""
    gone: list[str] = []

    def noted(kind: type[torch.autograd.Function]) -> Any:
        apply = kind.apply

        def noting(*parts: object) -> object:
            gone.append(kind.__name__)
            return apply(*parts)  # type: ignore[no-untyped-call]

        return noting

    for kind in (Product, Winograd):
        monkeypatch.setattr(kind, "apply", noted(kind))
    monkeypatch.setattr("hubel.module.convolution.HAS_MKL", True)
    return gone


def test_only_small_maps_use_matrix_products(ways: list[str]) -> None:
    layer = Convolution(128, 128, 3, padding=1)
    small, large = torch.randn(1, 128, 7, 7), torch.randn(1, 128, 8, 8)
    with computing_in("bfloat16", torch.device("cpu")):
        layer(large)
        layer(small.expand(300, -1, -1, -1))  # 33.9 MB of windows
        Convolution(128, 128, 3, padding=1, groups=2)(small)
        Convolution(128, 64, 3, padding=1)(small)
        assert ways == []
        layer(small)
    assert ways == ["Product"]


def test_only_wide_layers_use_winograd(ways: list[str]) -> None:
    images = torch.randn(16, 128, 16, 16)
    layer = Convolution(128, 128, 3, padding=1)
    for other in (
        Convolution(128, 128, 3, padding=1, stride=2),
        Convolution(128, 128, 3, padding=2, dilation=2),
        Convolution(128, 128, 3, padding=1, groups=2),
        Convolution(128, 128, 5, padding=2),
        Convolution(128, 32, 3, padding=1),
    ):
        other(images)
    with computing_in("bfloat16", torch.device("cpu")):
        layer(images)
    layer.double()(images.double())
    layer.float()
    assert ways == []
    layer(images)
    layer(images[:, :, :2, :2])  # mostly beyond the edge
    assert ways == ["Winograd", "Product"]


def test_in_float32_both_are_used_in_training_alone(ways: list[str]) -> None:
    images = torch.randn(16, 128, 16, 16)
    layer = Convolution(128, 128, 3, padding=1).eval()
    for seen in (images, images[:, :, :2, :2]):
        assert layer(seen).equal(nn.functional.conv2d(seen, layer.weight, layer.bias, padding=1))
    assert ways == []


@pytest.mark.parametrize(
    ("padding", "shape"),
    [(1, (0, 128, 16, 16)), (1, (128, 16, 16)), ("same", (16, 128, 16, 16)), (1, (16, 128, 4, 4))],
)
def test_it_takes_what_pytorch_takes(padding: int | str, shape: tuple[int, ...]) -> None:
    layer = Convolution(128, 128, 3, padding=padding)
    images = torch.randn(shape)
    expected = nn.functional.conv2d(images, layer.weight, layer.bias, padding=padding)
    torch.testing.assert_close(layer(images), expected, rtol=1e-4, atol=1e-4)
    assert layer(images).relu_().stride() == expected.stride()


def test_what_pytorch_refuses_pytorch_refuses() -> None:
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        Convolution(128, 128, 3)(torch.randn(16, 128, 2, 2))


def test_compilers_and_transforms_get_pytorchs_operation(ways: list[str]) -> None:
    images = torch.randn(16, 128, 8, 8)
    layer = Convolution(128, 128, 3, padding=1)
    torch.func.grad(lambda seen: layer(seen).sum())(images)
    torch.compile(layer, backend="eager", fullgraph=True)(images)
    assert ways == []


def test_without_mkl_no_layer_uses_winograd(ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.module.convolution.HAS_MKL", False)
    Convolution(128, 128, 3, padding=1)(torch.randn(16, 128, 16, 16))
    assert ways == []


WAYS = [("bfloat16", 2, 0.01, "Product"), ("float32", 2, 1e-6, "Product"), ("float32", 1, 1e-5, "Winograd")]
"""Precision, stride, largest distance to PyTorch's results relative to their norm, algorithm."""


@pytest.mark.parametrize(("precision", "stride", "near", "way"), WAYS)
def test_results_and_gradients_are_those_of_pytorch(
    ways: list[str], precision: str, stride: int, near: float, way: str
) -> None:
    torch.manual_seed(0)
    layer = Convolution(128, 160, 3, stride, 1)
    plain = nn.Conv2d(128, 160, 3, stride, 1)
    plain.load_state_dict(layer.state_dict())
    images = torch.randn(16, 128, 8, 8).to(memory_format=torch.channels_last)
    results = []
    for module in (layer, plain):
        seen = images.clone().requires_grad_()
        with computing_in(precision, torch.device("cpu")):
            out = module(seen)
        out.float().square().sum().backward()
        assert out.dtype == getattr(torch, precision)
        assert out.is_contiguous(memory_format=torch.channels_last)
        parameters = list(module.parameters())
        assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in parameters)
        results.append((out.float(), seen.grad, *(p.grad for p in parameters)))
    assert ways == [way]
    for ours, theirs in zip(*results, strict=True):
        assert ours is not None
        assert theirs is not None
        assert (ours - theirs).norm() < near * theirs.norm()
