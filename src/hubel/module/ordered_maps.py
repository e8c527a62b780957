"""How torchvision and timm name the layers of the newer networks, in the order in which the layers run.

Each function yields the other library's paths; hubel's own, in the same order, come from the network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from hubel.net.trace import trace
from hubel.zoo.pages import efficientnet as efficient
from hubel.zoo.pages import mobilenet as mobile
from hubel.zoo.pages import shufflenet as shuffle
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
            yield from _inverted(f"blocks.{stage}.{block}", expands=row[0] > 1, squeezes=not lite)
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
    yield from ("conv1", "bn1", *_squeezed(blocks, "se"), "fc")


def seresnet_legacy(blocks: Sequence[int], convs: int = 1) -> Iterator[str]:
    """The paths of timm.models.senet, with so many convolutions in its stem."""
    yield from (f"layer0.{unit}{at}" for at in range(1, convs + 1) for unit in ("conv", "bn"))
    yield from (*_squeezed(blocks, "se_module"), "last_linear")


def senet154_timm() -> Iterator[str]:
    """The paths of timm's senet154, a ResNet whose stem has three convolutions."""
    yield from ("conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1")
    yield from (*_squeezed((3, 8, 36, 3), "se"), "fc")


def _squeezed(blocks: Sequence[int], squeeze: str) -> Iterator[str]:
    """The stages of a ResNet whose blocks have squeeze and excitation of this name."""
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            path = f"layer{stage}.{block}"
            yield from (f"{path}.{unit}{at}" for at in (1, 2, 3) for unit in ("conv", "bn"))
            yield from _se(f"{path}.{squeeze}")
            if block == 0:
                yield from _pair(f"{path}.downsample")


def squeezenet(fires: Sequence[int]) -> Iterator[str]:
    """The paths of torchvision.models.squeezenet, with the numbers of its Fire modules in `features`."""
    yield "features.0"
    for fire in fires:
        yield from (f"features.{fire}.{unit}" for unit in ("squeeze", "expand1x1", "expand3x3"))
    yield "classifier.1"


def shufflenet() -> Iterator[str]:
    """The paths of torchvision.models.shufflenetv2."""
    yield from _pair("conv1")
    for stage, units in enumerate(shuffle.UNITS, 2):
        for unit in range(units):
            path = f"stage{stage}.{unit}"
            if unit == 0:
                yield from (f"{path}.branch1.{at}" for at in range(4))
            yield from (f"{path}.branch2.{at}" for at in (0, 1, 3, 4, 5, 6))
    yield from (*_pair("conv5"), "fc")


def mobilenet_v1_timm() -> Iterator[str]:
    """The paths of timm's mobilenetv1_100."""
    yield from ("conv_stem", "bn1")
    for path in _staged((1, 2, 2, 6, 2)):
        yield from (f"{path}.{unit}" for unit in ("conv_dw", "bn1", "conv_pw", "bn2"))
    yield "classifier"


def mobilenet_v2_timm() -> Iterator[str]:
    """The paths of timm's mobilenetv2_100."""
    yield from ("conv_stem", "bn1")
    rows = [expansion for expansion, _, blocks, _ in mobile.V2 for _ in range(blocks)]
    for path, expansion in zip(_staged([row[2] for row in mobile.V2]), rows, strict=True):
        yield from _inverted(path, expands=expansion > 1, squeezes=False)
    yield from ("conv_head", "bn2", "classifier")


def mobilenet_v3_timm(table: Sequence[mobile.Row]) -> Iterator[str]:
    """The paths of timm.models.mobilenetv3, whose stages have as many blocks as outputs are of one depth."""
    yield from ("conv_stem", "bn1")
    counts = [len(list(rows)) for _, rows in groupby(row[2] for row in table)]
    depth = 16
    for path, (_, width, filters, squeezes, _, _) in zip(_staged(counts), table, strict=True):
        yield from _inverted(path, expands=width > depth, squeezes=squeezes)
        depth = filters
    last = f"blocks.{len(counts)}.0"
    yield from (f"{last}.conv", f"{last}.bn1", "conv_head", "classifier")


def _staged(counts: Sequence[int]) -> Iterator[str]:
    """The paths that timm has for the blocks of stages with so many blocks."""
    yield from (f"blocks.{stage}.{block}" for stage, count in enumerate(counts) for block in range(count))


def _inverted(path: str, *, expands: bool, squeezes: bool) -> Iterator[str]:
    """The paths that timm has in an inverted residual."""
    squeeze = ["se.conv_reduce", "se.conv_expand"] if squeezes else []
    if expands:
        units = ["conv_pw", "bn1", "conv_dw", "bn2", *squeeze, "conv_pwl", "bn3"]
    else:
        units = ["conv_dw", "bn1", *squeeze, "conv_pw", "bn2"]
    yield from (f"{path}.{unit}" for unit in units)


_FIGURE5 = ("1x1", "5x5_1", "5x5_2", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3", "_pool")
_FIGURE6 = ("1x1", *(f"7x7_{at}" for at in (1, 2, 3)), *(f"7x7dbl_{at}" for at in range(1, 6)), "_pool")
_FIGURE7 = ("1x1", "3x3_1", "3x3_2a", "3x3_2b", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3a", "3x3dbl_3b", "_pool")


def inception_v3() -> Iterator[str]:
    """The paths of torchvision's and timm's Inception-v3, with its side head."""
    stem = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
    early: dict[str, Sequence[str]] = {
        **dict.fromkeys(("5b", "5c", "5d"), _FIGURE5),
        "6a": ("3x3", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3"),
        **dict.fromkeys(("6b", "6c", "6d", "6e"), _FIGURE6),
    }
    late: dict[str, Sequence[str]] = {
        "7a": ("3x3_1", "3x3_2", "7x7x3_1", "7x7x3_2", "7x7x3_3", "7x7x3_4"),
        **dict.fromkeys(("7b", "7c"), _FIGURE7),
    }
    parts = [f"Conv2d_{name}" for name in stem]
    parts += [f"Mixed_{name}.branch{unit}" for name, units in early.items() for unit in units]
    parts += ["AuxLogits.conv0", "AuxLogits.conv1", "AuxLogits.fc"]
    parts += [f"Mixed_{name}.branch{unit}" for name, units in late.items() for unit in units]
    for part in parts:
        yield from [part] if part.endswith("fc") else (f"{part}.conv", f"{part}.bn")
    yield "fc"
