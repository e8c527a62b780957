"""What commands do with the files of other programs that hold networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import hubel
from hubel.errors import ModelError, UsageError
from hubel.tasks.explore import exhibit

TEXT = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }
"""


def test_a_network_without_weights_is_explored(tmp_path: Path) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(TEXT)
    what: Path | str
    for what in (file, str(file)):
        shown = exhibit(what)
        assert (shown.name, shown.trained) == ("net", False)


@pytest.mark.parametrize("name", ["net.prototxt", "net.keras", "net.h5"])
def test_a_command_that_takes_models_names_the_way(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(TEXT)
    with pytest.raises(ModelError, match=f"make a model of it first: hubel import {file}"):
        hubel.load(file)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration alone needs none."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr("hubel.tasks.foreign.find_spec", lambda package: None)
    file = tmp_path / "model.h5"
    file.write_bytes(b"")
    with pytest.raises(UsageError, match=r'such files need h5py: pip install "hubel\[keras\]"'):
        hubel.ledger(file)
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 8, 8, 3]}},
        {"class_name": "Dense", "config": {"units": 2}},
    ]
    alone = tmp_path / "model.json"
    alone.write_text(json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}}))
    assert hubel.ledger(alone).totals.params == 3 * 2 + 2
