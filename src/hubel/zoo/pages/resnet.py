"""ResNet: He, Zhang, Ren and Sun 2015, "Deep residual learning for image recognition".

The networks for ImageNet are the columns of table 1; those for CIFAR-10, with 6n+2 layers, are from section
4.2. All take any size. `shortcut` is the option of section 3.3 and table 3: where the size changes, "A"
copies the input and pads it with zeros, and "B" projects it; "C" projects everywhere. Batch normalisation
follows every convolution, and no convolution has a bias (section 3.4).

Deviations throughout: the first pooling pads by 1, as in torchvision, where Caffe rounds up; the sizes at
224x224 are the same. Projections have batch normalisation too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import rshift
from typing import TypeAlias

from hubel.errors import NetworkError
from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, fc, globalavgpool, identity, maxpool, padshortcut, relu
from hubel.zoo.stage import stage

Shortcut: TypeAlias = Callable[[int, int, int], Net]
"""Makes the shortcut past a block from the depth of its input, its filters and its stride."""

Block: TypeAlias = Callable[[int, int, int], Net]
"""Makes a block from the depth of its input, the filters of its last convolution and its stride."""

padded_pool = maxpool(3, stride=2, pad=1)


def resnet18(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-18, table 1: 11,689,512 parameters; 224x224x3."""
    return imagenet(_residual(basic, shortcut), (64, 128, 256, 512), (2, 2, 2, 2), classes)


def resnet34(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-34, table 1: 21,797,672 parameters; 224x224x3."""
    return imagenet(_residual(basic, shortcut), (64, 128, 256, 512), (3, 4, 6, 3), classes)


def resnet50(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-50, table 1, stride in the first 1x1: 25,557,032 parameters; 224x224x3."""
    return imagenet(_residual(bottleneck, shortcut), (256, 512, 1024, 2048), (3, 4, 6, 3), classes)


def resnet101(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-101, table 1, stride in the first 1x1: 44,549,160 parameters; 224x224x3."""
    return imagenet(_residual(bottleneck, shortcut), (256, 512, 1024, 2048), (3, 4, 23, 3), classes)


def resnet152(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-152, table 1, stride in the first 1x1: 60,192,808 parameters; 224x224x3."""
    return imagenet(_residual(bottleneck, shortcut), (256, 512, 1024, 2048), (3, 8, 36, 3), classes)


def resnet50_v1_5(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-50 as torchvision ships it; 224x224x3. Deviation: stride in the 3x3, so more MACs."""
    return imagenet(_residual(bottleneck_v1_5, shortcut), (256, 512, 1024, 2048), (3, 4, 6, 3), classes)


def resnet101_v1_5(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-101 as torchvision ships it; 224x224x3. Deviation: stride in the 3x3, so more MACs."""
    return imagenet(_residual(bottleneck_v1_5, shortcut), (256, 512, 1024, 2048), (3, 4, 23, 3), classes)


def resnet152_v1_5(classes: int = 1000, shortcut: str = "B") -> Net:
    """ResNet-152 as torchvision ships it; 224x224x3. Deviation: stride in the 3x3, so more MACs."""
    return imagenet(_residual(bottleneck_v1_5, shortcut), (256, 512, 1024, 2048), (3, 8, 36, 3), classes)


def plain18(classes: int = 1000) -> Net:
    """ResNet-18 without its shortcuts. Source: section 3.3, table 2; 11,515,688 parameters; 224x224x3."""
    return imagenet(plain, (64, 128, 256, 512), (2, 2, 2, 2), classes)


def plain34(classes: int = 1000) -> Net:
    """ResNet-34 without its shortcuts. Source: section 3.3, figure 3; 21,623,848 parameters; 224x224x3."""
    return imagenet(plain, (64, 128, 256, 512), (3, 4, 6, 3), classes)


def resnet20(classes: int = 10, shortcut: str = "A") -> Net:
    """ResNet-20 for CIFAR-10, section 4.2 with n = 3: 269,722 parameters; 32x32x3."""
    return _cifar(_residual(basic, shortcut), 3, classes)


def resnet32(classes: int = 10, shortcut: str = "A") -> Net:
    """ResNet-32 for CIFAR-10, section 4.2 with n = 5: 464,154 parameters; 32x32x3."""
    return _cifar(_residual(basic, shortcut), 5, classes)


def resnet44(classes: int = 10, shortcut: str = "A") -> Net:
    """ResNet-44 for CIFAR-10, section 4.2 with n = 7: 658,586 parameters; 32x32x3."""
    return _cifar(_residual(basic, shortcut), 7, classes)


def resnet56(classes: int = 10, shortcut: str = "A") -> Net:
    """ResNet-56 for CIFAR-10, section 4.2 with n = 9: 853,018 parameters; 32x32x3."""
    return _cifar(_residual(basic, shortcut), 9, classes)


def resnet110(classes: int = 10, shortcut: str = "A") -> Net:
    """ResNet-110 for CIFAR-10, section 4.2 with n = 18: 1,727,962 parameters; 32x32x3."""
    return _cifar(_residual(basic, shortcut), 18, classes)


def resnet1202(classes: int = 10, shortcut: str = "A") -> Net:
    """ResNet-1202 for CIFAR-10, section 4.2 with n = 200: 19,421,274 parameters; 32x32x3."""
    return _cifar(_residual(basic, shortcut), 200, classes)


def plain20(classes: int = 10) -> Net:
    """ResNet-20 without its shortcuts; 32x32x3. Source: section 4.2, figure 6."""
    return _cifar(plain, 3, classes)


def plain32(classes: int = 10) -> Net:
    """ResNet-32 without its shortcuts; 32x32x3. Source: section 4.2, figure 6."""
    return _cifar(plain, 5, classes)


def plain44(classes: int = 10) -> Net:
    """ResNet-44 without its shortcuts; 32x32x3. Source: section 4.2, figure 6."""
    return _cifar(plain, 7, classes)


def plain56(classes: int = 10) -> Net:
    """ResNet-56 without its shortcuts; 32x32x3. Source: section 4.2, figure 6."""
    return _cifar(plain, 9, classes)


def plain110(classes: int = 10) -> Net:
    """ResNet-110 without its shortcuts; 32x32x3.

    Source: section 4.2, figure 6, where its error is too high to be plotted.
    """
    return _cifar(plain, 18, classes)


def plain(_depth: int, filters: int, stride: int) -> Net:
    """Two 3x3 convolutions without a shortcut. Source: figure 3, middle."""
    first = conv(filters, 3, stride=stride, pad=1, bias=False) >> batchnorm >> relu
    second = conv(filters, 3, pad=1, bias=False) >> batchnorm >> relu
    return first >> second


def basic(depth: int, filters: int, stride: int, *, shortcut: Shortcut) -> Net:
    """Two 3x3 convolutions and a shortcut. Source: figure 5, left."""
    first = conv(filters, 3, stride=stride, pad=1, bias=False) >> batchnorm >> relu
    second = conv(filters, 3, pad=1, bias=False) >> batchnorm
    return (first >> second) + shortcut(depth, filters, stride) >> relu


def bottleneck(depth: int, filters: int, stride: int, *, shortcut: Shortcut) -> Net:
    """1x1 to a quarter of the filters, 3x3, 1x1 to all; stride in the first. Source: figure 5, right."""
    down = conv(filters // 4, 1, stride=stride, bias=False) >> batchnorm >> relu
    across = conv(filters // 4, 3, pad=1, bias=False) >> batchnorm >> relu
    up = conv(filters, 1, bias=False) >> batchnorm
    return (down >> across >> up) + shortcut(depth, filters, stride) >> relu


def bottleneck_v1_5(depth: int, filters: int, stride: int, *, shortcut: Shortcut) -> Net:
    """The bottleneck with the stride in the 3x3. Source: torchvision.models.resnet."""
    down = conv(filters // 4, 1, bias=False) >> batchnorm >> relu
    across = conv(filters // 4, 3, stride=stride, pad=1, bias=False) >> batchnorm >> relu
    up = conv(filters, 1, bias=False) >> batchnorm
    return (down >> across >> up) + shortcut(depth, filters, stride) >> relu


def padded(depth: int, filters: int, stride: int) -> Net:
    """Option A: the input itself; where the size changes, padded with maps of zeros."""
    same_size = (depth, 1) == (filters, stride)
    return identity if same_size else named("shortcut", padshortcut(filters, stride=stride))


def projected_once(depth: int, filters: int, stride: int) -> Net:
    """Option B: the input itself; where the size changes, a projection."""
    same_size = (depth, 1) == (filters, stride)
    return identity if same_size else projected(depth, filters, stride)


def projected(_depth: int, filters: int, stride: int) -> Net:
    """Option C: a projection everywhere."""
    return named("shortcut", conv(filters, 1, stride=stride, bias=False) >> batchnorm)


SHORTCUTS: dict[str, Shortcut] = {"A": padded, "B": projected_once, "C": projected}


def _residual(block: Callable[..., Net], shortcut: str) -> Block:
    """Returns a block with the shortcuts of an option. Raises NetworkError: there is no such option."""
    if shortcut not in SHORTCUTS:
        raise NetworkError(f'shortcut is "A" (zeros), "B" or "C" (projections), not {shortcut!r}')
    return partial(block, shortcut=SHORTCUTS[shortcut])


def imagenet(
    block: Block, filters: Sequence[int], blocks: Sequence[int], classes: int, pool: Net = padded_pool
) -> Net:
    """A column of table 1: the filters and the number of blocks of each stage."""
    stem = named("conv1", conv(64, 7, stride=2, pad=3, bias=False)) >> batchnorm >> relu
    pool1 = named("pool1", pool)
    stages = _stages(block, (64, *filters), blocks)
    return stem >> pool1 >> stages >> globalavgpool >> named("fc", fc(classes))


def _cifar(block: Block, n: int, classes: int) -> Net:
    """A network of section 4.2: 6n+2 layers with 16, 32 and 64 filters."""
    stem = named("conv1", conv(16, 3, pad=1, bias=False)) >> batchnorm >> relu
    return stem >> _stages(block, (16, 16, 32, 64), (n, n, n)) >> globalavgpool >> named("fc", fc(classes))


def _stages(block: Block, depths: Sequence[int], blocks: Sequence[int]) -> Net:
    """The stages conv2_x, conv3_x, ...: all but the first halve the size; `depths` begins with the input."""
    stages = [
        stage(
            f"conv{number}_x",
            block(depth, filters, 1 if number == 2 else 2),
            block(filters, filters, 1),
            count,
        )
        for number, (depth, filters, count) in enumerate(zip(depths, depths[1:], blocks, strict=False), 2)
    ]
    return reduce(rshift, stages)
