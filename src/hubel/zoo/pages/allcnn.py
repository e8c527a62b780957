"""All-CNN: Springenberg, Dosovitskiy, Brox and Riedmiller 2014, "Striving for simplicity"."""

from __future__ import annotations

from hubel.net.algebra import Net
from hubel.net.names import conv, dropout, globalavgpool, relu


def allcnn_c(classes: int = 10) -> Net:
    """All-CNN-C, convolutions alone, with strides in place of pooling: 1,369,738 parameters; 32x32x3.

    Source: table 2, third column; table 1, model C, for the last layers; section 3.1 for dropout, 0.2 on the
    input and 0.5 after each layer that replaces a pooling.
    """
    first = 2 * (conv(96, 3, pad=1) >> relu) >> conv(96, 3, stride=2, pad=1) >> relu >> dropout
    second = 2 * (conv(192, 3, pad=1) >> relu) >> conv(192, 3, stride=2, pad=1) >> relu >> dropout
    last = conv(192, 3) >> relu >> conv(192, 1) >> relu >> conv(classes, 1) >> relu
    return dropout(0.2) >> first >> second >> last >> globalavgpool
