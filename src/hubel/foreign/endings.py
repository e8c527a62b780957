"""How the names of files end that hold networks of other programs."""

from __future__ import annotations

ONNX, PROTOTXT = ".onnx", ".prototxt"
JSON, H5 = ".json", (".h5", ".hdf5")
KERAS = (".keras", JSON, *H5)
SUFFIXES = (ONNX, PROTOTXT, *KERAS)

WEIGHTLESS = (PROTOTXT, JSON)
"""Of files without weights."""


def is_foreign(text: str) -> bool:
    """Whether a text names a file of another program that holds a network."""
    return text.lower().endswith(SUFFIXES)
