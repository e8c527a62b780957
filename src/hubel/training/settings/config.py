"""What a training run is asked for: one frozen value, TOML in, TOML out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from hubel.data.feed.bad import OnBad
from hubel.data.feed.range import written_range
from hubel.data.image.preprocess import Fit
from hubel.errors import nearest
from hubel.training.settings.recipe import Recipe, check
from hubel.training.settings.toml import from_table, read_toml, to_toml
from hubel.training.step.precision import PRECISIONS

_MAKER = re.compile(r"[^()]+:[^()>|+*:]+")
"""`file.py:name` or `package.module:name`, which is no notation."""

AUTO, NONE = "auto", "none"

BALANCES = (NONE, "loss", "sampler")
"""What is done about classes of unequal size."""

Asked: TypeAlias = Literal["crop", "pad", "squash", ""]
"""A `Fit`, or nothing said of it."""


@dataclass(frozen=True, slots=True)
class Config:
    """A run: what to train on what, and how.

    `net` is a notation, `input` the volume it sees, `fit` how an image of another shape becomes it, empty
    for the way of the model the run starts from, else `crop`. `range` are the values of deep images (of 16
    bits or floating point) that become black and white: `auto` for those of the training set, `full` for 0
    to 65535, or `LOW:HIGH`. `start` is the model whose weights the run
    starts from, empty for none; `freeze` names the parts that then stay as they are. `val` is the share of
    the training images held out where the data has no validation split. `on_bad` is what an image that
    cannot be read does: `stop` the run, or be left out. `balance` weighs rare classes more, in the `loss` or
    by drawing them more often. `seconds` is the time the whole run may take, which comes before the
    recipe's epochs; 0 for no limit. `target` is the top-1 at which the run stops, 0 for none. `precision`
    is what a step is computed in; `auto` takes the fastest of the machine. `keep_epochs` keeps the model
    of every round.
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
    precision: str = AUTO
    seed: int = 0
    keep_epochs: bool = False
    own_loss: str = ""
    own_optimizer: str = ""
    own_augmentation: str = ""
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        check("seed", 0 <= self.seed < 2**63, "from 0 to below 2^63", self.seed)
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
            value = getattr(self, name)
            check(name, value in known, f"one of {', '.join(known)}", f"{value!r}{nearest(value, known)}")

    @property
    def is_own(self) -> bool:
        """Whether the network is a module of the user's own, `net` being the name of what makes it."""
        return _MAKER.fullmatch(self.net) is not None

    @property
    def own(self) -> dict[str, str]:
        """The names of what the run was given from Python."""
        return {name: getattr(self, name) for name in ("own_loss", "own_optimizer", "own_augmentation")}

    def to_toml(self) -> str:
        """The run as TOML; `from_toml` gives back an equal value."""
        return to_toml(self)

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Reads a run's TOML. Raises UsageError: not TOML, a key unknown or missing, a wrong value."""
        return from_table(cls, read_toml(path), str(path))
