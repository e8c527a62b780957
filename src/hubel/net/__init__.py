"""A network is a value: write it, print it, compare it, measure it. Nothing here imports torch."""

from hubel.net.algebra import Net, named, side
from hubel.net.field import Box, Field
from hubel.net.layer import Layer
from hubel.net.layers import (
    adaptiveavgpool,
    avgpool,
    batchnorm,
    conv,
    dropout,
    fc,
    gelu,
    globalavgpool,
    identity,
    lrn,
    maxpool,
    padshortcut,
    rbf,
    relu,
    relu6,
    sigmoid,
    softmax,
    subsample,
    tanh,
)
from hubel.net.ledger import Ledger, Row, Totals, ledger
from hubel.net.notation import parse
from hubel.net.trace import Step, at_inference, trace
from hubel.net.volume import Volume, VolumeLike

__all__ = [
    "Box",
    "Field",
    "Layer",
    "Ledger",
    "Net",
    "Row",
    "Step",
    "Totals",
    "Volume",
    "VolumeLike",
    "adaptiveavgpool",
    "at_inference",
    "avgpool",
    "batchnorm",
    "conv",
    "dropout",
    "fc",
    "gelu",
    "globalavgpool",
    "identity",
    "ledger",
    "lrn",
    "maxpool",
    "named",
    "padshortcut",
    "parse",
    "rbf",
    "relu",
    "relu6",
    "side",
    "sigmoid",
    "softmax",
    "subsample",
    "tanh",
    "trace",
]
