"""An exchange: a request and its answer, as the log and the figures need it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

CROWDED = "hubel.crowded"
"""The extension in the scope of a request whose connection is one of too many."""


@dataclass(slots=True)
class Exchange:
    """A request and its answer: who asked, when, and how it was answered.

    `status` is 0 until it is; `size` are the bytes of its body, `held` those that are reserved for it;
    `whole` says that all of it has arrived, `ended` that all of the answer is sent. `route` is what the
    figures call its address where it is refused before its route.
    """

    scope: Scope
    began: float = field(default_factory=time.perf_counter)
    status: int = 0
    size: int = 0
    held: int = 0
    whole: bool = False
    ended: bool = False
    route: str = "other"

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self.began

    def header(self, name: bytes) -> bytes:
        """The value of a header of the request; empty if there is none."""
        return next((value for key, value in self.scope["headers"] if key == name), b"")
