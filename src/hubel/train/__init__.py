"""Training: a config, one loop that yields events, and the folder that keeps a run."""

from hubel.train.config import Config, batch_for
from hubel.train.loop import BatchDone, EpochDone, Trainer
from hubel.train.measure import Measured, measure
from hubel.train.metrics import Evaluation, evaluate
from hubel.train.run import Run
from hubel.train.setting import Setting, check_classes

__all__ = [
    "BatchDone",
    "Config",
    "EpochDone",
    "Evaluation",
    "Measured",
    "Run",
    "Setting",
    "Trainer",
    "batch_for",
    "check_classes",
    "evaluate",
    "measure",
]
