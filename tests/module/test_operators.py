"""The operators: what branches, copies and residual blocks compute, compared with NumPy."""

from __future__ import annotations

import numpy as np
import torch

from hubel import build, conv, gelu, identity, maxpool, named, relu, tanh
from tests.module import reference
from tests.module.probes import scores_of
from tests.module.reference import Array
from tests.module.test_layers import EVEN, ODD, agrees, assert_close, drawn, run


def test_beside_concatenates_along_depth_and_plus_adds() -> None:
    def shape(image: Array) -> Array:
        return reference.maxpool(image, (3, 3), (1, 1), (1, 1), False)

    agrees(
        relu | maxpool(3, 1, pad=1) | identity,
        ODD,
        lambda image: np.concatenate([np.maximum(image, 0), shape(image), image], axis=2),
    )
    agrees(
        relu + maxpool(3, 1, pad=1) + identity + gelu,
        ODD,
        lambda image: np.maximum(image, 0) + shape(image) + image + reference.gelu(image),
    )


def test_nested_operators() -> None:
    def expected(image: Array) -> Array:
        inner = np.concatenate([np.maximum(image, 0), image], axis=2)
        return np.concatenate([np.tanh(inner) + inner, reference.gelu(image)], axis=2)

    agrees((relu | identity) >> (tanh + identity) | gelu, EVEN, expected)


def test_times_makes_copies_with_their_own_parameters() -> None:
    images = drawn(ODD)
    out, numbers = run(3 * named("block", conv(4, 1, bias=False)), images)
    expected = images
    for number in (1, 2, 3):
        expected = expected @ numbers[f"block{number}.weight"][:, :, 0, 0].T
    assert len({numbers[f"block{number}.weight"].tobytes() for number in (1, 2, 3)}) == 3
    assert_close(out, expected)


def test_a_residual_block_by_hand() -> None:
    """(F(x) + x), then ReLU, with F the 1x1 convolution -2x + 1."""
    module = build((conv(1, 1) + identity) >> relu, (1, 3, 1)).double()
    with torch.no_grad():
        module.get_parameter("conv1.weight").fill_(-2)
        module.get_parameter("conv1.bias").fill_(1)
        out = scores_of(module(torch.tensor([[[[-3.0, 0.5, 4]]]], dtype=torch.double)))
    assert out.flatten().tolist() == [4, 0.5, 0]
