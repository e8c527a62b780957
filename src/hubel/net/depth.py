"""The depth of a network, as papers count it."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.net.foreign import Foreign
from hubel.net.layers import Multiply
from hubel.net.trace import INPUT, Step, at_inference


def depth(steps: Sequence[Step]) -> int:
    """Returns the largest number of layers with weights on any path from the input to the scores.

    Convolutions and fully connected layers count. Normalisation, pooling, side heads and the branches of
    gates do not, even where they have parameters. ResNet-50 has a depth of 50, VGG-16 of 16, GoogLeNet of 22.
    """
    depths = {INPUT: 0}
    main = at_inference(tuple(steps))
    for step in main:
        through = step.sources[:1] if isinstance(step.layer, Multiply) else step.sources
        depths[step.path] = max(depths[source] for source in through) + _has_weights(step)
    return depths[main[-1].path] if main else 0


def _has_weights(step: Step) -> bool:
    """Whether a layer multiplies its input by weights of its own."""
    attention = isinstance(step.layer, Foreign) and not step.layer.own_params
    return step.layer.macs(step.inputs[0]) > 0 and not attention  # it multiplies activations by activations
