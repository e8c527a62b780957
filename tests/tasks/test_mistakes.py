"""Mistakes in Python that are answered in a sentence, as on the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import hubel
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.model.file import Model
from hubel.net.names import conv, fc
from hubel.tasks.data_preview import Preview
from hubel.tasks.run import History

NET = conv(2, 3) >> fc(2)
MODULE = nn.Flatten()
MODEL = Model(hubel.build(NET, "8x8x1", scores=True), ("cat", "dog"), Preprocessing.of("8x8x1"))
PIXELS = np.zeros((2, 8, 8, 1), np.uint8)
anything: Any = hubel


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: anything.load(5), "a trained model is expected here, not int"),
        (lambda: anything.evaluate(NET, "digits"), "a trained model is expected here"),
        (lambda: anything.evaluate(MODULE, "digits"), "a trained model is expected here, not Flatten"),
        (lambda: anything.predict(MODULE, PIXELS), "a trained model is expected here, not Flatten"),
        (lambda: anything.data_check((PIXELS, [0, 1])), "reads the files of a set.*not tuple"),
        (lambda: anything.look(MODEL).attribution(PIXELS[0], label=1), "a text such as 'cat', not 1"),
        (lambda: anything.look(MODEL).neuron(3, PIXELS[0]), "3 is no unit"),
        (lambda: anything.table("lenet5", columns=[1]), "there is no column '1'"),
        (lambda: MODEL.save("no/dir/x.safetensors"), "there is no folder 'no/dir' to write x.safetensors to"),
    ],
)
def test_a_mistake_is_a_sentence(
    call: Callable[[], object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        call()


def test_a_preview_is_saved_as_a_png_in_a_folder_that_exists(tmp_path: Path) -> None:
    preview = Preview("set", (), MODEL.network.volume, "crop")
    with pytest.raises(UsageError, match=r"written as one of \.png"):
        preview.save(tmp_path / "x.jpg")
    with pytest.raises(UsageError, match="there is no folder"):
        preview.save(tmp_path / "no" / "x.png")


def test_a_table_of_the_rounds_asks_for_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="needs pandas: pip install"):
        History().frame()
