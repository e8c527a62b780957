"""Images in: sources, splits, the one path from a picture to the network, augmentation and batches."""

from hubel.data.augment import Augmentation, flip, shift
from hubel.data.batches import Batches, Epoch, epoch_seed
from hubel.data.decoded import Decoded, decode
from hubel.data.pictures import ArrayPictures, DataSet, FilePictures, Pictures
from hubel.data.preprocess import Preprocessing
from hubel.data.reading import read_image
from hubel.data.sources import NAMED, open_data, whereabouts
from hubel.data.split import with_val

__all__ = [
    "NAMED",
    "ArrayPictures",
    "Augmentation",
    "Batches",
    "DataSet",
    "Decoded",
    "Epoch",
    "FilePictures",
    "Pictures",
    "Preprocessing",
    "decode",
    "epoch_seed",
    "flip",
    "open_data",
    "read_image",
    "shift",
    "whereabouts",
    "with_val",
]
