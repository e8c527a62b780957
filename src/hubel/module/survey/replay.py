"""A surveyed module runs on images, and a visitor sees, and may change, the output of each step.

A call is identified by its submodule, its function and its number, as the survey counted them. So functions
are seen as well as submodules, and the uses of a shared submodule are told apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hubel.errors import NetworkError
from hubel.module.survey.arguments import ARGUMENTS, named
from hubel.module.survey.calls import ENTERS, Call, Origin, Visits, name_of, tensors
from hubel.net.volume import Volume

Visitor: TypeAlias = Callable[[str, Tensor], Tensor]
"""Takes a path and its output, n x depth x height x width, and returns the output to continue with."""

_ORDER = {"c": 0, "cg": 1, "cm": 2, "h": 3, "w": 4}


@dataclass(frozen=True, slots=True)
class Stop:
    """A step whose output is visited: its path, the call that makes the output, and the output's volume."""

    path: str
    origin: Origin
    output: Volume

    def volume(self, made: Tensor, count: int) -> Tensor:
        """Returns the result of the call for `count` images as n x depth x height x width.

        Raises NetworkError: its shape is not that for one image times `count`.
        """
        at, order = self._axes(made, count)
        one = self.origin.shape
        apart = made.reshape(*one[:at], count, *one[at:]).movedim(at, 0).permute(order)
        return apart.reshape(count, self.output.depth, *self.output.plane)

    def back(self, value: Tensor, made: Tensor) -> Tensor:
        """Returns a value, n x depth x height x width, in the shape of the call's result."""
        at, order = self._axes(made, len(value))
        whole = (len(value), *self.origin.shape)
        apart = value.reshape([whole[axis] for axis in order])
        places = [order.index(axis) for axis in range(len(order))]
        return apart.permute(places).movedim(0, at).reshape(made.shape)

    def _axes(self, made: Tensor, count: int) -> tuple[int, list[int]]:
        """Returns the axis of the images, and the order of all axes: images, depth, height, width."""
        one, axes = self.origin.shape, self.origin.axes
        order = sorted(range(len(axes)), key=lambda axis: _ORDER.get(axes[axis], len(_ORDER)))
        for at, side in enumerate(one):
            if made.shape == (*one[:at], count * side, *one[at + 1 :]):
                return at, [0, *(1 + axis for axis in order)]
        raise NetworkError(
            f"{self.path} is {list(made.shape)} for {count} images and {list(one)} for one: "
            "it does not treat each image by itself"
        )


@contextmanager
def replaying(module: nn.Module, stops: Iterable[Stop], visit: Visitor, count: int) -> Iterator[Replay]:
    """Visits the stops while a module runs once on `count` images; the hooks are removed afterwards.

    The run continues with a copy of what the visitor returns, so that a later call may overwrite it.
    """
    replay = Replay(stops, visit, count)
    with ExitStack() as hooks:
        for path, part in module.named_modules():
            for handle in (
                part.register_forward_pre_hook(replay.entering(path)),
                part.register_forward_hook(replay.leaving),
            ):
                hooks.callback(handle.remove)
        with replay:
            yield replay


class Replay(TorchFunctionMode):
    """One run on images.

    `given` has for each path that was passed the arguments of its call, by PyTorch's names. It is empty for a
    function whose arguments have no known names; for a submodule it has the submodule's attributes.
    """

    def __init__(self, stops: Iterable[Stop], visit: Visitor, count: int) -> None:
        super().__init__()
        self.given: dict[str, dict[str, Any]] = {}
        self._visit, self._count = visit, count
        self._visits = Visits()
        self._stops: dict[Call, list[Stop]] = {}
        for stop in stops:
            self._stops.setdefault(stop.origin.call, []).append(stop)

    def entering(self, path: str) -> Callable[[nn.Module, Any], None]:
        """Returns the hook that runs before the submodule at a path."""
        return lambda _part, _inputs: self._visits.enter(path)

    def leaving(self, part: nn.Module, _inputs: Any, out: Any) -> Any:
        """The hook that runs after a submodule."""
        visit = self._visits.now
        self._visits.leave()
        stops = self._stops.get((visit.path, visit.nth, "", 1))
        if stops is None:
            return out
        with torch._C.DisableTorchFunction():  # noqa: SLF001 - the visitor's calls are not the run's
            self.given.update((stop.path, attributes(part)) for stop in stops)
            return self._shown(stops, out)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Runs a function, and visits its result if it is a stop."""
        words: dict[str, Any] = kwargs or {}
        visit, name = self._visits.now, name_of(func)
        stops = self._stops.get((visit.path, visit.nth, name, visit.turn(name)))
        if stops is None:
            return func(*args, **words)
        known = named(ARGUMENTS[name], args, words) if name in ARGUMENTS else {}
        self.given.update((stop.path, known) for stop in stops)
        for stop in (stop for stop in stops if stop.origin.result == ENTERS):
            before = next(tensors((args, words)))
            after = self._show(stop, before)
            args = tuple(after if arg is before else arg for arg in args)
        made = [stop for stop in stops if stop.origin.result != ENTERS]
        if not _in_place(func, args, words):
            return self._shown(made, func(*args, **words))
        # It works on a copy, so that it overwrites neither what the visitor sees nor what a gradient needs.
        written, copy = args[0], args[0].clone()
        out = func(copy, *args[1:], **words)
        written.copy_(self._shown(made, copy))
        return None if out is None else written

    def _shown(self, stops: Iterable[Stop], out: Any) -> Any:
        """Returns the result of a call after the visits."""
        made = list(tensors(out))
        changed = {id(made[stop.origin.result]): self._show(stop, made[stop.origin.result]) for stop in stops}
        return _exchanged(out, changed)

    def _show(self, stop: Stop, made: Tensor) -> Tensor:
        value = self._visit(stop.path, stop.volume(made, self._count))
        return stop.back(value, made).clone()


def attributes(part: nn.Module) -> dict[str, Any]:
    """Returns the parameters, buffers and other attributes of a module, without those of its submodules."""
    plain = {name: value for name, value in vars(part).items() if not name.startswith("_")}
    return plain | dict(part.named_buffers(recurse=False)) | dict(part.named_parameters(recurse=False))


def _exchanged(out: Any, changed: Mapping[int, Tensor]) -> Any:
    """Returns nested tuples, lists and dicts with some tensors replaced, by their id."""
    if isinstance(out, Tensor):
        return changed.get(id(out), out)
    if isinstance(out, dict):
        return {name: _exchanged(value, changed) for name, value in out.items()}
    if isinstance(out, (tuple, list)):
        values = [_exchanged(value, changed) for value in out]
        return type(out)(*values) if hasattr(out, "_fields") else type(out)(values)
    return out


def _in_place(func: Callable[..., Any], args: tuple[Any, ...], words: Mapping[str, Any]) -> bool:
    """Whether a call overwrites its first argument."""
    name = getattr(func, "__name__", "")
    if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
        return True
    try:
        bound = inspect.signature(func).bind(*args, **words)
    except (TypeError, ValueError):  # C++ functions have no signature; in-place ones end in _
        return False
    return bool(bound.arguments.get("inplace"))
