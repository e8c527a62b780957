"""What a `.pt2` file holds, read without torch: its metadata, and whether opening it would execute code.

A `.pt2` is a zip archive: the graph and the description of the weights in JSON, the weights as plain bytes.
torch also takes parts that are pickled or compiled, calls whatever a graph names, and evaluates expressions
of sizes. `hubel export` writes nothing of that kind, so a file that has it is refused before torch opens it.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubel.errors import ModelError, shortened
from hubel.files import parse_json

METADATA = "hubel.json"
"""The extra file of the program that holds the metadata."""

MOST_TEXT = 256 << 20
"""The most bytes of a part that is read here."""

PLAIN = re.compile(r"(data/(weights|constants)/)?(weight|tensor)_\d+|(\.data/)?\w+|\w+\.json")
"""Parts with bytes or texts alone: weights, and numbers of versions."""

OPERATION = re.compile(r"torch\.ops\.(?!load_library|import_module)[A-Za-z]\w*\.\w+\.[A-Za-z]\w*")
SCALAR = re.compile(r"_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|getitem|[gl][et]|eq|ne|and_|or_)")
SYMBOLIC = re.compile(r"torch\.sym_[a-z]+|math\.[a-z]+")
"""What a graph may call: torch's registered operations, and arithmetic of sizes."""

WORD = re.compile(r"[^\W\d]\w*")
SIZES = re.compile(
    r"[su]\d+|Symbol|Integer|Rational|Add|Mul|Pow|Max|Min|\w*Mod|\w*Div|Eq|Ne|Ge|Gt|Le|Lt|And|Or|Not"
    r"|positive|integer|nonnegative|True|False"
)
"""The words in expressions of sizes, which sympy evaluates as Python."""


def read_program(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """Returns the metadata of a `.pt2` file, empty if it is none of hubel's, and its parts that are pickled.

    Raises ModelError: it cannot be read, or opening it would execute what it brings along.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            extra = next((name for name in names if name.endswith(f"/{METADATA}")), None)
            if extra is None:
                return {}, {}
            metadata = parse_json(_content(archive, extra))
            for name in names:
                if why := _why_not(name, archive):
                    raise ModelError(
                        f"{path} is refused: torch would execute {why}, which hubel never writes"
                    )
            if broken := archive.testzip():
                raise ValueError(f"{broken} is damaged")
            if len(set(names)) < len(names):
                raise ValueError("it has a part twice")
            pickled = {name: _content(archive, name) for name in names if name.endswith(".pt")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise ModelError(f"{path} is not a program of PyTorch, or is cut short: {error}") from None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ModelError(f"{path}: its metadata are damaged; export the model again")
    return metadata, pickled


def _why_not(name: str, archive: zipfile.ZipFile) -> str:
    """What would be executed of a part; empty if nothing."""
    part = name.partition("/")[2] or name  # all lie in a folder named after the archive
    if name.endswith((".pt", f"/{METADATA}")):
        return ""
    if not name.endswith(".json"):
        return "" if PLAIN.fullmatch(part) else shortened(name)
    for key, value in _entries(parse_json(_content(archive, name))):
        if key == "use_pickle" and value is not False:
            return "a pickled weight"
        if key == "path_name" and not PLAIN.fullmatch(str(value)):
            return shortened(str(value))
        if key == "target" and isinstance(value, str) and not _may_call(value):
            return shortened(value)
        if key == "expr_str" and not all(map(SIZES.fullmatch, WORD.findall(str(value)))):
            return shortened(str(value))
    return ""


def _may_call(target: str) -> bool:
    """Whether a graph may call this; texts without a point are names of values."""
    return "." not in target or any(each.fullmatch(target) for each in (OPERATION, SCALAR, SYMBOLIC))


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part of the archive. Raises ValueError: it is too large."""
    if archive.getinfo(name).file_size > MOST_TEXT:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """All entries of the objects in a JSON value, however deep."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each.items()
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
