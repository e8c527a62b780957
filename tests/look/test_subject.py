"""Looking leaves no trace, and what is seen is what flows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from hubel import Net, Volume, build, conv, dropout, fc, parse, relu, side
from hubel.errors import UsageError
from hubel.look import Subject, Unit
from tests.strategies import fitting_nets

BRANCHED = parse(
    "conv(4, 3, pad=1) >> batchnorm >> relu >> (conv(4, 1) | conv(2, 3, pad=1)) >> relu >> "
    "conv(6, 3, pad=1) + identity >> relu >> maxpool(2) >> dropout >> fc(3)"
)


class Foreign(nn.Module):
    """A hand-written module with an activation that works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(4 * 36, 3)

    def forward(self, images: Tensor) -> Tensor:
        flat = self.act(self.conv(images)).flatten(1)
        return torch.sigmoid(self.head(flat))


def state(module: nn.Module) -> list[object]:
    """All of a module and of chance that looking could leave changed."""
    return [
        [(name, part.training, len(part._forward_hooks)) for name, part in module.named_modules()],
        [(name, p.requires_grad, p.grad is None, p.tolist()) for name, p in module.named_parameters()],
        [(name, buffer.tolist()) for name, buffer in module.named_buffers()],
        torch.get_rng_state().tolist(),
    ]


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


def test_gradients_reach_the_image() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2"))
    images = torch.randn(1, 2, 8, 8, requires_grad=True)
    subject.values(images, ["concat1"])["concat1"][0, 1, 3, 3].backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_side_heads_are_no_part_of_it() -> None:
    net = conv(2, 3) >> side("aux", fc(2)) >> dropout >> fc(2)
    assert [step.path for step in Subject.of(build(net, "5x5x1")).steps] == ["conv1", "dropout1", "fc1"]


def test_errors() -> None:
    with pytest.raises(UsageError, match="say what a module of your own sees"):
        Subject.of(Foreign())
    with pytest.raises(UsageError, match=r"no layer 'cnv1'; did you mean conv1\?"):
        Subject.of(build(BRANCHED, "8x8x2")).values(torch.zeros(1, 2, 8, 8), ["cnv1"])


class Reused(nn.Module):
    """One activation after two convolutions of different depth."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 3)
        self.act = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        answers: Tensor = self.act(self.second(self.act(self.first(images))))
        return answers.flatten(1)


def test_each_call_of_a_module_is_a_place_of_its_own() -> None:
    module = Reused()
    subject = Subject.of(module, "8x8x2")
    images = torch.randn(1, 2, 8, 8)
    values = subject.values(images, ["act", "act#2"])
    first = module.first(images).relu()
    torch.testing.assert_close(values["act"], first.detach())
    torch.testing.assert_close(values["act#2"], module.second(first).relu().detach())
    assert Unit.parse("act#2[1,3,3]", subject.steps) == Unit("act#2", 1, 3, 3)
