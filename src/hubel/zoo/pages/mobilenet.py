"""MobileNets: Howard et al. 2017 (V1), Sandler et al. 2018 (V2), Howard et al. 2019 (V3).

All see 224x224x3 and take any size. A depthwise convolution sees each map by itself; a 1x1 convolution then
mixes maps. Deviations of all without `_tf`: the zeros around maps are the same on both sides, as in
torchvision and timm, where Google's code pads TensorFlow's way; the constants of batch normalisation are
those libraries'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hubel.net.algebra import Net, named
from hubel.net.names import (
    batchnorm,
    conv,
    dropout,
    fc,
    globalavgpool,
    hardsigmoid,
    hardswish,
    relu,
    relu6,
)
from hubel.net.window import Pad
from hubel.zoo.blocks import chain, divisible, inverted_residual, squeeze

V1 = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""Filters and stride of each depthwise separable convolution. Source: Howard et al. 2017, table 1."""

V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""t, c, n, s: expansion, filters, blocks, stride of the first. Source: Sandler et al. 2018, table 2."""

SE, NO = True, False
RE, HS = relu, hardswish

V3_LARGE = (
    (3, 16, 16, NO, RE, 1),
    (3, 64, 24, NO, RE, 2),
    (3, 72, 24, NO, RE, 1),
    (5, 72, 40, SE, RE, 2),
    (5, 120, 40, SE, RE, 1),
    (5, 120, 40, SE, RE, 1),
    (3, 240, 80, NO, HS, 2),
    (3, 200, 80, NO, HS, 1),
    (3, 184, 80, NO, HS, 1),
    (3, 184, 80, NO, HS, 1),
    (3, 480, 112, SE, HS, 1),
    (3, 672, 112, SE, HS, 1),
    (5, 672, 160, SE, HS, 2),
    (5, 960, 160, SE, HS, 1),
    (5, 960, 160, SE, HS, 1),
)
"""Kernel, exp size, #out, SE, NL, s of each bneck. Source: Howard et al. 2019, table 1."""

V3_SMALL = (
    (3, 16, 16, SE, RE, 2),
    (3, 72, 24, NO, RE, 2),
    (3, 88, 24, NO, RE, 1),
    (5, 96, 40, SE, HS, 2),
    (5, 240, 40, SE, HS, 1),
    (5, 240, 40, SE, HS, 1),
    (5, 120, 48, SE, HS, 1),
    (5, 144, 48, SE, HS, 1),
    (5, 288, 96, SE, HS, 2),
    (5, 576, 96, SE, HS, 1),
    (5, 576, 96, SE, HS, 1),
)
"""The same for the small network. Source: Howard et al. 2019, table 2."""


@dataclass(frozen=True, slots=True)
class Form:
    """What differs between libraries: the constants of `norm`, and TensorFlow's zeros if `same`."""

    norm: Net
    same: bool = False

    def conv(self, filters: int, size: int, *, stride: int = 1, groups: int = 1) -> Net:
        """A convolution and its normalisation."""
        pad: Pad = "same" if self.same and size > 1 else size // 2
        return conv(filters, size, stride=stride, pad=pad, groups=groups, bias=False) >> self.norm


norm_tf = batchnorm(eps=1e-3, momentum=0.01)
TORCHVISION, TIMM, GOOGLE = Form(norm_tf), Form(batchnorm), Form(norm_tf, same=True)


def mobilenet_v1(classes: int = 1000) -> Net:
    """MobileNet, table 1: 4,231,976 parameters; 224x224x3.

    Source: Howard et al. 2017, table 1; section 3.2 for ReLU. Deviation, timm's: ReLU6, as in Google's code.
    """
    parts = [named("conv1", _norm_act(conv(32, 3, stride=2, pad=1, bias=False)))]
    depth = 32
    for number, (filters, stride) in enumerate(V1, 2):
        across = _norm_act(conv(depth, 3, stride=stride, pad=1, groups=depth, bias=False))
        mix = _norm_act(conv(filters, 1, bias=False))
        parts.append(named(f"conv{number}", named("depthwise", across) >> named("pointwise", mix)))
        depth = filters
    return chain(parts) >> globalavgpool >> named("fc", fc(classes))


def mobilenet_v2(classes: int = 1000) -> Net:
    """MobileNetV2, table 2: 3,504,872 parameters; 224x224x3. Source: Sandler et al. 2018."""
    parts = [named("conv1", _norm_act(conv(32, 3, stride=2, pad=1, bias=False)))]
    depth = 32
    for number, (expansion, filters, blocks, first) in enumerate(V2, 1):
        units = []
        for block in range(1, blocks + 1):
            stride = first if block == 1 else 1
            units.append(named(f"block{block}", _bottleneck(depth, filters, expansion, stride)))
            depth = filters
        parts.append(named(f"bottleneck{number}", chain(units)))
    last = named("conv2", _norm_act(conv(1280, 1, bias=False)))
    return chain(parts) >> last >> globalavgpool >> dropout(0.2) >> named("fc", fc(classes))


def mobilenet_v3_large(classes: int = 1000) -> Net:
    """MobileNetV3-Large, table 1: 5,483,032 parameters; 224x224x3. Source: Howard et al. 2019, section 5."""
    return _v3(TORCHVISION, V3_LARGE, classes)


def mobilenet_v3_small(classes: int = 1000) -> Net:
    """MobileNetV3-Small, table 2: 2,542,856 parameters; 224x224x3. Source: Howard et al. 2019, section 5."""
    return _v3(TORCHVISION, V3_SMALL, classes)


def mobilenet_v3_large_timm(classes: int = 1000) -> Net:
    """MobileNetV3-Large as timm trained it: `mobilenet_v3_large` with the usual eps of normalisation."""
    return _v3(TIMM, V3_LARGE, classes)


def mobilenet_v3_small_timm(classes: int = 1000) -> Net:
    """MobileNetV3-Small as timm trained it: `mobilenet_v3_small` with the usual eps of normalisation."""
    return _v3(TIMM, V3_SMALL, classes)


def mobilenet_v3_large_tf(classes: int = 1000) -> Net:
    """MobileNetV3-Large as Google's code has it: `mobilenet_v3_large` with TensorFlow's zeros."""
    return _v3(GOOGLE, V3_LARGE, classes)


def mobilenet_v3_small_tf(classes: int = 1000) -> Net:
    """MobileNetV3-Small as Google's code has it: `mobilenet_v3_small` with TensorFlow's zeros."""
    return _v3(GOOGLE, V3_SMALL, classes)


def _norm_act(convolution: Net) -> Net:
    """A convolution, batch normalisation and ReLU6: of V1 and V2."""
    return convolution >> batchnorm >> relu6


def _bottleneck(depth: int, filters: int, expansion: int, stride: int) -> Net:
    """V2's block, linear at its end. Source: Sandler et al. 2018, table 1, figure 4 (d)."""
    width = depth * expansion
    expand = named("expand", _norm_act(conv(width, 1, bias=False)))
    across = named("depthwise", _norm_act(conv(width, 3, stride=stride, pad=1, groups=width, bias=False)))
    project = named("project", conv(filters, 1, bias=False) >> batchnorm)
    body = across >> project if expansion == 1 else expand >> across >> project
    return inverted_residual(body, depth, filters, stride)


Row = tuple[int, int, int, bool, Net, int]


def _v3(form: Form, table: tuple[Row, ...], classes: int) -> Net:
    """A table of V3: the first convolution, its bnecks, and the last stage."""
    features = 1280 if table is V3_LARGE else 1024
    first = named("conv1", form.conv(16, 3, stride=2) >> hardswish)
    last = named("conv2", form.conv(6 * table[-1][2], 1) >> hardswish)
    head = named("fc1", fc(features)) >> hardswish >> dropout(0.2) >> named("fc2", fc(classes))
    return first >> chain(_bnecks(form, table)) >> last >> globalavgpool >> head


def _bnecks(form: Form, table: tuple[Row, ...]) -> Iterator[Net]:
    depth = 16
    for number, (size, width, filters, squeezes, activation, stride) in enumerate(table, 1):
        expand = named("expand", form.conv(width, 1) >> activation)
        across = form.conv(width, size, stride=stride, groups=width) >> activation
        body: Net = named("depthwise", across)
        if width > depth:
            body = expand >> body
        if squeezes:
            body = body >> squeeze(width, divisible(width / 4), factor=hardsigmoid)
        body = body >> named("project", form.conv(filters, 1))
        yield named(f"bneck{number}", inverted_residual(body, depth, filters, stride))
        depth = filters
