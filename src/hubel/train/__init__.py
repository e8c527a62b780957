"""Training: a config, one loop that yields events, and the folder that keeps a run."""

from hubel.train.choose import Candidate, Chosen, choose, share_held_out
from hubel.train.config import Config
from hubel.train.events import BatchDone, Event, RoundDone, Warned
from hubel.train.loop import Trainer
from hubel.train.measure import Measured, measure
from hubel.train.metrics import Evaluation, evaluate
from hubel.train.recipe import RECIPES, Recipe, recipe
from hubel.train.run import Run
from hubel.train.setting import Setting, check_classes
from hubel.train.settings import changed

__all__ = [
    "RECIPES",
    "BatchDone",
    "Candidate",
    "Chosen",
    "Config",
    "Evaluation",
    "Event",
    "Measured",
    "Recipe",
    "RoundDone",
    "Run",
    "Setting",
    "Trainer",
    "Warned",
    "changed",
    "check_classes",
    "choose",
    "evaluate",
    "measure",
    "recipe",
    "share_held_out",
]
