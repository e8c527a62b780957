"""A network as a torch module, whose submodules have the traced paths as names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from hubel.errors import NetworkError
from hubel.module.folded import chains, folded, folds
from hubel.module.initialise import initialise
from hubel.module.layers import MAKERS
from hubel.net.algebra import Net
from hubel.net.layers import Identity, SideHead
from hubel.net.ledger import costs_of
from hubel.net.memory import bytes_to_run
from hubel.net.trace import INPUT, Step, at_inference, trace, without_softmax
from hubel.net.volume import Volume, VolumeLike
from hubel.ram import check_fits


class Heads(NamedTuple):
    """What a network with side heads returns in training: its scores, and those of each side head by path."""

    scores: Tensor
    sides: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class _Call:
    """One step of the forward pass.

    `names` lead from the network to the submodule; `done` are the paths that no later step reads. `chain`
    are the calls that may be one pass, this one and those behind it; empty where it is alone.
    """

    path: str
    names: tuple[str, ...]
    sources: tuple[str, ...]
    side: bool
    done: tuple[str, ...]
    chain: tuple[_Call, ...] = ()


class Network(nn.Module):
    """A network as a torch module: n x depth x height x width to n x classes.

    An output that is larger than 1 x 1 stays n x depth x height x width. In training, a network with side
    heads returns `Heads`. With `scores`, a final softmax is left out, and so is that of a side head, since
    losses take scores. `net`, `volume` and `steps` are what it was built from. An `OwnNetwork` has the same
    interface around a module of the user's own.

    Raises NetworkError: it is too large for the memory that is free, or with `force` for the machine's.
    """

    maker = None
    """No code of the user's makes it."""

    def __init__(self, net: Net, volume: Volume, *, scores: bool = False, force: bool = False) -> None:
        super().__init__()
        self.net = net
        self.volume = volume
        steps = trace(net, volume)
        if torch.get_default_device().type != "meta":
            check_fits("the network", bytes_to_run(steps), force=force)
        self.steps = without_softmax(steps) if scores else steps
        self._end = next((step.path for step in reversed(self.steps) if not step.side), INPUT)
        self._in_training = _calls(self.steps, self._end, chains(self.steps, self._end))
        self._at_inference = _calls(at_inference(self.steps), self._end)
        for step in self.steps:
            if not isinstance(step.layer, SideHead):
                _attach(self, step.path, MAKERS[type(step.layer)](step.layer, step.inputs[0]))

    def forward(self, images: Tensor) -> Tensor | Heads:
        """Runs the steps in order; each value is released after its last reader."""
        values = {INPUT: images}
        sides: dict[str, Tensor] = {}
        for call in self._in_training if self.training else self._at_inference:
            if call.side:
                sides[call.path] = class_scores(values[call.sources[0]])
            elif call.path not in values:  # else it was run in one pass with the one before it
                self._run(call, values)
            for path in call.done:
                del values[path]
        scores = class_scores(values[self._end])
        return Heads(scores, sides) if sides else scores

    def _run(self, call: _Call, values: dict[str, Tensor]) -> None:
        """Runs a call, and those behind it where they can be one pass with it: all get the last value."""
        inputs = [values[source] for source in call.sources]
        if call.chain:
            parts = [self._submodule(each.names) for each in call.chain]
            if folds(parts, inputs[0]):
                values.update(dict.fromkeys((each.path for each in call.chain), folded(parts, inputs[0])))
                return
        values[call.path] = self._submodule(call.names)(*inputs)

    def _submodule(self, names: tuple[str, ...]) -> nn.Module:
        """Returns the submodule at the end of these names.

        It is looked up at every step, so that a submodule that was replaced is used. `get_submodule` would
        take a fifth of the time of a small network.
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
    def notation(self) -> str:
        """The text of the network, of which it is built again."""
        return repr(self.net)

    def spare(self) -> None:
        """No module is needed to open a file of this network: its notation is there."""

    def steps_at(self, volume: Volume) -> tuple[Step, ...]:
        """The steps on images of another volume.

        Raises SizeError, NetworkError: the network does not take them, or not with these weights.
        """
        steps = trace(self.net, volume)
        if costs_of(steps).params != costs_of(self.steps).params:
            raise NetworkError("it has layers that are made for one size, such as fc")
        return steps

    @property
    def output(self) -> Volume:
        """The output volume."""
        return next((step.output for step in reversed(self.steps) if not step.side), self.volume)

    @property
    def side_weights(self) -> dict[str, float]:
        """The weight of each side head's loss, by path."""
        return {step.path: step.layer.weight for step in self.steps if isinstance(step.layer, SideHead)}


def build(
    net: Net,
    volume: VolumeLike,
    *,
    init: str = "he",
    seed: int = 0,
    scores: bool = False,
    force: bool = False,
) -> Network:
    """Returns the torch module of a network on an input volume, initialised.

    `volume` is height x width x depth, such as `"224x224x3"`; the module takes float images n x depth x
    height x width and returns scores n x classes. `init` is a rule of `hubel.module.initialise`, `seed` its
    random seed. With `scores`, a final softmax is left out. With `force` the network may take all of the
    machine's memory, not only what is free.

        network = hubel.build(hubel.zoo.lenet5(), "32x32x1")
        network(torch.zeros(8, 1, 32, 32)).shape  # 8 x 10

    Raises UnfitError: the network does not fit the volume. Raises NetworkError: nor the memory; nothing is
    allocated. Raises UsageError: there is no such initialisation.
    """
    network = Network(net, Volume.of(volume), scores=scores, force=force)
    initialise(network, init, seed)
    return network


def class_scores(values: Tensor) -> Tensor:
    """Scores of 1 x 1 places, n x classes x 1 x 1, as n x classes; others as they are."""
    return values.flatten(1) if values.shape[2:] == (1, 1) else values


def _attach(root: nn.Module, path: str, module: nn.Module) -> None:
    """Adds a module at a dotted path, with empty modules on the way where there are none."""
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


def _calls(steps: Sequence[Step], end: str, chains: Mapping[str, int] | None = None) -> tuple[_Call, ...]:
    """Returns the calls of a forward pass with the scores at `end`, and what to release after each.

    `chains`: how many calls behind one may be one pass with it, by its path.
    """
    last_reader = {source: step.path for step in steps for source in step.sources if source != end}
    calls = [
        _Call(
            path=step.path,
            names=tuple(step.path.split(".")),
            sources=step.sources,
            side=isinstance(step.layer, SideHead),
            done=tuple(path for path in dict.fromkeys(step.sources) if last_reader.get(path) == step.path),
        )
        for step in steps
    ]
    for place, call in enumerate(calls):
        if more := (chains or {}).get(call.path):
            calls[place] = replace(call, chain=tuple(calls[place : place + more + 1]))
    return tuple(calls)


def taken_names() -> frozenset[str]:
    """Returns the names that no part of a network may have, as attributes of its module have them."""
    return frozenset(dir(Network(Identity(), Volume(1, 1, 1)))) - {"identity1"}
