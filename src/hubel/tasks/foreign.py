"""The network of another program's file as a value: an ONNX file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.net.algebra import Net
    from hubel.net.volume import Volume

ONNX = ".onnx"
SUFFIXES = (ONNX,)
"""The endings of files that hold networks of other programs."""


def is_foreign(text: str) -> bool:
    """Whether a text names a file of another program that holds a network."""
    return text.lower().endswith(SUFFIXES)


def check_installed(*packages: str) -> None:
    """Raises UsageError: a package that reads ONNX files is not installed."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        extra = "onnx" if missing == ["onnx"] else "onnxruntime"
        raise UsageError(f'ONNX files need {" and ".join(missing)}: pip install "hubel[{extra}]"')


def foreign_network(path: Path, volume: Volume | None) -> tuple[Net, Volume]:
    """Returns the network of a file and its input volume, by default the file's own.

    Raises UsageError: no such file, a package is missing, or the file leaves its input open.
    Raises UnreadError: a part of it is no layer. Raises TangledError: it has no notation.
    """
    from hubel.foreign.onnx.file import open_onnx
    from hubel.foreign.onnx.read import read_onnx
    from hubel.model.header import FORMAT, Header
    from hubel.net.untrace import untrace

    check_installed("onnx")
    file = open_onnx(path)
    if file.metadata.get("format") == FORMAT:
        header = Header.from_exported(file.metadata, path)
        return header.net, volume or header.volume
    found = read_onnx(file, volume).found
    return untrace(found.steps, found.end).net, found.volume
