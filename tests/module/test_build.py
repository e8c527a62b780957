"""`build`: names, outputs, side heads and memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from hubel import (
    Net,
    Volume,
    batchnorm,
    build,
    conv,
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
    tanh,
    trace,
)
from hubel.errors import NetworkError, SizeError
from hubel.module.network import Heads
from tests.module.probes import random_images, scores_of
from tests.strategies import fitting_nets

ON = Volume(8, 9, 4)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def scores(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return scores_of(module(images))


# --- names ---------------------------------------------------------------------------------------

ENTRIES = {
    "subsample": {"weight", "bias"},
    "batchnorm": {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"},
    "rbf": {"codes"},
    "layernorm": {"weight", "bias"},
    "groupnorm": {"weight", "bias"},
    "layerscale": {"weight"},
    "prelu": {"weight"},
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
        if step.layer.kind in ("conv", "convtranspose", "fc"):
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
