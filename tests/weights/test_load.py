"""What may differ, and is reported; what may not, and is refused before a number changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch import Tensor, nn

import hubel
from hubel import batchnorm, build, conv, fc, load_weights, relu, zoo
from hubel.errors import ModelError
from hubel.module.network import Network
from tests.weights.fixtures import flat, network, seeded

State: TypeAlias = dict[str, Tensor]

NET = conv(8, 3, pad=1) >> batchnorm >> relu >> fc(5)


def small(seed: int = 0, depth: int = 3, classes: int = 5) -> Network:
    return build(conv(8, 3, pad=1) >> batchnorm >> relu >> fc(classes), (4, 4, depth), seed=seed)


def copied(module: Network) -> State:
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def resnet18() -> State:
    return seeded("torchvision resnet18")


def test_its_own_names_are_taken() -> None:
    module, source = small(), small(1)
    loaded = load_weights(module, source.state_dict())
    assert (loaded.maker, str(loaded)) == ("hubel", "9 tensors matched")
    assert equal(copied(module), copied(source))
    assert hubel.load_weights is load_weights


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module."]
)
def test_prefixes_are_taken_off(prefix: str) -> None:
    module, source = small(), small(1)
    loaded = load_weights(module, {f"{prefix}{name}": value for name, value in source.state_dict().items()})
    assert loaded.matched == 9
    assert equal(copied(module), copied(source))


@pytest.mark.parametrize("prefix", ["model.", "net.backbone.", "module.model."])
def test_any_prefix_is_found_and_said_and_what_is_beside_listed(prefix: str) -> None:
    module, source = small(), small(1)
    state = {f"{prefix}{name}": value for name, value in source.state_dict().items()}
    beside = {"criterion.weight": torch.ones(5), "train_acc.correct": torch.tensor(3)}
    loaded = load_weights(module, {**beside, **state})
    assert (loaded.matched, loaded.prefix, loaded.beside) == (9, prefix, tuple(beside))
    assert loaded.remarks == (
        f"the prefix {prefix} is taken off",
        "left out, not of the network: criterion.weight, train_acc.correct",
    )
    assert equal(copied(module), copied(source))


def test_without_a_prefix_nothing_beside_is_left_out() -> None:
    with pytest.raises(ModelError, match=r"the weights have criterion.weight of 5, for which"):
        load_weights(small(), {**small(1).state_dict(), "criterion.weight": torch.ones(5)})


def test_of_weights_and_their_moving_average_the_weights_are_taken_unless_asked() -> None:
    source, average = small(1), small(2)
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    kept = {f"ema_model.{name}": value for name, value in average.state_dict().items()}
    for ema, wanted, prefix in ((False, source, "model."), (True, average, "ema_model.")):
        for both in ({**state, **kept}, {**kept, **state}):
            module = small()
            assert load_weights(module, both, ema=ema).prefix == prefix
            assert equal(copied(module), copied(wanted))
    module = small()
    assert load_weights(module, kept).prefix == "ema_model."


def test_two_networks_alike_are_refused() -> None:
    both = {f"{of}.{name}": value for of in ("one", "two") for name, value in small(1).state_dict().items()}
    with pytest.raises(ModelError, match=r"several times, under one\., two\."):
        load_weights(small(), both)


def test_wrapped_modules_load() -> None:
    module, source = small(), small(1)
    load_weights(module, nn.DataParallel(source).state_dict())
    assert equal(copied(module), copied(source))


def test_a_prefix_of_some_names_is_part_of_them() -> None:
    state = copied(small())
    state["module.conv1.weight"] = state.pop("conv1.weight")
    with pytest.raises(ModelError, match=r"conv1.weight: the network has 8x3x3x3, the weights have no such"):
        load_weights(small(), state)


def test_a_head_of_other_classes_stays(resnet18: State) -> None:
    module = build(*zoo.at("resnet18(classes=7)", "64x64x3"))
    before = copied(module)
    loaded = load_weights(module, resnet18)
    assert str(loaded) == "head 1000 -> 7 reset, 120 tensors matched"
    assert (loaded.head, loaded.left) == ((1000, 7), ("fc.weight", "fc.bias"))
    assert torch.equal(module.get_parameter("fc.weight"), before["fc.weight"])
    assert torch.equal(module.get_parameter("conv1.weight"), resnet18["conv1.weight"])


def test_the_report_of_a_resnet50() -> None:
    module = network("resnet50_v1_5(classes=7)").to("meta")
    loaded = load_weights(module, flat("torchvision resnet50"))
    assert str(loaded) == "head 1000 -> 7 reset, 318 tensors matched"


def test_heads_at_the_side_are_reset_too() -> None:
    loaded = load_weights(network("googlenet_bn(classes=7)").to("meta"), flat("torchvision googlenet"))
    assert loaded.head == (1000, 7)
    heads = ("aux1.fc2", "aux2.fc2", "fc")
    assert set(loaded.left) == {f"{head}.{leaf}" for head in heads for leaf in ("weight", "bias")}
    assert loaded.matched == 364 - 6


def test_side_heads_may_be_missing() -> None:
    module = network("googlenet_bn").to("meta")
    loaded = load_weights(module, flat("torchvision googlenet without aux"))
    assert str(loaded) == "aux1, aux2 left as initialised, 344 tensors matched"


def test_half_a_side_head_is_refused() -> None:
    state = flat("torchvision googlenet")
    del state["aux1.fc1.bias"]
    with pytest.raises(
        ModelError, match=r"aux1.fc1.bias: the network has 1024, the weights have no such tensor"
    ):
        load_weights(network("googlenet_bn").to("meta"), state)


def test_counters_of_batches_may_be_missing(resnet18: State) -> None:
    state = {name: value for name, value in resnet18.items() if not name.endswith("num_batches_tracked")}
    module = build(*zoo.at("resnet18", "64x64x3"))
    assert load_weights(module, state).matched == 122 - 20
    assert load_weights(module, resnet18).matched == 122
    assert int(module.get_buffer("batchnorm1.num_batches_tracked")) == 7


def test_half_precision_is_read() -> None:
    module, source = small(), small(1)
    load_weights(
        module, {name: value.half() if value.dim() else value for name, value in copied(source).items()}
    )
    assert torch.allclose(module.get_parameter("fc1.weight"), source.get_parameter("fc1.weight"), atol=1e-3)
    assert module.get_parameter("fc1.weight").dtype == torch.float32


def test_grey_input_of_ones_own_colour_network() -> None:
    source = small(1)
    module = small(depth=1)
    loaded = load_weights(module, source.state_dict())
    assert str(loaded) == "conv1 summed over its colours for grey input, 9 tensors matched"
    summed = source.get_parameter("conv1.weight").sum(1, keepdim=True)
    assert torch.equal(module.get_parameter("conv1.weight"), summed)


Spoil: TypeAlias = Callable[[State], object]

SPOILT: dict[str, tuple[Spoil, str]] = {
    "missing": (
        lambda state: state.pop("batchnorm1.bias"),
        "batchnorm1.bias: the network has 8, the weights have no such tensor",
    ),
    "another shape": (
        lambda state: state.update({"conv1.weight": torch.zeros(8, 3, 5, 5)}),
        "conv1.weight: the network has 8x3x3x3, the weights have 8x3x5x5",
    ),
    "a filter less": (
        lambda state: state.update({"conv1.bias": torch.zeros(7)}),
        "conv1.bias: the network has 8, the weights have 7",
    ),
    "one more": (
        lambda state: state.update({"fc2.weight": torch.zeros(3, 5)}),
        "the weights have fc2.weight of 3x5, for which the network has no place",
    ),
    "another input of the head": (
        lambda state: state.update({"fc1.weight": torch.zeros(5, 64)}),
        "fc1.weight: the network has 5x128, the weights have 5x64",
    ),
    "not finite": (
        lambda state: state["fc1.weight"].fill_(torch.nan),
        "fc1.weight has values that are not finite",
    ),
    "infinite": (lambda state: state["fc1.bias"].fill_(torch.inf), "fc1.bias has values that are not finite"),
    "whole numbers": (
        lambda state: state.update({"fc1.bias": torch.zeros(5, dtype=torch.int8)}),
        "fc1.bias has type torch.int8, where the network has torch.float32",
    ),
    "no tensor": (lambda state: state.update(epoch=3), "'epoch' is not a tensor"),  # type: ignore[call-overload]
    "a head of two minds": (
        lambda state: state.update({"fc1.bias": torch.zeros(9)}),
        "fc1.bias: the network has 5, the weights have 9",
    ),
    "sparse": (
        lambda state: state.update({"fc1.bias": state["fc1.bias"].to_sparse()}),
        "'fc1.bias' is not a tensor of numbers",
    ),
    "meta": (
        lambda state: state.update({"fc1.bias": state["fc1.bias"].to("meta")}),
        "'fc1.bias' is not a tensor of numbers",
    ),
    "empty": (lambda state: state.clear(), "weights are a state_dict"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_does_not_fit_is_refused_and_nothing_changes(case: str) -> None:
    spoil, message = SPOILT[case]
    module = small()
    before = copied(module)
    state = copied(small(1))
    spoil(state)
    with pytest.raises(ModelError, match=re.escape(message)):
        load_weights(module, state)
    assert equal(copied(module), before)


def test_another_depth_of_colour_is_refused() -> None:
    state = copied(small(1))
    state["conv1.weight"] = torch.zeros(8, 4, 3, 3)
    with pytest.raises(ModelError, match=r"conv1.weight: the network has 8x1x3x3, the weights have 8x4x3x3"):
        load_weights(small(depth=1), state)


def test_a_deeper_network_names_the_first_that_lacks() -> None:
    with pytest.raises(
        ModelError, match=r"^layer1.2.conv1.weight: the network has 64x64x3x3, the weights have no"
    ):
        load_weights(network("resnet34").to("meta"), flat("torchvision resnet18"))
    with pytest.raises(ModelError, match=r"^the weights have layer1.2.conv1.weight of 64x64x3x3, for which"):
        load_weights(network("resnet18").to("meta"), flat("torchvision resnet34"))


def test_another_family_names_the_first_that_differs() -> None:
    with pytest.raises(ModelError, match=r"features.0.weight: .* 64x3x11x11, the weights have 64x3x3x3"):
        load_weights(network("alexnet_owt").to("meta"), flat("torchvision vgg16"))


def test_weights_of_another_network_are_told() -> None:
    state = {"stem.weight": torch.zeros(4), "stem.bias": torch.zeros(4), "body.weight": torch.zeros(4)}
    why = r"of another network: .* missing, such as conv1.weight and conv1.bias; they have stem"
    with pytest.raises(ModelError, match=why):
        load_weights(small(), state)
