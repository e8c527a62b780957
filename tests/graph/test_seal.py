"""The metadata and the checksum of ONNX files, against the onnx package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.errors import ModelError
from hubel.graph.frozen import freeze
from hubel.graph.onnx import Ends, onnx_model
from hubel.graph.seal import SEAL, metadata_of, read_sealed, sealed
from hubel.net.names import fc
from hubel.net.volume import Volume

STATE = {"fc1.weight": np.ones((2, 4), np.float32), "fc1.bias": np.zeros(2, np.float32)}


def model(**metadata: str) -> bytes:
    frozen = freeze(fc(2), Volume(2, 2, 1), STATE)
    proto = onnx_model(frozen, Ends((0.5,), (0.25,)), metadata)
    content: bytes = proto.SerializeToString()
    return content


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=300), max_size=4))
def test_the_metadata_are_those_that_onnx_reads(entries: dict[str, str]) -> None:
    content = model(**entries)
    assert metadata_of(content) == {p.key: p.value for p in onnx.load_from_string(content).metadata_props}


def test_a_sealed_model_is_an_onnx_model_with_its_checksum(tmp_path: Path) -> None:
    plain, path = model(classes="고양이, 개"), tmp_path / "model.onnx"
    path.write_bytes(sealed(plain))
    read = onnx.load(path)
    onnx.checker.check_model(read)
    assert {p.key: p.value for p in read.metadata_props} == {
        "classes": "고양이, 개",
        "sha256": hashlib.sha256(plain).hexdigest(),
    }
    content, metadata = read_sealed(path)
    assert content == sealed(plain)
    assert content[:-SEAL] == plain
    assert metadata["classes"] == "고양이, 개"


@pytest.mark.parametrize("at", [0, 40, 200, -90, -70, -30, -1])
def test_any_flipped_bit_is_found(tmp_path: Path, at: int) -> None:
    content = bytearray(sealed(model(format="hubel/1", classes="a, b")))
    content[at] ^= 4
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged|not an ONNX model"):
        read_sealed(path)


@given(st.binary(max_size=60))
def test_what_is_no_model_is_an_error_or_has_no_metadata(content: bytes) -> None:
    try:
        found = metadata_of(content)
    except (ValueError, IndexError):
        return
    assert isinstance(found, dict)
