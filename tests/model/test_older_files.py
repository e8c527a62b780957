"""Files of every version keep loading, and answer as the version that wrote them did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hubel.engines.engine import REDUCED, installed
from hubel.model.classifier import classifier
from hubel.tasks.info import info
from hubel.version import __version__

FILES = sorted((Path(__file__).parent / "files").glob("*.safetensors"))
"""A small model of each version, called after it; written by that version."""

ANSWER = [0.24909640848636627, 0.5136866569519043, 0.23721691966056824]
"""What each version printed for `PIXELS` when it wrote its file."""

PIXELS = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1) * 3


def test_every_version_has_a_file() -> None:
    assert {path.stem for path in FILES} >= {"0.1.0", __version__}


@pytest.mark.parametrize("engine", [name for name in installed() if not name.endswith(REDUCED)])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_any_version_answers_as_it_did(path: Path, engine: str) -> None:
    found = np.asarray(classifier(path, engine).probabilities_of(PIXELS))
    assert found[0].tolist() == pytest.approx(ANSWER, abs=1e-6)
    header = info(path).header
    assert header.versions["hubel"] == path.stem
    assert (header.classes, header.views, header.temperature) == (("a", "b", "c"), "mirror", 2.0)
