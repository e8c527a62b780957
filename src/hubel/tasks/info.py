"""`info`: what a model's file, or an exported one, says of itself."""

from __future__ import annotations

from pathlib import Path

from hubel.graph.seal import read_sealed
from hubel.model.archive import read_program
from hubel.model.arrays import read_arrays
from hubel.model.exported import ONNX, OPENVINO, check_file, described, int8_of, is_exported, read_openvino
from hubel.model.facts import Info
from hubel.model.header import RAW, model_file, read_metadata
from hubel.net.ledger import ledger

KINDS = {".onnx": "ONNX", ".xml": "OpenVINO", ".pt2": "PyTorch program"}
"""What exported files are, by ending."""


def info(model: str | Path) -> Info:
    """Returns what a model's file, a run's best model or an exported file says of itself.

    Its checksum is checked. Nothing is executed, and torch is not needed.
    Raises ModelError: the file cannot be read, or is damaged.
    """
    if is_exported(model):
        path = Path(model)
        metadata = _exported(path)
        header, preprocessing, _ = described(metadata, path)
        kind = KINDS[path.suffix.lower()]
    else:
        path = model_file(model)
        metadata = read_metadata(path)
        read_arrays(path, metadata)
        header, preprocessing, _ = described(metadata, path)
        kind = f"model of hubel, format {metadata['format']}"
    return Info(
        path,
        kind,
        path.stat().st_size + _weights(path),
        header,
        preprocessing,
        metadata.get("sha256", ""),
        None if header.notation is None else ledger(header.net, header.volume).totals.params,
        RAW in metadata,
        int8_of(metadata, path),
    )


def _exported(path: Path) -> dict[str, str]:
    """The metadata of an exported file. Raises ModelError: it cannot be read."""
    suffix = path.suffix.lower()
    check_file(path)
    if suffix == ONNX:
        return read_sealed(path)[1]
    if suffix == OPENVINO:
        return read_openvino(path)[1]
    return read_program(path)[0]


def _weights(path: Path) -> int:
    """The size of the weights that lie beside a file."""
    beside = path.with_suffix(".bin")
    return beside.stat().st_size if path.suffix.lower() == OPENVINO and beside.is_file() else 0
