"""AlexNet: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep CNNs"."""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import adaptiveavgpool, conv, dropout, fc, lrn, maxpool, relu

overlapping = maxpool(3, stride=2)
"""Pooling whose windows overlap. Source: Krizhevsky et al. 2012, section 3.4."""


def alexnet(classes: int = 1000) -> Net:
    """AlexNet as published, its two GPUs as groups: 60,965,224 parameters; 227x227x3.

    conv2, conv4 and conv5 see only the maps of their own GPU. Response normalisation comes before pooling,
    and fc6 and fc7 have dropout. Source: Krizhevsky et al. 2012, sections 3.2 to 3.5 and 4.2, figure 2.
    Deviation: 227x227, on which 11x11 filters with stride 4 give the paper's 55x55 maps exactly, as the field
    has it since Caffe. The paper's 224x224 is no misprint: its code rounds up (`alexnet_2012_code`).
    """
    conv1 = (
        named("conv1", conv(96, 11, stride=4)) >> relu >> named("norm1", lrn) >> named("pool1", overlapping)
    )
    conv2 = (
        named("conv2", conv(256, 5, pad=2, groups=2))
        >> relu
        >> named("norm2", lrn)
        >> named("pool2", overlapping)
    )
    conv3 = named("conv3", conv(384, 3, pad=1)) >> relu
    conv4 = named("conv4", conv(384, 3, pad=1, groups=2)) >> relu
    conv5 = named("conv5", conv(256, 3, pad=1, groups=2)) >> relu >> named("pool5", overlapping)
    fc6 = named("fc6", fc(4096)) >> relu >> dropout
    fc7 = named("fc7", fc(4096)) >> relu >> dropout
    return conv1 >> conv2 >> conv3 >> conv4 >> conv5 >> fc6 >> fc7 >> named("fc8", fc(classes))


def alexnet_2012_code(classes: int = 1000) -> Net:
    """AlexNet as its code of 2012 has it: 60,965,224 parameters; 224x224x3.

    Convolutions round up and read zeros past the edge, (224-11)/4+1 = 54.25 to 55. The GPUs are two towers
    that meet in conv3 and in fc6. ReLU comes after normalisation and pooling in layer 1, and after pooling in
    layer 5. A second normalisation, over 5x5 places of a map, comes before pool2. The constants of
    normalisation are divided by the number of terms: 0.0001/5 and 0.001/25.
    Source: computerhistory/AlexNet-Source-Code, layers/layers-145.cfg, layer-params-145.cfg and layer.py.
    """
    return _convolutions() >> _classifier(classes)


def alexnet_2012_six(classes: int = 1000) -> Net:
    """AlexNet with a sixth convolution after the last pooling: 61,555,304 parameters; 224x224x3.

    The network that was trained on all of ImageNet, the release of 2011, and then on that of 2012.
    Source: Krizhevsky et al. 2012, section 6; computerhistory/AlexNet-Source-Code, layers-146-2012-2011.cfg.
    """
    conv6 = named("conv6", conv(256, 3, pad=1)) >> relu
    return _convolutions() >> conv6 >> _classifier(classes)


def _convolutions() -> Net:
    """The five layers of convolutions of the code of 2012."""
    towers = named("tower1", _tower()) | named("tower2", _tower())
    conv3 = named("conv3", conv(384, 3, pad=1)) >> relu
    conv4 = named("conv4", conv(384, 3, pad=1, groups=2)) >> relu
    conv5 = named("conv5", conv(256, 3, pad=1, groups=2)) >> named("pool5", overlapping) >> relu
    return towers >> conv3 >> conv4 >> conv5


def _classifier(classes: int) -> Net:
    """The fully connected layers."""
    fc6 = named("fc6", fc(4096)) >> relu >> dropout
    fc7 = named("fc7", fc(4096)) >> relu >> dropout
    return fc6 >> fc7 >> named("fc8", fc(classes))


def _tower() -> Net:
    """What one GPU computes by itself: its half of the first two layers of the code of 2012."""
    across, within = lrn(5, alpha=0.0001 / 5), lrn(5, alpha=0.001 / 25, k=1, within=True)
    conv1 = named("conv1", conv(48, 11, stride=4, ceil=True)) >> named("rnorm1", across)
    conv2 = named("conv2", conv(128, 5, pad=2)) >> relu >> named("rnorm2", across) >> named("cnorm2", within)
    return conv1 >> named("pool1", overlapping) >> relu >> conv2 >> named("pool2", overlapping)


def alexnet_one_tower(classes: int = 1000) -> Net:
    """AlexNet as the lecture draws it, in one tower: 62,378,344 parameters; 227x227x3.

    Source: Stanford CS231n, lecture on CNN architectures; the order of layers is that of Caffe's CaffeNet.
    The lecture takes 224x224 for a mistake; it is what the paper's code sees (`alexnet_2012_code`).
    Deviations from the paper: no groups, and pooling before response normalisation.
    """
    conv1 = (
        named("conv1", conv(96, 11, stride=4)) >> relu >> named("pool1", overlapping) >> named("norm1", lrn)
    )
    conv2 = named("conv2", conv(256, 5, pad=2)) >> relu >> named("pool2", overlapping) >> named("norm2", lrn)
    conv3 = named("conv3", conv(384, 3, pad=1)) >> relu
    conv4 = named("conv4", conv(384, 3, pad=1)) >> relu
    conv5 = named("conv5", conv(256, 3, pad=1)) >> relu >> named("pool5", overlapping)
    fc6 = named("fc6", fc(4096)) >> relu >> dropout
    fc7 = named("fc7", fc(4096)) >> relu >> dropout
    return conv1 >> conv2 >> conv3 >> conv4 >> conv5 >> fc6 >> fc7 >> named("fc8", fc(classes))


def alexnet_owt(classes: int = 1000) -> Net:
    """AlexNet of 2014 as torchvision ships it: 61,100,840 parameters; 224x224x3.

    Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks";
    torchvision.models.alexnet. Deviations, torchvision's: 256 filters in conv4, dropout before fc6 and fc7,
    and an average pooling to 6x6, which is the identity at 224x224 and allows other sizes.
    """
    conv1 = named("conv1", conv(64, 11, stride=4, pad=2)) >> relu >> named("pool1", overlapping)
    conv2 = named("conv2", conv(192, 5, pad=2)) >> relu >> named("pool2", overlapping)
    conv3 = named("conv3", conv(384, 3, pad=1)) >> relu
    conv4 = named("conv4", conv(256, 3, pad=1)) >> relu
    conv5 = named("conv5", conv(256, 3, pad=1)) >> relu >> named("pool5", overlapping)
    fc6 = dropout >> named("fc6", fc(4096)) >> relu
    fc7 = dropout >> named("fc7", fc(4096)) >> relu
    fc8 = named("fc8", fc(classes))
    return conv1 >> conv2 >> conv3 >> conv4 >> conv5 >> adaptiveavgpool(6, 6) >> fc6 >> fc7 >> fc8
