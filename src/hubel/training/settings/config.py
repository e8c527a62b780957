"""What a training run is asked for: one frozen value, TOML in, TOML out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from hubel.data.feed.bad import OnBad
from hubel.data.feed.range import written_range
from hubel.data.image.preprocess import Fit
from hubel.training.settings.recipe import Recipe, check, check_one_of
from hubel.training.settings.toml import from_table, read_toml, to_toml
from hubel.training.step.precision import PRECISIONS

_MAKER = re.compile(r"[^()]+:[^()>|+*:]+")
"""`file.py:name` or `package.module:name`, which is no notation."""

AUTO, NONE = "auto", "none"

MEMBERS_APART = 1_000_003
"""The difference between the random seeds of two members of an ensemble."""

BALANCES = (NONE, "loss", "sampler")
"""The corrections for class imbalance."""

Asked: TypeAlias = Literal["crop", "pad", "squash", ""]
"""A `Fit`, or empty for the default."""


@dataclass(frozen=True, slots=True)
class Config:
    """A run: what to train on what, and how.

    `net`: the network's notation. `input`: its input volume. `fit`: how images of another aspect ratio are
    resized, `crop`, `pad` or `squash`; empty means the starting model's setting, else `crop`. `range`: the
    values of 16-bit or float images that become black and white: `auto` for those of the training set,
    `full` for 0 to 65535, or `LOW:HIGH`. `start`: the starting model, empty for none. `freeze`: the parts of
    the network that are not trained. `val`: the share of the training images to hold out for validation if
    the data set has no validation split. `on_bad`: what to do with unreadable images, `stop` or `skip`.
    `balance`: how class imbalance is corrected, by class weights in the `loss` or by the `sampler`, which
    draws rare classes more often. `seconds`: the time limit of the whole run, which overrides the recipe's
    epochs; 0 for none. `target`: the validation accuracy at which the run stops, 0 for none. `precision`:
    that of the computation; `auto` takes the fastest on this machine. `keep_epochs`: whether to keep the
    model of every round. `patience`: the rounds without a better validation after which the run stops, 0 for
    no limit. `sync_batchnorm`: whether processes that train together normalise by the statistics of the whole
    batch, not of their parts. `member`: the number in an ensemble, whose members hold out the same images;
    what else is random differs.

    Raises UsageError: a value outside its range.
    """

    data: str
    net: str
    input: str
    fit: Asked = ""
    range: str = AUTO
    start: str = ""
    freeze: tuple[str, ...] = ()
    val: float = 0.2
    on_bad: OnBad = "stop"
    balance: str = NONE
    seconds: float = 0.0
    target: float = 0.0
    patience: int = 0
    precision: str = AUTO
    seed: int = 0
    keep_epochs: bool = False
    sync_batchnorm: bool = True
    member: int = 0
    own_loss: str = ""
    own_optimizer: str = ""
    own_augmentation: str = ""
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        check("seed", 0 <= self.seed < 2**63, "from 0 to below 2^63", self.seed)
        for name in ("patience", "member"):
            check(name, getattr(self, name) >= 0, "at least 0", getattr(self, name))
        check("val", 0 < self.val < 1, "above 0 and below 1", self.val)
        check("seconds", 0 <= self.seconds < float("inf"), "above 0, or 0 for no limit", self.seconds)
        check("target", 0 <= self.target <= 1, "above 0 and at most 1, or 0 for none", self.target)
        known_range = self.range in (AUTO, "full") or written_range(self.range) is not None
        check("range", known_range, "auto, full or LOW:HIGH, such as 29000:31000", repr(self.range))
        for name, known in (
            ("fit", get_args(Fit) if self.fit else ("",)),
            ("on_bad", get_args(OnBad)),
            ("balance", BALANCES),
            ("precision", (AUTO, *PRECISIONS)),
        ):
            check_one_of(name, getattr(self, name), known)

    @property
    def is_own(self) -> bool:
        """Whether the network is a module of the user's own, `net` being the name of what makes it."""
        return _MAKER.fullmatch(self.net) is not None

    @property
    def own(self) -> dict[str, str]:
        """The names of what the run was given from Python."""
        return {name: getattr(self, name) for name in ("own_loss", "own_optimizer", "own_augmentation")}

    @property
    def draws(self) -> int:
        """The random seed of all but the images held out."""
        return (self.seed + MEMBERS_APART * self.member) % 2**63

    def to_toml(self) -> str:
        """The run as TOML; `from_toml` gives back an equal value."""
        return to_toml(self)

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Reads a run's TOML. Raises UsageError: not TOML, a key unknown or missing, a wrong value."""
        return from_table(cls, read_toml(path), str(path))
