"""The ledger of any torch module: one run on the meta device, told as steps.

A run is watched, not exported: whatever Python does on the way is followed as it happens, a layer
stays the one call it was, and it takes as long as a forward pass without its arithmetic. The module
itself is not touched; a copy without values runs, its weights and what flows being shapes alone.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hubel.errors import NetworkError, SizeError
from hubel.module.survey.calls import Origin, tensors
from hubel.module.survey.steps import tell
from hubel.module.survey.user_line import why
from hubel.module.survey.watch import Watch
from hubel.net.ledger import Ledger
from hubel.net.trace import INPUT, Step, UnfitError, refuse_remainder
from hubel.net.volume import Volume, VolumeLike


@dataclass(frozen=True, slots=True)
class Run:
    """One run: what was watched, and the record each tensor came from that the module returned."""

    watch: Watch
    ends: tuple[int, ...]

    @property
    def read(self) -> set[str]:
        """The parameters that were read."""
        return set().union(*(record.origin.weights for record in self.watch.records))


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The ledger of a module, and of each step's path which call of a run makes what comes out there.

    What nothing reads has no such call. `end` is the path of what the module returns, or returns first.
    """

    ledger: Ledger
    origins: Mapping[str, Origin]
    end: str


def survey(module: nn.Module, volume: VolumeLike, *, strict: bool = False) -> Ledger:
    """The ledger of a module that maps 1 x depth x height x width to one or more tensors.

    Rows have the dotted names of the submodules; functions called in a submodule's `forward` take its
    name, or where there are several, its name and a running number of their kind. The run is that of
    inference, unless training returns more or reads more parameters (side heads). Operations that are
    none of hubel's layers have a row of their name; where their MACs are unknown, its note says so.
    A parameter counts once, in the first row that reads it. Hooks are not run.

    Raises UnfitError: the module fails on this volume; its `steps` are those before the failure. Raises
    NetworkError: it cannot be followed.
    """
    found = surveyed(module, volume).ledger
    if strict:
        _refuse_remainders(found.steps)
    return found


def surveyed(module: nn.Module, volume: VolumeLike) -> Surveyed:
    """As `survey`, with the calls by which a later run finds the steps again: see `replaying`."""
    seen = Volume.of(volume)
    module = getattr(module, "_orig_mod", module)
    run = _run(module, seen, training=False)
    try:
        training = _run(module, seen, training=True)
    except NetworkError:  # what only runs at inference is what there is
        training = run
    sides = len(training.ends) > len(run.ends) or not training.read <= run.read
    chosen = training if sides else run
    steps = tell(chosen.watch, chosen.ends, module, sides=sides)
    ledger = Ledger.of(seen, steps)
    held = sum(parameter.numel() for parameter in module.parameters())
    if ledger.totals.params != held:
        raise NetworkError(f"{ledger.totals.params:,} of the module's {held:,} parameters were accounted for")
    records = chosen.watch.records
    origins = {step.path: record.origin for step, record in zip(steps, records, strict=False)}
    return Surveyed(ledger, origins, steps[chosen.ends[0]].path if chosen.ends[0] >= 0 else INPUT)


def _refuse_remainders(steps: tuple[Step, ...]) -> None:
    for at, step in enumerate(steps):
        try:
            refuse_remainder(step.layer, step.inputs[0])
        except SizeError as error:
            raise UnfitError(f"{step.path} does not fit {step.inputs[0]}: {error}", steps[:at]) from None


def _run(module: nn.Module, volume: Volume, *, training: bool) -> Run:
    """Runs a copy of a module in one of its modes."""
    shell = without_values(module).train(training)
    kinds = [parameter.dtype for parameter in shell.parameters() if parameter.is_floating_point()]
    height, width, depth = volume
    shape = (1, depth, height, width)
    with torch.device("meta"):
        leaf = torch.empty(shape, dtype=kinds[0] if kinds else torch.float32, requires_grad=True)
        entry = leaf.clone()  # not a leaf, so that it may be overwritten
    watch = Watch(shell, module, entry, volume)
    for path, part in shell.named_modules():
        _follow(watch, path, part)
    chance = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.enable_grad(), watch:
            out = shell(entry)
    except Exception as error:  # whatever a stranger's forward raises
        raise _failure(watch, volume, error, module) from error
    finally:
        random.setstate(chance)
    places = [watch.place(tensor) for tensor in tensors(out)]
    ends = tuple(place.source for place in places if place is not None)
    if not ends:
        raise NetworkError(f"{type(module).__name__} returns nothing that is made of the image")
    return Run(watch, ends)


def _follow(watch: Watch, path: str, part: nn.Module) -> None:
    part.register_forward_pre_hook(lambda _part, _inputs: watch.enter(path))
    part.register_forward_hook(
        lambda part, inputs, words, out: watch.leave(path, part, (inputs, words), out),
        with_kwargs=True,
        always_call=True,
    )


def _failure(watch: Watch, volume: Volume, error: Exception, module: nn.Module) -> NetworkError:
    """The user's error of a run that broke off, with the steps it got to."""
    path, seen = watch.failed_in or ("", "")
    where = f"{path or type(module).__name__} fails on {seen or volume}"
    if isinstance(error, NetworkError) and not isinstance(error, SizeError):
        return error
    reason = str(error) if isinstance(error, SizeError) else why(error)
    if "meta" in str(error):
        reason = f"its way depends on the values of the image, which are not there yet; {reason}"
    steps: Sequence[Step] = tell(watch, (), module, sides=False, unused=False)
    if isinstance(error, (RuntimeError, SizeError)):
        return UnfitError(f"{where}: {reason}", tuple(steps))
    return NetworkError(f"{where}: {reason}")


class _Hollow(TorchFunctionMode):
    """Copies tensors without their values while a module is copied."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answers a copy by a shape; all else as ever."""
        if getattr(func, "__name__", "") in ("__deepcopy__", "clone"):
            return hollow(args[0])
        return func(*args, **(kwargs or {}))


def hollow(tensor: Tensor) -> Tensor:
    """A tensor of the same shape, type and strides on the meta device."""
    with torch.no_grad():
        made = torch.empty_like(tensor, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made


def without_values(module: nn.Module) -> nn.Module:
    """A copy of a module on the meta device, without hooks: no number is copied, the module not touched.

    Hooks of `torch.nn.utils` stay, as they make weights. Raises NetworkError: it cannot be copied.
    """
    lazy = [name for name, part in module.named_parameters() if isinstance(part, nn.UninitializedParameter)]
    if lazy:
        raise NetworkError(f"{lazy[0]} has no size before the module has run once; run it on an image first")
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            what = path or type(module).__name__
            raise NetworkError(
                f"{what} is TorchScript, which cannot be watched; give the module it was made of"
            )
    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        memo[id(tensor)] = hollow(tensor)
    try:
        with _Hollow():
            shell = copy.deepcopy(module, memo)
    except Exception as error:  # whatever a stranger's attributes raise
        raise NetworkError(f"{type(module).__name__} cannot be copied: {error}") from error
    for part in shell.modules():
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            hooks = getattr(part, name)
            for key in [key for key, hook in hooks.items() if not _makes_weights(hook)]:
                del hooks[key]
    return shell


def _makes_weights(hook: object) -> bool:
    return type(hook).__module__.startswith("torch.nn.utils")
