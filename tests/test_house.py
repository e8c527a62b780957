"""The house: what holds for every room of the package."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import hubel


def packages() -> list[str]:
    """The name of every package, `hubel` itself first."""
    found = pkgutil.walk_packages(hubel.__path__, "hubel.")
    return ["hubel", *(room.name for room in found if room.ispkg)]


@pytest.mark.parametrize("package", packages())
def test_no_module_is_shadowed_by_an_object_of_its_name(package: str) -> None:
    """`import a.b` and `a.b` are the same: else what `a.b` is depends on who was imported first."""
    room = importlib.import_module(package)
    for name in (module.name for module in pkgutil.iter_modules(room.__path__)):
        if name != "__main__":
            module = importlib.import_module(f"{package}.{name}")
            assert getattr(room, name) is module, f"{package}.{name} is another object"


def test_the_walk_of_a_command_is_printed() -> None:
    program = "import sys; from scripts.walk import report; print(report(['table', 'lenet5'], listed=True))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *stays, summary = done.stdout.partition("cli/__init__.py: main\n")[2].splitlines()
    functions, files, moves = (int(part.split()[0]) for part in summary.split(", "))
    assert any(line.startswith("tasks/table.py: table ") for line in stays)
    assert functions > files > 5
    assert moves == len(stays)
