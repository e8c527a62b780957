"""The network of another program's file as a value: of ONNX, Caffe or Keras."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.errors import UsageError
from hubel.foreign.endings import H5, KERAS, PROTOTXT
from hubel.net.untrace import untrace

if TYPE_CHECKING:
    from hubel.net.algebra import Net
    from hubel.net.volume import Volume


def check_installed(*packages: str) -> None:
    """Raises UsageError: a package that reads such files is not installed."""
    missing = [package for package in packages if not _is_there(package)]
    if missing:
        extras = {"onnxruntime": "onnxruntime", "h5py": "keras"}
        extra = next((extras[each] for each in missing if each in extras), "onnx")
        raise UsageError(f'such files need {" and ".join(missing)}: pip install "hubel[{extra}]"')


def check_h5(*paths: Path | None) -> None:
    """Raises UsageError: one of these files needs a package that is not installed."""
    if any(path is not None and path.suffix.lower() in H5 for path in paths):
        check_installed("h5py")


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def foreign_network(path: Path, volume: Volume | None) -> tuple[Net, Volume]:
    """Returns the network of a file and its input volume, by default the file's own.

    Raises UsageError: no such file, a package is missing, or the file leaves its input open.
    Raises UnreadError: a part of it is no layer. Raises TangledError: it has no notation.
    """
    if path.suffix.lower() == PROTOTXT:
        from hubel.foreign.caffe.read import read_caffe

        check_installed("google.protobuf")
        found = read_caffe(path, volume=volume)
        return untrace(found.steps, found.end).net, found.volume
    if path.suffix.lower() in KERAS:
        from hubel.foreign.keras.read import read_keras

        check_h5(path)
        found = read_keras(path, volume=volume, bare=True)
        return untrace(found.steps, found.end).net, found.volume
    from hubel.foreign.onnx.file import open_onnx
    from hubel.foreign.onnx.read import read_onnx
    from hubel.model.header import FORMAT, Header

    check_installed("onnx")
    file = open_onnx(path)
    if file.metadata.get("format") == FORMAT:
        header = Header.from_exported(file.metadata, path)
        return header.net, volume or header.volume
    found = read_onnx(file, volume).found
    return untrace(found.steps, found.end).net, found.volume
