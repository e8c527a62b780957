"""The ledger of any torch module: one run on the meta device as steps.

The run is recorded, not exported: Python control flow is followed as it happens, a layer stays a single call,
and it takes as long as a forward pass without the arithmetic. The module itself is unchanged: a copy without
values runs, whose weights and activations are shapes alone.
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
from hubel.module.survey.steps import steps_of
from hubel.module.survey.user_line import why
from hubel.module.survey.watch import Watch
from hubel.net.ledger import Ledger
from hubel.net.trace import INPUT, Step, UnfitError, refuse_remainder
from hubel.net.volume import Volume, VolumeLike


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its recorder, and for each tensor that the module returned, the number of its record."""

    watch: Watch
    ends: tuple[int, ...]

    @property
    def read(self) -> set[str]:
        """The names of the parameters that were read."""
        return set().union(*(record.origin.weights for record in self.watch.records))


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The ledger of a module, and for each path the call that makes its output.

    Parameters that nothing reads have no such call. `end` is the path of the module's first result.
    """

    ledger: Ledger
    origins: Mapping[str, Origin]
    end: str


def survey(module: nn.Module, volume: VolumeLike, *, strict: bool = False) -> Ledger:
    """Returns the ledger of a module that maps 1 x depth x height x width to one or more tensors.

    Rows have the dotted names of the submodules. A function called in a submodule's `forward` has the name of
    the submodule; if there are several, also its kind and a running number. The run is that of inference,
    unless training returns more tensors or reads more parameters (side heads). Operations that are none of
    hubel's layers have a row with their name; if their MACs are unknown, its note says so. A parameter counts
    once, in the first row that reads it. Hooks are not run.

    Raises UnfitError: the module fails on this volume; its `steps` are those before the failure. Raises
    NetworkError: it cannot be followed.
    """
    found = surveyed(module, volume).ledger
    if strict:
        _refuse_remainders(found.steps)
    return found


def surveyed(module: nn.Module, volume: VolumeLike) -> Surveyed:
    """Returns what `survey` does, and the calls by which `replaying` finds the steps again in a later run."""
    checked = Volume.of(volume)
    module = getattr(module, "_orig_mod", module)
    run = _run(module, checked, training=False)
    try:
        training = _run(module, checked, training=True)
    except NetworkError:  # the module runs at inference alone
        training = run
    sides = len(training.ends) > len(run.ends) or not training.read <= run.read
    chosen = training if sides else run
    steps = steps_of(chosen.watch, chosen.ends, module, sides=sides)
    ledger = Ledger.of(checked, steps)
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
    """Runs a copy of a module without values, in training or evaluation mode."""
    shell = without_values(module).train(training)
    dtypes = [parameter.dtype for parameter in shell.parameters() if parameter.is_floating_point()]
    height, width, depth = volume
    shape = (1, depth, height, width)
    with torch.device("meta"):
        leaf = torch.empty(shape, dtype=dtypes[0] if dtypes else torch.float32, requires_grad=True)
        entry = leaf.clone()  # no leaf, so that the module may overwrite it
    watch = Watch(shell, module, entry, volume)
    for path, part in shell.named_modules():
        _follow(watch, path, part)
    random_state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.enable_grad(), watch:
            out = shell(entry)
    except Exception as error:  # a module may raise anything
        raise _failure(watch, volume, error, module) from error
    finally:
        random.setstate(random_state)
    places = [watch.place(tensor) for tensor in tensors(out)]
    ends = tuple(place.source for place in places if place is not None)
    if not ends:
        raise NetworkError(f"{type(module).__name__} returns no tensor that depends on the image")
    return Run(watch, ends)


def _follow(watch: Watch, path: str, part: nn.Module) -> None:
    part.register_forward_pre_hook(lambda _part, _inputs: watch.enter(path))
    part.register_forward_hook(
        lambda part, inputs, words, out: watch.leave(path, part, (inputs, words), out),
        with_kwargs=True,
        always_call=True,
    )


def _failure(watch: Watch, volume: Volume, error: Exception, module: nn.Module) -> NetworkError:
    """Returns the error of a run that failed, with the steps before the failure."""
    path, seen = watch.failed_in or ("", "")
    where = f"{path or type(module).__name__} fails on {seen or volume}"
    if isinstance(error, NetworkError) and not isinstance(error, SizeError):
        return error
    reason = str(error) if isinstance(error, SizeError) else why(error)
    if "meta" in str(error):
        reason = f"its control flow depends on the values of the image, which do not exist here; {reason}"
    steps: Sequence[Step] = steps_of(watch, (), module, sides=False, unused=False)
    if isinstance(error, (RuntimeError, SizeError)):
        return UnfitError(f"{where}: {reason}", tuple(steps))
    return NetworkError(f"{where}: {reason}")


class _WithoutValues(TorchFunctionMode):
    """Makes copies of tensors without their values while a module is copied."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Returns a tensor without values for a copy; runs everything else."""
        if getattr(func, "__name__", "") in ("__deepcopy__", "clone"):
            return without_value(args[0])
        return func(*args, **(kwargs or {}))


def without_value(tensor: Tensor) -> Tensor:
    """Returns a tensor of the same shape, type and strides on the meta device."""
    with torch.no_grad():
        made = torch.empty_like(tensor, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made


def without_values(module: nn.Module) -> nn.Module:
    """Returns a copy of a module on the meta device, without values and hooks; the module is unchanged.

    Hooks of `torch.nn.utils` remain, as they compute weights. Raises NetworkError: it cannot be copied.
    """
    lazy = [name for name, part in module.named_parameters() if isinstance(part, nn.UninitializedParameter)]
    if lazy:
        raise NetworkError(f"{lazy[0]} has no size until the module has run once; run it on an image first")
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            what = path or type(module).__name__
            raise NetworkError(
                f"{what} is TorchScript, whose calls cannot be recorded; pass the module it was made from"
            )
    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        memo[id(tensor)] = without_value(tensor)
    try:
        with _WithoutValues():
            shell = copy.deepcopy(module, memo)
    except Exception as error:  # a module's attributes may raise anything
        raise NetworkError(f"{type(module).__name__} cannot be copied: {error}") from error
    for part in shell.modules():
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            hooks = getattr(part, name)
            for key in [key for key, hook in hooks.items() if not _computes_weights(hook)]:
                del hooks[key]
    return shell


def _computes_weights(hook: object) -> bool:
    return type(hook).__module__.startswith("torch.nn.utils")
