"""The names that `import hubel` offers: all listed, none shadowed, none that needs torch before its use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import hubel

OFFERED: list[str] = vars(hubel)["__all__"]


def test_everything_that_is_offered_is_listed_and_there() -> None:
    assert set(OFFERED) <= set(dir(hubel))
    for name in OFFERED:
        assert getattr(hubel, name) is not None


def test_every_name_is_found_where_type_checkers_find_it() -> None:
    tree = ast.parse(Path(hubel.__file__).read_text())
    typed = next(node.body for node in tree.body if isinstance(node, ast.If))
    imported = {
        f"{node.module}:{each.name}"
        for node in typed
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }
    doors = {where.replace("hubel.zoo", "hubel:zoo") for where in vars(hubel)["_DOORS"].values()}
    assert imported == doors


def test_the_verbs_of_the_command_line_are_functions() -> None:
    from hubel.cli import VERBS

    groups = {"data": ["data_check", "data_preview", "data_fetch"], "look": ["look"], "zoo": [], "val": []}
    groups["import"] = ["import_model"]  # a name that Python does not allow
    for verb in VERBS:
        for name in groups.get(verb, [verb.replace("-", "_")]):
            assert callable(getattr(hubel, name)), name
            assert name in OFFERED


def test_names_are_the_same_whatever_was_imported_before() -> None:
    code = "import hubel.tasks.train, hubel.training.trainer, hubel.data.sources, hubel.instruments.patches\n"
    code += "import hubel; print(all(map(callable, (hubel.train, hubel.look, hubel.table, hubel.evaluate))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_to_list_the_names_imports_no_torch() -> None:
    code = "import hubel, sys; dir(hubel); hubel.__all__; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
