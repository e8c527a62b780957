"""A network in front of the instruments: its steps, and what flows at each of their paths.

A built network runs here step by step, so that nothing is attached to it. Any other module is run by
its own `forward`, with hooks that one context manager puts on and takes off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from hubel.errors import UsageError, nearest
from hubel.module.network import Network
from hubel.net.trace import INPUT, Step, at_inference
from hubel.net.volume import Volume, VolumeLike

Visitor: TypeAlias = Callable[[str, Tensor], Tensor]
"""Sees what comes out at a path, n x depth x height x width, and returns what flows on."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A module and the steps it takes at inference on images of `volume`."""

    module: nn.Module
    volume: Volume
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, module: nn.Module, volume: VolumeLike | None = None) -> Subject:
        """The subject of a built network, or of any module on a volume.

        Raises UsageError: a module that is none of hubel's, without a volume.
        """
        if isinstance(module, Network):
            return cls(module, module.volume, at_inference(module.steps))
        if volume is None:
            raise UsageError("say what a module of your own sees, as (height, width, depth)")
        from hubel.module.survey import survey

        return cls(module, Volume.of(volume), at_inference(survey(module, volume).steps))

    def step(self, path: str) -> Step:
        """The step at a path. Raises UsageError: there is none."""
        for step in self.steps:
            if step.path == path:
                return step
        known = [step.path for step in self.steps]
        raise UsageError(f"the network has no layer {path!r}{nearest(path, known)}")

    def run(self, images: Tensor, visit: Visitor, paths: Collection[str]) -> Tensor:
        """Runs images, n x depth x height x width, and returns the scores.

        `visit` sees what comes out at each of `paths`, in the order of the steps, and may change it.
        Raises UsageError: a path that is not there, or where nothing can be seen.
        """
        for path in paths:
            self.step(path)
        with quiet(self.module):
            if isinstance(self.module, Network):
                return self._run_network(self.module, images, visit, paths)
            return self._run_module(images, visit, paths)

    def values(self, images: Tensor, paths: Collection[str]) -> dict[str, Tensor]:
        """What comes out at each of `paths`: n x depth x height x width."""
        found: dict[str, Tensor] = {}

        def keep(path: str, value: Tensor) -> Tensor:
            found[path] = value
            return value

        self.run(images, keep, paths)
        return found

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
        return value.flatten(1) if value.shape[2:] == (1, 1) else value

    def _run_module(self, images: Tensor, visit: Visitor, paths: Collection[str]) -> Tensor:
        parts = dict(self.module.named_modules())
        with ExitStack() as hooks:
            for path in paths:
                part, _, call = path.partition("#")  # `act#2` is the second call of `act`
                if part not in parts:
                    raise UsageError(
                        f"{path} is a function its module calls, where nothing can be put on; "
                        "make it a submodule to look at it"
                    )
                hooks.enter_context(_hooked(parts[part], int(call or 1), path, visit, self.step(path).output))
            scores: Tensor = self.module(images)
        return scores


@contextmanager
def quiet(module: nn.Module) -> Iterator[None]:
    """A module as instruments need it: evaluating, its parameters fixed; all as it was afterwards."""
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


@contextmanager
def _hooked(part: nn.Module, call: int, path: str, visit: Visitor, output: Volume) -> Iterator[None]:
    """Visits what comes out of one call of a submodule, counted from 1.

    A copy flows on, which a later layer may write over.
    """
    calls = count(1)

    def seen(_part: nn.Module, _inputs: Any, out: Tensor) -> Tensor:
        if next(calls) != call:
            return out
        value = visit(path, out.reshape(len(out), output.depth, *output.plane))
        return value.reshape(out.shape).clone()

    handle = part.register_forward_hook(seen)
    try:
        yield
    finally:
        handle.remove()
