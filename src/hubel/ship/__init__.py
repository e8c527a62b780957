"""One file to ship: the model's file, and predictions from that file alone."""

from hubel.ship.foreign import Imported, import_weights, read_weights
from hubel.ship.header import Header, read_header
from hubel.ship.model import Model, load
from hubel.ship.predict import Prediction, picture_files, predict
from hubel.ship.pretrained import PRETRAINED, open_model

__all__ = [
    "PRETRAINED",
    "Header",
    "Imported",
    "Model",
    "Prediction",
    "import_weights",
    "load",
    "open_model",
    "picture_files",
    "predict",
    "read_header",
    "read_weights",
]
