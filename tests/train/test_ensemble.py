"""An ensemble's members take turns at the batches, each as if it were alone; their scores are added up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hubel import build, parse
from hubel.module import Heads, Network
from hubel.train.config import Config
from hubel.train.loop import RoundDone, Trainer, turns
from hubel.train.recipe import Recipe

BODIES = {
    "one": "conv(8, 3) >> batchnorm >> relu >> globalavgpool >> fc(3)",
    "two": "conv(4, 3, bias=False) >> relu >> conv(6, 1) >> fc(3)",
}
MEMBERS = {name: f'named("{name}", {body})' for name, body in BODIES.items()}
STEM = 'named("stem", conv(3, 1)) >> '
ENSEMBLE = f"{STEM} ({' + '.join(MEMBERS.values())})"


class Noise:
    """Pictures and their classes, the same every epoch, in batches of which some are left out."""

    def __init__(self, *batches: int) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, number: int, sides: object = None) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(1)
        images, labels = torch.randn(20, 2, 6, 6, generator=generator), torch.arange(20) % 3
        return iter([(images.chunk(2)[at], labels.chunk(2)[at]) for at in self.batches])


def trained(network: Network, recipe: Recipe, *batches: int) -> RoundDone:
    network.get_submodule("stem").requires_grad_(requires_grad=False)
    config = Config("noise", repr(network.net), "6x6x2", recipe=recipe, precision="float32")
    events = list(Trainer.of(network, config, Noise(*batches)).run(Noise(*batches), Noise(0, 1)))
    return next(event for event in reversed(events) if isinstance(event, RoundDone))


@pytest.mark.parametrize("optimizer", ["muon", "sgd", "adamw"])
def test_members_learn_as_if_they_were_alone(optimizer: str) -> None:
    """The first member gets the first of two batches, the second the other: alone each is given its own."""
    rate = {"muon": 0.1, "sgd": 0.05, "adamw": 0.01}[optimizer]
    recipe = Recipe(epochs=3, batch=10, optimizer=optimizer, lr=rate, schedule="steps", ensemble=True)
    together = build(parse(ENSEMBLE), "6x6x2")
    alone = {name: build(parse(STEM + member), "6x6x2") for name, member in MEMBERS.items()}
    for network in alone.values():
        network.load_state_dict({path: together.state_dict()[path].clone() for path in network.state_dict()})
    whole = trained(together, recipe, 0, 1)
    losses = [trained(network, recipe, at).train_loss for at, network in enumerate(alone.values())]
    assert whole.train_loss == pytest.approx(sum(losses) / 2, rel=1e-5)
    for network in alone.values():
        for path, value in network.state_dict().items():
            torch.testing.assert_close(together.state_dict()[path], value)


def test_turns_go_on_from_epoch_to_epoch() -> None:
    """With one batch an epoch the members take every other epoch."""
    recipe = Recipe(epochs=1, batch=10, ensemble=True)
    network = build(parse(ENSEMBLE), "6x6x2")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trained(network, recipe, 0)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in moved} == {"one"}
    trained(network, replace(recipe, epochs=2), 0)
    assert not torch.equal(network.get_parameter("two.fc1.weight"), before["two.fc1.weight"])


def test_a_member_in_turn_is_run_alone_in_training() -> None:
    network = build(parse(ENSEMBLE), "6x6x2").train()
    images = torch.randn(4, 2, 6, 6)
    recipe = Recipe(ensemble=True)
    assert turns(network, recipe) == ("one.fc1", "two.fc1")
    assert turns(network, replace(recipe, ensemble=False)) == ()
    whole, parts = network(images), []
    for turn in turns(network, recipe):
        network.turn = turn
        parts.append(network(images))
    torch.testing.assert_close(whole, parts[0] + parts[1])
    network.eval()
    torch.testing.assert_close(network(images), network(images))
    assert not torch.equal(network(images), parts[1])


def test_a_side_head_is_there_where_what_it_looks_at_is() -> None:
    net = f'conv(2, 1) >> side("aux", fc(3), weight=0.3) >> ({MEMBERS["one"]} + side("own", fc(3)) >> fc(3))'
    net = net.replace('+ side("own", fc(3)) >> fc(3)', '+ (side("own", fc(3)) >> conv(2, 1) >> fc(3))')
    network = build(parse(net), "6x6x2").train()
    assert network(torch.randn(4, 2, 6, 6)).sides.keys() == {"aux", "own"}
    for turn in turns(network, Recipe(ensemble=True)):
        network.turn = turn
        out = network(torch.randn(4, 2, 6, 6))
        assert isinstance(out, Heads)
        assert out.sides.keys() == {"aux", "own"}  # both look at the stem's maps


def test_a_network_that_adds_nothing_up_last_has_no_members() -> None:
    assert turns(build(parse("(relu + relu) >> fc(3)"), "6x6x2"), Recipe(ensemble=True)) == ()
    assert turns(build(parse("relu + relu"), "6x6x2"), Recipe(ensemble=True)) == ()
