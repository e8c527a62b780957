"""Messages stay short whatever a user wrote: names, notations, classes, options and settings of any text."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hubel
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import HubelError
from hubel.model.file import Model
from hubel.training.settings.config import Config
from hubel.training.settings.toml import changed
from tests.tasks.look.small import small_model

CASES = 1_000 if "HUBEL_FUZZ" in os.environ else 30

PIECES = (
    "x",
    "conv(3, ",
    ")",
    " ",
    "\n",
    "'",
    '"',
    "/",
    ".",
    "=",
    "9",
    "é",
    ">> ",
    "[",
    ",",
    "\x00",
    ".py:",
    ":",
)
LONG = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).flatmap(
    lambda pieces: st.integers(1, 40_000).map(lambda times: ("".join(pieces) * times)[:40_000])
)


@cache
def model() -> Model:
    """A small model of the classes cat and dog."""
    return small_model()


ASK: dict[str, Callable[[str], Any]] = {
    "model": hubel.load,
    "notation": hubel.parse,
    "network": hubel.table,
    "column": lambda text: hubel.table("lenet5", columns=text),
    "volume": lambda text: hubel.table("lenet5", text),
    "data": hubel.data_check,
    "recipe": lambda text: hubel.train("digits", net="fc(10)", volume="8x8x1", recipe=text),
    "fit": lambda text: hubel.train("digits", net="fc(10)", volume="8x8x1", fit=text),
    "time": lambda text: hubel.train("digits", time=text),
    "setting": lambda text: changed(Config("", "", ""), {f"_{text}": 1}),
    "start": lambda text: hubel.train("digits", net="fc(10)", volume="8x8x1", start=text),
    "config": lambda text: hubel.train(config=text),
    "run": hubel.resume,
    "split": lambda text: hubel.evaluate(model(), "digits", split=text),
    "preprocessing": lambda text: hubel.import_weights("none.pth", net="resnet18", preprocessing=text),
    "unit": lambda text: hubel.look(model()).neuron(text, "none.png"),
    "label": lambda text: hubel.look(model()).maps("none.png", layers=text),
    "fill": Preprocessing.from_json,
    "range": lambda text: hubel.data_preview("digits", net="lenet5", range=text),
}
"""Whatever takes a text of the user's."""


@pytest.mark.parametrize("where", ASK)
def test_a_message_is_short(where: str) -> None:
    @settings(max_examples=CASES, deadline=None)
    @given(LONG.filter(lambda text: text.strip("/.")))  # the root has a million files
    def check(text: str) -> None:
        try:
            ASK[where](text)
        except HubelError as error:
            message = str(error)
        except (OSError, ValueError) as error:  # the command line shortens the name of a file
            message = str(getattr(error, "strerror", error))
        else:
            return
        lines = message.split("\n")
        assert max(map(len, lines)) <= 500
        assert max(sum(min(len(word), 40) + 1 for word in line.split(" ")) for line in lines) <= 310
        assert len(lines) <= (41 if "\n" in text else 12)

    check()
