"""`hubel train` and `hubel resume`: from labelled images to a model and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import HELP

DATA, NETWORK, RECIPE, RUN = "Data", "Network", "Recipe", "Run"
"""The panels of the help."""


def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="A folder of images, or the name of a set: digits, fashion-mnist.", metavar="DATA"
        ),
    ] = None,
    *,
    val: Annotated[
        float | None,
        typer.Option(help="Share of the images to hold out for validation.", rich_help_panel=DATA),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            help="How images of another aspect ratio are resized: crop, pad or squash. "
            "Default: the starting model's setting, else crop.",
            rich_help_panel=DATA,
        ),
    ] = None,
    on_bad: Annotated[
        str | None,
        typer.Option(help="What to do with unreadable images: stop or skip.", rich_help_panel=DATA),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(help="Remedy for class imbalance: none, loss or sampler.", rich_help_panel=DATA),
    ] = None,
    net: Annotated[
        str | None,
        typer.Option(
            help=f"The network to train. {HELP} Or file.py:name, a torch module that your file makes; the file is "
            "executed. Default: chosen by the data, the machine and --time.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    volume: Annotated[
        str | None,
        typer.Option(
            "--input", "--volume", help="Input volume of the network, HxWxD.", rich_help_panel=NETWORK
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            help="Model to start from: a run's folder, a file, a name, auto or none.",
            rich_help_panel=NETWORK,
        ),
    ] = "auto",
    freeze: Annotated[
        list[str] | None,
        typer.Option(help="Part of the network that is not trained. Repeatable.", rich_help_panel=NETWORK),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="How to train: standard, finetune, fast, fast_short, fast_long, a paper's, or a .toml file.",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Number of epochs, without --time.", rich_help_panel=RECIPE)
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Batch size.", rich_help_panel=RECIPE)] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.", rich_help_panel=RECIPE)] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one setting, key=value. Repeatable.", rich_help_panel=RECIPE),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Time for the whole run, such as 90s, 10m or 1h30m.", rich_help_panel=RUN),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(help="Stop at this validation accuracy, such as 0.94.", rich_help_panel=RUN),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.", rich_help_panel=RUN)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; it must be new or empty.", rich_help_panel=RUN)
    ] = None,
    keep_epochs: Annotated[
        bool | None,
        typer.Option(
            "--keep-epochs", help="Keep the model of every round in RUN/epochs.", rich_help_panel=RUN
        ),
    ] = None,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard", help="Write TensorBoard events into the run's folder.", rich_help_panel=RUN
        ),
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="Repeat the run that a config.toml describes.", rich_help_panel=RUN)
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Resume a stopped run: the same as `hubel resume RUN`.", rich_help_panel=RUN),
    ] = None,
) -> None:
    """Train a network on labelled images."""
    arguments = dict(locals())  # every option by its name, which is that of the function's argument

    from hubel.cli.progress import watching
    from hubel.tasks.train import train as task
    from hubel.training.clock import process_began
    from hubel.training.settings.toml import wishes

    changes = wishes(arguments.pop("changes") or ())
    with watching() as listener:
        task(**arguments, **changes, on_event=listener, began=process_began())


def resume(
    run: Annotated[Path, typer.Argument(help="The folder of a stopped run.", metavar="RUN")],
    net: Annotated[
        str | None, typer.Option(help="The module of your own that the run trains, file.py:name.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard events into the run's folder.")
    ] = False,
) -> None:
    """Resume a stopped run from its last checkpoint."""
    from hubel.cli.progress import watching
    from hubel.tasks.resume import resume as task

<<<<<<< HEAD
    with watching() as listener:
        task(run, net=net, tensorboard=tensorboard, on_event=listener)
=======
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
>>>>>>> data
