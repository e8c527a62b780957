"""How deep a network is, as papers count."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.net.layers import Fc, Rbf
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT, Step, at_inference

WEIGHTED = (Conv, Fc, Rbf)
"""The layers that papers count in a network's depth: those whose weights are multiplied, which have MACs."""


def depth(steps: Sequence[Step]) -> int:
    """The most layers with weights on any path from the input to the scores, as papers count.

    Convolutions and fully connected layers count, normalisation and pooling do not, even where they
    train; nor do side heads. ResNet-50 has 50, VGG-16 has 16, GoogLeNet 22.
    """
    longest = {INPUT: 0}
    main = at_inference(tuple(steps))
    for step in main:
        longest[step.path] = max(longest[source] for source in step.sources) + isinstance(
            step.layer, WEIGHTED
        )
    return longest[main[-1].path] if main else 0
