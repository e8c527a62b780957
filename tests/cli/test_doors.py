"""Each command and the Python function behind it have the same names and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from hubel.cli import VERBS
from hubel.cli.loading import Command, loaded

TO_COME = [
    "look filters",
    "look maps",
    "look neuron",
    "look patches",
    "look deconv",
    "look synthesise",
    "look attribution",
    "look embedding",
    "look tuning",
    "look topography",
    "look ablate",
    "look compare",
    "look atlas",
]
"""Commands whose function is missing or has other names; one that agrees must leave the list."""

PRINTING = {
    "": {"json", "csv"},
    "table": {"format"},
    "compare": {"plot"},
    "look": {"out"},
    "data preview": {"out"},
}
"""Options that choose how the result is printed or where it is written: of all, of a command or a group."""

RENAMED = {"from": "start", "net net ...": "nets"}
"""Names on the command line that cannot be names in Python."""

PYTHON_ONLY = {
    "train": {"on_event", "settings", "began", "loss", "optimizer", "augmentation"},
    "resume": {"on_event", "data", "loss", "optimizer", "augmentation"},
    "predict": {"on_prediction"},
    "data check": {"progress"},
    "data fetch": {"progress"},
}
"""Parameters that only Python has: functions and images, and the settings that `--set` gives."""


def commands(group: TyperGroup | None = None, prefix: str = "") -> Iterator[tuple[str, Command]]:
    """Every command of the app, with the words that call it."""
    members = (
        {name: loaded(name, verb) for name, verb in VERBS.items() if not verb.hidden}
        if group is None
        else group.commands
    )
    for name, command in members.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{prefix}{name} ")
        elif isinstance(command, TyperCommand) and not command.hidden:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands())


def function_of(name: str) -> Callable[..., Any]:
    """The function behind a command: its own name with underscores, or a method of `Eye`."""
    words = name.replace("-", "_").split()
    if words[0] == "look":
        found = getattr(import_module("hubel.tasks.look.eye").Eye, words[1])
    else:
        joined = "_".join(words)
        home = joined if find_spec(f"hubel.tasks.{joined}") else words[0]
        found = getattr(import_module(f"hubel.tasks.{home}"), joined)
    assert callable(found)
    return found  # type: ignore[no-any-return]  # a callable, as the line before says


def names_of(parameter: TyperArgument | TyperOption) -> set[str]:
    """What an argument or option is called, as Python writes it; `--input` and `--volume` may be one."""
    if isinstance(parameter, TyperArgument):
        assert parameter.name
        return {parameter.name}
    words = {option.removeprefix("--") for option in parameter.opts if option.startswith("--")}
    return {RENAMED.get(word, word).replace("-", "_") for word in words}


def disagreements(name: str, command: Command) -> list[str]:
    """How a command and its function differ; nothing where they agree."""
    taken = {
        word: parameter
        for word, parameter in inspect.signature(function_of(name)).parameters.items()
        if word != "self" and word not in PYTHON_ONLY.get(name, ())
    }
    printing = {option for key in ("", name, name.split(maxsplit=1)[0]) for option in PRINTING.get(key, ())}
    found = []
    for parameter in command.params:
        assert isinstance(parameter, TyperArgument | TyperOption)
        words = names_of(parameter)
        if words & printing or words == {"set"}:
            continue
        match = next((word for word in words if word in taken), None)
        if match is None:
            found.append(f"{' or '.join(words)}: the function has no such parameter")
        elif not same_default(parameter, taken.pop(match)):
            found.append(f"{match}: the command's default is {parameter.default!r}")
    return found + [f"{word}: the command has no such option" for word in taken]


def same_default(parameter: TyperArgument | TyperOption, taken: inspect.Parameter) -> bool:
    """Whether both have the same default. A function may have one where the command has none."""
    if parameter.required:
        return True
    defaults = [None if value in ((), []) else value for value in (taken.default, parameter.default)]
    return bool(defaults[0] == defaults[1])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.xfail(strict=True)] if name in TO_COME else [])
        for name in COMMANDS
    ],
)
def test_a_command_and_its_function_agree(name: str) -> None:
    assert disagreements(name, COMMANDS[name]) == []


def test_only_commands_are_to_come() -> None:
    assert set(TO_COME) <= set(COMMANDS)
