"""A surveyed module runs on images: what comes out at each of its steps is seen, and may be changed.

Calls are told by the submodule they are made in, the function and their number, as the survey counted them,
so that functions are seen as well as submodules, and each use of one that is used again by itself.
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
from hubel.module.survey.calls import ENTERS, Call, Origin, Visits, name_of, tensors
from hubel.module.survey.reading import ARGUMENTS, named
from hubel.net.volume import Volume

Visitor: TypeAlias = Callable[[str, Tensor], Tensor]
"""Sees what comes out at a path, n x depth x height x width, and returns what flows on."""

_ORDER = {"c": 0, "h": 1, "w": 2}


@dataclass(frozen=True, slots=True)
class Stop:
    """A step at which a run is looked at: its path, the call that makes it, and the volume it is."""

    path: str
    origin: Origin
    output: Volume

    def volume(self, made: Tensor, count: int) -> Tensor:
        """What the call made of `count` images as n x depth x height x width.

        Raises NetworkError: it is not what one image makes, so many times.
        """
        at, order = self._axes(made, count)
        one = self.origin.shape
        apart = made.reshape(*one[:at], count, *one[at:]).movedim(at, 0).permute(order)
        return apart.reshape(count, self.output.depth, *self.output.plane)

    def back(self, value: Tensor, made: Tensor) -> Tensor:
        """A value of n x depth x height x width in the shape of what the call made."""
        at, order = self._axes(made, len(value))
        whole = (len(value), *self.origin.shape)
        apart = value.reshape([whole[axis] for axis in order])
        places = [order.index(axis) for axis in range(len(order))]
        return apart.permute(places).movedim(0, at).reshape(made.shape)

    def _axes(self, made: Tensor, count: int) -> tuple[int, list[int]]:
        """The axis that holds the images, and the order of all, images first, then depth, then places."""
        one, axes = self.origin.shape, self.origin.axes
        order = sorted(range(len(axes)), key=lambda axis: _ORDER.get(axes[axis], len(_ORDER)))
        for at, side in enumerate(one):
            if made.shape == (*one[:at], count * side, *one[at + 1 :]):
                return at, [0, *(1 + axis for axis in order)]
        raise NetworkError(
            f"{self.path} is {list(made.shape)} for {count} images and {list(one)} for one: "
            "images do not pass it side by side"
        )


@contextmanager
def replaying(module: nn.Module, stops: Iterable[Stop], visit: Visitor, count: int) -> Iterator[Replay]:
    """Visits the stops while a module runs, once, on `count` images; nothing of it stays on the module.

    A copy of what the visitor returns flows on, which a later call may write over.
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
    """One run; `given` is what the call at each path it has passed was given, by PyTorch's names.

    Of functions whose arguments are not known by name it is empty; of a submodule it is what that has.
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
        """The hook for when the submodule at a path is called."""
        return lambda _part, _inputs: self._visits.enter(path)

    def leaving(self, part: nn.Module, _inputs: Any, out: Any) -> Any:
        """The hook for when a submodule has returned."""
        visit = self._visits.now
        self._visits.leave()
        stops = self._stops.get((visit.path, visit.nth, "", 1))
        if stops is None:
            return out
        with torch._C.DisableTorchFunction():  # noqa: SLF001 - what looks is no call of the run
            self.given.update((stop.path, attributes(part)) for stop in stops)
            return self._shown(stops, out)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Runs one function, and shows what comes out where that is a stop."""
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
        # It works on a copy, so that neither what is shown nor what a gradient needs is written over.
        written, copy = args[0], args[0].clone()
        out = func(copy, *args[1:], **words)
        written.copy_(self._shown(made, copy))
        return None if out is None else written

    def _shown(self, stops: Iterable[Stop], out: Any) -> Any:
        """What flows on in place of what a call returned."""
        made = list(tensors(out))
        changed = {id(made[stop.origin.result]): self._show(stop, made[stop.origin.result]) for stop in stops}
        return _exchanged(out, changed)

    def _show(self, stop: Stop, made: Tensor) -> Tensor:
        value = self._visit(stop.path, stop.volume(made, self._count))
        return stop.back(value, made).clone()


def attributes(part: nn.Module) -> dict[str, Any]:
    """What a module has by itself, by name: parameters, buffers, and plain values."""
    plain = {name: value for name, value in vars(part).items() if not name.startswith("_")}
    return plain | dict(part.named_buffers(recurse=False)) | dict(part.named_parameters(recurse=False))


def _exchanged(out: Any, changed: Mapping[int, Tensor]) -> Any:
    """The same tuples, lists and dicts with other tensors."""
    if isinstance(out, Tensor):
        return changed.get(id(out), out)
    if isinstance(out, dict):
        return {name: _exchanged(value, changed) for name, value in out.items()}
    if isinstance(out, (tuple, list)):
        values = [_exchanged(value, changed) for value in out]
        return type(out)(*values) if hasattr(out, "_fields") else type(out)(values)
    return out


def _in_place(func: Callable[..., Any], args: tuple[Any, ...], words: Mapping[str, Any]) -> bool:
    """Whether a call writes over its first argument."""
    name = getattr(func, "__name__", "")
    if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
        return True
    try:
        bound = inspect.signature(func).bind(*args, **words)
    except (TypeError, ValueError):  # functions of C++ have no signature, and end with _
        return False
    return bool(bound.arguments.get("inplace"))
