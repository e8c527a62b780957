"""`hubel train` and `hubel resume`: from labelled images to a model and its report."""

from __future__ import annotations

from hubel.cli import options
from hubel.cli.network import announce


def train(
    data: options.Data = None,
    *,
    val: options.Val = None,
    fit: options.Fit = None,
    range: options.Range = None,  # noqa: A002
    on_bad: options.OnBad = None,
    balance: options.Balance = None,
    net: options.Net = None,
    volume: options.InputVolume = None,
    start: options.Start = "auto",
    freeze: options.Freeze = None,
    recipe: options.RecipeName = None,
    epochs: options.Epochs = None,
    batch: options.Batch = None,
    lr: options.Lr = None,
    exact_statistics: options.ExactStatistics = None,
    ensemble: options.EnsembleSize = None,
    pretrained: options.Pretrained = None,
    changes: options.Changes = None,
    time: options.Time = None,
    target: options.Target = None,
    seed: options.Seed = None,
    out: options.Out = None,
    patience: options.Patience = None,
    keep_epochs: options.KeepEpochs = None,
    tensorboard: options.TensorBoard = False,
    live: options.Live = False,
    force: options.Force = False,
    config: options.ConfigFile = None,
    resume: options.Resume = None,
) -> None:
    """Train a network on labelled images."""
    arguments = dict(locals())  # every option by its name, which is that of the function's argument
    announce(net or "")

    from hubel.cli.progress import watching
    from hubel.tasks.train_command import from_command

    settings = arguments.pop("changes") or ()
    with watching() as listener:
        from_command(arguments, settings, listener)


def resume(
    run: options.RunFolder,
    *,
    data: options.MovedData = None,
    net: options.OwnModule = None,
    tensorboard: options.ResumedTensorBoard = False,
    live: options.ResumedLive = False,
    force: options.ResumedForce = False,
) -> None:
    """Resume a stopped run from its last checkpoint, or the members of an ensemble."""
    from hubel.cli.progress import watching
    from hubel.tasks.train_command import resumed

    announce(net or "")
    with watching() as listener:
        resumed(run, data=data, net=net, tensorboard=tensorboard, live=live, force=force, on_event=listener)
