"""Weights alone of `keras.applications`: the zoo's networks as Keras has them, and the names of its layers.

Keras has other constants of batch normalisation, biases before it in ResNet-50, and in MobileNets and
EfficientNet TensorFlow's padding. Source: Keras 3.15, `applications/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import ModelError, UsageError, nearest
from hubel.foreign.builder import NoLayerError
from hubel.foreign.found import Array, Entry, Found
from hubel.foreign.keras.file import open_h5, weights_of
from hubel.foreign.keras.windows import filters_first, maps_first
from hubel.foreign.value import Value
from hubel.net.layers import Fc
from hubel.net.norms import BatchNorm
from hubel.net.sliding import Conv
from hubel.net.trace import Step, trace
from hubel.net.window import pair
from hubel.zoo.pages.efficientnet import MBCONVS
from hubel.zoo.pages.mobilenet import V1, V2
from hubel.zoo.registry import ZOO

if TYPE_CHECKING:
    from hubel.foreign.keras.weights import KerasWeights, Place
    from hubel.net.volume import Volume

HEAD = "predictions"
HEADS = ("conv_preds", HEAD, "probs", "fc1000", "Logits")
"""What the layer with the scores was called in one version of Keras or another.

In MobileNet it is the first of these, and an activation has the usual name.
"""


@dataclass(frozen=True, slots=True)
class Application:
    """A network of Keras: its `name`, the names of its layers in the zoo's order, and in what it differs."""

    name: str
    layers: Callable[[], Iterator[str]]
    eps: float = 1e-5
    biased: bool = False
    same: bool = False


def _resnet() -> Iterator[str]:
    yield from _norms("conv1")
    for stage, count in enumerate((3, 4, 6, 3), 2):
        for block in range(1, count + 1):
            for number in (1, 2, 3, *([0] if block == 1 else [])):
                yield from _norms(f"conv{stage}_block{block}_{number}")
    yield HEAD


def _norms(name: str) -> Iterator[str]:
    yield from (f"{name}_conv", f"{name}_bn")


def _vgg(convs: Sequence[int]) -> Iterator[str]:
    for stage, count in enumerate(convs, 1):
        yield from (f"block{stage}_conv{number}" for number in range(1, count + 1))
    yield from ("fc1", "fc2", HEAD)


def _mobilenet() -> Iterator[str]:
    yield from ("conv1", "conv1_bn")
    for number in range(1, len(V1) + 1):
        yield from (f"conv_{part}_{number}{end}" for part in ("dw", "pw") for end in ("", "_bn"))
    yield HEAD


def _mobilenet_v2() -> Iterator[str]:
    yield from ("Conv1", "bn_Conv1")
    for number in range(sum(blocks for _, _, blocks, _ in V2)):
        block = f"block_{number}" if number else "expanded_conv"
        for part in ("expand", "depthwise", "project")[not number :]:
            yield from (f"{block}_{part}", f"{block}_{part}_BN")
    yield from ("Conv_1", "Conv_1_bn", HEAD)


def _efficientnet() -> Iterator[str]:
    yield from _norms("stem")
    for stage, (expansion, *_, count) in enumerate(MBCONVS, 1):
        for letter in "abcd"[:count]:
            block = f"block{stage}{letter}"
            yield from _norms(f"{block}_expand") if expansion > 1 else ()
            yield from (f"{block}_{part}" for part in ("dwconv", "bn", "se_reduce", "se_expand"))
            yield from _norms(f"{block}_project")
    yield from (*_norms("top"), HEAD)


def _densenet(layers: Sequence[int]) -> Iterator[str]:
    yield from _norms("conv1")
    for number, count in enumerate(layers, 2):
        for at in range(1, count + 1):
            yield from (f"conv{number}_block{at}_{part}" for part in ("0_bn", "1_conv", "1_bn", "2_conv"))
        if number <= len(layers):
            yield from (f"pool{number}_bn", f"pool{number}_conv")
    yield from ("bn", HEAD)


EPS, LARGE_EPS = 1.001e-5, 1e-3

STORED = (0.229, 0.224, 0.225)
"""ImageNet's standard deviation. Source: Keras 3.15, applications/efficientnet.py."""

APPLICATIONS: dict[str, Application] = {
    "resnet50": Application("resnet50", _resnet, EPS, biased=True),
    "vgg16": Application("vgg16", lambda: _vgg((2, 2, 3, 3, 3))),
    "vgg19": Application("vgg19", lambda: _vgg((2, 2, 4, 4, 4))),
    "mobilenet_v1": Application("mobilenet_1.00_224", _mobilenet, LARGE_EPS, same=True),
    "mobilenet_v2": Application("mobilenetv2_1.00_224", _mobilenet_v2, LARGE_EPS, same=True),
    "efficientnet_b0": Application("efficientnetb0", _efficientnet, LARGE_EPS, same=True),
    "densenet121": Application("densenet121", lambda: _densenet((6, 12, 24, 16)), EPS),
    "densenet169": Application("densenet169", lambda: _densenet((6, 12, 32, 32)), EPS),
    "densenet201": Application("densenet201", lambda: _densenet((6, 12, 48, 32)), EPS),
}
"""For networks of the zoo, by name, that of Keras."""


def read_application(path: Path, net: str, volume: Volume | None = None) -> Found:
    """Reads weights alone as those of a network of the zoo, in Keras' form; the file gives its classes.

    Raises UsageError: Keras has no such network. Raises ModelError: the file cannot be read, or its weights
    are not those of the network.
    """
    if net not in APPLICATIONS:
        raise UsageError(
            f"weights of Keras alone are read for {', '.join(APPLICATIONS)}, not for {net!r}"
            f"{nearest(net, APPLICATIONS)}; of another network give its configuration, too: hubel import "
            f"model.json {path.name}"
        )
    made = APPLICATIONS[net]
    with ExitStack() as stack:
        weights = weights_of(open_h5(stack, path))
        try:
            return _found(made, net, volume, weights)
        except NoLayerError as error:
            raise ModelError(f"{path} has not the weights of Keras' {made.name}: {error}") from None


def _found(made: Application, net: str, volume: Volume | None, weights: KerasWeights) -> Found:
    """The network and its weights. Raises NoLayerError: one is missing, or has another shape."""
    places = {names[-1].replace("/", "_"): (names, groups) for names, groups in weights.places()}
    head = next((name for name in HEADS if name in places), None)
    if head is None:
        raise NoLayerError(f"no layer is called {HEAD}, which gives the scores")
    places[HEAD] = places[head]
    seen = volume or ZOO[net].input
    steps = tuple(
        _of_keras(made, step) for step in trace(ZOO[net].make(weights.outputs(*places[HEAD])), seen)
    )
    layers = [step for step in steps if step.layer.params(step.inputs[0])]
    arrays: dict[str, dict[str, Array]] = {}
    for step, name in zip(layers, made.layers(), strict=True):
        if name not in places:
            raise NoLayerError(f"no layer is called {name}")
        arrays[step.path] = _arrays(weights, places[name], step)
    entry = Entry.plain(seen.depth)
    if made.name == "efficientnetb0":
        entry = _prepared(weights, places, seen)
    return Found(seen, steps, steps[-1].path, arrays, entry, names=(made.name,))


def _of_keras(made: Application, step: Step) -> Step:
    """A step of the zoo's network as Keras has it."""
    layer = step.layer
    if isinstance(layer, BatchNorm):
        layer = BatchNorm(made.eps)
    if isinstance(layer, Conv) and made.biased:
        layer = replace(layer, bias=True)
    if isinstance(layer, Conv) and made.same and layer.stride != 1:
        layer = replace(layer, pad="same")
    return replace(step, layer=layer)


def _arrays(weights: KerasWeights, place: tuple[Place, Place], step: Step) -> dict[str, Array]:
    """The weights of a step, as PyTorch has them."""
    layer, volume = step.layer, step.inputs[0]
    if isinstance(layer, BatchNorm):
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        found = weights.of(*place, dict.fromkeys(names, (volume.depth,)))
        return dict(zip(("weight", "bias", "running_mean", "running_var"), found.values(), strict=True))
    if isinstance(layer, Fc):
        found = weights.of(*place, {"kernel": (volume.values, layer.units), "bias": (layer.units,)})
        flat = Value.of("", volume, "nhwc").reshaped((1, volume.values))
        assert flat is not None
        return {"weight": flat.columns(found["kernel"].T), "bias": found["bias"]}
    assert isinstance(layer, Conv)
    bias: dict[str, tuple[int, ...]] = {"bias": (layer.filters,)} if layer.bias else {}
    if layer.groups > 1:
        found = weights.of(*place, {"depthwise_kernel": (*pair(layer.size), layer.groups, 1), **bias})
        return {"weight": maps_first(found["depthwise_kernel"])}
    found = weights.of(*place, {"kernel": (*pair(layer.size), volume.depth, layer.filters), **bias})
    return {"weight": filters_first(found.pop("kernel"))} | found


def _prepared(weights: KerasWeights, places: dict[str, tuple[Place, Place]], volume: Volume) -> Entry:
    """What EfficientNet does to pixels: its layers before the first, with the numbers of the file.

    Of ImageNet, Keras stores the standard deviation where the variance belongs, and corrects it by one more
    layer.
    """
    plain = Entry.plain(volume.depth)
    if "normalization" not in places:
        return plain
    found = weights.of(*places["normalization"], dict.fromkeys(("mean", "variance"), (volume.depth,)))
    mean, variance = (each.astype(np.float64) for each in found.values())
    std = variance if np.allclose(variance, STORED) else np.sqrt(variance)
    return plain.then(np.full(volume.depth, 1 / 255), 0 * mean).then(1 / std, -mean / std)
