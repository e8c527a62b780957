"""`hubel train`: from a folder of pictures to a model, a report, and a run that can go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubel.cli.network import HELP, network_for
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.cli.progress import Watch
    from hubel.train import Config, Run, Setting, Trainer


def train(
    data: Annotated[
        str | None,
        typer.Argument(help="A folder of pictures, or a set's name: digits, fashion-mnist.", metavar="DATA"),
    ] = None,
    *,
    net: Annotated[
        str | None, typer.Option("--net", help=f"The network, its weights drawn anew. {HELP}")
    ] = None,
    size: Annotated[str | None, typer.Option("--input", help="The volume the network sees, HxWxD.")] = None,
    epochs: Annotated[int | None, typer.Option(help="How often every picture is seen.")] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="The highest learning rate of the one cycle.")] = None,
    seed: Annotated[int | None, typer.Option(help="What decides all that is random.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; it must be new or empty.")] = None,
    config: Annotated[Path | None, typer.Option(help="Run what a config.toml says.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with a run that was stopped.")] = None,
) -> None:
    """Train a network on labelled pictures."""
    wishes = {"epochs": epochs, "batch": batch, "lr": lr, "seed": seed}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    if seed is not None and seed < 0:
        raise UsageError(f"--seed is at least 0, not {seed}")
    if sum(place is not None for place in (data, config, resume)) != 1:
        raise UsageError("say what to train on: DATA, or --config FILE, or --resume RUN")
    if resume is not None:
        if wishes or net or size or out:
            raise UsageError("a run that goes on keeps its settings; take the other options away")
        _resume(resume)
    elif config is not None:
        if net or size:
            raise UsageError("the config names its network and input; change them there")
        _run_config(config, wishes, out)
    else:
        _run_data(str(data), net, size, wishes, out)


def _run_data(data: str, net: str | None, size: str | None, wishes: dict[str, Any], out: Path | None) -> None:
    """A run on data, with the network asked for or the one that suits them."""
    from hubel.data import Augmentation, Preprocessing, open_data, whereabouts
    from hubel.train import Config, batch_for

    found = open_data(data, seed=wishes.get("seed", 0))
    name, made, volume = network_for(net, size, found)
    varied = Augmentation.fitting(found, Preprocessing.of(volume))
    wishes.setdefault("batch", batch_for(len(found.train)))
    config = Config(
        data=whereabouts(data),
        net=repr(made),
        input=str(volume),
        flip=varied.flip,
        shift=varied.shift,
        **wishes,
    )
    _begin(config, out, Path(found.name).name, name)


def _run_config(path: Path, wishes: dict[str, Any], out: Path | None) -> None:
    """A run that a file describes; options on the command line come before it."""
    from hubel.train import Config

    config = replace(Config.from_toml(path), **wishes)
    _begin(config, out, Path(config.data).name, "config")


def _begin(config: Config, out: Path | None, data: str, net: str) -> None:
    """Starts a run; one that fails before its first epoch is done leaves nothing behind."""
    from hubel.cli.progress import Watch
    from hubel.train import Run, Setting, Trainer

    watch = Watch()
    with watch:
        setting = Setting.of(config, watch.pictures)
        trainer = Trainer.of(setting.network, config, setting.train)
        run = Run.create(out, data, net)
        try:
            run.begin(trainer.config)
            _follow(run, setting, trainer, watch)
        except BaseException:
            run.discard_unfinished()
            raise


def _resume(folder: Path) -> None:
    """Goes on with a run after its last whole epoch."""
    from hubel.cli.progress import Watch
    from hubel.train import Run, Setting, Trainer

    run, watch = Run(folder), Watch()
    config = run.config()
    with watch:
        setting = Setting.of(config, watch.pictures)
        trainer = Trainer.of(setting.network, config, setting.train)
        run.restore(trainer)
        _follow(run, setting, trainer, watch)


def _follow(run: Run, setting: Setting, trainer: Trainer, watch: Watch) -> None:
    """Trains to the end, shows every event, writes the report and says where everything is."""
    from hubel.files import write_whole
    from hubel.report.mistakes import mistakes_csv
    from hubel.report.page import run_page
    from hubel.ship import load
    from hubel.train import evaluate

    watch.beginning(setting, trainer)
    for event in run.follow(setting, trainer):
        watch.event(event)
    model = load(run.best)
    result = evaluate(model.network, setting.val.epoch(0))
    write_whole(run.folder / "errors.csv", mistakes_csv(model.classes, result, setting.val.decoded.names))
    page = run_page(trainer.config, run.metrics(), model, result, setting.val.decoded)
    write_whole(run.folder / "report.html", page)
    watch.end(run, result)
