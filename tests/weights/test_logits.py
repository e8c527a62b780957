"""Loaded weights give the logits of the network they came from: its forward pass, by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from hubel import load_weights
from hubel.model.import_weights import PREPROCESSINGS, fitted
from hubel.module.network import Network
from tests.weights import reference
from tests.weights.fixtures import network, seeded

CLOSE = 1e-5
"""In single precision."""

EXACT = 1e-9
"""In double precision."""


def images_of(module: Network, count: int = 2) -> Tensor:
    """Images as the network sees them, normalised."""
    height, width, depth = module.volume
    return torch.randn(count, depth, height, width, generator=torch.Generator().manual_seed(1))


def differs(found: Tensor, wanted: Tensor) -> float:
    """The largest difference of any logit, as a share of the largest, where the logits say something."""
    assert found.shape == wanted.shape
    assert 0.05 < wanted.std() < 10
    return float((found - wanted).abs().max() / wanted.abs().max())


def wide(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() for name, value in state.items()}


@torch.inference_mode()
@pytest.mark.parametrize("side", [64, 97])
def test_resnet50(side: int) -> None:
    module, state = network("resnet50_v1_5", (side, side, 3)), seeded("torchvision resnet50")
    assert load_weights(module, state).matched == 320
    images = images_of(module)
    assert differs(module(images), reference.resnet50(images, state)) < CLOSE
    images = images.double()
    assert differs(module.double()(images), reference.resnet50(images, wide(state))) < EXACT


@torch.inference_mode()
@pytest.mark.parametrize(
    ("fixture", "name", "expected"),
    [
        ("torchvision alexnet", "alexnet_owt", reference.alexnet),
        ("timm vgg11", "vgg11", reference.vgg11_timm),
    ],
)
def test_large_networks(
    fixture: str, name: str, expected: Callable[[Tensor, dict[str, Tensor]], Tensor]
) -> None:
    """In single precision alone, which keeps hundreds of megabytes from becoming gigabytes."""
    state = seeded(fixture)
    module = network(name)
    loaded = load_weights(module, state)
    images = images_of(module, 1)
    assert loaded.matched == len(state)
    assert differs(module(images), expected(images, state)) < CLOSE


@torch.inference_mode()
def test_googlenet_with_its_input_transform_in_the_preprocessing() -> None:
    """torchvision turns ImageNet's normalisation into -1 to 1 inside the network, hubel outside of it."""
    module = network("googlenet_bn", "96x96x3")
    state = seeded("torchvision googlenet")
    load_weights(module, state)
    pixels = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (2, 96, 96, 3), np.uint8))
    ours, theirs = (fitted(PREPROCESSINGS[name], module.volume) for name in ("googlenet", "torchvision"))
    found = module.double()(ours.normalise(pixels).double())
    wanted = reference.googlenet(theirs.normalise(pixels).double(), wide(state))
    assert differs(found, wanted) < CLOSE


@torch.inference_mode()
def test_grey_sees_what_three_equal_colours_see() -> None:
    module = network("resnet18", "64x64x1")
    state = seeded("torchvision resnet18")
    loaded = load_weights(module, state)
    assert loaded.summed == "conv1"
    assert str(loaded) == "conv1 summed over its colours for grey input, 122 tensors matched"
    images = images_of(module)
    wanted = reference.resnet18(images.expand(-1, 3, -1, -1), state)
    assert differs(module(images), wanted) < CLOSE
