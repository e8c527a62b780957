"""Images in: sources, splits, the one path from a picture to the network, augmentation and batches."""

from hubel.data.augment import Augmentation
from hubel.data.batches import Batches
from hubel.data.decoded import Decoded, decode
from hubel.data.pictures import ArrayPictures, DataSet, FilePictures, Pictures
from hubel.data.preprocess import Preprocessing
from hubel.data.sources import open_data, whereabouts
from hubel.data.split import with_val

__all__ = [
    "ArrayPictures",
    "Augmentation",
    "Batches",
    "DataSet",
    "Decoded",
    "FilePictures",
    "Pictures",
    "Preprocessing",
    "decode",
    "open_data",
    "whereabouts",
    "with_val",
]
