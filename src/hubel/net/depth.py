"""How deep a network is, as papers count."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.net.foreign import Foreign
from hubel.net.trace import INPUT, Step, at_inference


def depth(steps: Sequence[Step]) -> int:
    """The most layers with weights on any path from the input to the scores, as papers count.

    Convolutions and fully connected layers count, normalisation and pooling do not, even where they
    train; nor do side heads. ResNet-50 has 50, VGG-16 has 16, GoogLeNet 22.
    """
    longest = {INPUT: 0}
    main = at_inference(tuple(steps))
    for step in main:
        longest[step.path] = max(longest[source] for source in step.sources) + _multiplies(step)
    return longest[main[-1].path] if main else 0


def _multiplies(step: Step) -> bool:
    """Whether a layer has MACs, by weights of its own: attention multiplies values by values."""
    attends = isinstance(step.layer, Foreign) and not step.layer.own
    return step.layer.macs(step.inputs[0]) > 0 and not attends
