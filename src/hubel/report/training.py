"""A run in words: what is trained on what, a round in one line, what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubel.report.units import count, duration, percent, short

if TYPE_CHECKING:
    from hubel.train import Chosen, Evaluation, RoundDone, Run, Setting, Trainer

WAITED = 0.02
"""The share of its time from which a step that waits for pictures is worth a word."""


def chosen_text(chosen: Chosen) -> str:
    """Which network is trained, from what, and why."""
    name, volume = chosen.candidate.name, chosen.candidate.volume
    said = f"network: {name}, seeing pictures as {volume}"
    if chosen.epochs:
        speed = f"{chosen.pictures_per_second:,.0f} pictures a second on this machine"
        said += f", the largest that sees them often enough in the time: {speed}, {chosen.epochs:.1f} epochs"
    if chosen.start:
        return f"{said}\nstarts from {chosen.start}, as it was trained; --from none trains anew"
    if chosen.none_at_hand:
        return (
            f"{said}\nphotographs are best learned from a trained network, but none is at hand: "
            'pip install "hubel[pretrained]"; this one starts from nothing'
        )
    return said


def head_text(result: Evaluation) -> str:
    """What a head trained alone comes to."""
    return f"its new head, trained alone on features: {percent(result.top1)} of the held-out pictures right"


def beginning_text(setting: Setting, trainer: Trainer) -> str:
    """What is trained on what, and how far it is to go."""
    network, config = setting.network, trainer.config
    parameters = sum(parameter.numel() for parameter in network.parameters())
    recipe = config.recipe
    if trainer.pace.limit:
        how_long = f"{duration(trainer.pace.limit - trainer.seconds)} of training"
    else:
        how_long = f"epochs {trainer.epoch + 1} to {recipe.epochs}"
    lines = [
        f"{setting.data.name}: {len(setting.data.classes)} classes, {count(len(setting.train.labels))} "
        f"pictures to train, {count(len(setting.val.labels))} held out, seen as {network.volume}",
        f"network of {short(parameters)} parameters; {how_long}, batches of {recipe.batch}, "
        f"learning rate up to {recipe.lr:g}, seed {config.seed}, in {config.precision}",
    ]
    if setting.start:
        lines.append(f"starts from {setting.start.name}: {setting.start.loaded}")
    lines += [f"left out: {bad.name}: {bad.reason}" for bad in setting.skipped]
    return "\n".join(lines)


def round_text(event: RoundDone) -> str:
    """A round in one line."""
    said = (
        f"epoch {event.epoch:6.4g}  train loss {event.train_loss:.4f}  held out: loss {event.val.loss:.4f}, "
        f"{percent(event.val.top1)} right  {duration(event.seconds)}, waited {percent(event.waited)}"
        f"{'  best so far' if event.best else ''}"
    )
    if event.waited < WAITED:
        return said
    return (
        f"{said}\n  it waited for pictures: the network is faster than decoding and augmenting; fewer "
        "augmentations, a larger network or a smaller input would balance them"
    )


def end_text(run: Run, result: Evaluation) -> str:
    """What came out, and where it is."""
    right = int((result.predicted == result.labels).sum())
    return (
        f"best model: {percent(result.top1)} of the held-out pictures right "
        f"({count(right)} of {count(len(result.labels))})\n"
        f"  model   {run.best}\n  report  {run.folder / 'report.html'}\n"
        f"  use it  hubel predict {run.best} IMAGE"
    )
