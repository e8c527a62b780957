"""LeNet-5: LeCun et al. 1998, "Gradient-based learning applied to document recognition"."""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import conv, fc, maxpool, rbf, relu, subsample, tanh

C3_TABLE = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)
"""For each of the 16 filters of C3, the maps of S2 that it sees. Source: table I."""

squash = tanh(1.7159, 2 / 3)
"""The squashing function. Source: section II.B, equation 6; appendix A."""


def lenet5_1998(classes: int = 10) -> Net:
    """LeNet-5 as published: 60,000 trainable parameters, 340,908 connections; 32x32x1.

    C3 has partial connections, subsampling is trainable, tanh is scaled, and the output is the distance to
    fixed codes. Source: section II.B, figure 2, table I. Deviation: the output is the negative distance, so
    that the largest score wins.
    """
    c1 = named("C1", conv(6, 5)) >> squash
    s2 = named("S2", subsample(2)) >> squash
    c3 = named("C3", conv(16, 5, links=C3_TABLE)) >> squash
    s4 = named("S4", subsample(2)) >> squash
    c5 = named("C5", conv(120, 5)) >> squash
    f6 = named("F6", fc(84)) >> squash
    return c1 >> s2 >> c3 >> s4 >> c5 >> f6 >> named("OUTPUT", rbf(classes))


def lenet5(classes: int = 10) -> Net:
    """LeNet-5 as it is written today, CONV-POOL-CONV-POOL-CONV-FC-FC: 61,706 parameters; 32x32x1.

    Source: figure 2. Deviations: C3 sees every map, max pooling without parameters, ReLU in place of tanh,
    and a linear output.
    """
    c1 = named("C1", conv(6, 5)) >> relu
    s2 = named("S2", maxpool(2))
    c3 = named("C3", conv(16, 5)) >> relu
    s4 = named("S4", maxpool(2))
    c5 = named("C5", conv(120, 5)) >> relu
    f6 = named("F6", fc(84)) >> relu
    return c1 >> s2 >> c3 >> s4 >> c5 >> f6 >> named("OUTPUT", fc(classes))
