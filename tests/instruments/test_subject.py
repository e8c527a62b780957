"""Looking leaves no trace, and what is seen is what flows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from torch import Tensor, nn

from hubel import Net, Volume, build, conv, dropout, fc, relu, side
from hubel.errors import NetworkError, UsageError
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from tests.instruments.subjects import BRANCHED, Foreign, state
from tests.module.strangers import Attention, Branches, ChannelsLast, Shuffle, UpAndDown
from tests.strategies import fitting_nets


class Reused(nn.Module):
    """One activation after two convolutions of different depth."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 3)
        self.act = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        answers: Tensor = self.act(self.second(self.act(self.first(images))))
        return answers.flatten(1)


@given(fitting_nets())
@settings(max_examples=30)
def test_values_are_what_the_network_computes(pair: tuple[Net, Volume]) -> None:
    net, volume = pair
    network = build(net, volume)
    subject = Subject.of(network)
    images = torch.randn(2, volume.depth, volume.height, volume.width)
    values = subject.values(images, [step.path for step in subject.steps])
    scores = network.eval()(images)
    torch.testing.assert_close(values[subject.steps[-1].path].reshape(scores.shape), scores)
    for step in subject.steps:
        assert values[step.path].shape == (2, step.output.depth, *step.output.plane)


@pytest.mark.parametrize("module", [build(BRANCHED, "8x8x2"), Foreign()])
def test_looking_leaves_the_module_as_it_was(module: nn.Module) -> None:
    module.train()
    next(module.parameters()).requires_grad_(False)
    images = torch.randn(3, 2, 8, 8)
    before = state(module)
    subject = Subject.of(module, "8x8x2")
    path = subject.steps[0].path
    subject.values(images, [path])
    with pytest.raises(ZeroDivisionError):
        subject.run(images, lambda _path, _value: 1 / 0, [path])  # type: ignore[arg-type, return-value]
    assert state(module) == before


def test_a_visitor_may_change_what_flows() -> None:
    network = build(conv(2, 3) >> relu >> fc(2), "5x5x1").eval()
    images = torch.randn(1, 1, 5, 5)
    scores = Subject.of(network).run(images, lambda _path, value: torch.zeros_like(value), ["relu1"])
    torch.testing.assert_close(scores, network.fc1.bias.detach()[None])  # type: ignore[union-attr, operator]


def test_a_foreign_module_is_seen_before_it_is_written_over() -> None:
    module = Foreign()
    images = torch.randn(2, 2, 8, 8)
    values = Subject.of(module, "8x8x2").values(images, ["conv", "act", "head"])
    torch.testing.assert_close(values["conv"], module.conv(images).detach())
    torch.testing.assert_close(values["act"], module.conv(images).relu().detach())
    assert values["head"].shape == (2, 3, 1, 1)
    assert (values["conv"] < 0).any()


class Viewing(nn.Module):
    """Works on the image itself, and views values as rows, which it can of such alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 3)

    def forward(self, images: Tensor) -> Tensor:
        values = F.relu_(self.conv(images.sub_(0.5)))
        return torch.sigmoid(self.head(values.view(-1, 4 * 36)))


def test_images_in_any_order_of_bytes_are_seen_and_left_as_they_were() -> None:
    module, images = Viewing(), torch.rand(3, 8, 8, 1)
    expected = module(images.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format))
    pixels = images.clone().permute(0, 3, 1, 2)  # a row of pixels after the other, colours inside
    torch.testing.assert_close(
        Subject.of(module, "8x8x1").run(pixels, lambda _path, value: value, []), expected
    )
    torch.testing.assert_close(pixels, images.permute(0, 3, 1, 2))


def test_gradients_reach_the_image() -> None:
    torch.manual_seed(0)
    subject = Subject.of(build(BRANCHED, "8x8x2"))
    images = torch.randn(1, 2, 8, 8, requires_grad=True)
    subject.values(images, ["concat1"])["concat1"][0, 1, 3, 3].backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_side_heads_are_no_part_of_it() -> None:
    net = conv(2, 3) >> side("aux", fc(2)) >> dropout >> fc(2)
    assert [step.path for step in Subject.of(build(net, "5x5x1")).steps] == ["conv1", "dropout1", "fc1"]


@pytest.mark.parametrize("kind", [Branches, UpAndDown, Attention, ChannelsLast, Shuffle, Foreign, Reused])
def test_whatever_a_module_calls_is_seen_image_by_image(kind: type[nn.Module]) -> None:
    torch.manual_seed(1)
    module = kind().eval()
    depth = 2 if kind in (Foreign, Reused) else 3
    subject = Subject.of(module, (8, 8, depth))
    paths = [step.path for step in subject.steps if subject.sees(step.path)]
    images = torch.randn(3, depth, 8, 8)
    values = subject.values(images, paths)
    assert list(values) == paths
    for at in range(3):
        alone = subject.values(images[at : at + 1], paths)
        for path in paths:
            torch.testing.assert_close(values[path][at], alone[path][0], rtol=1e-4, atol=1e-5)
            assert values[path].shape[1:] == (
                subject.step(path).output.depth,
                *subject.step(path).output.plane,
            )
    scores = module(images).detach()
    torch.testing.assert_close(values[subject.last.path].reshape(scores.shape), scores)


def test_what_a_function_in_place_makes_is_changed_for_all_who_hold_it() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            x: Tensor = self.conv(images)
            F.relu(x, inplace=True)
            x[:, 0] = 1.0
            return x

    subject = Subject.of(Held(), "2x2x1")
    paths = [step.path for step in subject.steps]
    images = torch.randn(1, 1, 2, 2)
    scores = subject.run(images, lambda _path, value: value + 5, [paths[1]])
    assert (scores[:, 0] == 1).all()
    torch.testing.assert_close(scores[:, 1], subject.values(images, [paths[1]])[paths[1]][:, 1] + 5)
    scores = subject.run(images, lambda _path, value: -value, [paths[2]])
    assert (scores[:, 0] == -1).all()


def test_a_module_that_returns_more_is_seen_by_what_it_returns_first() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head, self.unread = nn.Conv2d(1, 2, 3), nn.Linear(8, 3), nn.Linear(2, 2)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            maps = self.conv(images)
            return self.head(maps.flatten(1)), maps.mean((2, 3))

    module = Two()
    with pytest.warns(UserWarning, match='Two returns 0, 1; its scores are the first: 0; output="1"'):
        subject = Subject.of(module, "4x4x1")
    images = torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(
        subject.run(images, lambda _path, value: value, []), module(images)[0].detach()
    )
    assert subject.last.path == "head"
    assert not subject.sees("unread")
    with pytest.raises(UsageError, match="unread has no output"):
        subject.values(images, ["unread"])


def test_a_run_that_takes_another_way_is_refused() -> None:
    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.turns = nn.Conv2d(1, 2, 3), 0

        def forward(self, images: Tensor) -> Tensor:
            self.turns += 1
            maps = self.conv(images)
            seen: Tensor = maps if self.turns > 1 else maps.relu()
            return seen

    module = Fickle()
    subject = Subject.of(module, "4x4x1")
    module.turns = 1
    with pytest.raises(NetworkError, match="relu1 was not run"):
        subject.values(torch.randn(1, 1, 4, 4), ["relu1"])


def test_errors() -> None:
    with pytest.raises(UsageError, match="give the input volume of the module"):
        Subject.of(Foreign())
    with pytest.raises(UsageError, match=r"no layer 'cnv1'; did you mean conv1\?"):
        Subject.of(build(BRANCHED, "8x8x2")).values(torch.zeros(1, 2, 8, 8), ["cnv1"])


def test_each_call_of_a_module_is_a_place_of_its_own() -> None:
    module = Reused()
    subject = Subject.of(module, "8x8x2")
    images = torch.randn(1, 2, 8, 8)
    values = subject.values(images, ["act", "act#2"])
    first = module.first(images).relu()
    torch.testing.assert_close(values["act"], first.detach())
    torch.testing.assert_close(values["act#2"], module.second(first).relu().detach())
    assert Unit.parse("act#2[1,3,3]", subject.steps) == Unit("act#2", 1, 3, 3)
