"""A network in front of the instruments: its steps, and the value at each of their paths.

A network built by hubel runs here step by step, so that nothing is attached to it. Any other module runs by
its own `forward`; the calls that the survey recorded as steps (submodules, functions, operators) are
recognised while it runs. One context manager installs what this takes, and removes it.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hubel.errors import MissingError, NetworkError, UsageError, nearest_or_few
from hubel.module.network import Network
from hubel.module.own import OwnNetwork
from hubel.module.survey.calls import Origin, named_tensors
from hubel.module.survey.follow import surveyed
from hubel.module.survey.replay import Stop, Visitor, attributes, replaying
from hubel.net.foreign import Marked
from hubel.net.layer import Layer
from hubel.net.memory import bytes_to_run
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT, Step, at_inference
from hubel.net.volume import Volume, VolumeLike
from hubel.ram import check_fits

ONE_OUTPUT = "output chooses among the results of a torch module; a network has one"


@dataclass(frozen=True, slots=True)
class Subject:
    """A module and its steps at inference on images of `volume`.

    For a module not built by hubel, `origins` gives the call that computes the value at each path, and `end`
    is the path of the scores. In a network built by hubel, the scores are the last step. `output` is the name
    of the scores among what the module returns.
    """

    module: nn.Module
    volume: Volume
    steps: tuple[Step, ...]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    end: str = ""
    output: str = "0"

    @classmethod
    def of(cls, module: nn.Module, volume: VolumeLike | None = None, *, output: str | None = None) -> Subject:
        """Returns the subject of a built network, or of any module on a volume.

        Of several results, `output` names the scores. By default they are the first, with a warning.

        Raises UsageError: a module not built by hubel, without a volume, or no such output.
        Raises SizeError, NetworkError: a module that does not run on the volume, or cannot be followed.
        """
        module = getattr(module, "_orig_mod", module)  # a compiled module cannot be watched
        if isinstance(module, Network):
            if output is not None:
                raise UsageError(ONE_OUTPUT)
            return cls(module, module.volume, at_inference(module.steps))
        if isinstance(module, OwnNetwork):
            volume, module = module.volume, module.root
        if volume is None:
            raise UsageError("give the input volume of the module, as (height, width, depth)")
        found = surveyed(module, volume, output)
        for remark in found.ledger.remarks:
            warnings.warn(f'{remark}; output="{found.others[0]}" takes another', stacklevel=2)
        check_fits("the module", bytes_to_run(found.ledger.steps), force=True)
        _give_sizes(module, Volume.of(volume))
        steps = at_inference(found.ledger.steps)
        return cls(module, Volume.of(volume), steps, found.origins, found.end, found.output)

    @property
    def last(self) -> Step:
        """The step whose output are the scores."""
        return self.step(self.end) if self.end else self.steps[-1]

    def step(self, path: str) -> Step:
        """Returns the step at a path. Raises MissingError: there is none."""
        for step in self.steps:
            if step.path == path:
                return step
        known = [step.path for step in self.steps]
        raise MissingError(f"the network has no layer {path!r}{nearest_or_few(path, known, 'layers')}")

    def sees(self, path: str) -> bool:
        """Whether there is a value at a path: not for the input, nor for parameters that nothing reads."""
        if isinstance(self.module, Network):
            return path != INPUT
        return path in self.origins

    def run(self, images: Tensor, visit: Visitor, paths: Collection[str]) -> Tensor:
        """Runs images, n x depth x height x width, and returns the scores.

        `visit` gets the value at each of `paths`, in the order of the steps, and may replace it.
        Raises UsageError: no such path, or no value there. Raises NetworkError: the module runs
        differently from when it was surveyed.
        """
        for path in paths:
            self.step(path)
        with quiet(self.module):
            if isinstance(self.module, Network):
                return self._run_network(self.module, images, visit, paths)
            return self._run_module(images, visit, paths)[0]

    def values(self, images: Tensor, paths: Collection[str]) -> dict[str, Tensor]:
        """Returns the value at each of `paths`: n x depth x height x width."""
        found: dict[str, Tensor] = {}

        def keep(path: str, value: Tensor) -> Tensor:
            found[path] = value
            return value

        self.run(images, keep, paths)
        return found

    def works_with(self, path: str) -> Mapping[str, Any]:
        """Returns what the layer at a path computes with, by PyTorch's names, such as `weight`.

        For a function these are its arguments, found by a run on an image of zeros; empty if their names are
        not known.
        """
        self.step(path)
        if isinstance(self.module, Network):
            return attributes(self.module.get_submodule(path))
        device = next((each.device for each in self.module.parameters()), torch.device("cpu"))
        kind = next((each.dtype for each in self.module.parameters() if each.is_floating_point()), None)
        image = torch.zeros(1, self.volume.depth, *self.volume.plane, device=device, dtype=kind)
        with quiet(self.module), torch.no_grad():
            return self._run_module(image, lambda _path, value: value, [path])[1][path]

    def learns(self, path: str) -> dict[str, nn.Parameter]:
        """Returns the parameters that the layer at a path reads, by their full names."""
        own = dict(self.module.named_parameters())
        if isinstance(self.module, Network):
            return {name: each for name, each in own.items() if name.rpartition(".")[0] == path}
        return {name: own[name] for name in sorted(self.origins[path].weights) if name in own}

    def _run_network(
        self, network: Network, images: Tensor, visit: Visitor, paths: Collection[str]
    ) -> Tensor:
        values = {INPUT: images}
        value = images
        last_reader = {source: step.path for step in self.steps for source in step.sources}
        for step in self.steps:
            value = network.get_submodule(step.path)(*(values[source] for source in step.sources))
            if step.path in paths:
                value = visit(step.path, value)
            values[step.path] = value
            for source in {source for source in step.sources if last_reader[source] == step.path}:
                del values[source]
        return _plain(value)

    def _run_module(
        self, images: Tensor, visit: Visitor, paths: Collection[str]
    ) -> tuple[Tensor, Mapping[str, dict[str, Any]]]:
        """The scores, and the arguments of the calls at the paths."""
        for path in paths:
            if path not in self.origins:
                raise UsageError(f"{path} has no output: no operation reads its parameters")
        stops = [Stop(path, self.origins[path], self.step(path).output) for path in paths]
        # as a module's author would pass them: contiguous, for `view`, and safe to be overwritten
        images = images.clone(memory_format=torch.contiguous_format)
        with replaying(self.module, stops, visit, len(images)) as replay:
            out = self.module(images)
        passed_by = [path for path in paths if path not in replay.given]
        if passed_by:
            raise NetworkError(f"{passed_by[0]} was not run: the module runs differently from its table")
        return _plain(dict(named_tensors(out))[self.output]), replay.given


def _give_sizes(module: nn.Module, volume: Volume) -> None:
    """Runs a module with lazy parameters once on zeros, as its first run would, so that they have values."""
    if not any(is_lazy(parameter) for parameter in module.parameters()):
        return
    modes = [(part, part.training) for part in module.modules()]
    with torch.no_grad():
        module.eval()(torch.zeros(1, volume.depth, *volume.plane))
    for part, training in modes:
        part.training = training


ACTIVATIONS = {"relu", "tanh", "sigmoid", "gelu", "silu", "hardswish"}
ACTIVATIONS |= {"leaky_relu", "prelu", "elu", "selu", "celu", "mish", "softplus"}
"""The kinds of layers that are activations, including functions in foreign modules."""


def activates(subject: Subject, step: Step) -> bool:
    """Whether a step is an activation; one whose result gates maps by multiplication is not."""
    if step.layer.kind not in ACTIVATIONS:
        return False
    return not any(each.layer.kind == "mul" for each in subject.steps if step.path in each.sources)


def features(subject: Subject) -> tuple[str, ...]:
    """Returns the layers to look at by default: all activations and the scores.

    In a network without activations these are its convolutions and the scores.
    """
    active = [step.path for step in subject.steps if activates(subject, step)]
    paths = active or [step.path for step in subject.steps if isinstance(bare(step.layer), Conv)]
    return tuple(dict.fromkeys([*paths, subject.last.path]))


def bare(layer: Layer) -> Layer:
    """Returns the layer itself, without a mark of unusual use."""
    return layer.layer if isinstance(layer, Marked) else layer


def _plain(scores: Tensor) -> Tensor:
    """Scores as n x classes if they have a single position."""
    return scores.flatten(1) if scores.shape[2:] == (1, 1) else scores


def glance(subject: Subject, images: Tensor, paths: Sequence[str]) -> dict[str, Tensor]:
    """Returns the value at each of `paths`, as `Subject.values`, and stops after the last of them."""
    found: dict[str, Tensor] = {}

    def visit(path: str, value: Tensor) -> Tensor:
        found.setdefault(path, value)
        if len(found) == len(set(paths)):
            raise _Enough
        return value

    try:
        with torch.no_grad():
            subject.run(images, visit, paths)
    except _Enough:
        pass
    return found


class _Enough(Exception):  # noqa: N818
    """Everything asked for has been seen: the rest need not run."""


@contextmanager
def quiet(module: nn.Module) -> Iterator[None]:
    """Puts a module in evaluation mode with fixed parameters, and restores everything afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    learning = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    try:
        module.eval()
        for parameter, _ in learning:
            parameter.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter, learns in learning:
            parameter.requires_grad_(learns)
