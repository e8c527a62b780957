"""`build`: names, training and inference, and what PyTorch does with a module."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import weakref
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
    trace,
)
from hubel.errors import NetworkError, SizeError
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


# --- names ---------------------------------------------------------------------------------------

ENTRIES = {
    "subsample": {"weight", "bias"},
    "batchnorm": {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"},
    "rbf": {"codes"},
}


@settings(max_examples=60)
@given(fitting_nets())
def test_submodules_and_state_dict_keys_are_the_traced_paths(drawn: tuple[Net, Volume]) -> None:
    net, volume = drawn
    module = build(net, volume)
    steps = [step for step in trace(net, volume) if step.layer.kind != "sidehead"]
    leaves = [name for name, part in module.named_modules() if name and not any(part.children())]
    assert sorted(leaves) == sorted(step.path for step in steps)
    expected = set()
    for step in steps:
        entries = ENTRIES.get(step.layer.kind, set())
        if step.layer.kind in ("conv", "fc"):
            entries = {"weight", "bias"} if getattr(step.layer, "bias", False) else {"weight"}
        expected |= {f"{step.path}.{entry}" for entry in entries}
    assert set(module.state_dict()) == expected


def test_names_of_a_network_one_can_read() -> None:
    net = (
        named("stem", conv(4, 3) >> relu) >> 2 * named("block", conv(4, 1) + identity) >> named("top", fc(2))
    )
    assert list(build(net, (5, 5, 1)).state_dict()) == [
        f"{path}.{entry}"
        for path in ("stem.conv1", "block1.conv1", "block2.conv1", "top")
        for entry in ("weight", "bias")
    ]


def test_links_are_not_in_the_state_dict() -> None:
    module = build(conv(2, 3, links=((0, 1), (2,))), ON)
    assert {key: value.shape for key, value in module.state_dict().items()} == {
        "conv1.weight": (3, 3, 3),
        "conv1.bias": (2,),
    }


def test_names_beyond_ascii() -> None:
    module = build(named("größe", conv(2, 1)) >> named("слой", relu >> fc(3)), ON)
    assert list(module.state_dict()) == ["größe.weight", "größe.bias", "слой.fc1.weight", "слой.fc1.bias"]


@pytest.mark.parametrize(
    "name",
    [
        "forward",
        "training",
        "type",
        "net",
        "steps",
        "volume",
        "side_weights",
        "_modules",
        "_in_training",
        "_end",
    ],
)
def test_a_name_that_every_module_has_is_refused(name: str) -> None:
    for net in (named(name, relu), named(name, relu >> relu), relu >> named(name, conv(2, 1))):
        with pytest.raises(NetworkError, match=f"{name}.*choose another name"):
            build(net, ON)


@pytest.mark.parametrize("name", ["forward", "training"])
def test_a_name_that_every_module_has_is_refused_within_a_part(name: str) -> None:
    with pytest.raises(NetworkError, match=f"^part.{name}: .*choose another name"):
        build(named("part", relu >> named(name, relu)), ON)


def test_a_network_that_does_not_fit_is_a_size_error() -> None:
    with pytest.raises(SizeError, match="conv1 does not fit 8x9x4"):
        build(conv(3, 11), ON)


# --- what comes out ------------------------------------------------------------------------------


def test_a_1x1_output_is_plain_scores_and_a_larger_one_stays() -> None:
    images = random_images(ON, count=3)
    assert scores(build(fc(5), ON), images).shape == (3, 5)
    assert scores(build(globalavgpool, ON), images).shape == (3, 4)
    assert scores(build(conv(5, (8, 9)), ON), images).shape == (3, 5)
    assert scores(build(conv(5, (8, 8)), ON), images).shape == (3, 5, 1, 2)
    assert scores(build(conv(5, 3, pad=1), ON), images).shape == (3, 5, 8, 9)


def test_any_layer_may_follow_a_classifier() -> None:
    net = fc(6) >> conv(5, 1) >> batchnorm >> lrn >> maxpool(1) >> padshortcut(7) >> rbf(4) >> fc(3)
    assert scores(build(net, ON).eval(), random_images(ON, count=2)).shape == (2, 3)


def test_volumes_in_every_form() -> None:
    for volume in (ON, (8, 9, 4), [8, 9, 4], "8x9x4"):
        assert build(relu, volume).volume == ON


def test_fully_convolutional_networks_take_other_sizes() -> None:
    net = conv(4, 3, pad=1) >> maxpool(2) >> (conv(4, 3, pad=1) + identity)
    assert scores(build(net, ON), random_images(Volume(21, 16, 4))).shape == (1, 4, 10, 8)
    pooled = build(net >> globalavgpool >> fc(3), ON)
    assert scores(pooled, random_images(Volume(21, 16, 4), count=2)).shape == (2, 3)


def test_scores_leave_out_a_final_softmax_and_nothing_else() -> None:
    net = conv(6, 3) >> softmax >> fc(5) >> softmax
    images = random_images(ON, count=2)
    whole, bare = build(net, ON), build(net, ON, scores=True)
    assert list(whole.state_dict()) == list(bare.state_dict())
    assert {step.path for step in whole.steps} - {step.path for step in bare.steps} == {"softmax2"}
    torch.testing.assert_close(scores(whole, images), scores(bare, images).softmax(1))
    without = conv(6, 3) >> fc(5)
    assert build(without, ON, scores=True).steps == build(without, ON).steps


def test_scores_leave_out_the_softmax_of_a_side_head_too() -> None:
    net = conv(6, 3) >> side("aux", fc(3) >> softmax) >> fc(5) >> softmax
    images = random_images(ON, count=2)
    whole, bare = build(net, ON)(images), build(net, ON, scores=True)(images)
    torch.testing.assert_close(whole.scores, bare.scores.softmax(1))
    torch.testing.assert_close(whole.sides["aux"], bare.sides["aux"].softmax(1))
    assert not torch.allclose(whole.sides["aux"], bare.sides["aux"])


def test_a_network_that_is_one_softmax_has_its_input_as_scores() -> None:
    images = random_images(ON)
    assert torch.equal(scores(build(softmax, ON, scores=True), images), images)


# --- side heads ----------------------------------------------------------------------------------


def test_side_heads_return_in_training_only() -> None:
    net = (
        conv(4, 3)
        >> side("low", globalavgpool >> fc(3), weight=0.3)
        >> named("part", relu >> side("high", fc(2)))
        >> fc(5)
    )
    module = build(net, ON)
    assert module.side_weights == {"low": 0.3, "part.high": 1.0}
    out = module.train()(random_images(ON, count=2))
    assert isinstance(out, Heads)
    assert out.scores.shape == (2, 5)
    assert {path: side.shape for path, side in out.sides.items()} == {"low": (2, 3), "part.high": (2, 2)}
    assert module.eval()(random_images(ON, count=2)).shape == (2, 5)
    assert build(fc(3), ON).train()(random_images(ON)).shape == (1, 3)


def test_a_side_head_does_not_change_what_passes_and_is_not_run_at_inference() -> None:
    images = random_images(ON, count=2)
    bare = build(conv(4, 3) >> relu >> fc(5), ON)
    module = build(conv(4, 3) >> side("aux", fc(3)) >> relu >> fc(5), ON)
    bare.load_state_dict({key: value for key, value in module.state_dict().items() if "aux" not in key})
    assert torch.equal(module.train()(images).scores, bare(images))
    runs: list[str] = []
    module.get_submodule("aux.fc1").register_forward_hook(lambda *_: runs.append("aux"))
    assert torch.equal(module.eval()(images), bare(images))
    assert runs == []


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (conv(2, 1) >> side("aux", fc(3)), (1, 2, 8, 9)),
        (side("aux", fc(3)), (1, 4, 8, 9)),
        (side("aux", fc(3)) >> fc(2), (1, 2)),
        ((conv(2, 1) >> side("aux", fc(3))) | relu, (1, 6, 8, 9)),
        (fc(2) >> side("outer", fc(4) >> side("inner", fc(5)) >> fc(3)), (1, 2)),
    ],
    ids=repr,
)
def test_a_side_head_may_be_anywhere(net: Net, shape: tuple[int, ...]) -> None:
    module = build(net, ON)
    out = module.train()(random_images(ON))
    assert isinstance(out, Heads)
    assert out.scores.shape == shape
    assert set(out.sides) == set(module.side_weights)
    assert module.eval()(random_images(ON)).shape == shape


def test_the_gradient_of_both_losses_reaches_the_trunk() -> None:
    module = build(named("trunk", conv(4, 3)) >> side("aux", fc(3)) >> named("top", fc(2)), ON).train()
    images = random_images(ON)
    module(images).sides["aux"].sum().backward()
    assert module.get_parameter("trunk.weight").grad is not None
    assert module.get_parameter("top.weight").grad is None


# --- memory --------------------------------------------------------------------------------------

LIVE: list[Net] = [
    conv(4, 1) >> relu >> conv(4, 1) >> sigmoid >> fc(3),
    conv(4, 1) >> (relu >> conv(4, 1) + sigmoid + tanh) >> relu >> fc(2),
    (conv(2, 1) >> relu | conv(3, 1) >> relu >> relu) >> maxpool(2) >> relu,
    3 * (conv(4, 1) >> relu + gelu),
    conv(4, 1) >> side("aux", relu >> fc(3)) >> relu >> relu,
]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("net", LIVE, ids=repr)
def test_values_are_released_after_their_last_reader(net: Net, train: bool) -> None:
    """While a layer runs, only values that it or a later layer reads are alive."""
    module = build(net, ON).train(train)
    steps = [step for step in module.steps if train or not step.side]
    order = [step.path for step in steps]
    alive: dict[str, weakref.ref[Tensor]] = {}
    seen: list[tuple[set[str], set[str]]] = []

    def before(at: int) -> Callable[[nn.Module, object], None]:
        due = {source for step in steps[at:] for source in step.sources} & set(order[:at])

        def check(_part: nn.Module, _inputs: object) -> None:
            seen.append(({path for path, value in alive.items() if value() is not None}, due))

        return check

    def after(path: str) -> Callable[[nn.Module, object, Tensor], None]:
        def note(_part: nn.Module, _inputs: object, out: Tensor) -> None:
            alive[path] = weakref.ref(out)

        return note

    for at, step in enumerate(steps):
        if step.layer.kind != "sidehead":
            part = module.get_submodule(step.path)
            part.register_forward_pre_hook(before(at))
            part.register_forward_hook(after(step.path))
    scores(module, random_images(ON))
    assert len(seen) == len(alive)
    for living, due in seen:
        assert living == due


# --- what PyTorch does with a module -------------------------------------------------------------


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
