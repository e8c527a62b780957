"""Augmentation: random variants of the training pictures, made a batch at a time on any device.

Images are uint8, n x h x w x c, and none is changed in place. Every random number is drawn on the CPU from
the generator given, so that one seed means one sequence of variants on every device.
"""

from hubel.data.augment.colour import Colours, jitter, pca
from hubel.data.augment.geometry import alternate, crop, cutout, flip, resize, shift
from hubel.data.augment.mixing import cutmix, mixup
from hubel.data.augment.policy import Augmentation
from hubel.data.augment.trivial import trivial

__all__ = [
    "Augmentation",
    "Colours",
    "alternate",
    "crop",
    "cutmix",
    "cutout",
    "flip",
    "jitter",
    "mixup",
    "pca",
    "resize",
    "shift",
    "trivial",
]
