"""A run in words: what is trained on what, a round in one line, what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubel.module.views import VIEWS
from hubel.report.units import count, duration, percent, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubel.data.feed.bad import Bad
    from hubel.evaluation.metrics import Evaluation
    from hubel.model.file import Model
    from hubel.training.events import RoundDone
    from hubel.training.run.auto import Chosen
    from hubel.training.run.folder import Run
    from hubel.training.run.prepare import Setting
    from hubel.training.trainer import Trainer

MOST_LEFT_OUT = 20
"""How many of the images left out are named."""


def chosen_text(chosen: Chosen, *, asked: bool = True) -> str:
    """Which network is trained, from what, and why; `asked` is whether a start was asked for."""
    name, volume = chosen.candidate.name, chosen.candidate.volume
    said = f"network: {name}, seeing images as {volume}, trained by the recipe {chosen.candidate.by}"
    if chosen.epochs:
        speed = f"{chosen.images_per_second:,.0f} images a second on this machine"
        enough = chosen.epochs >= max(1.0, chosen.candidate.epochs)
        why = "the largest that sees them often enough in the time" if enough else "though the time is short"
        said += f", {why}: {speed}, all {chosen.epochs:.1f} times"
        said += " or more" if chosen.candidate.recipe.smallest < 1 else ""
    if chosen.start:
        why = "as it was trained" if asked else "the best trained network at hand: the images are photographs"
        return f"{said}\nstarts from {chosen.start}, {why}; --from none trains anew"
    if chosen.none_at_hand:
        return (
            f"{said}\nphotographs are best learned from a trained network, but none is at hand: "
            'pip install "hubel[pretrained]"; this one starts from nothing'
        )
    return said


def head_text(result: Evaluation) -> str:
    """What a head trained alone comes to."""
    return f"its new head, trained alone on features: {percent(result.top1)} of the held-out images right"


def beginning_text(setting: Setting, trainer: Trainer) -> str:
    """What is trained on what, and how far it is to go."""
    network, config = setting.network, trainer.config
    parameters = sum(parameter.numel() for parameter in network.parameters())
    recipe = config.recipe
    if trainer.pace.limit:
        how_long = f"{duration(trainer.pace.limit - trainer.seconds)} of training"
    else:
        how_long = f"epochs {trainer.epoch + 1} to {recipe.epochs}"
    if trainer.pace.limit and trainer.seconds:
        how_long = f"{how_long} after {duration(trainer.seconds)} and {trainer.done:.4g} epochs"
    over = trainer.epoch > 0 and (trainer.progress >= 1 or 0 < config.target <= trainer.best)
    if over:
        how_long = "nothing left to train"
    lines = [
        f"{setting.data.name}: {len(setting.data.classes)} classes, {count(len(setting.train.labels))} "
        f"images to train, {count(len(setting.val.labels))} held out, seen as {network.volume}",
        f"network of {short(parameters)} parameters; {how_long}, batches of {recipe.batch}, "
        f"learning rate up to {recipe.lr:g}, seed {config.seed}, in {config.precision}",
    ]
    if recipe.hardest < 1 and (trainer.pace.limit or recipe.epochs > 1) and not over:
        lines.append(
            f"an epoch after the first is of the {percent(recipe.hardest)} of images that were hardest"
        )
    if config.freeze:
        drawn = (
            ""
            if config.start or recipe.whiten
            else ", with weights drawn at random: --from takes trained ones"
        )
        lines.append(f"frozen: {', '.join(config.freeze)}{drawn}")
    if setting.start:
        lines.append(f"starts from {setting.start.name}: {setting.start.loaded}")
    if setting.skipped:
        used = len(setting.train.labels) + len(setting.val.labels)
        lines.append(left_out_text(setting.skipped, used))
    return "\n".join(lines)


def left_out_text(skipped: Sequence[Bad], used: int) -> str:
    """Which images are left out, and why, beside so many that are used."""
    lines = [f"left out: {count(len(skipped))} of {count(len(skipped) + used)} images"]
    lines += [f"{bad.name}: {bad.reason}" for bad in skipped[:MOST_LEFT_OUT]]
    if len(skipped) > MOST_LEFT_OUT:
        lines.append(f"and {count(len(skipped) - MOST_LEFT_OUT)} more; `hubel data check` lists all")
    return "\n  ".join(lines)


def round_text(event: RoundDone) -> str:
    """A round in one line."""
    return (
        f"epoch {event.epoch:6.4g}  train loss {event.train_loss:.4f}  held out: loss {event.val.loss:.4f}, "
        f"{percent(event.val.top1)} right  {duration(event.seconds)}, waited {percent(event.waited)}"
        f"{'  best so far' if event.best else ''}"
    )


def end_text(run: Run, model: Model, result: Evaluation) -> str:
    """What came out, and where it is."""
    right = int((result.predicted == result.labels).sum())
    views = ""
    if model.views != "one":
        views = (
            f", averaged over {VIEWS[model.views]} views of each; {percent(model.summary['val_top1'])} of one"
        )
    began = "" if model.summary.get("epoch", 1) else ", as it began"
    return (
        f"best model{began}: {percent(result.top1)} of the held-out images right "
        f"({count(right)} of {count(len(result.labels))}{views})\n"
        f"  model   {run.best}\n  report  {run.folder / 'report.html'}\n"
        f"  use it  hubel predict {run.best} IMAGE"
    )
