"""The history of the ImageNet challenge: the best top-5 error of each year, and the depth of its network.

The errors are those of the classification task, on its test set, without additional training data. They are
those of whole entries, often of ensembles, whereas the errors of the zoo are those of single networks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entrant:
    """An entry of a year's challenge.

    `top5_error` is in percent, and `depth` is the number of layers with weights, None for other methods.
    """

    year: int
    name: str
    top5_error: float
    depth: int | None
    source: str


CHALLENGE = "Russakovsky et al. 2015, ImageNet Large Scale Visual Recognition Challenge, section 5.1"

HISTORY = (
    Entrant(2010, "NEC-UIUC", 28.2, None, CHALLENGE),
    Entrant(2011, "XRCE", 25.8, None, CHALLENGE),
    Entrant(2012, "AlexNet", 16.4, 8, "Krizhevsky et al. 2012, table 2: 5 networks, test"),
    Entrant(
        2013, "Clarifai", 11.7, 8, "Szegedy et al. 2014, table 2; the depth is that of ZFNet, its author's"
    ),
    Entrant(2014, "VGG", 7.3, 19, "Simonyan and Zisserman 2014, table 7: submission of 7 networks, test"),
    Entrant(2014, "GoogLeNet", 6.7, 22, "Szegedy et al. 2014, table 2: 7 networks, 6.67 on test"),
    Entrant(2015, "ResNet", 3.57, 152, "He et al. 2015, table 5: 6 networks, two of 152 layers, test"),
)
"""The entries that the lecture shows, in its order."""

HUMAN = 5.1
"""Top-5 error of the better of two trained annotators, in percent.

Source: Russakovsky et al. 2015, section 6.4, on 1,500 images of the test set.
"""
