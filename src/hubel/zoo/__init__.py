"""The zoo: the lecture's networks, exact to their papers, and hubel's own.

`ZOO` is the registry; `find` reads a text.
"""

from hubel.zoo.entry import Entry
from hubel.zoo.imagenet import imagenet_classes
from hubel.zoo.input import check_input, smallest_input
from hubel.zoo.lookup import at, find, known
from hubel.zoo.pages.alexnet import alexnet, alexnet_one_tower, alexnet_owt
from hubel.zoo.pages.allcnn import allcnn_c
from hubel.zoo.pages.efficientnet import efficientnet_lite0
from hubel.zoo.pages.fast import fast, fast_deep, fast_large, fast_small, fast_tiny
from hubel.zoo.pages.googlenet import googlenet, googlenet_bn
from hubel.zoo.pages.lecture import lecture_demo, pattern
from hubel.zoo.pages.lenet import lenet5, lenet5_1998
from hubel.zoo.pages.resnet import (
    plain18,
    plain20,
    plain32,
    plain34,
    plain44,
    plain56,
    plain110,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet50_v1_5,
    resnet56,
    resnet101,
    resnet101_v1_5,
    resnet110,
    resnet152,
    resnet152_v1_5,
    resnet1202,
)
from hubel.zoo.pages.vgg import (
    vgg11,
    vgg11_bn,
    vgg11_lrn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_1x1,
    vgg16_1x1_bn,
    vgg16_bn,
    vgg16_dense,
    vgg16_gap,
    vgg19,
    vgg19_bn,
)
from hubel.zoo.pages.zfnet import zfnet, zfnet_1024
from hubel.zoo.registry import ZOO

__all__ = [
    "ZOO",
    "Entry",
    "alexnet",
    "alexnet_one_tower",
    "alexnet_owt",
    "allcnn_c",
    "at",
    "check_input",
    "efficientnet_lite0",
    "fast",
    "fast_deep",
    "fast_large",
    "fast_small",
    "fast_tiny",
    "find",
    "googlenet",
    "googlenet_bn",
    "imagenet_classes",
    "known",
    "lecture_demo",
    "lenet5",
    "lenet5_1998",
    "pattern",
    "plain18",
    "plain20",
    "plain32",
    "plain34",
    "plain44",
    "plain56",
    "plain110",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet50_v1_5",
    "resnet56",
    "resnet101",
    "resnet101_v1_5",
    "resnet110",
    "resnet152",
    "resnet152_v1_5",
    "resnet1202",
    "smallest_input",
    "vgg11",
    "vgg11_bn",
    "vgg11_lrn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_1x1",
    "vgg16_1x1_bn",
    "vgg16_bn",
    "vgg16_dense",
    "vgg16_gap",
    "vgg19",
    "vgg19_bn",
    "zfnet",
    "zfnet_1024",
]
