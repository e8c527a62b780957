"""Initialisation: the papers' rules by their statistics."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hubel import Net, Volume, batchnorm, build, conv, fc, named, relu, subsample
from hubel.errors import UsageError
from hubel.module.initialise import RULES, initialise
from hubel.module.network import Network
from hubel.zoo.pages.alexnet import alexnet, alexnet_2012_code, alexnet_2012_six
from hubel.zoo.pages.lenet import lenet5, lenet5_1998

NET = (
    named("plain", conv(128, 5))
    >> relu
    >> named("grouped", conv(256, 3, groups=4))
    >> named("tall", conv(64, (7, 1), stride=2))
    >> named("full", fc(400))
)
ON = Volume(18, 18, 40)
FANS = {
    # inputs one output sees, outputs one input reaches at stride 1; by hand
    "plain": (40 * 25, 128 * 25),
    "grouped": (32 * 9, 64 * 9),
    "tall": (256 * 7, 64 * 7),
    "full": (3 * 6 * 64, 400),
}


def weights(module: Network) -> dict[str, Tensor]:
    return {path: module.get_parameter(f"{path}.weight").detach() for path in FANS}


def is_normal(weight: Tensor, std: float) -> None:
    """Mean, deviation and the share beyond one and two deviations, within five standard errors."""
    error = 5 / math.sqrt(weight.numel())
    scaled = weight.double() / std
    assert float(scaled.mean()) == pytest.approx(0, abs=error)
    assert float(scaled.std()) == pytest.approx(1, abs=error / math.sqrt(2))
    assert float((scaled.abs() > 1).double().mean()) == pytest.approx(0.3173, abs=error / 2)
    assert float((scaled.abs() > 2).double().mean()) == pytest.approx(0.0455, abs=error / 4)


def is_uniform(weight: Tensor, bound: float) -> None:
    """Nothing outside, the bound nearly reached, mean 0 and variance bound²/3."""
    assert float(weight.abs().max()) <= bound * (1 + 1e-6)
    assert float(weight.abs().max()) > 0.995 * bound
    scaled = weight.double() / bound
    error = 5 / math.sqrt(weight.numel())
    assert float(scaled.mean()) == pytest.approx(0, abs=error / math.sqrt(3))
    assert float(scaled.square().mean()) == pytest.approx(1 / 3, abs=error * math.sqrt(4 / 45))


def test_the_fans_are_those_of_the_built_module() -> None:
    shapes = {path: tuple(weight.shape) for path, weight in weights(build(NET, ON)).items()}
    assert {path: math.prod(shape[1:]) for path, shape in shapes.items()} == {
        path: fan_in for path, (fan_in, _) in FANS.items()
    }


@pytest.mark.parametrize("path", FANS)
def test_he(path: str) -> None:
    is_normal(weights(build(NET, ON))[path], math.sqrt(2 / FANS[path][0]))


@pytest.mark.parametrize("path", FANS)
def test_glorot(path: str) -> None:
    is_uniform(weights(build(NET, ON, init="glorot"))[path], math.sqrt(6 / sum(FANS[path])))


@pytest.mark.parametrize("path", FANS)
def test_lecun(path: str) -> None:
    is_uniform(weights(build(NET, ON, init="lecun"))[path], 2.4 / FANS[path][0])


@pytest.mark.parametrize(("rule", "std"), [("gaussian", 0.01), ("alexnet", 0.01), ("vgg", 0.1)])
@pytest.mark.parametrize("path", FANS)
def test_gaussians(path: str, rule: str, std: float) -> None:
    is_normal(weights(build(NET, ON, init=rule))[path], std)


def test_he_is_the_default_and_pytorchs_own_agrees() -> None:
    """The same fan as `torch.nn.init.kaiming_normal_`: equal deviations."""
    for weight in weights(build(NET, ON)).values():
        other = torch.nn.init.kaiming_normal_(
            torch.empty_like(weight), generator=torch.Generator().manual_seed(9)
        )
        assert float(weight.std()) == pytest.approx(float(other.std()), rel=0.03)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_sets_every_number(rule: str) -> None:
    """Everything is NaN before, so that a number which is not set shows."""
    net: Net = conv(8, 3) >> batchnorm >> subsample >> conv(4, 2, links=((0, 1), (2,), (3,), (4, 5, 6, 7)))
    module = build(net >> fc(3), Volume(12, 12, 2))
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.fill_(math.nan)
    initialise(module, rule)
    for name, tensor in module.state_dict().items():
        assert bool(tensor.isfinite().all()), name


def test_links_are_drawn_by_the_maps_each_filter_sees() -> None:
    """400 filters of one map and 400 of all sixteen: the deviations differ by the root of sixteen."""
    every = tuple(range(16))
    links = ((0,),) * 400 + (every,) * 400
    weight = build(conv(800, 5, links=links), (7, 7, 16)).get_parameter("conv1.weight").detach()
    is_normal(weight[:400], math.sqrt(2 / 25))
    is_normal(weight[400:], math.sqrt(2 / (16 * 25)))


def test_lenets_c3_is_drawn_within_its_bounds() -> None:
    """LeCun et al. 1998, appendix A; table I: six filters see 3 maps, nine 4 and one all 6."""
    weight = build(lenet5_1998(), (32, 32, 1), init="lecun").get_parameter("C3.weight").detach()
    for first, last, maps in [(0, 18, 3), (18, 54, 4), (54, 60, 6)]:
        largest = float(weight[first:last].abs().max())
        assert 0.9 * 2.4 / (maps * 25) < largest <= 2.4 / (maps * 25)


def biases(module: Network) -> dict[str, set[float]]:
    return {
        name.removesuffix(".bias"): set(values.tolist())
        for name, values in module.named_parameters()
        if name.endswith(".bias")
    }


def test_alexnets_biases() -> None:
    """Krizhevsky et al. 2012, section 5: 1 in conv 2, 4, 5 and the hidden fully connected layers, else 0."""
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    found = biases(build(_narrow_alexnet(), Volume(67, 67, 3), init="alexnet"))
    assert found == {path: {1.0} if path in ones else {0.0} for path in [*ones, "conv1", "conv3", "fc8"]}


def _narrow_alexnet() -> Net:
    """AlexNet's layers and names with few units, so that it is built at once."""
    convs = {
        "conv1": (11, 4, 0),
        "conv2": (5, 1, 2),
        "conv3": (3, 1, 1),
        "conv4": (3, 1, 1),
        "conv5": (3, 1, 1),
    }
    net: Net = relu
    for name, (size, stride, pad) in convs.items():
        net = net >> named(name, conv(4, size, stride=stride, pad=pad)) >> relu
    return net >> named("fc6", fc(8)) >> relu >> named("fc7", fc(8)) >> relu >> named("fc8", fc(3))


def test_the_small_alexnet_has_alexnets_layers() -> None:
    from hubel import trace

    def layers(net: Net, side: int) -> list[str]:
        return [step.path for step in trace(net, (side, side, 3)) if step.layer.params(step.inputs[0])]

    assert layers(_narrow_alexnet(), 67) == layers(alexnet(), 227)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in ("alexnet", "alexnet_code")])
def test_other_rules_start_biases_at_0(rule: str) -> None:
    assert set(map(tuple, biases(build(lenet5(), (32, 32, 1), init=rule)).values())) == {(0.0,)}


def test_alexnets_code_of_2012_starts_as_its_layer_file_says() -> None:
    """layers-145.cfg: initW 0.01, and 0.03 in conv3 to conv5; initB 1 in conv2, conv4, conv5, fc6 and fc7."""
    module = build(alexnet_2012_code(), (224, 224, 3), init="alexnet_code")
    state = {name: value for name, value in module.state_dict().items() if not name.startswith("tower2")}
    stds = {
        name.partition(".weight")[0]: float(value.std()) for name, value in state.items() if "weight" in name
    }
    wanted = {"tower1.conv1": 0.01, "tower1.conv2": 0.01, "conv3": 0.03, "conv4": 0.03, "conv5": 0.03}
    assert stds == pytest.approx(wanted | dict.fromkeys(("fc6", "fc7", "fc8"), 0.01), rel=0.02)
    ones = {
        name.partition(".bias")[0] for name, value in state.items() if "bias" in name and (value == 1).all()
    }
    assert ones == {"tower1.conv2", "conv4", "conv5", "fc6", "fc7"}


def test_the_sixth_convolution_starts_as_its_layer_file_says() -> None:
    """layers-146-2012-2011.cfg: initW 0.03 and initB 1 in conv6; the others as in layers-145.cfg."""
    module = build(alexnet_2012_six(), (224, 224, 3), init="alexnet_code")
    assert float(module.get_parameter("conv6.weight").detach().std()) == pytest.approx(0.03, rel=0.02)
    ones = {name for name, found in biases(module).items() if found == {1.0}}
    assert ones == {"tower1.conv2", "tower2.conv2", "conv4", "conv5", "conv6", "fc6", "fc7"}


def test_batch_norm_starts_as_the_identity() -> None:
    module = build(batchnorm(eps=0.0), (6, 6, 3)).eval()
    images = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(module(images), images)
    with torch.no_grad():
        for value in module.state_dict().values():
            value.fill_(3)
    initialise(module)
    assert torch.equal(module(images), images)


def test_subsampling_starts_as_the_mean() -> None:
    images = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    out = build(subsample((2, 3)), (6, 6, 3))(images)
    torch.testing.assert_close(out, torch.nn.functional.avg_pool2d(images, (2, 3)))


# --- seeds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_the_seed_decides_and_the_global_random_state_is_unchanged(rule: str) -> None:
    state = torch.random.get_rng_state()
    one = build(lenet5_1998(), (32, 32, 1), init=rule, seed=5)
    torch.rand(3)
    other_state = torch.random.get_rng_state()
    two = build(lenet5_1998(), (32, 32, 1), init=rule, seed=5)
    three = build(lenet5_1998(), (32, 32, 1), init=rule, seed=6)
    assert torch.equal(torch.random.get_rng_state(), other_state)
    torch.random.set_rng_state(state)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name
    for name in ("C1", "C3", "C5", "F6"):
        assert not torch.equal(one.get_parameter(f"{name}.weight"), three.get_parameter(f"{name}.weight"))


def test_building_leaves_the_global_random_state_unchanged() -> None:
    state = torch.random.get_rng_state()
    build(conv(4, 3) >> batchnorm >> fc(3), (8, 8, 3))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_equal_layers_get_different_weights() -> None:
    module = build(2 * named("part", conv(16, 3, pad=1)), (4, 4, 16))
    assert not torch.equal(module.get_parameter("part1.weight"), module.get_parameter("part2.weight"))


def test_initialising_again_equals_building_again() -> None:
    module = build(lenet5(), (32, 32, 1), seed=1)
    initialise(module, "glorot", seed=3)
    other = build(lenet5(), (32, 32, 1), init="glorot", seed=3)
    for one, two in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
        assert one.requires_grad


def test_an_unknown_rule_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no initialisation 'glorott'; did you mean glorot") as caught:
        build(fc(3), (2, 2, 1), init="glorott")
    assert all(rule in str(caught.value) for rule in RULES)
    with pytest.raises(UsageError, match="no initialisation 'zzz'; choose he"):
        initialise(torch.nn.Linear(2, 2), "zzz")
