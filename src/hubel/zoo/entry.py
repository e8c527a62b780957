"""An entry of the zoo: a network's name, its page, its input, and what was published about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from hubel.net.algebra import Net
from hubel.net.volume import Volume


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of the zoo.

    `page` is the module of `hubel.zoo.pages` with the function that makes it; it is imported when a network
    is made. `input` is the volume the network was published for, `paper` where it was first described,
    `data` what it classifies. `top1_error` and `top5_error` are published errors in percent, None where
    there is none; `result` says how they were measured, or why there is none, and `source` where they are
    printed.
    """

    name: str
    page: str
    input: Volume
    year: int
    paper: str
    data: str
    top1_error: float | None = None
    top5_error: float | None = None
    result: str = ""
    source: str = ""

    @property
    def make(self) -> Callable[..., Net]:
        """The function that makes the network: it takes `classes` and the network's options."""
        return cast("Callable[..., Net]", getattr(import_module(f"hubel.zoo.pages.{self.page}"), self.name))
