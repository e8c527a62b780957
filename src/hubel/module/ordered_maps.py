"""How torchvision and timm name the layers of the newer networks, in the order in which the layers run.

Each function yields the other library's paths; hubel's own, in the same order, come from the network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from hubel.net.trace import trace
from hubel.zoo.pages import efficientnet as efficient
from hubel.zoo.pages import mobilenet as mobile
from hubel.zoo.registry import ZOO

Names: TypeAlias = Callable[[], Iterator[str]]


def in_order(network: str, names: Names) -> dict[str, str]:
    """Returns for hubel's path of each layer with parameters the other library's path."""
    entry = ZOO[network]
    own = [step.path for step in trace(entry.make(), entry.input) if step.layer.params(step.inputs[0])]
    return dict(zip(own, names(), strict=True))


def _pair(path: str) -> Iterator[str]:
    """A convolution and its normalisation, numbered."""
    yield from (f"{path}.0", f"{path}.1")


def _se(path: str) -> Iterator[str]:
    yield from (f"{path}.fc1", f"{path}.fc2")


def mobilenet_v2() -> Iterator[str]:
    """The paths of torchvision.models.mobilenetv2."""
    yield from _pair("features.0")
    at = 1
    for expansion, _, blocks, _ in mobile.V2:
        for _ in range(blocks):
            units = 1 if expansion == 1 else 2
            for unit in range(units):
                yield from _pair(f"features.{at}.conv.{unit}")
            yield from (f"features.{at}.conv.{units}", f"features.{at}.conv.{units + 1}")
            at += 1
    yield from _pair(f"features.{at}")
    yield "classifier.1"


def mobilenet_v3(table: Sequence[mobile.Row]) -> Iterator[str]:
    """The paths of torchvision.models.mobilenetv3."""
    yield from _pair("features.0")
    depth = 16
    for at, (_, width, filters, squeezes, _, _) in enumerate(table, 1):
        kinds = [*(["pair"] if width > depth else []), "pair", *(["se"] if squeezes else []), "pair"]
        for unit, kind in enumerate(kinds):
            path = f"features.{at}.block.{unit}"
            yield from _se(path) if kind == "se" else _pair(path)
        depth = filters
    yield from _pair(f"features.{len(table) + 1}")
    yield from ("classifier.0", "classifier.3")


def efficientnet(deeper: float) -> Iterator[str]:
    """The paths of torchvision.models.efficientnet."""
    yield from _pair("features.0")
    for stage, (row, count) in enumerate(zip(efficient.MBCONVS, efficient.layers(deeper), strict=True), 1):
        for block in range(count):
            kinds = [*(["pair"] if row[0] > 1 else []), "pair", "se", "pair"]
            for unit, kind in enumerate(kinds):
                path = f"features.{stage}.{block}.block.{unit}"
                yield from _se(path) if kind == "se" else _pair(path)
    yield from _pair("features.8")
    yield "classifier.1"


def efficientnet_timm(deeper: float, *, lite: bool = False) -> Iterator[str]:
    """The paths of timm.models.efficientnet."""
    yield from ("conv_stem", "bn1")
    counts = efficient.layers(deeper, whole=not lite)
    for stage, (row, count) in enumerate(zip(efficient.MBCONVS, counts, strict=True)):
        for block in range(count):
            path = f"blocks.{stage}.{block}"
            squeeze = [] if lite else ["se.conv_reduce", "se.conv_expand"]
            if row[0] == 1:
                units = ["conv_dw", "bn1", *squeeze, "conv_pw", "bn2"]
            else:
                units = ["conv_pw", "bn1", "conv_dw", "bn2", *squeeze, "conv_pwl", "bn3"]
            yield from (f"{path}.{unit}" for unit in units)
    yield from ("conv_head", "bn2", "classifier")


def convnext(blocks: Sequence[int]) -> Iterator[str]:
    """The paths of torchvision.models.convnext; those of layer scale are tensors, not layers."""
    for stage, count in enumerate(blocks):
        down = f"features.{2 * stage}"
        yield from _pair(down)
        for block in range(count):
            path = f"features.{2 * stage + 1}.{block}"
            yield from (f"{path}.block.{unit}" for unit in (0, 2, 3, 5))
            yield f"{path}.layer_scale"
    yield from ("classifier.0", "classifier.2")


def convnext_timm(blocks: Sequence[int]) -> Iterator[str]:
    """The paths of timm.models.convnext; those of layer scale are tensors, not layers."""
    for stage, count in enumerate(blocks):
        yield from _pair("stem" if stage == 0 else f"stages.{stage}.downsample")
        for block in range(count):
            path = f"stages.{stage}.blocks.{block}"
            yield from (f"{path}.{unit}" for unit in ("conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma"))
    yield from ("head.norm", "head.fc")


def regnet(blocks: Sequence[int], *, squeezes: bool) -> Iterator[str]:
    """The paths of torchvision.models.regnet."""
    yield from _pair("stem")
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            path = f"trunk_output.block{stage}.block{stage}-{block}"
            yield from (*_pair(f"{path}.f.a"), *_pair(f"{path}.f.b"))
            if squeezes:
                yield from _se(f"{path}.f.se")
            yield from _pair(f"{path}.f.c")
            if block == 0:
                yield from _pair(f"{path}.proj")
    yield "fc"


def regnet_timm(blocks: Sequence[int], *, squeezes: bool) -> Iterator[str]:
    """The paths of timm.models.regnet."""
    yield from ("stem.conv", "stem.bn")
    for stage, count in enumerate(blocks, 1):
        for block in range(1, count + 1):
            path = f"s{stage}.b{block}"
            units = ["conv1", "conv2", *(["se"] if squeezes else []), "conv3"]
            for unit in [*units, *(["downsample"] if block == 1 else [])]:
                names = _se(f"{path}.se") if unit == "se" else (f"{path}.{unit}.conv", f"{path}.{unit}.bn")
                yield from names
    yield "head.fc"


def densenet(layers: Sequence[int], dot: str = "") -> Iterator[str]:
    """The paths of torchvision's and timm's DenseNet; torchvision's files have a `dot` in `norm.1`."""
    yield from ("features.conv0", "features.norm0")
    for number, count in enumerate(layers, 1):
        for layer in range(1, count + 1):
            path = f"features.denseblock{number}.denselayer{layer}"
            yield from (f"{path}.{unit}{dot}{at}" for at in (1, 2) for unit in ("norm", "conv"))
        if number < len(layers):
            yield from (f"features.transition{number}.{unit}" for unit in ("norm", "conv"))
    yield from ("features.norm5", "classifier")


def seresnet_timm(blocks: Sequence[int]) -> Iterator[str]:
    """The paths of timm's ResNets with squeeze and excitation."""
    yield from ("conv1", "bn1")
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            path = f"layer{stage}.{block}"
            yield from (f"{path}.{unit}{at}" for at in (1, 2, 3) for unit in ("conv", "bn"))
            yield from _se(f"{path}.se")
            if block == 0:
                yield from _pair(f"{path}.downsample")
    yield "fc"
