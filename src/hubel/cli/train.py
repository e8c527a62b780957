"""`hubel train` and `hubel resume`: from labelled images to a model and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import FORCE_HELP, HELP, RANGE_HELP, announce

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
    range: Annotated[str | None, typer.Option(help=RANGE_HELP, rich_help_panel=DATA)] = None,  # noqa: A002
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
            help=f"The network to train. {HELP} Or file.py:name, a torch module that your file makes; the "
            "file is executed. Default: chosen by the data, the machine and --time.",
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
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP, rich_help_panel=RUN)] = False,
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
    announce(net or "")

    from hubel.cli.progress import watching
    from hubel.tasks.train import from_command

    settings = arguments.pop("changes") or ()
    with watching() as listener:
        from_command(arguments, settings, listener)


def resume(
    run: Annotated[Path, typer.Argument(help="The folder of a stopped run.", metavar="RUN")],
    net: Annotated[
        str | None, typer.Option(help="The module of your own that the run trains, file.py:name.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard events into the run's folder.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Resume a stopped run from its last checkpoint."""
    from hubel.cli.progress import watching
    from hubel.tasks.resume import resume as task

    announce(net or "")
    with watching() as listener:
        task(run, net=net, tensorboard=tensorboard, force=force, on_event=listener)
