"""`hubel train`: from a folder of images to a model, a report, and a run that can go on."""

from __future__ import annotations

import os
import re
import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubel.cli.network import HELP, network_for, volume_of
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.cli.progress import Watch
    from hubel.data.dataset import DataSet
    from hubel.evaluation.metrics import Evaluation
    from hubel.model.file import Model
    from hubel.training.run.folder import Run
    from hubel.training.run.prepare import Setting
    from hubel.training.settings.config import Config
    from hubel.training.trainer import Trainer


def process_began() -> float:
    """When this process began, by `time.perf_counter`: on a busy machine it takes seconds to get here.

    Where the system does not say, now.
    """
    now = time.perf_counter()
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # proc(5): starttime
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return now
    return now - max(0.0, age)


BEGAN = process_began()

UNITS = {"s": 1, "m": 60, "h": 3600}

NAMED = {"data": "DATA", "net": "--net", "input": "--input", "start": "--from"}
"""What is chosen for DATA before the rest, and how it is said: `--set` would come too late."""

ONE_STEP = 1e-6
"""A limit in seconds after which a run by the clock ends with its first step."""


# Wide, since Typer takes every option as an argument.
def train(
    data: Annotated[
        str | None,
        typer.Argument(help="A folder of images, or a set's name: digits, fashion-mnist.", metavar="DATA"),
    ] = None,
    *,
    net: Annotated[
        str | None,
        typer.Option("--net", help=f"The network, its weights drawn anew or those of --from. {HELP}"),
    ] = None,
    size: Annotated[str | None, typer.Option("--input", help="The volume the network sees, HxWxD.")] = None,
    limit: Annotated[
        str | None, typer.Option("--time", help="What the whole run may take, such as 90s, 10m or 1h30m.")
    ] = None,
    target: Annotated[float | None, typer.Option(help="Stop at this top-1, such as 0.94.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="How to train: standard, finetune, fast, fast_short, fast_long, a paper's, or a .toml file."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting, key=value; may be repeated.")
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="The trained model to start from: a file, a name, auto or none.")
    ] = "auto",
    freeze: Annotated[
        list[str] | None, typer.Option(help="A part of the network that stays as it is; may be repeated.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="How many epochs, where no time is given.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="The highest learning rate.")] = None,
    val: Annotated[float | None, typer.Option(help="The share of the images to hold out.")] = None,
    fit: Annotated[
        str | None, typer.Option(help="What becomes of images of another shape: crop, pad, squash.")
    ] = None,
    on_bad: Annotated[
        str | None, typer.Option(help="What an image that cannot be read does: stop or skip.")
    ] = None,
    balance: Annotated[
        str | None, typer.Option(help="What to do about uneven classes: none, loss or sampler.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="What decides all that is random.")] = None,
    keep_epochs: Annotated[
        bool | None, typer.Option("--keep-epochs", help="Keep the model of every round in RUN/epochs.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write events for TensorBoard into the run's folder.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The run's folder; it must be new or empty.")] = None,
    config: Annotated[Path | None, typer.Option(help="Run what a config.toml says.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with a run that was stopped.")] = None,
) -> None:
    """Train a network on labelled images."""
    from hubel.training.run.folder import check_free
    from hubel.training.run.tensorboard import check_installed
    from hubel.training.settings.toml import wish

    if sum(place is not None for place in (data, config, resume)) != 1:
        raise UsageError("say what to train on by one of these alone: DATA, --config FILE, --resume RUN")
    if tensorboard:
        check_installed()
    given = {
        "epochs": epochs,
        "batch": batch,
        "lr": lr,
        "val": val,
        "fit": fit,
        "on_bad": on_bad,
        "balance": balance,
        "seed": seed,
        "keep_epochs": keep_epochs,
        "target": target,
        "seconds": None if limit is None else seconds(limit),
        "freeze": None if freeze is None else tuple(freeze),
    }
    wishes = {name: value for name, value in given.items() if value is not None}
    for key, value in map(wish, changes or ()):
        if key in wishes:
            raise UsageError(f"{key} is set twice; leave one")
        wishes[key] = value
    choice = Choice(net, size, recipe, start)
    if data is None and choice != Choice():
        raise UsageError("the run names its network, input, recipe and start; take --net and the like away")
    if resume is not None:
        if wishes or out:
            raise UsageError(
                "a run that goes on keeps its settings; take the other options away, or begin another "
                f"from its model: hubel train DATA --from {shlex.quote(str(resume / 'best.safetensors'))}"
            )
        _resume(resume, tensorboard=tensorboard)
        return
    if out is not None:
        check_free(out)
    if config is not None:
        _run_config(config, wishes, out, tensorboard=tensorboard)
    else:
        _run_data(str(data), choice, wishes, out, tensorboard=tensorboard)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line says of the network; where it says nothing, hubel chooses."""

    net: str | None = None
    size: str | None = None
    recipe: str | None = None
    start: str = "auto"


def seconds(text: str) -> float:
    """A time such as `90s`, `10m` or `1h30m` in seconds. Raises UsageError: it is written otherwise, or 0."""
    if not re.fullmatch(r"(\d+(\.\d+)?[hms])+", text):
        raise UsageError(f"a time is written like 90s, 10m or 1h30m, not {text!r}")
    total = sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)([hms])", text))
    if not total:
        raise UsageError(f"a time is above 0, such as 90s, 10m or 1h30m, not {text!r}")
    return total


def left(limit: float, *, worth_keeping: bool = False) -> float:
    """The seconds that are left of a command's `limit`; 0 of none.

    Where none are left, but a network that is worth keeping, it is as little as one step takes.
    Raises UsageError: none are left.
    """
    took = time.perf_counter() - BEGAN
    rest = limit - took if limit else 0.0
    if rest >= 0:
        return rest
    if worth_keeping:
        return ONE_STEP
    raise UsageError(
        f"--time {limit:g}s is over before the first step: what comes before took {took:.1f} s; give several "
        "times that"
    )


def _run_data(
    data: str, choice: Choice, wishes: dict[str, Any], out: Path | None, *, tensorboard: bool
) -> None:
    """A run on data, with the network asked for or the one that suits them, the machine and the time."""
    from hubel.cli.progress import Watch
    from hubel.data.sources import open_data, whereabouts
    from hubel.data.split import with_val
    from hubel.report.training import chosen_text
    from hubel.training.run.auto import choose, share_held_out
    from hubel.training.settings.config import AUTO, Config
    from hubel.training.settings.toml import changed

    for key, instead in NAMED.items():
        if key in wishes:
            raise UsageError(f"{key} is no setting to change: say it with {instead}")
    found = open_data(data, val=0)
    _check_val(found, wishes)
    wishes.setdefault("val", share_held_out(len(found.train)))
    asked = changed(Config("", "", ""), wishes)  # what is wrong with it is said before anything is measured
    _check_pace(asked, wishes)
    found = with_val(found, asked.val, asked.seed)
    with Watch() as watch:
        network = network_for(choice.net, choice.size, found) if choice.net else None
        chosen = choose(
            found,
            network=network,
            volume=volume_of(choice.size),
            recipe_name=choice.recipe,
            start=choice.start,
            seconds=left(asked.seconds),
            settings=wishes,
        )
        watch.say(chosen_text(chosen, asked=choice.start != AUTO))
        config = Config(
            data=whereabouts(data),
            net=repr(chosen.candidate.net),
            input=str(chosen.candidate.volume),
            start=str(Path(chosen.start).resolve()) if Path(chosen.start).is_file() else chosen.start,
            recipe=chosen.candidate.recipe,
        )
        run = Path(found.name).name, chosen.candidate.name
        _begin(changed(config, wishes), out, run, watch, tensorboard=tensorboard)


def _run_config(path: Path, wishes: dict[str, Any], out: Path | None, *, tensorboard: bool) -> None:
    """A run that a file describes; options on the command line come before it."""
    from hubel.cli.progress import Watch
    from hubel.data.sources import open_data, whereabouts
    from hubel.training.settings.config import Config
    from hubel.training.settings.toml import changed

    config = changed(Config.from_toml(path), wishes)
    config = replace(config, data=whereabouts(config.data))
    _check_pace(config, wishes)
    if "val" in wishes:
        _check_val(open_data(config.data, val=0), wishes)
    with Watch() as watch:
        _begin(config, out, (Path(config.data).name, "config"), watch, tensorboard=tensorboard)


def _check_pace(config: Config, wishes: dict[str, Any]) -> None:
    """Raises UsageError: epochs are wished for a run by the clock."""
    if config.seconds and "epochs" in wishes:
        raise UsageError(
            "a run goes by the clock or by epochs: take away the time (--time, or a config's seconds) or "
            "--epochs"
        )


def _check_val(data: DataSet, wishes: dict[str, Any]) -> None:
    """Raises UsageError: a share is to be held out of a set that has images for validation."""
    if data.val is not None and "val" in wishes:
        raise UsageError(
            f"{data.name} has images for validation, of which --val takes no share; leave it out"
        )


def _begin(
    config: Config, out: Path | None, name: tuple[str, str], watch: Watch, *, tensorboard: bool
) -> None:
    """Starts a run; one that fails before its first round is done leaves nothing behind."""
    from hubel.evaluation.metrics import evaluate
    from hubel.report.training import head_text
    from hubel.training.run.folder import Run
    from hubel.training.run.prepare import Setting
    from hubel.training.trainer import Trainer

    run = Run.create(out, *name)
    try:
        setting = Setting.of(config, watch.images, watch.warn)
        config = replace(config, fit=setting.preprocessing.fit)
        if (head := setting.train_head()) is not None:
            watch.say(head_text(head))
        network = setting.network
        at_start = (head or evaluate(network, setting.val.epoch(0))) if setting.start else None
        trainer = Trainer.of(network, config, setting.train, weights=setting.weights)
        run.begin(trainer.config)
        if at_start is not None:
            run.keep_start(setting, trainer, at_start)
        trainer.pace.limit = left(config.seconds, worth_keeping=head is not None)
        with run.alone():
            _follow(run, setting, trainer, watch, tensorboard=tensorboard)
    except BaseException:
        run.discard_unfinished()
        raise


def _resume(folder: Path, *, tensorboard: bool) -> None:
    """Goes on with a run after its last whole round."""
    from hubel.cli.progress import Watch
    from hubel.model.file import load
    from hubel.training.run.folder import Run
    from hubel.training.run.prepare import Setting
    from hubel.training.trainer import Trainer

    run = Run(folder)
    config = run.config()
    with run.alone(), Watch() as watch:
        kept = load(run.best) if run.best.exists() else None
        setting = Setting.of(config, watch.images, watch.warn, kept)
        trainer = Trainer.of(setting.network, config, setting.train, weights=setting.weights)
        run.restore(trainer, setting)
        _follow(run, setting, trainer, watch, tensorboard=tensorboard)


def _follow(run: Run, setting: Setting, trainer: Trainer, watch: Watch, *, tensorboard: bool) -> None:
    """Trains to the end, shows every event, finishes the model and says where everything is.

    After the first round of a run by the clock it is reckoned what has to be kept for the end, where several
    views of an image take no more than half of what is left.
    """
    from hubel.files import write_whole
    from hubel.model.file import load
    from hubel.module.views import VIEWS
    from hubel.training.events import RoundDone
    from hubel.training.run.tensorboard import TensorBoard

    listeners = [watch.event]
    if tensorboard:
        listeners.append(TensorBoard(run.folder, len(run.metrics())).event)
    watch.beginning(setting, trainer)
    try:
        for event in run.follow(setting, trainer):
            for listener in listeners:
                listener(event)
            if isinstance(event, RoundDone) and trainer.pace.limit and not trainer.pace.after:
                began = time.perf_counter()
                _files(run, setting, trainer, load(run.best), event.val)
                ending = trainer.validation + time.perf_counter() - began
                finishing = run.finishing(setting)
                trainer.pace.hurried = finishing > (trainer.pace.limit - trainer.seconds - ending) / 2
                if trainer.pace.hurried:
                    finishing /= VIEWS[trainer.config.recipe.views]
                trainer.pace.after = ending + finishing
                run.save_state(trainer, setting)
        model, result = run.finish(setting, hurried=trainer.pace.hurried)
        for name, text in _files(run, setting, trainer, model, result).items():
            write_whole(run.folder / name, text)
        watch.end(run, model, result)
    except (KeyboardInterrupt, OSError):
        if run.can_go_on:
            watch.say(f"stopped; go on with  hubel train --resume {shlex.quote(str(run.folder))}")
        else:
            watch.say("stopped before the first round was done: nothing is kept")
        raise


def _files(run: Run, setting: Setting, trainer: Trainer, model: Model, result: Evaluation) -> dict[str, str]:
    """The files that say how a model does, their texts by name."""
    from hubel.report.mistakes import mistakes_csv
    from hubel.report.page import run_page

    images = setting.val.images
    page = run_page(trainer.config, run.metrics(), model, result, images, skipped=setting.skipped)
    return {"errors.csv": mistakes_csv(model.classes, result, images.names), "report.html": page}
