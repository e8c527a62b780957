"""The papers' procedures: rates of their own, plateaus, patience, exact statistics and ensembles."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import hubel
from hubel import build, parse, zoo
from hubel.data.augment.policy import Augmentation
from hubel.errors import UsageError
from hubel.model.header import members_in
from hubel.report.training import event_text
from hubel.training.events import BatchDone, RoundDone, Settled, Warned
from hubel.training.run.statistics import set_exact_statistics
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.recipes import NETWORKS, RECIPES
from hubel.training.step.optimizer import bound_filters, set_rates, sgd
from tests.training.small import batches, config, trainer


def rates_of(recipe: Recipe, progress: float) -> dict[str, float]:
    """The learning rate of each parameter of a small network at a progress of the run."""
    network = build(parse("conv(2, 3) >> relu >> conv(2, 3) >> relu >> fc(2)"), "8x8x1")
    optimizers = sgd(network, recipe.rates)
    for group in optimizers[0].param_groups:
        group["initial_lr"] = group["lr"]
    set_rates(optimizers, recipe.rate(progress), recipe.rates_apart(progress))
    names = {parameter: name for name, parameter in network.named_parameters()}
    return {names[each]: group["lr"] for group in optimizers[0].param_groups for each in group["params"]}


@pytest.mark.parametrize(
    ("epoch", "weights", "first", "bias"),
    [
        (0, 0.01, 0.01, 0.02),
        (24, 0.01, 0.01, 0.02),
        (25, 0.001, 0.001, 0.02),
        (51, 1e-4, 1e-4, 0.02),
        (67, 1e-4, 1e-5, 0.002),
        (72, 1e-4, 0.0, 0.0),
        (79, 1e-5, 0.0, 0.0),
        (90, 1e-5, 0.0, 0.0),
    ],
)
def test_the_rates_of_alexnet_are_those_of_its_code(
    epoch: int, weights: float, first: float, bias: float
) -> None:
    """The comments of layer-params-145.cfg: epsW 0.01, 0.001 at 25, 1e-4 at 51, 1e-5 at 79; epsB 0.02.

    As the files ended, conv1 has epsB 0 in 145 and 0.002 beside epsW 1e-5 in 149, which was stopped earlier.
    """
    recipe = RECIPES["alexnet"]
    assert recipe.epochs == 91
    found = rates_of(recipe, (epoch + 1e-6) / 91)
    assert found["conv1.weight"] == pytest.approx(first)
    assert found["conv2.weight"] == pytest.approx(weights)
    assert found["fc1.weight"] == pytest.approx(weights)
    assert found["conv1.bias"] == pytest.approx(bias)
    assert found["conv2.bias"] == found["fc1.bias"] == 0.02


def test_the_first_layer_is_that_of_every_tower() -> None:
    towers = '(named("a", conv(2, 3) >> relu >> conv(2, 3, pad=1)) | named("b", relu >> conv(2, 3))) >> fc(2)'
    network = build(parse(towers), "8x8x1")
    firsts = {
        name
        for group in sgd(network, RECIPES["alexnet"].rates)[0].param_groups
        if group.get("kind") in ("first layer", "biases of the first layer")
        for each in group["params"]
        for name, parameter in network.named_parameters()
        if parameter is each
    }
    assert firsts == {f"{tower}.conv1.{kind}" for tower in "ab" for kind in ("weight", "bias")}


def test_where_a_plateau_lowers_the_rate_it_lowers_that_of_the_first_layer() -> None:
    recipe = replace(RECIPES["alexnet"], schedule="plateau")
    assert recipe.rates_apart(0.0, 0.01)["first layer"] == pytest.approx(0.01)
    assert recipe.rates_apart(70 / 91, 0.01)["first layer"] == pytest.approx(0.001)


def test_a_papers_recipe_takes_its_network(tmp_path: Path) -> None:
    run = hubel.train("digits", recipe="lenet", batch=200, epochs=1, out=tmp_path / "run")
    assert repr(run.config.net) == repr(repr(zoo.lenet5_1998(10)))
    assert set(NETWORKS) == set(list(RECIPES)[5:])
    for name in NETWORKS.values():
        assert name in zoo.ZOO


@pytest.mark.parametrize(
    ("epoch", "weights", "first"),
    [(0, 1e-3, 1e-4), (21, 1e-3, 0.0), (22, 1e-4, 0.0), (42, 1e-5, 0.0), (53, 1e-5, 0.0)],
)
def test_the_rates_of_a_pretrained_alexnet_are_those_of_its_code(
    epoch: int, weights: float, first: float
) -> None:
    """layer-params-146-2012-2011.cfg: epsW 0.001, 0.0001 in conv1; conv1 0 at 7; 1e-4 at 22, 1e-5 at 42."""
    recipe = RECIPES["alexnet_pretrained"]
    assert (recipe.epochs, recipe.augmentation.pca_epochs) == (54, 38)
    found = rates_of(recipe, (epoch + 1e-6) / 54)
    assert found["conv1.weight"] == pytest.approx(first)
    assert found["conv2.weight"] == found["fc1.weight"] == pytest.approx(weights)
    assert rates_of(recipe, 6.9 / 54)["conv1.weight"] == pytest.approx(1e-4)
    assert rates_of(recipe, 7.1 / 54)["conv1.weight"] == 0


def test_modern_has_the_numbers_of_torchvisions_recipe() -> None:
    """The command of IMAGENET1K_V2 for ResNet-50, on 8 GPUs with 128 images each."""
    recipe, policy = RECIPES["modern"], RECIPES["modern"].augmentation
    assert (recipe.epochs, recipe.batch, recipe.lr, recipe.repeat) == (600, 8 * 128, 0.5, 4)
    assert (recipe.weight_decay, recipe.label_smoothing) == (0.00002, 0.1)
    assert (policy.trivial, policy.erase, policy.mixup, policy.cutmix) == (True, 0.1, 0.2, 1.0)
    assert [recipe.side(share, 224) for share in (0.0, 0.5, 0.999)] == [176] * 3
    assert recipe.rate(5 / 600) == 1


def test_modern_is_warned_of_on_few_images(tmp_path: Path) -> None:
    seen: list[Any] = []
    net = "conv(4, 3) >> relu >> globalavgpool >> fc(10)"
    hubel.train("digits", net=net, recipe="modern", epochs=1, out=tmp_path / "run", on_event=seen.append)
    warned = [event.text for event in seen if isinstance(event, Warned)]
    assert any("modern is made for ImageNet's 1.28 million images: 600 epochs" in text for text in warned)


def test_momentum_of_the_papers_is_plain() -> None:
    """One step after another with the same gradient, by the rule of Krizhevsky et al. 2012, section 5."""
    network = build(parse("fc(2)"), "1x1x3")
    recipe = replace(RECIPES["alexnet"], weight_decay=0.0005, first_layer=())
    (optimizer,) = sgd(network, recipe.rates)
    weight = network.get_submodule("fc1").weight
    assert isinstance(weight, nn.Parameter)
    by_hand, velocity = weight.detach().clone(), torch.zeros_like(weight)
    gradient = torch.randn_like(weight)
    for _ in range(3):
        weight.grad = gradient.clone()
        optimizer.step()
        velocity = 0.9 * velocity - 0.0005 * 0.01 * by_hand - 0.01 * gradient
        by_hand = by_hand + velocity
    torch.testing.assert_close(weight.detach(), by_hand)


def test_filters_are_kept_within_their_bound() -> None:
    """Filters of root mean squares 0.2 and 0.05 under a bound of 0.1; a fully connected layer is none."""
    network = build(parse("conv(2, 3) >> fc(2)"), "8x8x1")
    bank, head = (network.get_submodule(name).weight for name in ("conv1", "fc1"))
    assert isinstance(bank, nn.Parameter)
    assert isinstance(head, nn.Parameter)
    with torch.no_grad():
        bank[0], bank[1] = 0.2, -0.05
        head.fill_(1.0)
    bound_filters(network, RECIPES["zfnet"].filter_bound)
    torch.testing.assert_close(bank[:, 0, 0, 0], torch.tensor([0.1, -0.05]))
    assert head.min() == 1
    asked = config("conv(2, 3) >> fc(2)", epochs=1, lr=0.5, filter_bound=0.01)
    ours = trainer(asked)
    list(ours.run(*batches(asked)))
    learned = ours.network.get_submodule("conv1").weight
    assert isinstance(learned, nn.Parameter)
    assert learned.square().mean((1, 2, 3)).sqrt().max() <= 0.01 * 1.00001


def test_the_rates_of_lenet_are_the_papers() -> None:
    """LeCun et al. 1998, section III.B: two passes, three, three, four, and then the last rate."""
    recipe = RECIPES["lenet"]
    assert recipe.epochs == 20
    found = [recipe.lr * recipe.rate((epoch + 0.5) / 20) for epoch in range(20)]
    assert found == pytest.approx([5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8)


def test_resnet_110_warms_up_at_a_tenth() -> None:
    """He et al. 2015, section 4.2: 0.01 for about 400 of 64,000 steps, 0.1, divided at 32,000 and 48,000."""
    recipe = RECIPES["resnet110_cifar"]
    steps = (0, 399, 401, 31_999, 32_000, 47_999, 48_000)
    found = [recipe.lr * recipe.rate(step / 64_000) for step in steps]
    assert found == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_resnet_cifar_follows_the_published_schedule() -> None:
    recipe = RECIPES["resnet_cifar"]
    assert recipe.batch * 64_000 / 45_000 == pytest.approx(recipe.epochs, abs=0.1)
    found = [recipe.lr * recipe.rate(share) for share in (0, 0.499, 0.5, 0.749, 0.75, 0.999)]
    assert found == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_average_of_modern_moves_as_far_as_torchvisions() -> None:
    """references/classification/train.py: every 32 steps by (1 - 0.99998) * 1024 images * 32 steps / 600."""
    once = min(1.0, (1 - 0.99998) * 1024 * 32 / 600)
    assert RECIPES["modern"].average ** 32 == pytest.approx(1 - once, rel=1e-5)


def test_the_colour_shift_ends() -> None:
    images = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8)
    policy = Augmentation(pca=0.5, pca_epochs=2)
    for epoch, changes in ((0, True), (1, True), (2, False)):
        generator = torch.Generator().manual_seed(3)
        found = policy.apply(images, generator, indices=torch.arange(4), epoch=epoch)
        assert torch.equal(found, images) != changes


def test_at_a_plateau_the_rate_falls_and_then_the_run_ends() -> None:
    """By hand: two rounds no better than the best divide the rate by 10, twice; after two more it is over."""
    recipe = {"schedule": "plateau", "plateau": 2, "falls": 2, "epochs": 50, "lr": 0.1}
    ours = trainer(config("fc(2)", **recipe))
    course = [0.5, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7, 0.6, 0.5, 0.9]
    rates, stops = [], []
    for number, top1 in enumerate(course):
        rates.append(ours.config.recipe.lr * 0.1**ours.falls)
        ours._wait(better=ours.improves(top1, 1.0))
        stops.append(ours.settled)
        if number == 8:
            break
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001])
    assert stops == [False] * 8 + [True]
    kept = ours.counters()
    again = trainer(config("fc(2)", **recipe))
    again.set_counters(kept)
    assert (again.falls, again.settled) == (2, True)
    del kept["falls"], kept["stale"], kept["waited"]  # a checkpoint of an earlier version
    again.set_counters(kept)
    assert (again.falls, again.settled) == (0, False)


def test_a_plateau_changes_the_steps_of_a_run() -> None:
    """A learning rate so small that nothing improves: it falls after each round, and the run ends early."""
    asked = config("fc(2)", schedule="plateau", plateau=1, falls=2, epochs=20, lr=1e-12, average=0.0)
    ours = trainer(asked)
    rounds = [event for event in ours.run(*batches(asked)) if isinstance(event, RoundDone)]
    assert [each.lr for each in rounds] == pytest.approx([1e-12, 1e-12, 1e-13, 1e-14], rel=1e-6)


def test_patience_ends_a_run() -> None:
    asked = config("fc(2)", epochs=20, lr=1e-12, patience=3)
    ours = trainer(asked)
    events = list(ours.run(*batches(asked)))
    rounds = [event for event in events if isinstance(event, RoundDone)]
    assert [each.best for each in rounds] == [True, False, False, False]
    assert any(isinstance(event, BatchDone) for event in events)


def test_the_end_by_patience_is_no_warning(tmp_path: Path) -> None:
    seen: list[Any] = []
    asked: dict[str, Any] = {"net": "fc(10)", "epochs": 9, "lr": 1e-12, "patience": 2}
    hubel.train("digits", **asked, out=tmp_path / "run", on_event=seen.append)
    assert [event.rounds for event in seen if isinstance(event, Settled)] == [2]
    assert not any("better" in event.text for event in seen if isinstance(event, Warned))
    texts = [event_text(event) for event in seen if isinstance(event, Settled)]
    assert texts == ["stopped after 2 rounds without a better validation"]


def test_exact_statistics_are_those_of_all_images() -> None:
    """The first layer has those of its inputs at once; the second sees what the first makes of each batch."""
    network = build(parse("batchnorm >> conv(3, 3) >> batchnorm >> fc(2)"), "8x8x1").train()
    images = torch.randn(40, 1, 8, 8) * 3 + torch.arange(40.0).view(-1, 1, 1, 1) / 9
    given = [(images[:20], torch.zeros(20)), (images[20:], torch.zeros(20))]
    assert set_exact_statistics(network, given) == 2
    first = network.get_submodule("batchnorm1")
    torch.testing.assert_close(first.running_mean, images.mean((0, 2, 3)))
    torch.testing.assert_close(first.running_var, images.var((0, 2, 3), correction=0))
    plain = copy.deepcopy(network).train()
    seen = [plain.get_submodule("conv1")(plain.get_submodule("batchnorm1")(part)) for part, _ in given]
    second = network.get_submodule("batchnorm2")
    torch.testing.assert_close(second.running_mean, torch.cat(seen).mean((0, 2, 3)))
    torch.testing.assert_close(second.running_var, torch.cat(seen).var((0, 2, 3), correction=0))
    assert not network.training
    assert isinstance(first, nn.BatchNorm2d)
    assert first.momentum == 0.1
    assert set_exact_statistics(build(parse("fc(2)"), "8x8x1"), given) == 0


SMALL: dict[str, Any] = {"net": "conv(4, 3) >> batchnorm >> relu >> fc(10)", "epochs": 1, "batch": 200}


def test_exact_statistics_come_into_the_model(tmp_path: Path) -> None:
    plain = hubel.train("digits", **SMALL, out=tmp_path / "plain")
    exact = hubel.train("digits", **SMALL, exact_statistics=True, patience=2, out=tmp_path / "exact")
    assert exact.config.recipe.exact_statistics
    assert exact.config.patience == 2
    states = [run.model.network.state_dict() for run in (plain, exact)]
    changed = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert changed == ["batchnorm1.running_mean", "batchnorm1.running_var"]
    again = hubel.resume(exact)
    assert all(
        torch.equal(value, states[1][name]) for name, value in again.model.network.state_dict().items()
    )


def test_the_members_of_an_ensemble_hold_out_the_same_images(tmp_path: Path) -> None:
    folder = hubel.train_ensemble(3, "digits", **SMALL, seed=4, out=tmp_path / "three")
    runs = [hubel.Run(folder / name) for name in "123"]
    assert members_in(folder) == tuple(run.folder for run in runs)
    assert len({run.model.summary["trained_on"] for run in runs}) == 1
    weights = [run.model.network.state_dict()["fc1.weight"] for run in runs]
    assert not torch.equal(weights[0], weights[1])
    alone = hubel.train("digits", **SMALL, seed=4, out=tmp_path / "one")
    assert torch.equal(weights[0], alone.model.network.state_dict()["fc1.weight"])
    found = hubel.evaluate(folder, "digits")
    each = [hubel.evaluate(run.model, "digits") for run in runs]
    assert found.split == "val"
    torch.testing.assert_close(
        found.probabilities, torch.stack([one.probabilities for one in each]).mean(0), atol=1e-6, rtol=1e-4
    )
    with pytest.raises(UsageError, match="at least 2 members"):
        hubel.train_ensemble(1, "digits")
    with pytest.raises(UsageError, match="not empty"):
        hubel.train_ensemble(2, "digits", **SMALL, out=folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias_lr": 0.1, "optimizer": "adamw"}, "bias_lr is of the optimizer sgd"),
        ({"first_layer": (0.5,)}, "first_layer is none or two shares"),
        ({"first_layer": (0.5, 0.4)}, "first_layer is of rising shares"),
        ({"plateau": 0}, "plateau is at least 1"),
        ({"falls": -1}, "falls is at least 0"),
    ],
)
def test_what_a_recipe_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(Recipe(), **change)  # type: ignore[arg-type]
