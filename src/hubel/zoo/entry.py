"""An entry of the zoo: a network's function, its input, and what was published about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hubel.net.algebra import Net
from hubel.net.volume import Volume


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of the zoo.

    `make` takes `classes` and the network's options; `input` is the volume it was published for.
    `paper` is where it was first described, `data` what it classifies. `top1_error` and
    `top5_error` are published errors in percent, None where there is none; `result` says how they
    were measured, or why there is none, and `source` where they are printed.
    """

    make: Callable[..., Net]
    input: Volume
    year: int
    paper: str
    data: str
    top1_error: float | None = None
    top5_error: float | None = None
    result: str = ""
    source: str = ""
