"""One file to ship: the model's file, and predictions from that file alone."""

from hubel.ship.header import Header, read_header
from hubel.ship.model import Model, load
from hubel.ship.predict import Prediction, predict

__all__ = ["Header", "Model", "Prediction", "load", "predict", "read_header"]
