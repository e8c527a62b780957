"""The way back: against explicit matrices, by hand, and against the deconvnet written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from captum.attr import Deconvolution, GuidedBackprop, Saliency
from torch import Tensor, nn

from hubel import Net, Volume, build, conv, fc, lrn, maxpool, parse, relu, relu6
from hubel.errors import UsageError
from hubel.instruments.deconv import RULES, Projections, Rule, project, project_patches
from hubel.instruments.patches import cut, maps_of, top_images
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.module.network import Network
from tests.instruments.subjects import BRANCHED, Foreign, state

LINEAR = [
    "conv(4, 3)",
    "conv(4, 3, stride=2)",  # of 8 the last row and column are dropped
    "conv(4, (3, 2), stride=(2, 3), pad=(1, 0))",
    "conv(4, 3, pad=2, dilation=2)",
    'conv(4, 3, stride=2, pad="same")',  # an odd zero at the end
    "conv(4, 3, groups=2) >> conv(6, 2, groups=2)",
    "conv(3, 3, links=((0,), (0, 1), (1,)))",
    "conv(4, 3, stride=3, pad=2) >> conv(5, 2, stride=2)",
    "conv(2, 3, pad=1) + identity >> conv(3, 3)",
    "(conv(4, 3, pad=1) + conv(4, 1)) >> (conv(2, 1) | conv(3, 3, pad=1) | identity) >> conv(2, 2)",
    "conv(4, 3, pad=1) >> batchnorm >> avgpool(3, 2, pad=1, ceil=True)",
    "avgpool(3, 2) >> subsample(2) >> fc(5)",
    "conv(4, 1) >> padshortcut(6, stride=2) >> adaptiveavgpool(3, 2) >> dropout",
    "conv(4, 3) >> globalavgpool >> fc(3) >> fc(2)",
]


def randomised(network: Network) -> Network:
    """All numbers drawn, the statistics of batch normalisation included."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                drawn = torch.randn(value.shape, generator=generator)
                value.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn)
    return network


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("text", LINEAR)
def test_without_pooling_and_rectifiers_it_is_the_transposed_matrix(text: str, rule: Rule) -> None:
    network = randomised(build(parse(text), "8x8x2")).eval()
    subject = Subject.of(network)
    end = subject.steps[-1]
    impulses = torch.eye(128).reshape(128, 2, 8, 8)
    with torch.no_grad():
        forwards = (network(impulses) - network(torch.zeros(1, 2, 8, 8))).reshape(128, *shape(subject))
    image = torch.randn(1, 2, 8, 8)
    height, width, depth = end.output
    for channel, row, column in [(0, 0, 0), (depth - 1, height - 1, width - 1), (depth // 2, height // 2, 0)]:
        found = project(subject, image, Unit(end.path, channel, row, column), rule)
        expected = forwards[:, channel, row, column].reshape(2, 8, 8).numpy()
        np.testing.assert_allclose(found.signals[0], expected, rtol=1e-4, atol=1e-4)


def shape(subject: Subject) -> tuple[int, int, int]:
    output = subject.steps[-1].output
    return output.depth, output.height, output.width


def ones(net: Net, volume: str) -> Subject:
    """A network whose weights are all 1, without biases' effect."""
    network = build(net, volume)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(0 if name.endswith("bias") else 1)
    return Subject.of(network)


def test_switches_of_overlapping_windows_by_hand() -> None:
    # windows 0-2, 2-4, 4-6 of the row: the maxima are at 1, 4 and again 4
    image = torch.tensor([3.0, 9, 4, 1, 8, 2, 0]).reshape(1, 1, 1, 7)
    subject = ones(maxpool((1, 3), (1, 2)) >> conv(1, (1, 3)), "1x7x1")
    found = project(subject, image, Unit("conv1", 0, 0, 0))
    assert found.signals.ravel().tolist() == [0, 1, 0, 0, 2, 0, 0]
    assert found.scores.tolist() == [25]
    alone = project(subject, image, Unit("maxpool1", 0, 0, 2))
    assert alone.signals.ravel().tolist() == [0, 0, 0, 0, 1, 0, 0]


def test_switches_of_padded_windows_that_round_up_by_hand() -> None:
    # size 3, stride 2, pad 1, ceil on 4x4: rows -1..1, 1..3, 3..5; the last holds row 3 alone
    image = torch.tensor([[[[5.0, 1, 2, 9], [0, 3, 4, 8], [7, 6, 0, 1], [2, 2, -1, -5]]]])
    subject = ones(maxpool(3, 2, pad=1, ceil=True) >> conv(1, 3), "4x4x1")
    assert subject.step("maxpool1").output == Volume(3, 3, 1)
    expected = np.zeros((4, 4))
    # 5 9 9 | 7 8 8 | 2 2 -5; of the equal 2s of row 3 the first is at column 0, in the second window column 1
    for row, column in [(0, 0), (0, 3), (0, 3), (2, 0), (1, 3), (1, 3), (3, 0), (3, 1), (3, 3)]:
        expected[row, column] += 1
    found = project(subject, image, Unit("conv1", 0, 0, 0))
    np.testing.assert_array_equal(found.signals[0, 0], expected)
    assert found.scores.tolist() == [5 + 9 + 9 + 7 + 8 + 8 + 2 + 2 - 5]


@pytest.mark.parametrize(
    ("size", "stride", "pad", "ceil"),
    [(2, 2, 0, False), (3, 2, 0, True), (3, 2, 1, False), (3, 1, 1, False), (2, 3, 1, True)],
)
def test_switches_put_every_maximum_back_at_its_place(size: int, stride: int, pad: int, ceil: bool) -> None:
    subject = ones(maxpool(size, stride, pad=pad, ceil=ceil), "7x6x1")
    image = torch.randperm(42).float().reshape(1, 1, 7, 6)
    height, width, _ = subject.steps[-1].output
    for row in range(height):
        for column in range(width):
            found = project(subject, image, Unit("maxpool1", 0, row, column))
            assert np.count_nonzero(found.signals) == 1
            assert image.numpy()[found.signals == 1] == found.scores


def by_hand() -> Subject:
    """x to (x, -x), rectified, to -3 of the first plus 5 of the second, rectified."""
    network = build(conv(2, 1, bias=False) >> relu >> conv(1, 1, bias=False), "1x1x1")
    with torch.no_grad():
        network.get_submodule("conv1").weight.copy_(torch.tensor([1.0, -1]).reshape(2, 1, 1, 1))  # type: ignore[operator]
        network.get_submodule("conv2").weight.copy_(torch.tensor([-3.0, 5]).reshape(1, 2, 1, 1))  # type: ignore[operator]
    return Subject.of(network)


@pytest.mark.parametrize(
    ("rule", "image", "signal"),
    [
        # the signal before the rectifier is (-3, 5); what passed forwards is (2, 0), or (0, 2) of -2
        ("gradient", 2.0, -3.0),
        ("deconv", 2.0, -5.0),
        ("guided", 2.0, 0.0),
        ("gradient", -2.0, -5.0),
        ("deconv", -2.0, -5.0),
        ("guided", -2.0, -5.0),
    ],
)
def test_rectifiers_by_hand(rule: Rule, image: float, signal: float) -> None:
    found = project(by_hand(), torch.full((1, 1, 1, 1), image), Unit("conv2", 0, 0, 0), rule)
    assert found.signals.item() == signal
    assert found.scores.item() == (-6 if image > 0 else 10)


def test_a_limit_stops_what_is_guided() -> None:
    subject = ones(conv(1, 1) >> relu6, "1x3x1")
    image = torch.tensor([-1.0, 2, 7]).reshape(1, 1, 1, 3)
    for rule, expected in (("deconv", [1, 1, 1]), ("guided", [0, 1, 0]), ("gradient", [0, 1, 0])):
        path = subject.steps[-1].path
        found = [project(subject, image, Unit(path, 0, 0, at), rule).signals[0, 0, 0, at] for at in range(3)]  # type: ignore[arg-type]
        assert found == expected, rule


def test_local_response_normalisation_scales_by_its_divisor() -> None:
    subject = Subject.of(build(lrn(3, alpha=0.5, beta=0.75, k=2), "1x1x3"))
    image = torch.tensor([1.0, 2, 3]).reshape(1, 3, 1, 1)
    found = project(subject, image, Unit("lrn1", 1, 0, 0))
    expected = (2 + 0.5 * (1 + 4 + 9)) ** -0.75
    assert found.signals.ravel() == pytest.approx([0, expected, 0])
    assert found.scores.item() == pytest.approx(2 * expected)
    gradient = project(subject, image, Unit("lrn1", 1, 0, 0), "gradient").signals
    assert gradient[0, 0] < 0


def written_out(network: Network, image: Tensor, channel: int) -> Tensor:
    """The deconvnet of conv, relu, maxpool, conv, relu with unpooling and transposed convolution."""
    first, second = (network.get_submodule(name).weight for name in ("conv1", "conv2"))
    before = F.relu(F.conv2d(image, first, network.get_submodule("conv1").bias, 2, 1))  # type: ignore[arg-type]
    pooled, switches = F.max_pool2d(before, 2, return_indices=True)
    after = F.relu(F.conv2d(pooled, second, network.get_submodule("conv2").bias))  # type: ignore[arg-type]
    flat = after[0, channel].argmax()
    signal = torch.zeros_like(after)
    signal[0, channel].view(-1)[flat] = 1
    signal = F.conv_transpose2d(F.relu(signal), second)  # type: ignore[arg-type]
    signal = F.max_unpool2d(signal, switches, 2, output_size=before.shape)  # type: ignore[arg-type]
    return F.conv_transpose2d(F.relu(signal), first, stride=2, padding=1, output_padding=0)  # type: ignore[arg-type]


def test_it_is_the_deconvnet_written_out() -> None:
    net = conv(6, 3, stride=2, pad=1) >> relu >> maxpool(2) >> conv(4, 3) >> relu
    network = build(net, "17x17x3", seed=2)
    image = torch.randn(1, 3, 17, 17, generator=torch.Generator().manual_seed(0))
    for channel in range(4):
        found = project(Subject.of(network), image, Unit("relu2", channel))
        with torch.no_grad():
            expected = written_out(network, image, channel)
        np.testing.assert_allclose(found.signals, expected.numpy(), rtol=1e-5, atol=1e-6)
        assert np.abs(found.signals).max() > 0


class Twin(nn.Module):
    """The network of `TWIN` as people write it: functions, in place, one module used twice."""

    def __init__(self, way: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc1 = nn.Linear(4 * 16, 3)
        self.way = way

    def rectify(self, values: Tensor) -> Tensor:
        match self.way:
            case 0:
                return self.relu(values)  # type: ignore[no-any-return]
            case 1:
                values.relu_()
                return values
            case 2:
                return F.relu(values, inplace=True)
            case 3:
                return values.clamp(min=0)
            case 4:
                return torch.clamp_min(values, 0)
            case 5:
                return F.hardtanh(values, 0.0, 1e9, True)
            case _:
                return torch.relu(values)

    def forward(self, images: Tensor) -> Tensor:
        values = self.rectify(self.conv1(images))
        values = self.rectify(self.conv2(values) + values)
        return self.fc1(F.max_pool2d(values, 2).flatten(1))  # type: ignore[no-any-return]


TWIN = conv(4, 3, pad=1) >> relu >> parse("conv(4, 3, pad=1) + identity") >> relu >> maxpool(2) >> fc(3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", range(7))
def test_any_module_goes_back_as_the_network_it_is(way: int, rule: Rule) -> None:
    network = build(TWIN, "8x8x2", seed=4)
    module = Twin(way)
    module.load_state_dict(network.state_dict())
    before = state(module)
    images = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    unit = Unit("fc1", 2, 0, 0)
    expected, found = (
        project(subject, images, unit, rule) for subject in (Subject.of(network), Subject.of(module, "8x8x2"))
    )
    np.testing.assert_allclose(found.signals, expected.signals, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    assert np.abs(found.signals).max() > 0
    assert state(module) == before


@pytest.mark.filterwarnings("ignore:Setting backward hooks")
@pytest.mark.parametrize(
    ("rule", "peer"), [("deconv", Deconvolution), ("guided", GuidedBackprop), ("gradient", Saliency)]
)
def test_the_rules_are_captums(rule: Rule, peer: type[Any]) -> None:
    layers = (nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 5, 2), nn.ReLU())
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(5 * 2 * 2, 3)).eval()
    images = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(2))
    found = project(Subject.of(module, "8x8x2"), images, Unit("6", 2, 0, 0), rule).signals
    words = {"abs": False} if rule == "gradient" else {}
    expected = peer(module).attribute(images.requires_grad_(), target=2, **words)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-4, atol=1e-6)
    assert np.abs(found).max() > 0


def test_a_map_stands_for_its_strongest_unit() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2", seed=3))
    images = torch.randn(4, 2, 8, 8)
    found = project(subject, images, Unit("conv2", 1))
    values = subject.values(images, ["conv2"])["conv2"][:, 1]
    assert found.scores.tolist() == values.amax((1, 2)).tolist()
    for at, unit in enumerate(found.units):
        alone = project(subject, images[at : at + 1], unit)
        np.testing.assert_allclose(alone.signals[0], found.signals[at], rtol=1e-4, atol=1e-6)


def test_the_projections_of_patches_are_cut_as_they_are() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2", seed=3))
    images = torch.rand(6, 2, 8, 8)
    tops = top_images(subject, [images], ["relu1"], top=2)
    pixels = np.zeros((8, 8, 2), np.uint8)
    patches = cut(subject, tops, maps_of(tops), lambda _index: pixels, str)[Unit("relu1", 0)]
    parts = project_patches(subject, images[[patch.image for patch in patches]], patches, "gradient")
    for part, patch in zip(parts, patches, strict=True):
        whole = project(subject, images[[patch.image]], patch.unit, "gradient").signals[0]
        assert part.shape[1:] == patch.pixels.shape[:2]
        assert np.abs(part).sum() == pytest.approx(np.abs(whole).sum(), rel=1e-5)
    assert project_patches(subject, images[:0], []) == ()


def test_nothing_is_left_behind() -> None:
    for module in (build(BRANCHED, "8x8x2"), Foreign()):
        module.train()
        subject = Subject.of(module, "8x8x2")
        images = torch.randn(1, 2, 8, 8)
        before = state(module)
        path = subject.steps[-1].path if isinstance(module, Network) else "head"
        kept = images.clone()
        with torch.no_grad():
            found = project(subject, images, Unit(path, 0, 0, 0), "guided")
        assert isinstance(found, Projections)
        assert state(module) == before
        assert torch.equal(images, kept)
        leaf = torch.tensor([-1.0, 1.0], requires_grad=True)
        torch.relu(leaf).sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        assert leaf.grad.tolist() == [0, 1]


def test_it_works_within_inference_mode() -> None:
    subject = Subject.of(build(conv(2, 3) >> relu >> fc(2), "5x5x1"))
    with torch.inference_mode():
        found = project(subject, torch.randn(1, 1, 5, 5), Unit("fc1", 0, 0, 0))
    assert found.signals.any()


def test_errors() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2"))
    images = torch.zeros(2, 2, 8, 8)
    with pytest.raises(UsageError, match=r"no rule 'decnv'; did you mean deconv\?"):
        project(subject, images, Unit("conv1", 0), "decnv")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="conv1 is a layer; name one of its maps"):
        project(subject, images, Unit("conv1"))
    with pytest.raises(UsageError, match="its maps are 0 to 3, not 4"):
        project(subject, images, Unit("conv1", 4))
    with pytest.raises(UsageError, match="1 units for 2 images"):
        project(subject, images, [Unit("conv1", 0)])
    with pytest.raises(UsageError, match="of one layer"):
        project(subject, images, [Unit("conv1", 0), Unit("conv2", 0)])
