"""Layers that write over their input in training: the numbers stay, and what others read is left alone."""

from __future__ import annotations

import torch
from hypothesis import given, settings

from hubel import Net, Volume, batchnorm, build, conv, fc, identity, maxpool, named, relu, side, tanh, trace
from hubel.module import Heads
from hubel.module.layers import Add, Relu
from hubel.module.network import UNNEEDED
from tests.module.probes import normalises_one_value, not_overwriting, random_images
from tests.strategies import fitting_nets

RESIDUAL = named("block", identity + (conv(4, 3, pad=1) >> batchnorm))


def overwritten(net: Net, volume: str = "8x8x3") -> dict[str, int | None]:
    network = build(net, volume)
    return {
        path: module.overwrites for path, module in network.named_modules() if isinstance(module, Relu | Add)
    }


@settings(deadline=None)
@given(fitting_nets())
def test_outputs_and_gradients_are_the_same(drawn: tuple[Net, Volume]) -> None:
    net, volume = drawn
    network = build(net, volume, seed=1).train()
    if normalises_one_value(net, volume):
        return
    found = []
    for each in (network, not_overwriting(network)):
        torch.manual_seed(0)  # dropout's masks
        images = random_images(volume, 2).requires_grad_()
        out = each(images * 1)
        heads = out if isinstance(out, Heads) else Heads(out, {})
        outputs = [heads.scores, *heads.sides.values()]
        sum(value.square().sum() for value in outputs).backward()  # type: ignore[union-attr]
        found.append([*outputs, images.grad, *(parameter.grad for parameter in each.parameters())])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)


def test_what_may_be_written_over() -> None:
    """Outputs of convolution, normalisation and sum; not those that the gradient of their layer needs."""
    net = conv(4, 3) >> batchnorm >> relu >> RESIDUAL >> relu >> maxpool(2) >> relu >> tanh >> relu
    assert overwritten(net) == {"relu1": 0, "block.add1": 1, "relu2": 0, "relu3": None, "relu4": None}


def test_what_two_layers_read_is_left_alone() -> None:
    assert overwritten(conv(4, 3) >> (relu + identity)) == {"relu1": None, "add1": None}
    assert overwritten(conv(4, 3) >> (identity + identity)) == {"add1": None}
    assert overwritten(relu >> conv(4, 3)) == {"relu1": None}


def test_what_a_side_head_read_is_left_alone() -> None:
    network = build(fc(5) >> side("aux", identity) >> relu >> fc(2), "4x4x1").train()
    heads = network(torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert heads.sides["aux"].min() < 0


def test_the_scores_are_left_alone_by_a_side_head_behind_them() -> None:
    network = build(fc(10) >> side("aux", relu >> fc(10)), "4x4x1").train()
    heads = network(torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert heads.scores.min() < 0
    assert network.get_submodule("aux.relu1").overwrites is None


def test_a_sum_keeps_its_order_and_its_precision() -> None:
    net = identity + tanh + conv(3, 1)
    assert overwritten(net) == {"add1": None}  # to add to the third first would round otherwise
    network = build(conv(3, 1) + identity, "4x4x3").train()
    assert network.get_submodule("add1").overwrites == 0
    with torch.autocast("cpu", torch.bfloat16):
        assert network(random_images(Volume(4, 4, 3), 2)).dtype == torch.float32


def test_what_may_be_written_over_is_not_kept_for_gradients() -> None:
    for layer in (conv(4, 3), batchnorm, fc(2), conv(4, 3, pad=1) + identity):
        steps = [step for step in trace(layer, "8x8x4") if isinstance(step.layer, UNNEEDED)]
        assert steps
        assert not any(step.layer.keeps(step.inputs[0]).output for step in steps)


def test_nothing_is_written_over_at_inference() -> None:
    network = build(conv(4, 3) >> relu, "8x8x3").eval()
    seen = []
    network.get_submodule("conv1").register_forward_hook(lambda _module, _inputs, value: seen.append(value))
    images = random_images(Volume(8, 8, 3), 2)
    network(images)
    assert seen[0].min() < 0
    network.train()(images)
    assert seen[1].min() == 0


def test_a_convolution_as_a_product_may_be_written_over() -> None:
    """In bfloat16, onto a map so small that it is made by a product of matrices."""
    network = build(conv(160, 3, pad=1) >> relu >> fc(2), "2x2x128").train()
    images = random_images(Volume(2, 2, 128), 3)
    found = []
    for each in (network, not_overwriting(network)):
        with torch.autocast("cpu", torch.bfloat16):
            out = each(images)
        out.float().square().sum().backward()
        found.append([out, *(parameter.grad for parameter in each.parameters())])
    assert network.get_submodule("relu1").overwrites == 0
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
