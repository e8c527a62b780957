"""What PyTorch does with a built network: compile, export, copy, convert, replace, differentiate."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import assume, given, settings
from torch import Tensor, nn

from hubel import (
    Net,
    Volume,
    adaptiveavgpool,
    avgpool,
    batchnorm,
    build,
    conv,
    dropout,
    fc,
    gelu,
    globalavgpool,
    identity,
    lrn,
    maxpool,
    named,
    padshortcut,
    rbf,
    relu,
    side,
    sigmoid,
    softmax,
    subsample,
    tanh,
)
from hubel.module.network import Heads, Network
from hubel.zoo.pages.lenet import lenet5
from tests.module.probes import normalises_one_value, random_images, scores_of
from tests.strategies import fitting_nets

ON = Volume(8, 9, 4)
EVERYTHING = (
    named("stem", conv(8, 3, pad=1, bias=False) >> batchnorm >> relu)
    >> 2 * named("block", (identity + conv(8, 3, pad=1, groups=2) >> gelu))
    >> (conv(2, 1) | maxpool(3, 1, pad=1) | avgpool(3, 1, pad=1) >> conv(2, 1))
    >> side("aux", globalavgpool >> fc(3), weight=0.3)
    >> conv(4, 3, links=((0, 1), (2,), (3, 4, 11), (5,)))
    >> tanh(1.7159, 2 / 3)
    >> subsample
    >> lrn
    >> padshortcut(6)
    >> sigmoid
    >> dropout
    >> adaptiveavgpool(2, 2)
    >> fc(7)
    >> rbf(5)
    >> softmax
)


@pytest.fixture(scope="module")
def module() -> Network:
    return build(EVERYTHING, ON).eval()


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def scores(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return scores_of(module(images))


def _loss(out: Tensor | Heads) -> Tensor:
    heads = [out.scores, *out.sides.values()] if isinstance(out, Heads) else [out]
    return torch.stack([head.square().sum() for head in heads]).sum()


@pytest.mark.parametrize("train", [True, False])
def test_compile_takes_the_whole_graph(module: Network, train: bool) -> None:
    torch._dynamo.reset()
    module = copy.deepcopy(module).train(train)
    other = copy.deepcopy(module)
    compiled = torch.compile(other, backend="aot_eager", fullgraph=True)
    images = random_images(ON, count=2)
    torch.manual_seed(3)
    expected = module(images)
    torch.manual_seed(3)
    out = compiled(images)
    torch.testing.assert_close(out, expected)
    _loss(out).backward()  # type: ignore[no-untyped-call]
    _loss(expected).backward()  # type: ignore[no-untyped-call]
    for one, two in zip(module.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_export_round_trip(module: Network) -> None:
    images = random_images(ON, count=2)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(module, (images,), dynamic_shapes=({0: batch},))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for count in (2, 5):
        images = random_images(ON, count=count, seed=count)
        torch.testing.assert_close(loaded(images), module(images))
    assert set(program.state_dict) <= set(module.state_dict())


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_is_the_same_and_shares_nothing(module: Network, again: Callable[[Network], Network]) -> None:
    other = again(module)
    images = random_images(ON, count=2)
    assert (other.net, other.volume, other.steps) == (module.net, module.volume, module.steps)
    assert torch.equal(other(images), module(images))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert not torch.equal(other(images), module(images))


def test_a_submodule_that_is_replaced_is_used() -> None:
    images = random_images(ON, count=2)
    module = build(named("part", 2 * named("block", conv(4, 1) >> relu)) >> fc(3), ON).eval()
    scores(module, images)
    module.fc1 = nn.Sequential(nn.Flatten(), nn.Linear(8 * 9 * 4, 5, bias=False), nn.Unflatten(1, (5, 1, 1)))
    assert scores(module, images).shape == (2, 5)
    block = module.get_submodule("part.block2")
    block.conv1 = nn.Conv2d(4, 4, 1)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    assert torch.equal(scores(module, images), torch.zeros(2, 5))
    module.part.block2 = module.part.block1  # type: ignore[union-attr]  # a part that holds others
    assert not torch.equal(scores(module, images), torch.zeros(2, 5))
    assert torch.equal(scores(copy.deepcopy(module), images), scores(module, images))


def test_a_copy_made_after_a_run_uses_its_own_submodules(module: Network) -> None:
    images = random_images(ON, count=2)
    before = scores(module, images)
    other = copy.deepcopy(module).double()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    scores(other, images.double())
    assert torch.equal(scores(module, images), before)
    other.float().load_state_dict(module.state_dict())
    assert torch.equal(scores(other, images), before)


def test_functional_calls_take_the_weights_they_are_given(module: Network) -> None:
    images = random_images(ON, count=2)
    other = build(EVERYTHING, ON, seed=1).eval()
    weights = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    with torch.no_grad():
        called: Tensor = torch.func.functional_call(module, weights, (images,))
    assert torch.equal(called, scores(other, images))
    assert not torch.equal(called, scores(module, images))


def test_channels_last_gives_the_same(module: Network) -> None:
    images = random_images(ON, count=2)
    other = copy.deepcopy(module).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    out = other(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(out, module(images))


def test_double_gives_the_same_more_precisely(module: Network) -> None:
    out = copy.deepcopy(module).double()(random_images(ON).double())
    assert out.dtype == torch.double
    torch.testing.assert_close(out.float(), module(random_images(ON)), rtol=1e-4, atol=1e-5)


def test_bfloat16_gives_about_the_same() -> None:
    """Without response normalisation, which PyTorch cannot do in bfloat16 on a CPU."""
    net = conv(6, 3) >> batchnorm >> relu >> (maxpool(2) | avgpool(2)) >> conv(2, 2, links=((0, 1), (2,)))
    module = build(net >> subsample(1) >> tanh(1.7159, 2 / 3) >> padshortcut(3) >> fc(4), ON).eval()
    images = random_images(ON, count=4)
    out = copy.deepcopy(module).bfloat16()(images.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), module(images), rtol=0.1, atol=0.1)


@settings(max_examples=40)
@given(fitting_nets())
def test_every_parameter_of_a_random_network_gets_a_gradient(drawn: tuple[Net, Volume]) -> None:
    net, volume = drawn
    assume(not normalises_one_value(net, volume))
    module = build(net, volume).train()
    loss = _loss(module(random_images(volume, count=2)))
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_weights_can_be_loaded_into_another_build() -> None:
    one, two = build(lenet5(), (32, 32, 1), seed=1), build(lenet5(), (32, 32, 1), seed=2)
    images = random_images(Volume(32, 32, 1), count=2)
    assert not torch.equal(scores(one, images), scores(two, images))
    two.load_state_dict(one.state_dict())
    assert torch.equal(scores(one, images), scores(two, images))


def test_building_draws_nothing_and_does_not_import_sympy() -> None:
    """torch's own way to leave parameters unset imports sympy, which takes long."""
    code = """
import sys, torch, hubel
state = torch.get_rng_state()
hubel.build(hubel.parse("conv(4, 3) >> batchnorm >> fc(2)"), "8x8x1")
print(torch.equal(torch.get_rng_state(), state), "sympy" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["True", "False"]
