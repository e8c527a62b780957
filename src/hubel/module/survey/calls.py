"""Where a run is: in which submodule, and in which call of which function there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

_OPERATORS = {"__rmul__": "mul", "__rsub__": "sub", "__radd__": "add"}


Call: TypeAlias = "tuple[str, int, str, int]"
"""A submodule's path, the number of its call, a function, and the number of its call there; from 1."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The call of a run that makes the output of a step.

    It is the `turn`-th call of `function` within the `visit`-th call of the submodule at path `module`, both
    counted from 1. Without a function, the output is what the submodule returns. `result` is the number of
    the tensor among those that the call returns, from 0; `ENTERS` is the first tensor that enters the call,
    in another shape. `weights` are the parameters that are read; `axes` and `shape` are those of the tensor
    for one image.
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
        """The call: submodule, visit, function, turn."""
        return self.module, self.visit, self.function, self.turn


ENTERS = -1
"""The `result` of an origin whose tensor enters the call."""


@dataclass(slots=True, eq=False)
class Visit:
    """One call of a submodule.

    `path` is the submodule's, `nth` the number of the call, `own` the number of records it made itself, and
    `inner` that of the submodules it called. `numbers` counts its layers by kind, `calls` its calls of each
    function.
    """

    path: str
    nth: int = 1
    own: int = 0
    inner: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def turn(self, name: str) -> int:
        """Counts a call of a function and returns its number."""
        self.calls[name] = self.calls.get(name, 0) + 1
        return self.calls[name]


class Visits:
    """The calls of submodules that a run is in, the innermost last."""

    def __init__(self) -> None:
        self.open = [Visit("")]
        self._entered: dict[str, int] = {}

    def enter(self, path: str) -> None:
        """Notes that the submodule at a path is called."""
        self._entered[path] = self._entered.get(path, 0) + 1
        self.open.append(Visit(path, self._entered[path]))

    def leave(self) -> None:
        """Notes that the innermost submodule has returned."""
        visit = self.open.pop()
        self.now.inner += visit.own + visit.inner

    @property
    def now(self) -> Visit:
        """The innermost call."""
        return self.open[-1]


def tensors(value: Any) -> Iterator[Tensor]:
    """Yields the tensors in nested tuples, lists, sets, dicts and dataclasses, in order."""
    for _, tensor in named_tensors(value):
        yield tensor


def named_tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors as `tensors` does, with their keys, fields or numbers from 0, joined by dots."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Tensor):
        yield name or "0", value
    elif isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (tuple, list, set)):
        parts = zip(getattr(value, "_fields", range(len(value))), value, strict=True)
    elif hasattr(value, "__dataclass_fields__"):
        parts = ((each, getattr(value, each)) for each in value.__dataclass_fields__)
    for key, part in parts:
        yield from named_tensors(part, f"{name}.{key}" if name else str(key))


def name_of(func: Callable[..., Any]) -> str:
    """Returns the name of a function, without the trailing `_` of one that works in place."""
    name: str = getattr(func, "__name__", type(func).__name__)
    if getattr(func, "namespace", "aten") != "aten":
        return f"{func.namespace}.{name}"  # type: ignore[attr-defined]
    name = _OPERATORS.get(name, name.partition(".")[0])
    return name if name.startswith("__") else name.rstrip("_")
