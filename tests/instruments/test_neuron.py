"""The arithmetic of one unit adds up to the value the network computes, whatever the layer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hubel import Net, Volume, build, parse
from hubel.errors import NetworkError, UsageError
from hubel.instruments.arithmetic import RULES
from hubel.instruments.neuron import Neuron, neuron
from hubel.instruments.subject import Subject, bare
from hubel.instruments.unit import Unit
from hubel.net.layers import Add, Concat, Multiply
from hubel.net.names import LAYERS
from tests.module.strangers import Branches
from tests.strategies import fitting_nets


def shaken(network: nn.Module) -> nn.Module:
    """A network none of whose numbers is the neutral one it starts with: biases, running statistics."""
    made = torch.Generator().manual_seed(5)
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        if value.is_floating_point() and value.dim() == 1:
            low = 0.5 if name.endswith("running_var") else -0.5
            value.data.uniform_(low, 1.5, generator=made)
    return network


def unit_of(network: nn.Module, image: Tensor, text: str) -> Neuron:
    subject = Subject.of(network, tuple(image.shape[at] for at in (1, 2, 0)))  # type: ignore[arg-type]
    return neuron(subject, image, Unit.parse(text, subject.steps))


def assert_adds_up(found: Neuron) -> None:
    """The numbers that are shown make the value, by the simplest of arithmetic."""
    terms = [
        each.products if each.products is not None else np.where(np.isfinite(each.values), each.values, 0)
        for each in found.taken
    ]
    size = max(1.0, *(float(np.abs(each).sum()) for each in terms)) if terms else 1.0
    assert found.difference <= 1e-5 * size
    if found.parts.keys() <= {"sum", "bias"}:
        total = sum(float(each.sum()) for each in terms) + found.parts.get("bias", 0.0)
        assert total == pytest.approx(found.computed, abs=1e-5 * size)


@given(fitting_nets(), st.data())
@settings(max_examples=30)
def test_every_unit_of_any_network_adds_up(pair: tuple[Net, Volume], data: st.DataObject) -> None:
    net, volume = pair
    network = shaken(build(net, volume))
    subject = Subject.of(network)
    image = torch.randn(volume.depth, volume.height, volume.width)
    values = subject.values(image[None], [step.path for step in subject.steps])
    for step in subject.steps:
        size = step.output.depth, step.output.height, step.output.width
        place = tuple(data.draw(st.integers(0, side - 1)) for side in size)
        found = neuron(subject, image, Unit(step.path, *place))
        assert found.computed == float(values[step.path][0][place])
        assert_adds_up(found)
        for each in found.taken:  # what it says it takes is what stands there
            source = image if each.source == "input" else values[each.source][0]
            for index in np.flatnonzero(np.broadcast_to(each.inside, each.values.shape)):
                assert each.values.flat[index] == float(source[each.place(int(index))])


EVERY = {
    "conv(4, 3, pad=1)": "conv1[2,0,5]",
    "conv(6, (3, 2), stride=2, pad=(2, 1), groups=3, bias=False, dilation=(2, 3))": "conv1[4,1,2]",
    "conv(3, 3, links=((0, 2), (1,), (5, 0, 3)))": "conv1[2,4,4]",
    'conv(4, 4, stride=2, pad="same")': "conv1[1,3,3]",
    "conv(4, 3, pad=(2, 0, 1, 1), pad_mode='reflect')": "conv1[2,0,0]",
    "conv(4, 3, pad=2, pad_mode='replicate')": "conv1[2,9,9]",
    "conv(4, 3, stride=4, ceil=True)": "conv1[1,2,2]",
    "convtranspose(4, (4, 3), (2, 3), (1, 0), (1, 2), groups=2)": "convtranspose1[3,5,7]",
    "convtranspose(4, 1, 3)": "convtranspose1[1,1,1]",
    "upsample((2, 3))": "upsample1[4,7,5]",
    "upsample(3, 'bilinear')": "upsample1[4,23,5]",
    "maxpool(3, 2, pad=1, ceil=True)": "maxpool1[5,4,4]",
    "avgpool(3, 2, pad=(1, 0, 0, 1))": "avgpool1[5,0,3]",
    "avgpool(3, 2, pad=1, ceil=True)": "avgpool1[5,4,4]",
    "adaptiveavgpool(3, 5)": "adaptiveavgpool1[3,1,3]",
    "globalavgpool": "globalavgpool1[3]",
    "subsample(2)": "subsample1[1,3,2]",
    "padshortcut(9, 2)": "padshortcut1[5,3,2]",
    "relu": "relu1[0,1,1]",
    "relu6": "relu1[0,1,1]",
    "tanh(1.7159, 0.6667)": "tanh1[2,3,4]",
    "sigmoid": "sigmoid1[2,3,4]",
    "hardsigmoid": "hardsigmoid1[2,3,4]",
    "gelu": "gelu1[2,3,4]",
    "silu": "silu1[2,3,4]",
    "hardswish": "hardswish1[2,3,4]",
    "leakyrelu(0.2)": "leakyrelu1[2,3,4]",
    "prelu": "prelu1[2,3,4]",
    "prelu(True)": "prelu1[5,3,4]",
    "elu(0.5)": "elu1[2,3,4]",
    "lrn(3, 0.3)": "lrn1[0,3,4]",
    "lrn(4, 0.3)": "lrn1[3,3,4]",
    "lrn(3, 0.3, within=True)": "lrn1[3,0,7]",
    "batchnorm": "batchnorm1[4,2,2]",
    "layernorm": "layernorm1[4,2,2]",
    "groupnorm(3)": "groupnorm1[4,2,2]",
    "layerscale(0.5)": "layerscale1[4,2,2]",
    "droppath": "droppath1[4,2,2]",
    "part(2, 3)": "part1[1,2,2]",
    "shuffle(2)": "shuffle1[1,2,2]",
    "gate(globalavgpool >> conv(6, 1) >> sigmoid)": "multiply1[4,2,3]",
    "gate(conv(1, 1))": "multiply1[4,2,3]",
    "dropout": "dropout1[4,2,2]",
    "identity": "identity1[4,2,2]",
    "softmax": "softmax1[3,2,7]",
    "fc(5)": "fc1[4]",
    "rbf(3)": "rbf1[2,0,0]",
    "conv(6, 1) + identity": "add1[1,2,3]",
    "identity | conv(2, 1)": "concat1[7,2,3]",
}


@pytest.mark.parametrize(("text", "unit"), EVERY.items())
def test_every_kind_of_layer(text: str, unit: str) -> None:
    volume = "8x8x6"
    network = shaken(build(parse(text), volume))
    image = 2 * torch.randn(6, 8, 8, generator=torch.Generator().manual_seed(1))
    assert_adds_up(unit_of(network, image, unit))


def test_every_layer_has_a_rule() -> None:
    kinds = {value if isinstance(value, type) else type(value) for value in LAYERS.values()}
    assert {*kinds, Add, Concat, Multiply} == set(RULES)


def test_a_convolution_by_hand() -> None:
    network = build(parse("conv(2, 2, stride=2, pad=1)"), "3x3x1")
    network.conv1.weight.data[1] = torch.tensor([[[1.0, 2], [3, 4]]])  # type: ignore[union-attr, operator]
    network.conv1.bias.data[1] = 0.5  # type: ignore[union-attr, operator]
    image = torch.arange(1.0, 10).view(1, 3, 3)
    found = unit_of(network, image, "conv1[1,0,1]")
    (taken,) = found.taken
    assert (taken.source, taken.maps.tolist()) == ("input", [0])
    assert (taken.rows.tolist(), taken.columns.tolist()) == ([-1, 0], [1, 2])
    assert taken.inside.tolist() == [[False, False], [True, True]]
    assert taken.values.tolist() == [[[0, 0], [2, 3]]]
    assert taken.products is not None
    assert taken.products.tolist() == [[[0, 0], [6, 12]]]
    assert found.parts == {"sum": 18.0, "bias": 0.5}
    assert found.value == found.computed == 18.5
    assert (found.box.top, found.box.left, found.box.bottom, found.box.right) == (0, 1, 0, 2)


@pytest.mark.parametrize("channel", [0, 1, 2, 3])
def test_a_map_of_a_branch_looks_at_what_its_branch_sees(channel: int) -> None:
    """By the gradient of the image, which is nothing where the unit does not look."""
    network = build(parse("(conv(2, 1) | conv(2, 3, pad=1)) >> tanh >> maxpool(2)"), "8x8x1", seed=2)
    image = torch.randn(1, 8, 8, requires_grad=True)
    window = network(image[None])[0, channel, 2, 1]
    whole = torch.autograd.grad(window, image)[0][0] != 0
    found = unit_of(network, image.detach(), f"maxpool1[{channel},2,1]").box
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[found.top : found.bottom + 1, found.left : found.right + 1] = True
    assert not (whole & ~inside).any()
    assert found.size == ((2, 2) if channel < 2 else (4, 4))


def test_where_joins_take_their_values_from() -> None:
    image = torch.randn(2, 4, 4)
    network = build(parse("identity | conv(3, 1)"), "4x4x2")
    (taken,) = unit_of(network, image, "concat1[3,1,2]").taken
    assert (taken.source, taken.place(0)) == ("conv1", (1, 1, 2))
    network = build(parse("conv(2, 1) + identity"), "4x4x2")
    found = unit_of(network, image, "add1[1,3,0]")
    assert [(each.source, each.place(0)) for each in found.taken] == [
        ("conv1", (1, 3, 0)),
        ("identity1", (1, 3, 0)),
    ]
    assert unit_of(build(parse("padshortcut(4)"), "4x4x2"), image, "padshortcut1[3,0,0]").taken == ()


class Foreign(nn.Module):
    """A hand-written module: activations in place and used twice, pooling of other conventions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4, affine=False)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(3, 2, padding=1, divisor_override=7)
        self.head = nn.Linear(4 * 16, 3)

    def forward(self, images: Tensor) -> Tensor:
        flat = self.pool(self.act(self.norm(self.conv(images)))).flatten(1)
        return F.selu(self.act(self.head(flat)))


@pytest.mark.parametrize(
    "unit", ["conv[3,7,0]", "norm[2,4,4]", "act[2,4,4]", "pool[1,0,3]", "head[2,0,0]", "head[1]"]
)
def test_a_module_of_ones_own(unit: str) -> None:
    module = shaken(Foreign()).eval()
    image = torch.randn(2, 8, 8)
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()]
    found = unit_of(module, image, unit)
    assert_adds_up(found)
    if unit == "act[2,4,4]":
        before = module.norm(module.conv(image[None]))[0, 2, 4, 4]  # type: ignore[operator]
        assert found.parts["input"] == pytest.approx(float(before.detach()))
    assert [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()] == hooks


def test_functions_parts_used_again_and_joins_of_a_module_add_up() -> None:
    torch.manual_seed(0)
    module = Branches().eval()
    nn.init.normal_(module.bn.running_mean)  # type: ignore[arg-type]
    subject = Subject.of(module, "12x12x3")
    image = torch.randn(3, 12, 12)
    kinds = set()
    for step in subject.steps:
        if type(bare(step.layer)) not in RULES:
            continue
        height, width, depth = step.output
        found = neuron(subject, image, Unit(step.path, depth - 1, height // 2, width // 2))
        assert found.difference <= 1e-5 * max(1.0, abs(found.value)), step.path
        kinds.add(step.layer.kind)
    assert {"conv", "batchnorm", "relu", "add", "concat", "maxpool", "adaptiveavgpool", "fc"} <= kinds
    again = neuron(subject, image, Unit("body.0#2", 3, 2, 2))  # a convolution's second use
    assert again.taken[0].source == "body.1"


def test_what_is_refused() -> None:
    image = torch.randn(2, 8, 8)
    network = build(parse("conv(3, 3) >> relu >> fc(2)"), "8x8x2")
    with pytest.raises(UsageError, match=r"conv1\[2\] is 6x6x3, not one unit; write conv1\[map,row,column\]"):
        unit_of(network, image, "conv1[2]")
    with pytest.raises(UsageError, match="fc1 is 1x1x2, not one unit"):
        unit_of(network, image, "fc1")
    with pytest.raises(UsageError, match="its maps are 0 to 2, not 3"):
        neuron(Subject.of(network), image, Unit("conv1", 3, 0, 0))
    with pytest.raises(NetworkError, match="selu1 is selu, whose arithmetic is not known"):
        unit_of(Foreign(), image, "selu1[0]")
    with pytest.raises(NetworkError, match="has no running statistics"):
        unit_of(nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)), image, "0[0,1,1]")


def test_what_a_module_does_of_its_own_is_not_explained_away() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    module[0].register_forward_hook(lambda _part, _inputs, out: 1.5 * out)
    image = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    row, column = divmod(int(module(image[None])[0, 0].argmax()), 6)
    with pytest.raises(NetworkError, match="or a hook on one before it, computes something of its own"):
        unit_of(module, image, f"1[0,{row},{column}]")


def test_values_that_are_no_numbers_are_said_as_they_are() -> None:
    network = build(parse("relu >> fc(1)"), "1x1x1")
    assert math.isnan(unit_of(network, torch.full((1, 1, 1), math.nan), "fc1[0]").value)
