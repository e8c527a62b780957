"""Commands whose modules are imported only when they are called, so that none waits for the others.

Help is plain text in sections: that of rich takes 0.1 s to import. So does pydantic, which Typer uses to
convert values; a value that has its type already is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command, get_group

Command = TyperCommand | TyperGroup


class Verb(NamedTuple):
    """A command: the module and name of its function or `Typer`, and its line in the list of commands.

    A `hidden` command is not listed.
    """

    module: str
    name: str
    summary: str
    hidden: bool = False


def lazy(verbs: Mapping[str, Verb]) -> type[TyperGroup]:
    """The class of a group with these commands, for `typer.Typer(cls=...)`."""

    class Lazy(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            for name, verb in verbs.items():
                self.commands[name] = TyperCommand(name, short_help=verb.summary, hidden=verb.hidden)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, _, rest = super().resolve_command(ctx, args)
            return name, loaded(name, verbs[name]) if name else None, rest

    return Lazy


def loaded(name: str, verb: Verb) -> Command:
    """Imports a command and makes it ready to run; `name` is what it is called on the command line."""
    found = getattr(import_module(verb.module), verb.name)
    if isinstance(found, typer.Typer):
        return _ready(get_group(found))
    app = typer.Typer(add_completion=False)
    app.command(name)(found)
    command = get_command(app)
    assert isinstance(command, TyperCommand)
    return _ready(command)


def _ready(command: Command) -> Command:
    """Gives a command plain help, and parameters that take typed values as they are."""
    command.rich_markup_mode = None
    for parameter in command.params:
        if isinstance(parameter, TyperArgument | TyperOption):
            convert = parameter.process_value
            parameter.process_value = partial(_value, parameter, convert)  # type: ignore[method-assign]  # of one
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            each.short_help = (each.help or "").partition("\n")[0]  # else it is cut to a line
            if isinstance(each, Command):
                _ready(each)
    else:
        command.format_options = partial(_panels, command)  # type: ignore[method-assign]  # of one
    return command


def _value(parameter: TyperArgument | TyperOption, convert: Any, ctx: Any, value: Any) -> Any:
    """The value of a parameter, converted where that is needed."""
    annotation = parameter.type_descriptor.annotation
    single = not parameter.multiple and parameter.nargs == 1 and parameter.callback is None
    missing = value is None and not parameter.required
    typed = isinstance(annotation, type) and isinstance(value, annotation)
    return value if single and (missing or typed) else convert(ctx, value)


def _panels(command: TyperCommand, ctx: Any, formatter: Any) -> None:
    """Writes the help of the parameters: arguments first, then options by their panels."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    for parameter in command.get_params(ctx):
        if record := parameter.get_help_record(ctx):
            usual = "Arguments" if isinstance(parameter, TyperArgument) else "Options"
            panel = getattr(parameter, "rich_help_panel", None) or usual
            sections.setdefault(panel, []).append(record)
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
