"""Each command and the Python function behind it have the same names and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperArgument, TyperCommand, TyperOption

import hubel
from hubel.cli import Commands
from hubel.cli.loading import Command, LazyGroup, loaded
from hubel.cli.look.group import INSTRUMENTS
from hubel.tasks.look.eye import Eye
from hubel.tasks.zoo import zoo as overview

ALIASES = {"val": "evaluate", "import": "import_model"}
"""Commands that are another name for a function; `import` cannot be one in Python."""

ELSEWHERE: dict[str, Callable[..., Any]] = {"zoo": overview}
"""The one command whose function has another place: `hubel.zoo` is the package of the networks."""

PRINTING = {
    "": {"json", "csv"},
    "table": {"format"},
    "train": {"resume", "ensemble", "pretrained"},
    "compare": {"plot"},
    "data preview": {"out"},
    **{f"look {name}": {"out"} for name in INSTRUMENTS if name != "atlas"},
}
"""Options that choose how a result is printed or written, or call another function, as `train --resume`."""

APART = {("look atlas", "out"): (Path("atlas.html"), None)}
"""Defaults that differ, of the command and of its function: the command has to write its page somewhere."""

RENAMED = {"from": "start", "class": "label"}
"""Names on the command line that cannot be names in Python."""

PYTHON_ONLY = {
    "train": {"on_event", "settings", "began", "loss", "optimizer", "augmentation"},
    "resume": {"on_event", "loss", "optimizer", "augmentation"},
    "predict": {"on_prediction", "progress"},
    "bench": {"progress"},
    "export": {"progress"},
    "serve": {"on_ready"},
    "explore": {"on_ready"},
    "data *": {"progress"},
    "look": {"volume", "classes", "preprocessing", "output"},
    "look *": {"progress", "on_message"},
}
"""Parameters of a function, or of those of a group, that only Python has.

They take functions and images; `began` is a time; `settings` are what `--set` gives on the command line. What
`look` takes is for a bare module.
"""


def commands(group: LazyGroup, prefix: str = "") -> Iterator[tuple[str, Command]]:
    """Every command of a group, with the words that call it; `look` is one as well as a group."""
    for name, verb in group.verbs.items():
        command = loaded(name, verb)
        if isinstance(command, LazyGroup):
            if command.params:
                yield f"{prefix}{name}", command
            yield from commands(command, f"{prefix}{name} ")
        elif isinstance(command, TyperCommand) and not command.hidden:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands(Commands(name="hubel")))


def function_of(name: str) -> Callable[..., Any]:
    """The function that `hubel` offers for a command, of its own name with underscores.

    An instrument is a method of what `hubel.look` returns.
    """
    words = ALIASES.get(name, name).replace("-", "_").split()
    if words[0] == "look" and len(words) > 1:
        found = getattr(Eye, words[1])
    else:
        found = ELSEWHERE.get(name) or getattr(hubel, "_".join(words))
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
    group, _, member = name.partition(" ")
    printing = PRINTING[""] | PRINTING.get(name, set())
    python_only = PYTHON_ONLY.get(name, set()) | (PYTHON_ONLY.get(f"{group} *", set()) if member else set())
    apart = printing | python_only
    taken = {
        word: parameter
        for word, parameter in inspect.signature(function_of(name)).parameters.items()
        if word != "self" and word not in apart
    }
    found = []
    for parameter in command.params:
        assert isinstance(parameter, TyperArgument | TyperOption)
        words = names_of(parameter)
        if words & printing or words == {"set"}:
            continue
        match = next((word for word in words if word in taken), None)
        if match is None:
            found.append(f"{' or '.join(words)}: the function has no such parameter")
        elif (name, match) in APART:
            found += [] if (parameter.default, taken.pop(match).default) == APART[name, match] else [match]
        elif not same_default(parameter, taken.pop(match)):
            found.append(f"{match}: the command's default is {parameter.default!r}")
    return found + [f"{word}: the command has no such option" for word in taken]


def same_default(parameter: TyperArgument | TyperOption, taken: inspect.Parameter) -> bool:
    """Whether both have the same default. A function may have one where the command has none.

    A list of arguments may be empty on the command line; in Python it is given as an empty one.
    """
    if parameter.required or (isinstance(parameter, TyperArgument) and parameter.nargs == -1):
        return True
    defaults = [None if value in ((), []) else value for value in (taken.default, parameter.default)]
    return bool(defaults[0] == defaults[1])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_function_agree(name: str) -> None:
    assert disagreements(name, COMMANDS[name]) == []
