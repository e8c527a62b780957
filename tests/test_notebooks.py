"""The example notebooks run from the first cell to the last, and what a cell ends with can show itself.

They are kept as Markdown and read by jupytext. Their cells run in this process: a kernel would take longer
to start than they take to run. As in the pages, more than two epochs become one.
"""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any

import jupytext
import pytest

from tests.test_docs import ROOT, shortened_python

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.md"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "docs" / "images", tmp_path / "docs" / "images")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell.source for cell in jupytext.read(notebook).cells if cell.cell_type == "code"]
    for cell in cells:
        shown = _run(shortened_python(cell), names)
        assert len(_text(shown)) < 20_000, cell


def test_there_are_two() -> None:
    assert len(NOTEBOOKS) == 2


def _run(cell: str, names: dict[str, Any]) -> Any:
    """Runs a cell as a notebook does, and returns the value of its last expression."""
    tree = ast.parse(cell)
    last: ast.Expr | None = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        tree.body.pop()
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last is not None else None


def _text(value: Any) -> str:
    """What a notebook would show, made on demand: HTML or an image where a value has one, and its `repr`."""
    names = [name for name in ("_repr_html_", "_repr_png_", "_repr_svg_") if hasattr(value, name)]
    shown = [getattr(value, name)() for name in names]
    assert not names or any(shown), type(value)
    return repr(value)
