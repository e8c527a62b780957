"""`hubel look`: help with and without a model, and what its commands import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hubel.cli.look.group import INSTRUMENTS
from tests.cli.conftest import Hubel
from tests.tasks.look.small import image_folder, saved_model


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_an_instruments_help_needs_no_model(hubel: Hubel, instrument: str) -> None:
    texts = [hubel("look", *words) for words in ([instrument, "--help"], ["runs/a", instrument, "--help"])]
    assert [text.status for text in texts] == [0, 0]
    assert texts[0].out == texts[1].out
    assert f"look {{MODEL}} {instrument}" in texts[0].out or f"look MODEL {instrument}" in texts[0].out


def test_a_model_named_like_an_instrument_is_a_model(hubel: Hubel, tmp_path: Path) -> None:
    said = hubel("look", "maps", "filters", "--help")
    assert "Show a layer's filters" in said.out
    said = hubel("look", "maps", "filters")
    assert "maps is neither a model's file, nor" in said.err


@pytest.mark.parametrize("words", [["patches"], ["patches", "photos", "-o", "p.png"]])
def test_a_model_that_is_left_out_is_asked_for(hubel: Hubel, words: list[str]) -> None:
    said = hubel("look", *words)
    assert (said.status, said.out) == (2, "")
    assert "the model comes first: hubel look MODEL patches" in said.err


def imported(*words: object) -> set[str]:
    """The modules that a command imports."""
    code = (
        "import sys; from hubel.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_imports_no_torch() -> None:
    for words in (["look", "--help"], ["look", "patches", "--help"]):
        modules = imported(*words)
        assert ("hubel.cli.look.patches" in modules) == ("patches" in words)
        assert not {"torch", "numpy", "hubel.tasks.look.eye"} & modules


@pytest.mark.parametrize(
    ("words", "instruments"),
    [
        (["patches", "DATA", "--json"], {"patches", "stream", "field", "origins"}),
        (["topography", "--json"], {"topography", "tuning"}),
        (["neuron", "fc1[0]", "DATA/cat/0.png"], {"neuron", "arithmetic", "field", "origins", "sight"}),
    ],
)
def test_an_instrument_imports_itself_alone_and_nothing_of_training(
    tmp_path: Path, words: list[str], instruments: set[str]
) -> None:
    model, data = saved_model(tmp_path / "m.safetensors"), image_folder(tmp_path / "data")
    modules = imported("look", model, *(word.replace("DATA", str(data)) for word in words))
    assert not [module for module in modules if module.startswith("hubel.training")]
    home = "hubel.instruments."
    found = {module.removeprefix(home) for module in modules if module.startswith(home)}
    assert found == instruments | {"subject", "unit"}
    others = {name for name in INSTRUMENTS if f"hubel.tasks.look.{name}" in modules}
    assert others == {words[0]}
