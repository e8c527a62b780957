"""The loop against hand computation and PyTorch's own parts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from hubel import build, parse
from hubel.data.feed.batches import Made
from hubel.errors import TrainingError, UsageError
from hubel.evaluation.metrics import Evaluation, evaluate
from hubel.training.events import BatchDone, RoundDone, Warned
from hubel.training.round import Round
from hubel.training.settings.recipe import Recipe
from hubel.training.step.loss import class_weights
from tests.training.small import batches, config, trainer

NET_WITH_SIDE = 'conv(4, 3) >> relu >> side("aux", fc(2), weight=0.3) >> fc(2)'


def test_it_learns_and_says_so() -> None:
    asked = config()
    events = list(trainer(asked).run(*batches(asked)))
    epochs = [event for event in events if isinstance(event, RoundDone)]
    steps = [event for event in events if isinstance(event, BatchDone)]
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert [(event.epoch, event.batch, event.batches) for event in steps[:5]] == [
        (1, 1, 4),
        (1, 2, 4),
        (1, 3, 4),
        (1, 4, 4),
        (2, 1, 4),
    ]
    assert epochs[-1].val.top1 > 0.95
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert epochs[0].best
    bests = [event.val.top1 for event in epochs if event.best]
    assert bests == sorted(bests)


def test_of_equal_accuracies_the_lower_loss_is_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five validations, of two images each: the scores of the first apart by 1, 3, 2, 3, then it is wrong."""
    scores = [1.0, 3.0, 2.0, 3.0, -1.0]
    found = iter(
        [Evaluation(torch.tensor([[each, 0.0], [0.0, 9.0]]), torch.tensor([0, 1])) for each in scores]
    )
    monkeypatch.setattr("hubel.training.trainer.evaluate_together", lambda *_: next(found))
    asked = config(epochs=5)
    events = [event for event in trainer(asked).run(*batches(asked)) if isinstance(event, RoundDone)]
    assert [event.val.top1 for event in events] == [1, 1, 1, 1, 0.5]
    assert [event.best for event in events] == [True, True, False, False, False]


def test_the_best_is_known_to_a_checkpoint_and_to_one_of_before() -> None:
    ours = trainer(config())
    assert ours.improves(0.5, 0.2)
    again, older = trainer(config()), trainer(config())
    again.set_counters(ours.counters())
    assert (again.improves(0.5, 0.2), again.improves(0.5, 0.1), again.improves(0.4, 0.0)) == (
        False,
        True,
        False,
    )
    older.set_counters({name: value for name, value in ours.counters().items() if name != "best_loss"})
    assert (older.improves(0.5, 0.1), older.improves(0.6, 0.3)) == (False, True)


def test_the_first_step_is_sgd_on_the_smoothed_cross_entropy() -> None:
    """One step by hand with autograd: clipped gradient, Nesterov momentum, decay on the weights only."""
    asked = config("fc(2)", label_smoothing=0.2, weight_decay=0.1, clip=0.01)
    ours = trainer(asked)
    weight, bias = (p.detach().clone().requires_grad_() for p in ours.network.parameters())
    train, val = batches(asked)
    run = ours.run(train, val)
    next(run)
    images, labels = next(train.epoch(0))
    loss = F.cross_entropy(images.flatten(1) @ weight.T + bias, labels, label_smoothing=0.2)
    loss.backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert bias.grad is not None
    norm = math.sqrt(weight.grad.square().sum() + bias.grad.square().sum())
    share, rate = min(1, 0.01 / norm), asked.recipe.lr * asked.recipe.rate(0)
    moved = {
        "weight": weight - rate * 1.9 * (share * weight.grad + 0.1 * weight),
        "bias": bias - rate * 1.9 * share * bias.grad,
    }
    for name, parameter in ours.network.named_parameters():
        torch.testing.assert_close(parameter.detach(), moved[name.split(".")[-1]].detach())


def test_a_side_head_adds_its_weighted_loss() -> None:
    asked = config(NET_WITH_SIDE, label_smoothing=0.0)
    ours = trainer(asked)
    train, val = batches(asked)
    images, labels = next(train.epoch(0))
    ours.network.train()
    heads = ours.network(images)
    expected = F.cross_entropy(heads.scores, labels) + 0.3 * F.cross_entropy(heads.sides["aux"], labels)
    first = next(ours.run(train, val))
    assert isinstance(first, BatchDone)
    assert first.loss == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "progress", "share"),
    [
        ("cycle", 0.125, 0.5),
        ("cycle", 0.25, 1.0),
        ("cycle", 0.625, 0.5),
        ("cycle", 1.0, 0.0),
        ("cycle", 0.0, 0.01),
        ("triangle", 0.125, 0.5),
        ("triangle", 0.625, 0.5),
        ("triangle", 1.0, 0.0),
        ("steps", 0.49, 1.0),
        ("steps", 0.5, 0.1),
        ("steps", 0.99, 0.01),
        ("decay", 0.25, 1.0),  # epoch 7 of 30
        ("decay", 0.9, 0.96**3),  # epoch 27
    ],
)
def test_schedules(name: str, progress: float, share: float) -> None:
    recipe = Recipe(warm_up=0.25, milestones=(0.5, 0.75), epochs=30)
    assert replace(recipe, schedule=name).rate(progress) == pytest.approx(share, abs=1e-12)


def test_a_loss_that_is_not_finite_stops_before_the_weights_change() -> None:
    asked = config()
    ours = trainer(asked)
    with torch.no_grad():
        next(ours.network.parameters())[0] = math.nan
    before = [p.detach().clone() for p in ours.network.parameters()]
    with pytest.raises(TrainingError, match=r"nan in epoch 1; .* conv1.*lower learning rate.*0\.005"):
        list(ours.run(*batches(asked)))
    for now, then in zip(ours.network.parameters(), before, strict=True):
        torch.testing.assert_close(now.detach(), then, equal_nan=True)


def test_a_loss_that_is_not_finite_in_validation_names_the_epoch_and_the_layer() -> None:
    """The only step of the epoch moves the weights beyond all numbers."""
    asked = config("fc(2)", batch=64, clip=0.0, lr=3e38, schedule="steps", warm_up=0.0)
    with pytest.raises(TrainingError, match=r"in validation after epoch 1; .* fc1"):
        list(trainer(asked).run(*batches(asked)))


def test_the_rate_that_a_round_tells_is_the_runs() -> None:
    """Of its optimizers one may have a rate of its own, as for the head."""
    asked = config("conv(4, 3) >> relu >> fc(2)", optimizer="muon", lr=0.2, schedule="steps", warm_up=0.0)
    rounds = [event for event in trainer(asked).run(*batches(asked)) if isinstance(event, RoundDone)]
    assert [event.lr for event in rounds] == [0.2] * 3


@pytest.mark.parametrize("net", [NET_WITH_SIDE, "conv(8, 3) >> lrn >> batchnorm >> tanh >> fc(2)"])
def test_in_bfloat16_it_learns_as_well(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer runs in it, the weights stay float32, and the first loss is float32's to 1 %."""
    monkeypatch.setattr("hubel.training.trainer.emulates_bfloat16", lambda device: False)
    ours, theirs = trainer(config(net, precision="bfloat16")), trainer(config(net))
    train, val = batches(ours.config)
    events, others = list(ours.run(train, val)), list(theirs.run(train, val))
    assert isinstance(events[0], BatchDone)
    assert isinstance(others[0], BatchDone)
    assert events[0].loss == pytest.approx(others[0].loss, rel=0.01)
    assert events[0].loss != others[0].loss
    assert {p.dtype for p in ours.network.parameters()} == {torch.float32}
    assert isinstance(events[-1], RoundDone)
    assert events[-1].val.top1 > 0.95


def test_where_bfloat16_is_emulated_a_run_goes_on_in_float32_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a run that another machine began in bfloat16 is resumed."""
    monkeypatch.setattr("hubel.training.trainer.emulates_bfloat16", lambda device: True)
    ours, theirs = trainer(config(precision="bfloat16")), trainer(config())
    told, *events = ours.run(*batches(ours.config))
    assert isinstance(told, Warned)
    assert "float32" in told.text
    losses = [event.loss for event in events if isinstance(event, BatchDone)]
    others = theirs.run(*batches(theirs.config))
    assert losses == [event.loss for event in others if isinstance(event, BatchDone)]


def test_auto_settles_on_one_of_the_precisions() -> None:
    asked = config(precision="auto")
    weights = build(parse(asked.net), asked.input, seed=asked.seed).state_dict()
    settled = trainer(asked)
    assert settled.config.precision in ("float32", "bfloat16")
    for name, value in settled.network.state_dict().items():
        torch.testing.assert_close(value, weights[name], msg="measuring leaves the network alone")


def test_the_same_seed_gives_the_same_run() -> None:
    def weights(seed: int) -> torch.Tensor:
        asked = config(seed=seed, epochs=1)
        ours = trainer(asked)
        list(ours.run(*batches(asked)))
        return torch.cat([p.detach().flatten() for p in ours.network.parameters()])

    assert torch.equal(weights(5), weights(5))
    assert not torch.equal(weights(5), weights(6))


def test_growing_images() -> None:
    recipe = Recipe(smallest=0.5, grown=0.5)
    assert [recipe.side(at, 32) for at in (0.0, 0.1, 0.25, 0.49, 0.5, 1.0)] == [16, 20, 24, 32, 32, 32]
    assert Recipe().side(0.0, 32) == 32


def test_a_network_without_a_fixed_size_learns_from_growing_images() -> None:
    """8 pixels a side, from 4 on until the middle of two epochs."""
    net = "conv(8, 3, pad=1) >> relu >> globalavgpool >> fc(2)"
    growing = trainer(config(net, epochs=2, smallest=0.5, grown=0.5))
    seen: list[int] = []
    growing.network.get_submodule("conv1").register_forward_pre_hook(
        lambda module, given: seen.append(given[0].shape[2]) if module.training else None
    )
    train, val = batches(growing.config)
    assert isinstance(list(growing.run(train, val))[-1], RoundDone)
    assert seen == [4, *[8] * (2 * len(train) - 1)]


@pytest.mark.parametrize("weights", [None, torch.tensor([7.0, 1.0])])
def test_a_batch_that_does_not_fit_goes_through_in_parts(
    weights: torch.Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradient of the parts is the batch's, whatever classes weigh; the line says how large they are."""
    asked = config("fc(2)", epochs=1)
    whole, parted = trainer(asked, weights), trainer(asked, weights)
    list(whole.run(*batches(asked)))
    forward = parted.network.forward

    def small(images: torch.Tensor) -> Any:
        if parted.network.training and len(images) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte")
        return forward(images)

    monkeypatch.setattr(parted.network, "forward", small)
    warned = [event for event in parted.run(*batches(asked)) if isinstance(event, Warned)]
    assert [event.text for event in warned] == [
        f"a batch of 16 does not fit in memory; it passes through in parts of {size}" for size in (8, 4)
    ]
    for ours, theirs in zip(parted.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_frozen_parts_stay_and_keep_their_statistics() -> None:
    net = 'named("body", conv(4, 3) >> batchnorm) >> relu >> fc(2)'
    ours = trainer(config(net, freeze=["body"], epochs=1))
    before = {name: value.clone() for name, value in ours.network.state_dict().items()}
    list(ours.run(*batches(ours.config)))
    for name, value in ours.network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("body."), name
    for wrong, meant in (("boddy", "body"), ("conv1", "body.conv1")):
        text = f"no part '{wrong}'; its parts are body, relu1, fc1; did you mean {meant}?"
        with pytest.raises(UsageError, match=re.escape(text)):
            trainer(config(net, freeze=[wrong]))


@pytest.mark.parametrize(("start", "stay"), [("old.safetensors", True), ("", False)])
def test_the_statistics_of_a_model_that_was_trained_can_stay(start: str, stay: bool) -> None:
    """Its scales and weights learn all the same; a network that starts anew has none to keep."""
    asked = config("conv(4, 3) >> batchnorm >> relu >> fc(2)", fixed_statistics=True, start=start, epochs=1)
    ours = trainer(asked)
    before = {name: value.clone() for name, value in ours.network.state_dict().items()}
    list(ours.run(*batches(ours.config)))
    same = {name for name, value in ours.network.state_dict().items() if torch.equal(value, before[name])}
    statistics = {f"batchnorm1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert same == (statistics if stay else set())


def test_by_the_clock_it_ends_when_the_time_is_over() -> None:
    """A clock that ticks once a look: no time is measured."""
    asked = config("fc(2)")
    ours = trainer(asked)
    ours.clock.limit = 1e-9
    events = list(ours.run(*batches(asked)))
    assert isinstance(events[-1], RoundDone)
    assert events[-1].progress == 1.0
    assert sum(isinstance(event, BatchDone) for event in events) == 1


@pytest.mark.parametrize(("limit", "late"), [(1e-9, True), (1e9, False), (0.0, False)])
def test_a_network_too_large_for_the_time_is_told_after_its_first_step(limit: float, late: bool) -> None:
    asked = config("fc(2)", epochs=1)
    ours = trainer(asked)
    ours.clock.limit = limit
    events = ours.run(*batches(asked))
    told = [event.text for event, _ in zip(events, range(4), strict=False) if isinstance(event, Warned)]
    assert [text.partition(":")[0] for text in told] == ["the run may end late"] * late


def test_parts_of_a_batch_are_never_of_one_image() -> None:
    """5 images in parts of at most 2 would leave one over, which batch normalisation refuses."""
    ours = trainer(config("conv(2, 3) >> batchnorm >> globalavgpool >> fc(2)"))
    ours.stepper.micro = 2
    seen: list[int] = []
    ours.network.get_submodule("batchnorm1").register_forward_pre_hook(
        lambda _module, given: seen.append(len(given[0]))
    )
    ours.stepper._gradients(torch.randn(5, 1, 8, 8), torch.tensor([0, 1, 0, 1, 0]))
    assert seen == [3, 2]


def test_waiting_is_the_time_until_a_batch_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def slow() -> Iterator[Made]:
        for seconds in (5.0, 7.0):
            clock[0] += seconds
            yield torch.zeros(1), torch.zeros(1), torch.zeros(1)

    monkeypatch.setattr("hubel.training.round.time.perf_counter", lambda: clock[0])
    round_, batches = Round(0.0), slow()
    round_.waiting(batches)
    assert round_.waited == 5
    clock[0] += 100  # the step itself
    round_.waiting(batches)
    assert round_.waited == 12


def test_the_average_is_what_is_validated() -> None:
    asked = config("fc(2)", epochs=1, average=0.9)
    ours = trainer(asked)
    events = list(ours.run(*batches(asked)))
    assert isinstance(events[-1], RoundDone)
    assert ours.model is not ours.network
    _, val = batches(asked)
    assert evaluate(ours.model, val.epoch(0)).loss == events[-1].val.loss
    assert evaluate(ours.network, val.epoch(0)).loss != events[-1].val.loss


def test_rare_classes_weigh_more_in_the_loss() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    weights = class_weights(labels, 2)
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 2.0]))
    assert weights[labels].mean() == pytest.approx(1.0)
