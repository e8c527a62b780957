"""The layers by the names that one types: `conv`, `relu`, ..."""

from __future__ import annotations

from hubel.net.layer import Layer, Ready
from hubel.net.layers import (
    AdaptiveAvgPool,
    BatchNorm,
    Dropout,
    Fc,
    Gelu,
    GlobalAvgPool,
    Identity,
    Lrn,
    Rbf,
    Relu,
    Sigmoid,
    Softmax,
    Tanh,
)
from hubel.net.sliding import AvgPool, Conv, MaxPool, PadShortcut, Subsample

conv = Conv
maxpool = MaxPool
avgpool = AvgPool
globalavgpool = GlobalAvgPool()
adaptiveavgpool = AdaptiveAvgPool
subsample = Subsample()
relu = Relu()
relu6 = Relu(6)
tanh = Tanh()
sigmoid = Sigmoid()
gelu = Gelu()
lrn = Lrn()
batchnorm = BatchNorm()
dropout = Dropout()
fc = Fc
rbf = Rbf
softmax = Softmax()
identity = Identity()
padshortcut = PadShortcut

LAYERS: dict[str, type[Layer] | Ready] = {
    "conv": conv,
    "maxpool": maxpool,
    "avgpool": avgpool,
    "globalavgpool": globalavgpool,
    "adaptiveavgpool": adaptiveavgpool,
    "subsample": subsample,
    "relu": relu,
    "relu6": relu6,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "gelu": gelu,
    "lrn": lrn,
    "batchnorm": batchnorm,
    "dropout": dropout,
    "fc": fc,
    "rbf": rbf,
    "softmax": softmax,
    "identity": identity,
    "padshortcut": padshortcut,
}
"""Every layer one can type, by its name."""
