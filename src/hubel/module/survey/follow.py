"""The ledger of any torch module: one run on the meta device as steps.

The run is recorded, not exported: Python control flow is followed as it happens, a layer stays a single call,
and it takes as long as a forward pass without the arithmetic. The module itself is unchanged: a copy without
values runs, whose weights and activations are shapes alone.
"""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from hubel.errors import NetworkError, SizeError, UsageError, nearest
from hubel.module.survey.calls import Origin, named_tensors
from hubel.module.survey.steps import steps_of
from hubel.module.survey.user_line import why
from hubel.module.survey.watch import Watch
from hubel.net.ledger import Ledger
from hubel.net.trace import INPUT, Step, UnfitError, refuse_remainder
from hubel.net.volume import Volume, VolumeLike


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its recorder, and the results of the module, by name, with the number of their record."""

    watch: Watch
    results: Mapping[str, int]

    @property
    def ends(self) -> tuple[int, ...]:
        """The numbers of the results' records."""
        return tuple(self.results.values())

    @property
    def read(self) -> set[str]:
        """The names of the parameters that were read."""
        return set().union(*(record.origin.weights for record in self.watch.records))


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The ledger of a module, and for each path the call that makes its output.

    Parameters that nothing reads have no such call. `output` is the name of the result that was chosen, `end`
    its path, and `others` the names of the results beside it.
    """

    ledger: Ledger
    origins: Mapping[str, Origin]
    end: str
    output: str
    others: tuple[str, ...] = ()


def survey(
    module: nn.Module, volume: VolumeLike, *, strict: bool = False, output: str | None = None
) -> Ledger:
    """Returns the ledger of a module that maps 1 x depth x height x width to one or more tensors.

    Rows have the dotted names of the submodules. A function called in a submodule's `forward` has the name of
    the submodule; if there are several, also its kind and a running number. The run is that of inference,
    unless training returns more tensors or reads more parameters (side heads). Operations that are none of
    hubel's layers have a row with their name; if their MACs are unknown, its note says so. A parameter counts
    once, in the first row that reads it. Hooks are not run. Lazy parameters get their sizes in a copy.

    Of several results, `output` names the one that is the network's: a key, or a number from 0. By default it
    is the first, and a remark of the ledger says so.

    Raises UnfitError: the module fails on this volume; its `steps` are those before the failure. Raises
    NetworkError: it cannot be followed.
    """
    found = surveyed(module, volume, output).ledger
    if strict:
        _refuse_remainders(found.steps)
    return found


def surveyed(module: nn.Module, volume: VolumeLike, output: str | None = None) -> Surveyed:
    """Returns what `survey` does, and the calls by which `replaying` finds the steps again in a later run."""
    checked = Volume.of(volume)
    module = materialised(getattr(module, "_orig_mod", module), checked)
    run = _run(module, checked, training=False)
    try:
        training = _run(module, checked, training=True)
    except NetworkError:  # the module runs at inference alone
        training = run
    sides = len(training.ends) > len(run.ends) or not training.read <= run.read
    chosen = training if sides else run
    name = _chosen(module, run.results, output)
    first = chosen.results.get(name, chosen.ends[0])
    steps = steps_of(chosen.watch, (first, *chosen.ends), module, sides=sides)
    others = tuple(other for other in run.results if other != name)
    remark = f"{type(module).__name__} returns {', '.join(run.results)}; its scores are the first: {name}"
    ledger = Ledger.of(checked, steps, (remark,) if others and output is None else ())
    held = sum(parameter.numel() for parameter in module.parameters())
    if ledger.totals.params != held:
        raise NetworkError(f"{ledger.totals.params:,} of the module's {held:,} parameters were accounted for")
    records = chosen.watch.records
    origins = {step.path: record.origin for step, record in zip(steps, records, strict=False)}
    return Surveyed(ledger, origins, steps[first].path if first >= 0 else INPUT, name, others)


def _chosen(module: nn.Module, results: Mapping[str, int], output: str | None) -> str:
    """Returns the name of the result that is asked for. Raises UsageError: there is no such result."""
    names = list(results)
    if output is None:
        return names[0]
    if output not in results:
        raise UsageError(
            f"{type(module).__name__} returns no {output!r}{nearest(output, names)}; "
            f"choose {', '.join(names)}"
        )
    return output


def _refuse_remainders(steps: tuple[Step, ...]) -> None:
    for at, step in enumerate(steps):
        try:
            refuse_remainder(step.layer, step.inputs[0])
        except SizeError as error:
            raise UnfitError(f"{step.path} does not fit {step.inputs[0]}: {error}", steps[:at]) from None


def _run(module: nn.Module, volume: Volume, *, training: bool) -> Run:
    """Runs a copy of a module without values, in training or evaluation mode."""
    _check_takes_one(module)
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
    places = {name: watch.place(tensor) for name, tensor in named_tensors(out)}
    results = {name: place.source for name, place in places.items() if place is not None}
    if not results:
        raise NetworkError(f"{type(module).__name__} returns no tensor that depends on the image")
    return Run(watch, results)


ALONE = "what can be followed takes one image volume, 1 x depth x height x width, and nothing else"


def _check_takes_one(module: nn.Module) -> None:
    """Raises NetworkError: a module whose `forward` needs other arguments than one."""
    try:
        taken = inspect.signature(module.forward)
    except (TypeError, ValueError):  # no signature to ask
        return
    try:
        taken.bind(None)
    except TypeError:
        name = type(module).__name__
        raise NetworkError(
            f"{name}.forward takes {taken}; {ALONE}: wrap {name} in a module that gives it the rest"
        ) from None


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
    if not watch.records and not isinstance(error, RuntimeError | SizeError):
        reason = f"{reason}; {ALONE}"
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
    if isinstance(tensor, nn.UninitializedParameter | nn.UninitializedBuffer):
        lazy: Any = type(tensor)
        made: Tensor = lazy(device="meta", dtype=tensor.dtype)
        return made
    with torch.no_grad():
        made = torch.empty_like(tensor, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made


def without_values(module: nn.Module) -> nn.Module:
    """Returns a copy of a module on the meta device, without values and hooks; the module is unchanged.

    Hooks of `torch.nn.utils` remain, as they compute weights. Raises NetworkError: it cannot be copied.
    """
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


def materialised(module: nn.Module, volume: Volume) -> nn.Module:
    """Returns a module whose lazy parameters have the sizes that an input gives them; a copy if it has any.

    Raises NetworkError: it fails on this volume.
    """
    if not any(is_lazy(each) for each in module.parameters()):
        return module
    try:
        copied = without_values(module).eval()
        with torch.no_grad(), torch.device("meta"):
            copied(torch.empty(1, volume.depth, *volume.plane))
    except Exception as error:  # a module may raise anything
        raise NetworkError(f"{type(module).__name__} fails on {volume}: {why(error)}") from error
    return copied.train(module.training)


def _computes_weights(hook: object) -> bool:
    """Whether a hook is one of `torch.nn.utils`, or gives lazy parameters their sizes."""
    lazy = getattr(hook, "__func__", None) is LazyModuleMixin._infer_parameters  # noqa: SLF001
    return lazy or type(hook).__module__.startswith("torch.nn.utils")
