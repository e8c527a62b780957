"""The engine that `auto` takes for a model on this machine: as measured, for as long as that holds."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hubel.cores import allowed_cores, processor
from hubel.data.formats.fetch import cache_folder
from hubel.engines.engine import NEEDS, installed, usual_engine
from hubel.files import write_whole
from hubel.version import __version__

PACKAGES = ("torch", "openvino", "onnxruntime")
MOST = 200
"""How many models' choices are kept."""


def chosen(identity: str) -> str:
    """The engine that `auto` takes for a model; `identity` is the checksum of its file.

    It is the one that `remember` was told, as long as the processor, its cores, and the versions of all
    engines are the same.
    """
    known = _read().get(identity, {})
    there = isinstance(known, dict) and known.get("machine") == machine()
    engine = known.get("engine") if there else None
    return engine if engine in NEEDS and engine in installed() else usual_engine()


def remember(identity: str, engine: str) -> None:
    """Keeps the engine that was measured to be the best for a model on this machine."""
    known = _read()
    known.pop(identity, None)
    known[identity] = {"engine": engine, "machine": machine()}
    kept = dict(list(known.items())[-MOST:])
    with suppress(OSError):  # without a cache `auto` takes the usual engine
        place().parent.mkdir(parents=True, exist_ok=True)
        write_whole(place(), json.dumps(kept, indent=1))


def place() -> Path:
    """The file of the choices."""
    return cache_folder() / "engines.json"


def machine() -> str:
    """What a choice holds for: the processor, its cores, and the versions of all engines."""
    return (
        f"{processor()}, {allowed_cores()} cores, hubel {__version__}, {', '.join(map(_version, PACKAGES))}"
    )


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _read() -> dict[str, Any]:
    """The choices; none where the file is missing or damaged."""
    try:
        known = json.loads(place().read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
