"""The registry: every network of the zoo by its name, with its page, its input and its published errors."""

from __future__ import annotations

from hubel.net.volume import Volume
from hubel.zoo.entry import Entry

GREY32, RGB32 = Volume(32, 32, 1), Volume(32, 32, 3)
RGB224, RGB227 = Volume(224, 224, 3), Volume(227, 227, 3)
RGB240, RGB260, RGB280 = Volume(240, 240, 3), Volume(260, 260, 3), Volume(280, 280, 3)
RGB299, RGB300, RGB380 = Volume(299, 299, 3), Volume(300, 300, 3), Volume(380, 380, 3)

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
LIN = "Lin et al. 2013"
SZEGEDY3 = "Szegedy et al. 2015"
IANDOLA = "Iandola et al. 2016"
HUANG = "Huang et al. 2016"
XIE = "Xie et al. 2016"
ZAGORUYKO = "Zagoruyko and Komodakis 2016"
HU = "Hu et al. 2017"
HOWARD = "Howard et al. 2017"
SANDLER = "Sandler et al. 2018"
MA = "Ma et al. 2018"
HOWARD2 = "Howard et al. 2019"
RADOSAV = "Radosavovic et al. 2020"
LIU = "Liu et al. 2022"
JORDAN = "after Jordan 2024"
KARPATHY = "Stanford CS231n 2016"

CENTRE = "one model, one centre crop, validation"
TEN = "one model, ten crops, validation"
TEN_A = "one model, ten crops, shortcut A, validation"
SINGLE = "one model, validation"
SCALE256 = "one model at one scale, trained and tested at 256, validation"
SCALES = "one model at one scale, trained at 256 to 512, tested at 384, validation"
DENSE = "one model at three scales, dense, validation"
FIVE = "mean of five models, one centre crop, validation"
DISTORTIONS = "test; 0.8 with distortions"
BEST = "test, best of 5; 6.61 on average"
AUGMENTED = "test, with flips and shifts; 9.08 without"
NONE = "none was published"
CURVES = "only curves are printed, in figure 6"
LITE = "README of tensorflow/tpu, efficientnet/lite"
SLIM = "README of tensorflow/models, slim/nets/mobilenet"
SLIM_V1 = "tensorflow/models, slim/nets/mobilenet_v1.md"
CAFFE = "README of hujie-frank/SENet, table 1"
NIN_CARD = "the authors' readme for Caffe, natanielruiz/net-archive"
PYCLS = "MODEL_ZOO of facebookresearch/pycls"
WEIGHTS = "torchvision 0.29.1, weights IMAGENET1K_V1"
WEIGHTS288 = "torchvision 0.29.1, weights IMAGENET1K_V1, at 288"
TIMM = "timm, results-imagenet.csv, weights "
MULTI = "one model, multi-view, validation"
CODE = "computerhistory/AlexNet-Source-Code, layer file 145"
PRE = "one model, pretrained, multi-view, validation"
SIX = "computerhistory/AlexNet-Source-Code layer file 146"

_ENTRIES = (
    Entry("lenet5_1998", "lenet", GREY32, 1998, LECUN, MNIST, 0.95, None, DISTORTIONS, "section III.B"),
    Entry("lenet5", "lenet", GREY32, 1998, LECUN, MNIST, result=NONE),
    Entry("alexnet", "alexnet", RGB227, 2012, KRIZHEVSKY, IMAGENET, 40.7, 18.2, TEN, "table 2"),
    Entry("alexnet_2012_code", "alexnet", RGB224, 2012, KRIZHEVSKY, IMAGENET, 40.664, 18.21, MULTI, CODE),
    Entry("alexnet_2012_six", "alexnet", RGB224, 2012, KRIZHEVSKY, IMAGENET, 38.99, 16.622, PRE, SIX),
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
    Entry(
        "efficientnet_lite0_timm",
        "efficientnet",
        RGB224,
        2020,
        TAN,
        IMAGENET,
        24.512,
        7.492,
        CENTRE,
        TIMM + "ra_in1k",
    ),
    Entry("squeezenet1_0", "squeezenet", RGB224, 2016, IANDOLA, IMAGENET, 41.908, 19.58, CENTRE, WEIGHTS),
    Entry("squeezenet1_1", "squeezenet", RGB224, 2016, IANDOLA, IMAGENET, 41.822, 19.376, CENTRE, WEIGHTS),
    Entry("densenet121", "densenet", RGB224, 2016, HUANG, IMAGENET, 25.566, 8.028, CENTRE, WEIGHTS),
    Entry("densenet169", "densenet", RGB224, 2016, HUANG, IMAGENET, 24.4, 7.194, CENTRE, WEIGHTS),
    Entry("densenet201", "densenet", RGB224, 2016, HUANG, IMAGENET, 23.104, 6.63, CENTRE, WEIGHTS),
    Entry("resnext50_32x4d", "resnext", RGB224, 2016, XIE, IMAGENET, 22.382, 6.302, CENTRE, WEIGHTS),
    Entry("resnext101_32x8d", "resnext", RGB224, 2016, XIE, IMAGENET, 20.688, 5.474, CENTRE, WEIGHTS),
    Entry("wide_resnet50_2", "resnext", RGB224, 2016, ZAGORUYKO, IMAGENET, 21.532, 5.914, CENTRE, WEIGHTS),
    Entry("wide_resnet101_2", "resnext", RGB224, 2016, ZAGORUYKO, IMAGENET, 21.152, 5.716, CENTRE, WEIGHTS),
    Entry("seresnet50", "senet", RGB224, 2017, HU, IMAGENET, 22.37, 6.36, CENTRE, CAFFE),
    Entry("seresnet50_v1_5", "senet", RGB224, 2017, HU, IMAGENET, 19.988, 5.296, CENTRE, TIMM + "a1_in1k"),
    Entry("senet154", "senet", RGB224, 2017, HU, IMAGENET, 18.68, 4.47, CENTRE, CAFFE),
    Entry("senet154_gluon", "senet", RGB224, 2017, HU, IMAGENET, 18.742, 4.642, CENTRE, TIMM + "gluon_in1k"),
    Entry("mobilenet_v1", "mobilenet", RGB224, 2017, HOWARD, IMAGENET, 29.1, 10.1, CENTRE, SLIM_V1),
    Entry("mobilenet_v2", "mobilenet", RGB224, 2018, SANDLER, IMAGENET, 28.122, 9.714, CENTRE, WEIGHTS),
    Entry("mobilenet_v3_large", "mobilenet", RGB224, 2019, HOWARD2, IMAGENET, 25.958, 8.66, CENTRE, WEIGHTS),
    Entry(
        "mobilenet_v3_small", "mobilenet", RGB224, 2019, HOWARD2, IMAGENET, 32.332, 12.598, CENTRE, WEIGHTS
    ),
    Entry(
        "mobilenet_v3_large_timm",
        "mobilenet",
        RGB224,
        2019,
        HOWARD2,
        IMAGENET,
        24.216,
        7.472,
        CENTRE,
        TIMM + "ra_in1k",
    ),
    Entry(
        "mobilenet_v3_small_timm",
        "mobilenet",
        RGB224,
        2019,
        HOWARD2,
        IMAGENET,
        32.364,
        12.362,
        CENTRE,
        TIMM + "lamb_in1k",
    ),
    Entry("mobilenet_v3_large_tf", "mobilenet", RGB224, 2019, HOWARD2, IMAGENET, 24.8, None, SINGLE, SLIM),
    Entry("mobilenet_v3_small_tf", "mobilenet", RGB224, 2019, HOWARD2, IMAGENET, 32.5, None, SINGLE, SLIM),
    Entry("shufflenet_v2_x0_5", "shufflenet", RGB224, 2018, MA, IMAGENET, 39.448, 18.254, CENTRE, WEIGHTS),
    Entry("shufflenet_v2_x1_0", "shufflenet", RGB224, 2018, MA, IMAGENET, 30.638, 11.684, CENTRE, WEIGHTS),
    Entry("shufflenet_v2_x1_5", "shufflenet", RGB224, 2018, MA, IMAGENET, 27.004, 8.914, CENTRE, WEIGHTS),
    Entry("shufflenet_v2_x2_0", "shufflenet", RGB224, 2018, MA, IMAGENET, 23.77, 6.994, CENTRE, WEIGHTS),
    Entry("efficientnet_b0", "efficientnet", RGB224, 2019, TAN, IMAGENET, 22.308, 6.468, CENTRE, WEIGHTS),
    Entry("efficientnet_b1", "efficientnet", RGB240, 2019, TAN, IMAGENET, 21.358, 5.814, CENTRE, WEIGHTS),
    Entry("efficientnet_b2", "efficientnet", RGB260, 2019, TAN, IMAGENET, 19.392, 4.69, CENTRE, WEIGHTS288),
    Entry("efficientnet_b3", "efficientnet", RGB300, 2019, TAN, IMAGENET, 17.992, 3.946, CENTRE, WEIGHTS),
    Entry("efficientnet_b4", "efficientnet", RGB380, 2019, TAN, IMAGENET, 16.616, 3.406, CENTRE, WEIGHTS),
    Entry(
        "efficientnet_b0_tf",
        "efficientnet",
        RGB224,
        2019,
        TAN,
        IMAGENET,
        23.458,
        6.992,
        CENTRE,
        TIMM + "in1k",
    ),
    Entry(
        "efficientnet_b1_tf",
        "efficientnet",
        RGB240,
        2019,
        TAN,
        IMAGENET,
        21.454,
        5.904,
        CENTRE,
        TIMM + "in1k",
    ),
    Entry(
        "efficientnet_b2_tf",
        "efficientnet",
        RGB260,
        2019,
        TAN,
        IMAGENET,
        20.388,
        5.286,
        CENTRE,
        TIMM + "in1k",
    ),
    Entry(
        "efficientnet_b3_tf",
        "efficientnet",
        RGB300,
        2019,
        TAN,
        IMAGENET,
        19.122,
        4.692,
        CENTRE,
        TIMM + "in1k",
    ),
    Entry(
        "efficientnet_b4_tf",
        "efficientnet",
        RGB380,
        2019,
        TAN,
        IMAGENET,
        17.402,
        3.868,
        CENTRE,
        TIMM + "in1k",
    ),
    Entry("efficientnet_lite1", "efficientnet", RGB240, 2020, TAN, IMAGENET, 23.3, None, SINGLE, LITE),
    Entry("efficientnet_lite2", "efficientnet", RGB260, 2020, TAN, IMAGENET, 22.4, None, SINGLE, LITE),
    Entry("efficientnet_lite3", "efficientnet", RGB280, 2020, TAN, IMAGENET, 20.2, None, SINGLE, LITE),
    Entry("efficientnet_lite4", "efficientnet", RGB300, 2020, TAN, IMAGENET, 18.5, None, SINGLE, LITE),
    Entry("regnet_x_400mf", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 27.3, None, FIVE, PYCLS),
    Entry("regnet_x_400mf_wide", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 27.166, 9.05, CENTRE, WEIGHTS),
    Entry("regnet_x_1_6gf", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 22.96, 6.56, CENTRE, WEIGHTS),
    Entry("regnet_x_8gf", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 20.656, 5.314, CENTRE, WEIGHTS),
    Entry("regnet_y_400mf", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 25.954, 8.284, CENTRE, WEIGHTS),
    Entry("regnet_y_1_6gf", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 22.05, 6.034, CENTRE, WEIGHTS),
    Entry("regnet_y_8gf", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 20.1, None, FIVE, PYCLS),
    Entry("regnet_y_8gf_wide", "regnet", RGB224, 2020, RADOSAV, IMAGENET, 19.968, 4.952, CENTRE, WEIGHTS),
    Entry("convnext_tiny", "convnext", RGB224, 2022, LIU, IMAGENET, 17.48, 3.854, CENTRE, WEIGHTS),
    Entry("convnext_small", "convnext", RGB224, 2022, LIU, IMAGENET, 16.384, 3.35, CENTRE, WEIGHTS),
    Entry("convnext_base", "convnext", RGB224, 2022, LIU, IMAGENET, 15.938, 3.13, CENTRE, WEIGHTS),
    Entry("inception_v3", "inception", RGB299, 2015, SZEGEDY3, IMAGENET, 22.706, 6.55, CENTRE, WEIGHTS),
    Entry("nin", "nin", RGB32, 2013, LIN, CIFAR, 10.4, None, SINGLE, NIN_CARD),
    Entry("fast_tiny", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast_mini", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast_small", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast_deep", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("fast_large", "fast", RGB32, 2026, JORDAN, CIFAR, result=NONE),
    Entry("lecture_demo", "lecture", RGB32, 2016, KARPATHY, CIFAR, result=NONE),
    Entry("pattern", "lecture", RGB32, 2016, KARPATHY, CIFAR, result=NONE),
)

ZOO = {entry.name: entry for entry in _ENTRIES}
"""Every network of the zoo by its name."""
