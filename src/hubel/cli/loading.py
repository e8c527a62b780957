"""Commands whose modules are imported only when they are called, so that none waits for the others.

Help is plain text in sections: that of rich takes 0.1 s to import. So does pydantic, which Typer uses to
convert values; a value that has its type already is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

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


class Plain(TyperCommand):
    """A command whose help is plain text, with a section for each panel of options."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _spared(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                usual = "Arguments" if isinstance(parameter, TyperArgument) else "Options"
                sections.setdefault(parameter.rich_help_panel or usual, []).append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class LazyGroup(TyperGroup):
    """A group of commands, each imported when it is called, for `typer.Typer(cls=...)`."""

    verbs: ClassVar[Mapping[str, Verb]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, verb in self.verbs.items():
            self.commands[name] = TyperCommand(name, short_help=verb.summary, hidden=verb.hidden)

    def get_params(self, ctx: Any) -> list[Any]:
        return _spared(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, loaded(name, self.verbs[name]) if name else None, rest

    def load_all(self) -> None:
        """Imports every command of the group, and of the groups in it: for documentation and tests."""
        for name, verb in self.verbs.items():
            self.commands[name] = command = loaded(name, verb)
            if isinstance(command, LazyGroup):
                command.load_all()


def loaded(name: str, verb: Verb) -> Command:
    """Imports a command; `name` is what it is called on the command line."""
    found = getattr(import_module(verb.module), verb.name)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        return get_group(found)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=Plain)(found)
    command = get_command(app)
    assert isinstance(command, TyperCommand)
    return command


def _spared(parameters: Sequence[Any]) -> list[Any]:
    """The parameters of a command; each takes a value as it is that needs no conversion."""
    for each in parameters:
        if isinstance(each, TyperArgument | TyperOption) and not isinstance(each.process_value, partial):
            each.process_value = partial(_value, each, each.process_value)  # type: ignore[method-assign]  # of one
    return list(parameters)


def _value(parameter: TyperArgument | TyperOption, convert: Any, ctx: Any, value: Any) -> Any:
    """The value of a parameter, converted where that is needed."""
    annotation = parameter.type_descriptor.annotation
    missing = value is None and not parameter.required
    typed = isinstance(annotation, type) and isinstance(value, annotation)
    if parameter.multiple or parameter.nargs != 1 or not (missing or typed):
        return convert(ctx, value)
    return parameter.callback(ctx, parameter, value) if parameter.callback else value
