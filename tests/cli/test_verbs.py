"""Each command is imported when it is called, and listed as it describes itself."""

from __future__ import annotations

import subprocess
import sys
import types
from functools import partial

import pytest
import typer
from typer.core import TyperOption

from hubel.cli import VERBS
from hubel.cli.data import DataGroup
from hubel.cli.loading import _value, loaded
from hubel.cli.look.group import LookGroup
from tests.cli.conftest import Hubel

GROUPS = {"": VERBS, "data ": DataGroup.verbs, "look ": LookGroup.verbs}
EVERY = {f"{group}{name}": verb for group, verbs in GROUPS.items() for name, verb in verbs.items()}


@pytest.mark.parametrize("words", EVERY)
def test_the_list_of_commands_has_the_first_line_of_each(words: str) -> None:
    verb = EVERY[words]
    assert verb.summary == (loaded(words.rsplit(maxsplit=1)[-1], verb).help or "").partition("\n")[0]


def test_help_lists_every_command_in_full(hubel: Hubel) -> None:
    said = hubel("--help")
    assert said.status == 0
    listed = " ".join(said.out.partition("Commands:")[2].split())
    assert listed == " ".join(f"{name} {verb.summary}" for name, verb in VERBS.items() if not verb.hidden)


def test_a_misspelt_command_is_answered_with_the_nearest(hubel: Hubel) -> None:
    said = hubel("tabel", "vgg16")
    assert said.status == 2
    assert "Did you mean 'table'?" in said.err


def test_values_are_converted_and_refused(hubel: Hubel) -> None:
    said = hubel("predict", "m.safetensors", "a.png", "--top", "x")
    assert (said.status, "Invalid value for '--top'" in said.err) == (2, True)
    assert hubel("table").status == 2
    assert hubel("table", "vgg16", "vgg16").status == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["table", "resnet152"],
        ["table", "--help"],
        ["look", "--help"],
        ["look", "m", "patches", "--help"],
        ["look", "patches", "--help"],
        ["data", "--help"],
        ["data", "fetch", "--help"],
    ],
    ids=" ".join,
)
def test_a_command_imports_its_own_module_and_no_other(arguments: list[str]) -> None:
    program = (
        f"import sys; sys.argv = {['hubel', *arguments]}\n"
        "from hubel.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    imported = set(done.stderr.split())
    assert "hubel.cli" in imported
    own = {verb.module for words, verb in EVERY.items() if set(words.split()) <= set(arguments)}
    assert {verb.module for verb in EVERY.values()} & imported == own
    assert not {"torch", "numpy", "matplotlib", "rich", "pydantic"} & imported


def test_a_value_that_has_its_type_is_not_converted_and_any_other_is() -> None:
    """`process_value` is a name within Typer: a version without it has to be noticed."""
    command = loaded("predict", VERBS["predict"])
    context = typer.Context(command)
    top = next(each for each in command.get_params(context) if each.name == "top")
    assert isinstance(top, TyperOption)
    assert isinstance(top.process_value, partial)
    assert top.process_value.func is _value
    assert top.process_value.args[1] == types.MethodType(TyperOption.process_value, top)
    assert (top.process_value(context, 3), top.process_value(context, "3")) == (3, 3)
    with pytest.raises(typer.BadParameter, match="valid integer"):
        top.process_value(context, "x")
