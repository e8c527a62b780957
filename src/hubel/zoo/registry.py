"""The registry: every network of the zoo by its name, with its page, its input and its published errors."""

from __future__ import annotations

from hubel.net.volume import Volume
from hubel.zoo.entry import Entry

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
CURVES = "only curves are printed, in figure 6"
LITE = "README of tensorflow/tpu, efficientnet/lite"
WEIGHTS = "torchvision, IMAGENET1K_V1 weights"

_ENTRIES = (
    Entry("lenet5_1998", "lenet", GREY32, 1998, LECUN, MNIST, 0.95, None, DISTORTIONS, "section III.B"),
    Entry("lenet5", "lenet", GREY32, 1998, LECUN, MNIST, result=NONE),
    Entry("alexnet", "alexnet", RGB227, 2012, KRIZHEVSKY, IMAGENET, 40.7, 18.2, TEN, "table 2"),
    Entry("alexnet_one_tower", "alexnet", RGB227, 2012, KRIZHEVSKY, IMAGENET, result=NONE),
    Entry("alexnet_owt", "alexnet", RGB224, 2014, WEIRD, IMAGENET, 43.478, 20.934, CENTRE, WEIGHTS),
    Entry("zfnet", "zfnet", RGB224, 2013, ZEILER, IMAGENET, 38.4, 16.5, SINGLE, "table 2, (a)"),
    Entry("zfnet_1024", "zfnet", RGB224, 2013, ZEILER, IMAGENET, 37.5, 16.0, SINGLE, "table 2, (b)"),
    Entry("vgg11", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 29.6, 10.4, SCALE256, "table 3, A"),
    Entry("vgg11_lrn", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 29.7, 10.5, SCALE256, "table 3, A-LRN"),
    Entry("vgg13", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 28.7, 9.9, SCALE256, "table 3, B"),
    Entry("vgg16_1x1", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 27.3, 8.8, SCALES, "table 3, C"),
    Entry("vgg16", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 25.6, 8.1, SCALES, "table 3, D"),
    Entry("vgg19", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 25.5, 8.0, SCALES, "table 3, E"),
    Entry("vgg11_bn", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 29.63, 10.19, CENTRE, WEIGHTS),
    Entry("vgg13_bn", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 28.414, 9.626, CENTRE, WEIGHTS),
    Entry("vgg16_1x1_bn", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, result=NONE),
    Entry("vgg16_bn", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 26.64, 8.484, CENTRE, WEIGHTS),
    Entry("vgg19_bn", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 25.782, 8.158, CENTRE, WEIGHTS),
    Entry("vgg16_gap", "vgg", RGB224, 2016, KARPATHY, IMAGENET, result=NONE),
    Entry("vgg16_dense", "vgg", RGB224, 2014, SIMONYAN, IMAGENET, 24.8, 7.5, DENSE, "table 4, D"),
    Entry("googlenet", "googlenet", RGB224, 2014, SZEGEDY, IMAGENET, None, 10.07, CENTRE, "table 3"),
    Entry("googlenet_bn", "googlenet", RGB224, 2014, SZEGEDY, IMAGENET, 30.222, 10.47, CENTRE, WEIGHTS),
    Entry("resnet18", "resnet", RGB224, 2015, HE, IMAGENET, 27.88, None, TEN_A, "table 2"),
    Entry("resnet34", "resnet", RGB224, 2015, HE, IMAGENET, 24.52, 7.46, TEN, "table 3, B"),
    Entry("resnet50", "resnet", RGB224, 2015, HE, IMAGENET, 22.85, 6.71, TEN, "table 3"),
    Entry("resnet101", "resnet", RGB224, 2015, HE, IMAGENET, 21.75, 6.05, TEN, "table 3"),
    Entry("resnet152", "resnet", RGB224, 2015, HE, IMAGENET, 21.43, 5.71, TEN, "table 3"),
    Entry("resnet50_v1_5", "resnet", RGB224, 2015, HE, IMAGENET, 23.87, 7.138, CENTRE, WEIGHTS),
    Entry("resnet101_v1_5", "resnet", RGB224, 2015, HE, IMAGENET, 22.626, 6.454, CENTRE, WEIGHTS),
    Entry("resnet152_v1_5", "resnet", RGB224, 2015, HE, IMAGENET, 21.688, 5.954, CENTRE, WEIGHTS),
    Entry("plain18", "resnet", RGB224, 2015, HE, IMAGENET, 27.94, None, TEN, "table 2"),
    Entry("plain34", "resnet", RGB224, 2015, HE, IMAGENET, 28.54, 10.02, TEN, "table 3"),
    Entry("resnet20", "resnet", RGB32, 2015, HE, CIFAR, 8.75, None, "test", "table 6"),
    Entry("resnet32", "resnet", RGB32, 2015, HE, CIFAR, 7.51, None, "test", "table 6"),
    Entry("resnet44", "resnet", RGB32, 2015, HE, CIFAR, 7.17, None, "test", "table 6"),
    Entry("resnet56", "resnet", RGB32, 2015, HE, CIFAR, 6.97, None, "test", "table 6"),
    Entry("resnet110", "resnet", RGB32, 2015, HE, CIFAR, 6.43, None, BEST, "table 6"),
    Entry("resnet1202", "resnet", RGB32, 2015, HE, CIFAR, 7.93, None, "test", "table 6"),
    Entry("plain20", "resnet", RGB32, 2015, HE, CIFAR, result=CURVES),
    Entry("plain32", "resnet", RGB32, 2015, HE, CIFAR, result=CURVES),
    Entry("plain44", "resnet", RGB32, 2015, HE, CIFAR, result=CURVES),
    Entry("plain56", "resnet", RGB32, 2015, HE, CIFAR, result=CURVES),
    Entry("plain110", "resnet", RGB32, 2015, HE, CIFAR, result="above 60, not plotted in figure 6"),
    Entry("allcnn_c", "allcnn", RGB32, 2014, SPRINGENBERG, CIFAR, 7.25, None, AUGMENTED, "tables 3 and 4"),
    Entry("efficientnet_lite0", "efficientnet", RGB224, 2020, TAN, IMAGENET, 24.9, None, SINGLE, LITE),
    Entry("fast_tiny", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast_small", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast_deep", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast_large", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("lecture_demo", "lecture", RGB32, 2016, KARPATHY, CIFAR, result=NONE),
    Entry("pattern", "lecture", RGB32, 2016, KARPATHY, CIFAR, result=NONE),
)

ZOO = {entry.name: entry for entry in _ENTRIES}
"""Every network of the zoo by its name."""
