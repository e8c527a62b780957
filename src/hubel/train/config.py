"""What a training run is asked for: one frozen value, TOML in, TOML out."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import tomli_w

from hubel.errors import UsageError, nearest
from hubel.train.engine import PRECISIONS

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Config:
    """A run: what to train on what, and how.

    `net` is a notation, `input` the volume it sees. `lr` is the peak of the one cycle, `clip` the
    largest norm of the gradient, `val` the share of the training pictures held out where the data
    has no validation split, `shift` the most pixels a picture is moved, `flip` whether it is
    mirrored. `precision` is what a step is computed in; `auto` takes the fastest of the machine.
    Raises UsageError: a value outside its range.
    """

    data: str
    net: str
    input: str
    epochs: int = 30
    batch: int = 64
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    clip: float = 1.0
    flip: bool = False
    shift: int = 0
    val: float = 0.2
    init: str = "he"
    precision: str = AUTO
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 1), ("shift", 0)):
            _check(name, getattr(self, name) >= least, f"at least {least}", getattr(self, name))
        _check("seed", 0 <= self.seed < 2**63, "from 0 to below 2^63", self.seed)
        for name in ("lr", "clip"):
            _check(name, 0 < getattr(self, name) < float("inf"), "above 0", getattr(self, name))
        for name in ("momentum", "label_smoothing"):
            _check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1", getattr(self, name))
        _check("weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0", self.weight_decay)
        _check("val", 0 < self.val < 1, "above 0 and below 1", self.val)
        _check(
            "precision",
            self.precision in (AUTO, *PRECISIONS),
            f"one of {AUTO}, {', '.join(PRECISIONS)}",
            self.precision,
        )

    def to_toml(self) -> str:
        """The run as TOML; `from_toml` gives back an equal value."""
        return tomli_w.dumps(asdict(self))

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Reads a run's TOML. Raises UsageError: not TOML, a key unknown or missing, a wrong type."""
        try:
            content = tomllib.loads(path.read_text("utf-8", "surrogateescape"))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{path} is not TOML: {error}") from None
        kinds = {item.name: item for item in fields(cls)}
        for key, value in content.items():
            if key not in kinds:
                raise UsageError(f"{path}: there is no setting {key!r}{nearest(key, kinds)}")
            content[key] = _typed(f"{path}: {key}", str(kinds[key].type), value)
        missing = [name for name, item in kinds.items() if item.default is MISSING and name not in content]
        if missing:
            raise UsageError(f"{path}: {', '.join(missing)} must be set")
        return cls(**content)


def batch_for(pictures: int) -> int:
    """The batch for so many training pictures: 64, less where an epoch would have under 20 steps."""
    return max(8, min(64, pictures // 20))


def _typed(where: str, kind: str, value: Any) -> Any:
    """A TOML value as the field's type; a whole number serves where a number is due."""
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value).__name__ != kind:
        raise UsageError(f"{where} is of type {kind}, not {value!r}")
    return value


def _check(name: str, fits: bool, range_: str, value: object) -> None:
    if not fits:
        raise UsageError(f"{name} is {range_}, not {value}")
