"""Settings in and out: frozen dataclasses as TOML tables, and single ones changed by `key=value`."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

import tomli_w

from hubel.errors import UsageError, nearest
from hubel.files import read_text

Value = TypeVar("Value")

FROM_PYTHON = "own_"
"""How settings begin that record what only Python can give, and that nobody types."""

NUMBERS: dict[type, type] = {int: Integral, float: Real}
"""What serves as a number of each kind: NumPy's as well."""

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def to_toml(value: Any) -> str:
    """A dataclass as TOML, one inside it as a table; `read_toml` and `from_table` lead back."""
    return tomli_w.dumps(asdict(value))


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a file. Raises UsageError: it cannot be read, or is not TOML."""
    try:
        return tomllib.loads(read_text(path, "surrogateescape"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path} is nested too deep") from None


def from_table(kind: type[Value], table: Mapping[str, Any], where: str) -> Value:
    """A dataclass from a TOML table; what the table leaves out keeps its default.

    Raises UsageError: a key unknown or missing, a wrong type, a value the dataclass refuses.
    """
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    types = get_type_hints(kind)
    given = {}
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{where}: {_no_setting(key, known)}")
        given[key] = _typed(f"{where}: {key}", types[key], value)
    needed = [
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING and name not in given
    ]
    if needed:
        raise UsageError(f"{where}: {', '.join(needed)} must be set")
    return kind(**given)


def changed(value: Value, wishes: Mapping[str, Any]) -> Value:
    """A dataclass with single settings changed, wherever inside it they are.

    Raises UsageError: no such setting, a wrong type, a value the dataclass refuses.
    """
    paths = {path[-1]: path for path in _paths(value)}
    for key, wish in wishes.items():
        if key not in paths:
            raise _unknown(key, paths)
        value = _with(value, paths[key], wish)
    return value


def wish(text: str) -> tuple[str, Any]:
    """`key=value` as a key and what TOML reads the value as; a bare word is a text.

    Raises UsageError: no such pair.
    """
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise UsageError(f"a setting is changed by key=value, such as lr=0.1, not {text!r}")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key.strip(), value.strip()


def check_setting(key: str, kind: type) -> None:
    """Raises UsageError: a dataclass, with those inside it, has no setting of that name."""
    known = list(_names(kind))
    if key not in known:
        raise _unknown(key, known)


def _unknown(key: str, known: Iterable[str]) -> UsageError:
    """The error of a setting that does not exist; it offers those that can be typed."""
    offered = [name for name in known if not name.startswith(FROM_PYTHON)]
    return UsageError(_no_setting(key, offered))


def _no_setting(key: str, known: Iterable[str]) -> str:
    """Says that there is no such setting, and what there is: the one most like it, or all of them."""
    every = textwrap.fill(", ".join(known), 100)
    return f"there is no setting {key!r}" + (nearest(key, known) or f"; choose one of\n{every}")


def _names(kind: type) -> Iterator[str]:
    """The names of all settings of a dataclass and of those inside it that can be typed."""
    for name, inner in get_type_hints(kind).items():
        if name.startswith(FROM_PYTHON):
            continue
        if isinstance(inner, type) and is_dataclass(inner):
            yield from _names(inner)
        else:
            yield name


def _paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to every setting of a dataclass and of those inside it."""
    for item in fields(value):
        inner = getattr(value, item.name)
        if is_dataclass(inner):
            yield from _paths(inner, (*above, item.name))
        else:
            yield (*above, item.name)


def _with(value: Any, path: tuple[str, ...], wish: Any) -> Any:
    name, *rest = path
    if rest:
        return replace(value, **{name: _with(getattr(value, name), tuple(rest), wish)})
    return replace(value, **{name: _typed(name, get_type_hints(type(value))[name], wish)})


def _typed(where: str, kind: Any, value: Any) -> Any:
    """A TOML value as the setting's type; a whole number serves where a number is due."""
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise UsageError(f"{where} is a table, not {value!r}")
        return from_table(kind, value, where)  # type: ignore[arg-type]
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, list | tuple):
            raise UsageError(f"{where} is a list, not {value!r}")
        return tuple(_typed(where, kind.__args__[0], item) for item in value)
    if getattr(kind, "__origin__", None) is Literal:
        kind = str  # which texts fit is for the dataclass to say
    if kind in (int, float) and type(value) is not bool and isinstance(value, NUMBERS[kind]):
        return kind(value)
    if type(value) is not kind:
        raise UsageError(f"{where} is {_KINDS.get(kind, kind.__name__)}, not {value!r}")
    return value
