"""The network as a torch module: its submodules are named by the traced paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

from torch import Tensor, nn

from hubel.errors import NetworkError
from hubel.module.initialise import initialise
from hubel.module.layers import MAKERS
from hubel.net.algebra import Net
from hubel.net.layers import SideHead, Softmax
from hubel.net.trace import INPUT, Step, at_inference, trace
from hubel.net.volume import Volume, VolumeLike


class Heads(NamedTuple):
    """What a network with side heads returns in training: its scores, and each side head's by path."""

    scores: Tensor
    sides: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Call:
    """One step of the forward pass.

    `names` lead from the network to the submodule; `done` are the paths that no later step reads.
    """

    path: str
    names: tuple[str, ...]
    sources: tuple[str, ...]
    side: bool
    done: tuple[str, ...]


class Network(nn.Module):
    """A network that is built: n x depth x height x width in, n x classes out.

    Where the output is more than 1 x 1 places, it stays n x depth x height x width. In training a
    network with side heads returns `Heads`. `scores` leaves a final softmax out, that of a side head
    as well, as losses want it.
    `net`, `volume` and `steps` are what it was built from.
    """

    def __init__(self, net: Net, volume: Volume, *, scores: bool = False) -> None:
        super().__init__()
        self.net = net
        self.volume = volume
        steps = trace(net, volume)
        self.steps = _without_softmax(steps) if scores else steps
        self._end = next((step.path for step in reversed(self.steps) if not step.side), INPUT)
        self._in_training = _calls(self.steps, self._end)
        self._at_inference = _calls(at_inference(self.steps), self._end)
        for step in self.steps:
            if not isinstance(step.layer, SideHead):
                _attach(self, step.path, MAKERS[type(step.layer)](step.layer, step.inputs[0]))

    def forward(self, images: Tensor) -> Tensor | Heads:
        """Runs the steps in order; each value is let go after its last reader."""
        values = {INPUT: images}
        sides: dict[str, Tensor] = {}
        for call in self._in_training if self.training else self._at_inference:
            inputs = [values[source] for source in call.sources]
            if call.side:
                sides[call.path] = class_scores(inputs[0])
            else:
                values[call.path] = self._submodule(call.names)(*inputs)
            for path in call.done:
                del values[path]
        scores = class_scores(values[self._end])
        return Heads(scores, sides) if sides else scores

    def _submodule(self, names: tuple[str, ...]) -> nn.Module:
        """The submodule at the end of these names.

        Looked up at every step, so that one that was replaced is used, but in a few dictionaries:
        `get_submodule` takes longer than many a layer.
        """
        part: nn.Module = self
        for name in names:
            part = cast("nn.Module", part._modules[name])  # noqa: SLF001
        return part

    @property
    def root(self) -> Network:
        """The module whose submodules the steps' paths name: this one."""
        return self

    @property
    def output(self) -> Volume:
        """The volume that comes out."""
        return next((step.output for step in reversed(self.steps) if not step.side), self.volume)

    @property
    def side_weights(self) -> dict[str, float]:
        """The weight of each side head's loss, by path."""
        return {step.path: step.layer.weight for step in self.steps if isinstance(step.layer, SideHead)}


def build(net: Net, volume: VolumeLike, *, init: str = "he", seed: int = 0, scores: bool = False) -> Network:
    """Builds the torch module of a network on an input volume, initialised by a named rule.

    `scores` leaves a final softmax out. Raises SizeError: the network does not fit. Raises
    UsageError: no such initialisation.
    """
    network = Network(net, Volume.of(volume), scores=scores)
    initialise(network, init, seed)
    return network


def class_scores(values: Tensor) -> Tensor:
    """Scores of 1 x 1 places, n x classes x 1 x 1, as n x classes; others as they are."""
    return values.flatten(1) if values.shape[2:] == (1, 1) else values


def _attach(root: nn.Module, path: str, module: nn.Module) -> None:
    """Puts a module at a dotted path, with empty modules on the way where there are none."""
    *owners, name = path.split(".")
    for owner in owners:
        if owner not in root._modules:  # noqa: SLF001
            _add(root, owner, nn.Module(), path)
        root = root.get_submodule(owner)
    _add(root, name, module, path)


def _add(root: nn.Module, name: str, module: nn.Module, path: str) -> None:
    try:
        root.add_module(name, module)
    except KeyError:
        raise NetworkError(f"{path}: a built network has a {name} of its own; choose another name") from None


def _without_softmax(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without a softmax that no layer reads: the last of the network, the last of a side head."""
    read = {source for step in steps if not isinstance(step.layer, SideHead) for source in step.sources}
    left_out = {
        step.path: step.sources[0]
        for step in steps
        if isinstance(step.layer, Softmax) and step.path not in read
    }
    return tuple(
        replace(step, sources=tuple(left_out.get(source, source) for source in step.sources))
        for step in steps
        if step.path not in left_out
    )


def _calls(steps: Sequence[Step], end: str) -> tuple[_Call, ...]:
    """The forward pass of these steps up to the scores at `end`, with what to let go after each."""
    last_reader = {source: step.path for step in steps for source in step.sources if source != end}
    return tuple(
        _Call(
            path=step.path,
            names=tuple(step.path.split(".")),
            sources=step.sources,
            side=isinstance(step.layer, SideHead),
            done=tuple(path for path in dict.fromkeys(step.sources) if last_reader.get(path) == step.path),
        )
        for step in steps
    )
