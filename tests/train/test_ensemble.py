"""An ensemble is its members, each trained as if it were alone, and the sum of their scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hubel import build, parse
from hubel.module import Heads, Network
from hubel.train.config import Config
from hubel.train.loop import RoundDone, Trainer
from hubel.train.recipe import Recipe

BODIES = {
    "one": "conv(8, 3) >> batchnorm >> relu >> globalavgpool >> fc(3)",
    "two": "conv(4, 3, bias=False) >> relu >> conv(6, 1) >> fc(3)",
}
ENSEMBLE = " + ".join(f'named("{name}", {body})' for name, body in BODIES.items())


class Noise:
    """Twenty pictures and their classes, the same every epoch."""

    def __len__(self) -> int:
        return 2

    def epoch(self, number: int, sides: object = None) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(1)
        images, labels = torch.randn(20, 2, 6, 6, generator=generator), torch.arange(20) % 3
        return zip(images.chunk(2), labels.chunk(2), strict=True)


def trained(network: Network, recipe: Recipe) -> RoundDone:
    config = Config("noise", repr(network.net), "6x6x2", recipe=recipe, precision="float32")
    events = list(Trainer.of(network, config, Noise()).run(Noise(), Noise()))
    return next(event for event in reversed(events) if isinstance(event, RoundDone))


@pytest.mark.parametrize("optimizer", ["muon", "sgd", "adamw"])
def test_members_learn_as_if_they_were_alone(optimizer: str) -> None:
    rate = {"muon": 0.1, "sgd": 0.05, "adamw": 0.01}[optimizer]
    recipe = Recipe(epochs=3, batch=10, optimizer=optimizer, lr=rate, clip=0.0, ensemble=True)
    together = build(parse(ENSEMBLE), "6x6x2")
    alone = {name: build(parse(body), "6x6x2") for name, body in BODIES.items()}
    for name, network in alone.items():
        network.load_state_dict(together.get_submodule(name).state_dict())
    whole = trained(together, recipe)
    losses = [trained(network, replace(recipe, ensemble=False)).train_loss for network in alone.values()]
    assert whole.train_loss == pytest.approx(sum(losses) / 2, rel=1e-5)
    for name, network in alone.items():
        for path, value in network.state_dict().items():
            torch.testing.assert_close(together.get_submodule(name).state_dict()[path], value)


def test_behind_a_layer_that_stays_they_learn_as_if_they_were_alone() -> None:
    recipe = Recipe(epochs=2, batch=10, clip=0.0, ensemble=True)
    together = build(parse(f'named("stem", conv(3, 1)) >> ({ENSEMBLE})'), "6x6x2")
    together.get_submodule("stem").requires_grad_(False)
    states = []
    for name, body in BODIES.items():
        alone = build(parse(f'named("stem", conv(3, 1)) >> named("{name}", {body})'), "6x6x2")
        alone.load_state_dict({path: together.state_dict()[path].clone() for path in alone.state_dict()})
        alone.get_submodule("stem").requires_grad_(False)
        trained(alone, recipe)
        states.append(alone.state_dict())
    trained(together, recipe)
    for state in states:
        for path, value in state.items():
            torch.testing.assert_close(together.state_dict()[path], value)


def test_without_it_the_sum_has_the_loss() -> None:
    network = build(parse(ENSEMBLE), "6x6x2").train()
    images = torch.randn(4, 2, 6, 6)
    assert isinstance(network(images), Tensor)
    assert list(network.losses.values()) == [1.0]
    network.apart = True
    scores, sides = network(images)
    torch.testing.assert_close(scores, sides["one.fc1"] + sides["two.fc1"])
    assert network.losses == {"one.fc1": 1.0, "two.fc1": 1.0}
    assert isinstance(network.eval()(images), Tensor)


def test_side_heads_keep_their_losses() -> None:
    network = build(parse(f'conv(2, 1) >> side("aux", fc(3), weight=0.3) >> ({ENSEMBLE})'), "6x6x2").train()
    network.apart = True
    out = network(torch.randn(4, 2, 6, 6))
    assert isinstance(out, Heads)
    assert network.losses == {"one.fc1": 1.0, "two.fc1": 1.0, "aux": 0.3}
    assert out.sides.keys() == network.losses.keys()


def test_a_network_that_adds_nothing_up_last_has_no_members() -> None:
    network = build(parse("(relu + relu) >> fc(3)"), "6x6x2").train()
    network.apart = True
    assert list(network.losses) == ["fc1"]
    assert isinstance(network(torch.randn(4, 2, 6, 6)), Tensor)
