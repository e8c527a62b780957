"""The options of `hubel train` and `hubel resume`, by the panels of their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from typer import Argument, Option

from hubel.cli.network import FORCE_HELP, HELP, RANGE_HELP

DATA, NETWORK, RECIPE, RUN = "Data", "Network", "Recipe", "Run"
"""The panels of the help."""

_DATA = "A folder of images, or the name of a set: digits, fashion-mnist."
_VAL = "Share of the images to hold out for validation."
_FIT = (
    "How images of another aspect ratio are resized: crop, pad or squash. Default: the starting model's "
    "setting, else crop."
)
_ON_BAD = "What to do with unreadable images: stop or skip."
_BALANCE = "Remedy for class imbalance: none, loss or sampler."

Data: TypeAlias = Annotated[str | None, Argument(help=_DATA, metavar="DATA")]
Val: TypeAlias = Annotated[float | None, Option(help=_VAL, rich_help_panel=DATA)]
Fit: TypeAlias = Annotated[str | None, Option(help=_FIT, rich_help_panel=DATA)]
Range: TypeAlias = Annotated[str | None, Option(help=RANGE_HELP, rich_help_panel=DATA)]
OnBad: TypeAlias = Annotated[str | None, Option(help=_ON_BAD, rich_help_panel=DATA)]
Balance: TypeAlias = Annotated[str | None, Option(help=_BALANCE, rich_help_panel=DATA)]

_NET = (
    f"The network to train. {HELP} Or file.py:name, a torch module that your file makes; the file is "
    "executed. Default: chosen by the data, the machine and --time."
)
_VOLUME = "Input volume of the network, HxWxD."
_START = "Model to start from: a run's folder, a file, a name, hf:OWNER/NAME, auto or none."
_FREEZE = "Part that does not learn, none for no part; by default hubel decides. Repeatable."

Net: TypeAlias = Annotated[str | None, Option(help=_NET, rich_help_panel=NETWORK)]
InputVolume: TypeAlias = Annotated[
    str | None, Option("--input", "--volume", help=_VOLUME, rich_help_panel=NETWORK)
]
Start: TypeAlias = Annotated[str, Option("--from", help=_START, rich_help_panel=NETWORK)]
Freeze: TypeAlias = Annotated[list[str] | None, Option(help=_FREEZE, rich_help_panel=NETWORK)]

_RECIPE = "How to train: standard, modern, finetune, fast, fast_short, fast_long, a paper's, or a .toml file."
_EXACT = "At the end, give batch normalisation averages over training images."
_ENSEMBLE = "Train so many runs, whose models answer together: RUN/1, RUN/2, ..."
_PRETRAINED = "With --ensemble: a model that the last member starts from. Repeatable, for the last members."
_SET = "Change one setting, key=value. Repeatable."

RecipeName: TypeAlias = Annotated[str | None, Option(help=_RECIPE, rich_help_panel=RECIPE)]
Epochs: TypeAlias = Annotated[
    int | None, Option(help="Number of epochs, without --time.", rich_help_panel=RECIPE)
]
Batch: TypeAlias = Annotated[int | None, Option(help="Batch size.", rich_help_panel=RECIPE)]
Lr: TypeAlias = Annotated[float | None, Option(help="Peak learning rate.", rich_help_panel=RECIPE)]
ExactStatistics: TypeAlias = Annotated[
    bool | None, Option("--exact-statistics", help=_EXACT, rich_help_panel=RECIPE)
]
EnsembleSize: TypeAlias = Annotated[int | None, Option("--ensemble", help=_ENSEMBLE, rich_help_panel=RECIPE)]
Pretrained: TypeAlias = Annotated[
    list[str] | None, Option("--pretrained", help=_PRETRAINED, metavar="MODEL", rich_help_panel=RECIPE)
]
Changes: TypeAlias = Annotated[list[str] | None, Option("--set", help=_SET, rich_help_panel=RECIPE)]

_TIME = "Time for the whole run, such as 90s, 10m or 1h30m."
_TARGET = "Stop at this validation accuracy, such as 0.94."
_PATIENCE = "Stop after so many rounds without a better validation."
_KEEP_EPOCHS = "Keep the model of every round in RUN/epochs."
_TENSORBOARD = "Write TensorBoard events into the run's folder."
_LIVE = "Show the run on a page in the browser while it goes."
_RESUME = "Resume a stopped run: the same as `hubel resume RUN`."

Time: TypeAlias = Annotated[str | None, Option(help=_TIME, rich_help_panel=RUN)]
Target: TypeAlias = Annotated[float | None, Option(help=_TARGET, rich_help_panel=RUN)]
Patience: TypeAlias = Annotated[int | None, Option(help=_PATIENCE, rich_help_panel=RUN)]
Seed: TypeAlias = Annotated[int | None, Option(help="Random seed.", rich_help_panel=RUN)]
Out: TypeAlias = Annotated[
    Path | None, Option(help="Folder of the run; it must be new or empty.", rich_help_panel=RUN)
]
KeepEpochs: TypeAlias = Annotated[
    bool | None, Option("--keep-epochs", help=_KEEP_EPOCHS, rich_help_panel=RUN)
]
TensorBoard: TypeAlias = Annotated[bool, Option("--tensorboard", help=_TENSORBOARD, rich_help_panel=RUN)]
Live: TypeAlias = Annotated[bool, Option("--live", help=_LIVE, rich_help_panel=RUN)]
Force: TypeAlias = Annotated[bool, Option("--force", help=FORCE_HELP, rich_help_panel=RUN)]
ConfigFile: TypeAlias = Annotated[
    Path | None, Option(help="Repeat the run that a config.toml describes.", rich_help_panel=RUN)
]
Resume: TypeAlias = Annotated[Path | None, Option(help=_RESUME, rich_help_panel=RUN)]

_MOVED_DATA = "Where the run's images are now, if they were moved."
_OWN_MODULE = "The module of your own that the run trains, file.py:name."

RunFolder: TypeAlias = Annotated[
    Path, Argument(help="The folder of a stopped run or ensemble.", metavar="RUN")
]
MovedData: TypeAlias = Annotated[str | None, Option("--data", help=_MOVED_DATA)]
OwnModule: TypeAlias = Annotated[str | None, Option("--net", help=_OWN_MODULE)]
ResumedTensorBoard: TypeAlias = Annotated[bool, Option("--tensorboard", help=_TENSORBOARD)]
ResumedLive: TypeAlias = Annotated[bool, Option("--live", help=_LIVE)]
ResumedForce: TypeAlias = Annotated[bool, Option("--force", help=FORCE_HELP)]
