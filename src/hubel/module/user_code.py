"""Torch modules from the user's own code, named `path/to/file.py:name` or `package.module:name`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.errors import NetworkError, UsageError, nearest
from hubel.files import is_file

if TYPE_CHECKING:
    from torch import nn


def is_python(text: str) -> bool:
    """Whether a text is the name of a Python file, or of something in one."""
    return text.endswith(".py") or text.rpartition(":")[0].endswith(".py")


def module_of(text: str) -> nn.Module:
    """Executes the file, or imports the module, and returns the torch module that the text names.

    `name` is a torch module, or a class or function that makes one without arguments.

    Raises UsageError: the text has no name, or the file does not have it. Raises NetworkError: there is no
    such file, or its code fails; the message quotes the line that failed.
    """
    from torch import nn

    from hubel.module.survey.user_line import why

    if text.endswith(".py"):
        raise UsageError(
            f"{text} may hold several networks; name the function that makes yours: {text}:make_model"
        )
    home, _, name = text.rpartition(":")
    if is_python(text) and not is_file(home):
        raise NetworkError(f"{home} does not exist")
    try:
        found = _executed(Path(home)) if is_python(text) else importlib.import_module(home)
        made = _attribute(found, name)
        if callable(made) and not isinstance(made, nn.Module):
            with _first_in_path(Path(home).resolve().parent):
                made = made()
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise NetworkError(f"{text} fails: {why(error)}") from error
    if made is None and _attribute(found, name) is None:
        names = [word for word in vars(found) if not word.startswith("_")]
        own = [word for word in names if getattr(vars(found)[word], "__module__", "") == found.__name__]
        has = f"; it has {', '.join(own)}" if own else ""
        raise UsageError(f"{home} has no {name!r}{nearest(name, names)}{has}")
    if not isinstance(made, nn.Module):
        raise NetworkError(f"{text} makes a {type(made).__name__}; a torch.nn.Module is expected")
    return made


def _attribute(found: Any, name: str) -> Any:
    """Returns the attribute of a name, which may be dotted, such as a class in a class; None without one."""
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


@contextmanager
def _first_in_path(folder: Path) -> Iterator[None]:
    """Puts a folder first in the search path within the context, as `python file.py` does with its folder."""
    before = sys.path.copy()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _executed(path: Path) -> Any:
    """Executes a Python file and returns it as a module."""
    name = f"hubel_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look it up
    with _first_in_path(path.resolve().parent):
        spec.loader.exec_module(module)
    return module
