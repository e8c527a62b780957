"""The registry: every network of the zoo by its name, with the errors that were published."""

from __future__ import annotations

from hubel.net.volume import Volume
from hubel.zoo.entry import Entry
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

GREY32, RGB32 = Volume(32, 32, 1), Volume(32, 32, 3)
RGB224, RGB227 = Volume(224, 224, 3), Volume(227, 227, 3)

MNIST, CIFAR, IMAGENET = "MNIST", "CIFAR-10", "ImageNet"

LECUN = "LeCun et al. 1998"
KRIZHEVSKY = "Krizhevsky et al. 2012"
WEIRD = "Krizhevsky 2014"
ZEILER = "Zeiler and Fergus 2013"
SIMONYAN = "Simonyan and Zisserman 2014"
SZEGEDY = "Szegedy et al. 2014"
HE = "He et al. 2015"
SPRINGENBERG = "Springenberg et al. 2014"
TAN = "Tan and Le 2019"
JORDAN = "after Jordan 2024"
KARPATHY = "Stanford CS231n 2016"

CENTRE = "one model, one centre crop, validation"
TEN = "one model, ten crops, validation"
TEN_A = "one model, ten crops, shortcut A, validation"
SINGLE = "one model, validation"
SCALE256 = "one model at one scale, trained and tested at 256, validation"
SCALES = "one model at one scale, trained at 256 to 512, tested at 384, validation"
DENSE = "one model at three scales, dense, validation"
DISTORTIONS = "test; 0.8 with distortions"
BEST = "test, best of 5; 6.61 on average"
AUGMENTED = "test, with flips and shifts; 9.08 without"
NONE = "none was published"
UNPLOTTED = "only curves are printed, in figure 6"
LITE = "README of tensorflow/tpu, efficientnet/lite"
WEIGHTS = "torchvision, IMAGENET1K_V1 weights"

ZOO: dict[str, Entry] = {
    "lenet5_1998": Entry(lenet5_1998, GREY32, 1998, LECUN, MNIST, 0.95, None, DISTORTIONS, "section III.B"),
    "lenet5": Entry(lenet5, GREY32, 1998, LECUN, MNIST, result=NONE),
    "alexnet": Entry(alexnet, RGB227, 2012, KRIZHEVSKY, IMAGENET, 40.7, 18.2, TEN, "table 2"),
    "alexnet_one_tower": Entry(alexnet_one_tower, RGB227, 2012, KRIZHEVSKY, IMAGENET, result=NONE),
    "alexnet_owt": Entry(alexnet_owt, RGB224, 2014, WEIRD, IMAGENET, 43.478, 20.934, CENTRE, WEIGHTS),
    "zfnet": Entry(zfnet, RGB224, 2013, ZEILER, IMAGENET, 38.4, 16.5, SINGLE, "table 2, (a)"),
    "zfnet_1024": Entry(zfnet_1024, RGB224, 2013, ZEILER, IMAGENET, 37.5, 16.0, SINGLE, "table 2, (b)"),
    "vgg11": Entry(vgg11, RGB224, 2014, SIMONYAN, IMAGENET, 29.6, 10.4, SCALE256, "table 3, A"),
    "vgg11_lrn": Entry(vgg11_lrn, RGB224, 2014, SIMONYAN, IMAGENET, 29.7, 10.5, SCALE256, "table 3, A-LRN"),
    "vgg13": Entry(vgg13, RGB224, 2014, SIMONYAN, IMAGENET, 28.7, 9.9, SCALE256, "table 3, B"),
    "vgg16_1x1": Entry(vgg16_1x1, RGB224, 2014, SIMONYAN, IMAGENET, 27.3, 8.8, SCALES, "table 3, C"),
    "vgg16": Entry(vgg16, RGB224, 2014, SIMONYAN, IMAGENET, 25.6, 8.1, SCALES, "table 3, D"),
    "vgg19": Entry(vgg19, RGB224, 2014, SIMONYAN, IMAGENET, 25.5, 8.0, SCALES, "table 3, E"),
    "vgg11_bn": Entry(vgg11_bn, RGB224, 2014, SIMONYAN, IMAGENET, 29.63, 10.19, CENTRE, WEIGHTS),
    "vgg13_bn": Entry(vgg13_bn, RGB224, 2014, SIMONYAN, IMAGENET, 28.414, 9.626, CENTRE, WEIGHTS),
    "vgg16_1x1_bn": Entry(vgg16_1x1_bn, RGB224, 2014, SIMONYAN, IMAGENET, result=NONE),
    "vgg16_bn": Entry(vgg16_bn, RGB224, 2014, SIMONYAN, IMAGENET, 26.64, 8.484, CENTRE, WEIGHTS),
    "vgg19_bn": Entry(vgg19_bn, RGB224, 2014, SIMONYAN, IMAGENET, 25.782, 8.158, CENTRE, WEIGHTS),
    "vgg16_gap": Entry(vgg16_gap, RGB224, 2016, KARPATHY, IMAGENET, result=NONE),
    "vgg16_dense": Entry(vgg16_dense, RGB224, 2014, SIMONYAN, IMAGENET, 24.8, 7.5, DENSE, "table 4, D"),
    "googlenet": Entry(googlenet, RGB224, 2014, SZEGEDY, IMAGENET, None, 10.07, CENTRE, "table 3"),
    "googlenet_bn": Entry(googlenet_bn, RGB224, 2014, SZEGEDY, IMAGENET, 30.222, 10.47, CENTRE, WEIGHTS),
    "resnet18": Entry(resnet18, RGB224, 2015, HE, IMAGENET, 27.88, None, TEN_A, "table 2"),
    "resnet34": Entry(resnet34, RGB224, 2015, HE, IMAGENET, 24.52, 7.46, TEN, "table 3, B"),
    "resnet50": Entry(resnet50, RGB224, 2015, HE, IMAGENET, 22.85, 6.71, TEN, "table 3"),
    "resnet101": Entry(resnet101, RGB224, 2015, HE, IMAGENET, 21.75, 6.05, TEN, "table 3"),
    "resnet152": Entry(resnet152, RGB224, 2015, HE, IMAGENET, 21.43, 5.71, TEN, "table 3"),
    "resnet50_v1_5": Entry(resnet50_v1_5, RGB224, 2015, HE, IMAGENET, 23.87, 7.138, CENTRE, WEIGHTS),
    "resnet101_v1_5": Entry(resnet101_v1_5, RGB224, 2015, HE, IMAGENET, 22.626, 6.454, CENTRE, WEIGHTS),
    "resnet152_v1_5": Entry(resnet152_v1_5, RGB224, 2015, HE, IMAGENET, 21.688, 5.954, CENTRE, WEIGHTS),
    "plain18": Entry(plain18, RGB224, 2015, HE, IMAGENET, 27.94, None, TEN, "table 2"),
    "plain34": Entry(plain34, RGB224, 2015, HE, IMAGENET, 28.54, 10.02, TEN, "table 3"),
    "resnet20": Entry(resnet20, RGB32, 2015, HE, CIFAR, 8.75, None, "test", "table 6"),
    "resnet32": Entry(resnet32, RGB32, 2015, HE, CIFAR, 7.51, None, "test", "table 6"),
    "resnet44": Entry(resnet44, RGB32, 2015, HE, CIFAR, 7.17, None, "test", "table 6"),
    "resnet56": Entry(resnet56, RGB32, 2015, HE, CIFAR, 6.97, None, "test", "table 6"),
    "resnet110": Entry(resnet110, RGB32, 2015, HE, CIFAR, 6.43, None, BEST, "table 6"),
    "resnet1202": Entry(resnet1202, RGB32, 2015, HE, CIFAR, 7.93, None, "test", "table 6"),
    "plain20": Entry(plain20, RGB32, 2015, HE, CIFAR, result=UNPLOTTED),
    "plain32": Entry(plain32, RGB32, 2015, HE, CIFAR, result=UNPLOTTED),
    "plain44": Entry(plain44, RGB32, 2015, HE, CIFAR, result=UNPLOTTED),
    "plain56": Entry(plain56, RGB32, 2015, HE, CIFAR, result=UNPLOTTED),
    "plain110": Entry(plain110, RGB32, 2015, HE, CIFAR, result="above 60, not plotted in figure 6"),
    "allcnn_c": Entry(allcnn_c, RGB32, 2014, SPRINGENBERG, CIFAR, 7.25, None, AUGMENTED, "tables 3 and 4"),
    "efficientnet_lite0": Entry(efficientnet_lite0, RGB224, 2020, TAN, IMAGENET, 24.9, None, SINGLE, LITE),
    "fast_tiny": Entry(fast_tiny, RGB32, 2026, JORDAN, CIFAR, result=NONE),
    "fast_small": Entry(fast_small, RGB32, 2026, JORDAN, CIFAR, result=NONE),
    "fast": Entry(fast, RGB32, 2026, JORDAN, CIFAR, result=NONE),
    "fast_deep": Entry(fast_deep, RGB32, 2026, JORDAN, CIFAR, result=NONE),
    "fast_large": Entry(fast_large, RGB32, 2026, JORDAN, CIFAR, result=NONE),
    "lecture_demo": Entry(lecture_demo, RGB32, 2016, KARPATHY, CIFAR, result=NONE),
    "pattern": Entry(pattern, RGB32, 2016, KARPATHY, CIFAR, result=NONE),
}
