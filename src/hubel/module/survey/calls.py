"""Where a run is: which submodule it is in, which call of which function makes what, and which tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

_OPERATORS = {"__rmul__": "mul", "__rsub__": "sub", "__radd__": "add", "__rtruediv__": "div"}


Call: TypeAlias = "tuple[str, int, str, int]"
"""A submodule, which of its calls, a function called in it, and which of its calls there; from 1."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which call of a run makes what comes out at a step.

    It is the `turn`-th call of `function` in the `visit`-th call of the submodule at `module`, both counted
    from 1; without a function, what the submodule itself returns. `result` counts the tensors a call makes
    from 0; `ENTERS` is the first one that enters it, read in another shape. `weights` are the parameters
    read; `axes` and `shape` are the tensor's, for one image.
    """

    module: str
    visit: int
    function: str
    turn: int
    result: int
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    weights: frozenset[str]

    @property
    def call(self) -> Call:
        """The call alone: submodule, its visit, function, turn."""
        return self.module, self.visit, self.function, self.turn


ENTERS = -1
"""The `result` of an origin that is what enters a call."""


@dataclass(slots=True, eq=False)
class Visit:
    """One call of a submodule: its path, and how many records it made, inside of other submodules too.

    `nth` counts the calls of this submodule, `calls` those of each function in this one.
    """

    path: str
    nth: int = 1
    own: int = 0
    inner: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def turn(self, name: str) -> int:
        """Counts a call of a function."""
        self.calls[name] = self.calls.get(name, 0) + 1
        return self.calls[name]


class Visits:
    """The calls of submodules a run is in, the innermost last."""

    def __init__(self) -> None:
        self.open = [Visit("")]
        self._entered: dict[str, int] = {}

    def enter(self, path: str) -> None:
        """A submodule is called."""
        self._entered[path] = self._entered.get(path, 0) + 1
        self.open.append(Visit(path, self._entered[path]))

    def leave(self) -> None:
        """It has returned."""
        visit = self.open.pop()
        self.now.inner += visit.own + visit.inner

    @property
    def now(self) -> Visit:
        """The innermost."""
        return self.open[-1]


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists, dicts and dataclasses, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list, set)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors(getattr(value, name))


def name_of(func: Callable[..., Any]) -> str:
    """The plain name of a function: without the `_` of those that work in place."""
    name: str = getattr(func, "__name__", type(func).__name__)
    if getattr(func, "namespace", "aten") != "aten":
        return f"{func.namespace}.{name}"  # type: ignore[attr-defined]
    name = _OPERATORS.get(name, name.partition(".")[0])
    return name if name.startswith("__") else name.rstrip("_")
