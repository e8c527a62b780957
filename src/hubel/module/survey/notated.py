"""The notation of any torch module: its survey as a network, and where each of its weights goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hubel.errors import ModelError
from hubel.module.network import Network, taken_names
from hubel.module.survey.calls import Origin
from hubel.module.survey.follow import Surveyed, surveyed
from hubel.module.survey.pads import padded
from hubel.module.survey.replay import Stop, replaying
from hubel.net.foreign import Foreign, Marked
from hubel.net.layer import Layer
from hubel.net.layers import AdaptiveAvgPool, GlobalAvgPool, Identity, Part, Softmax
from hubel.net.norms import BatchNorm, LayerScale
from hubel.net.trace import Step, UnreadError
from hubel.net.untrace import Untraced, untrace
from hubel.net.volume import Volume

TOLERANCE = 1e-4
"""By how much scores may differ, as a share of the largest one if that is above 1."""

CUTS = ("chunk", "split", "tensor_split", "unsafe_chunk", "unsafe_split")
"""Functions that cut the maps into parts."""

JOINS = ("cat", "concat", "concatenate")
"""Functions that join values; of a single one they are nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Notated:
    """A module as a network. `weights` has the module's name of each of the network's tensors.

    `constants` are the network's layers whose factors are numbers in the module's code.
    """

    net: Untraced
    volume: Volume
    weights: dict[str, str]
    survey: Surveyed
    constants: frozenset[str] = frozenset()


def notated(module: nn.Module, volume: Volume, output: str | None = None) -> Notated:
    """Returns a module as a network; side heads are left out.

    `output` names the result that is the network's, as for `survey`.

    Raises UnreadError: a part of it is no layer; its `steps` are those before. Raises TangledError: its
    branches have no notation. Raises NetworkError: it cannot be followed.
    """
    found = surveyed(module, volume, output)
    steps = tuple(_known(found))
    net = untrace(steps, found.end, taken=taken_names())
    held = {name for name, _ in (*module.named_parameters(), *module.named_buffers())}
    weights: dict[str, str] = {}
    for step in steps:
        if step.path in net.paths:
            own = _tensors(step, found.origins[step.path], held)
            weights |= {f"{net.paths[step.path]}.{name}": theirs for name, theirs in own.items()}
    scales = (step.path for step in steps if isinstance(step.layer, LayerScale))
    constants = (path for path in scales if path in net.paths and not found.origins[path].weights)
    return Notated(net, volume, weights, found, frozenset(net.paths[path] for path in constants))


def with_weights(found: Notated, module: nn.Module, *, force: bool = False) -> Network:
    """Returns the network with the module's weights.

    Raises ModelError: a weight has another size. Raises NetworkError: it does not fit into memory.
    """
    network = Network(found.net.net, found.volume, scores=True, force=force)
    theirs = dict(module.named_parameters()) | dict(module.named_buffers())
    state = network.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            if name not in found.weights:
                if name.endswith("num_batches_tracked") or name.rpartition(".")[0] in found.constants:
                    continue
                raise ModelError(f"the module has no weight for {name}")
            given = theirs[found.weights[name]]
            if given.numel() != value.numel():
                raise ModelError(
                    f"{found.weights[name]} is {list(given.shape)}, and {name} {list(value.shape)}"
                )
            value.copy_(given.reshape(value.shape))
    return network.eval()


def agreement(found: Notated, module: nn.Module, network: Network, images: Tensor) -> float:
    """Returns the largest difference of the scores of a network and its module, in evaluation mode.

    Raises ModelError: they differ; the message names the first step that does.
    """
    modes = [(part, part.training) for part in module.modules()]
    theirs: dict[str, Tensor] = {}

    def keep(path: str, value: Tensor) -> Tensor:
        theirs[path] = value.detach().clone()
        return value

    steps = {step.path: step for step in found.survey.ledger.steps}
    stops = [
        Stop(path, found.survey.origins[path], steps[path].output)
        for path in found.net.paths
        if path in found.survey.origins
    ]
    try:
        with torch.no_grad(), replaying(module.eval(), stops, keep, len(images)):
            module(images)
    finally:
        for part, training in modes:
            part.training = training
    return _apart(found, network, images, theirs)


def _apart(found: Notated, network: Network, images: Tensor, theirs: dict[str, Tensor]) -> float:
    """The difference of the scores. Raises ModelError: a step gives other values."""
    ours: dict[str, Tensor] = {}
    old = {new: path for path, new in found.net.paths.items()}
    own = {step.path for step in network.steps}
    handles = [
        network.get_submodule(new).register_forward_hook(
            lambda _module, _inputs, out, path=path: ours.update({path: out})
        )
        for new, path in old.items()
        if new in own
    ]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    worst = 0.0
    for path, value in ours.items():
        if path not in theirs:
            continue
        worst = float((value - theirs[path].reshape(value.shape)).abs().max())
        if not worst <= TOLERANCE * max(1.0, float(theirs[path].abs().max())):
            raise ModelError(
                f"{path}, read as {network.get_submodule(found.net.paths[path])}, gives other values than "
                f"the module: they differ by {worst:.3g}"
            )
    return worst


def _known(found: Surveyed) -> Iterator[Step]:
    """Yields the steps that lead to the result. Raises UnreadError: one is no layer of hubel."""
    steps = _padded(found.ledger.steps)
    needed = {found.end}
    for path in reversed(steps):
        if path in needed:
            needed.update(steps[path].sources)
    before: list[Step] = []
    for path in (path for path in steps if path in needed):
        layer = _meant(steps[path], found, path)
        if path == found.end and isinstance(layer, Foreign) and layer.op == "log_softmax":
            layer = Softmax()  # scores are the values before it, with or without logarithms
        if isinstance(layer, Foreign | Marked):
            raise UnreadError(f"{path} is no layer of hubel: {_why(steps[path])}", tuple(before))
        before.append(replace(steps[path], layer=layer, side=""))
        yield before[-1]


def _padded(steps: Sequence[Step]) -> dict[str, Step]:
    """Returns the steps by path; what is padded before a single convolution becomes its padding."""
    kept = {step.path: step for step in steps}
    readers = Counter(source for step in steps for source in step.sources)
    for step in steps:
        pad = kept.get(step.sources[0])
        if pad is None or readers[pad.path] > 1:
            continue
        layer = padded(step.layer, pad.layer, pad.inputs[0], pad.output)
        if layer is not None:
            del kept[pad.path]
            kept[step.path] = replace(step, layer=layer, sources=pad.sources, inputs=pad.inputs)
    return kept


def _meant(step: Step, found: Surveyed, path: str) -> Layer:
    """The layer of a step; some functions are one only here: a part of the maps, or nothing at all."""
    layer = step.layer
    if layer == AdaptiveAvgPool(1, 1):  # as in files of ONNX, which know no other name for it
        return GlobalAvgPool()
    if not isinstance(layer, Foreign):
        return layer
    seen, made = step.inputs[0], layer.result
    if layer.op in JOINS and len(step.inputs) == 1 and made == seen:
        return Identity()
    if layer.factor is not None:
        return LayerScale(layer.factor)
    if layer.op in CUTS and made.plane == seen.plane:
        parts = _siblings(found, path)
        first = sum(volume.depth for volume in parts[: found.origins[path].result])
        if sum(volume.depth for volume in parts) == seen.depth:
            return Part.cut(first, first + made.depth, seen.depth)
    return layer


def _siblings(found: Surveyed, path: str) -> list[Volume]:
    """The volumes of all results of a step's call, in order."""
    call = found.origins[path].call
    alike = [step for step in found.ledger.steps if step.path in found.origins]
    made = {
        found.origins[step.path].result: step.output
        for step in alike
        if found.origins[step.path].call == call
    }
    return [made[result] for result in sorted(made)]


def _why(step: Step) -> str:
    if isinstance(step.layer, Marked):
        return step.layer.remark
    return f"there is none for {step.layer.kind} of {' and '.join(map(str, step.inputs))}"


def _tensors(step: Step, origin: Origin, held: set[str]) -> dict[str, str]:
    """The module's names of the tensors of a layer, by the layer's own names."""
    found: dict[str, str] = {}
    for name in sorted(origin.weights):
        found["bias" if name.endswith("bias") else "weight"] = name
    if isinstance(step.layer, BatchNorm) and "weight" in found:
        owner = found["weight"].rpartition(".")[0]
        for name in ("running_mean", "running_var"):
            if (theirs := f"{owner}.{name}" if owner else name) in held:
                found[name] = theirs
    return found
