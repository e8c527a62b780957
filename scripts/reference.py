"""Assemble the documentation site's sources: docs/ and the reference, which is made from the code.

    python -m scripts.reference build/docs

The folder is made anew. Every page of `reference/` comes from the code that it describes: the commands from
Typer, the classes and functions from their docstrings, the JSON schemas from what the commands print.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

import hubel
from hubel import zoo
from hubel.cli import app
from hubel.cli.loading import LazyGroup
from hubel.data.augment.policy import Augmentation
from hubel.errors import HubelError
from hubel.net.layer import Layer
from hubel.net.names import LAYERS
from hubel.tasks.zoo import zoo as overview
from hubel.training.settings.config import Config
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.recipes import RECIPES
from scripts.outputs import json_page, model_page, printed

DOCS = Path(__file__).parent.parent / "docs"


def commands() -> str:
    """Every command with its arguments and options, as Typer documents them."""
    everything = typer.main.get_group(app)
    assert isinstance(everything, LazyGroup)
    everything.load_all()
    context = typer.Context(everything, info_name="hubel")
    parts = ["# Commands", "Each command prints its help with `--help`."]
    for name, command in everything.commands.items():
        text = get_docs_for_click(obj=command, ctx=context, name=name, call_prefix="hubel", indent=1)
        if name == "look":  # the model comes before the instrument, which Typer does not know
            text = re.sub(r"hubel look (?=\w)", "hubel look {MODEL} ", text)
        parts.append(re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n?", "", text))  # they follow, one by one
    return "\n\n".join(parts)


def python() -> str:
    """The front door's functions and the values that they return, by mkdocstrings from their docstrings."""
    exported = {name: getattr(hubel, name) for name in vars(hubel)["__all__"]}
    functions = {name: each for name, each in exported.items() if inspect.isfunction(each)}
    functions = dict(
        sorted(functions.items(), key=lambda each: (each[1].__module__.startswith("hubel.net"), each))
    )
    classes = [each for each in exported.values() if inspect.isclass(each) and not issubclass(each, Layer)]
    known = _classes()
    for function in functions.values():
        classes += _returned(function, known)
    for each in tuple(dict.fromkeys(classes)):
        for method in vars(each).values():
            classes += _returned(method, known)
    parts = [
        "# Python",
        "`import hubel` offers these names. Each command has a function of the same name, but for `hubel "
        "zoo`: `hubel.zoo` is the package of the networks, and the overview is `hubel.tasks.zoo.zoo`. The "
        "layers have [a page of their own](layers.md), the networks [another](networks.md), and the errors "
        "[another](errors.md).",
        "## Functions",
        *(_documented(function, f"hubel.{name}") for name, function in functions.items()),
        _documented(overview, "hubel.tasks.zoo.zoo"),
        "## Values",
        *(_documented(each) for each in dict.fromkeys(classes) if not issubclass(each, Exception | Layer)),
        "## scikit-learn",
        "::: hubel.sklearn.HubelClassifier",
        "## The packages",
        "What lies behind the front door, for those who need more of it. Names are imported from the module "
        "that defines them.",
        _packages(),
    ]
    return "\n\n".join(parts)


def _documented(what: Any, heading: str = "") -> str:
    """What mkdocstrings replaces by the documentation of a function or class."""
    options = f"\n    options:\n      heading: {heading}\n      toc_label: {heading}" if heading else ""
    return f"::: {what.__module__}.{what.__qualname__}{options}"


def _classes() -> dict[str, type]:
    """Every class of hubel's by its name; all modules are imported for that."""
    for module in pkgutil.walk_packages(hubel.__path__, "hubel."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    modules = [module for name, module in sys.modules.items() if name.startswith("hubel.")]
    found = [each for module in modules for each in vars(module).values() if inspect.isclass(each)]
    return {each.__name__: each for each in found if each.__module__.startswith("hubel.")}


def _returned(function: Any, known: dict[str, type]) -> list[type]:
    """The classes of hubel's that a public function is annotated to return."""
    if not inspect.isfunction(function) or function.__name__.startswith("_"):
        return []
    home = vars(sys.modules[function.__module__])
    names = re.findall(r"\w+", str(function.__annotations__.get("return", "")))
    found = [home.get(name, known.get(name)) for name in names]
    return [each for each in found if inspect.isclass(each) and each.__module__.startswith("hubel.")]


def _packages() -> str:
    """Every module and the first line of its docstring."""
    root = Path(inspect.getfile(hubel)).parent
    rows = []
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root.parent).with_suffix("")
        if "cli" in inside.parts or path.name == "__main__.py" or inside.parts == ("hubel", "__init__"):
            continue
        name = ".".join(inside.parts).removesuffix(".__init__")
        first = re.match(r'"""(.*?)(\n\n|"""|\Z)', path.read_text(encoding="utf-8"), re.DOTALL)
        rows.append((f"`{name}`", " ".join(first[1].split()) if first else ""))
    return table(("module", "purpose"), rows)


def layers() -> str:
    """Every layer by the name that one types, with its arguments and its docstring."""
    parts = [
        "# Layers",
        "Sizes are one number for both axes or a pair `(height, width)`. A layer whose arguments all have "
        "defaults can be used as it stands or called: `batchnorm`, `batchnorm(eps=1e-3)`.",
    ]
    for name, layer in LAYERS.items():
        made = layer if inspect.isclass(layer) else type(layer)
        arguments = ", ".join(_argument(each, layer) for each in fields(made))
        parts += [f"## {name}", f"```text\n{name}({arguments})\n```", inspect.getdoc(made) or ""]
    for function in (hubel.gate, hubel.named, hubel.side):
        parts += [f"## {function.__name__}", _signature(function), inspect.getdoc(function) or ""]
    return "\n\n".join(parts)


def _argument(of: Field[Any], layer: object) -> str:
    """An argument of a layer as one writes it, with its default."""
    default = of.default if inspect.isclass(layer) else getattr(layer, of.name)
    return of.name if default is MISSING else f"{of.name}={default!r}"


def _signature(function: Any) -> str:
    return f"```text\n{function.__name__}{inspect.signature(function)}\n```"


def networks() -> str:
    """The zoo as `hubel zoo` prints it, and the docstring of each network."""
    parts = [
        "# Networks",
        "The networks that have a name, as `hubel zoo` lists them. Each is a function in `hubel.zoo` that "
        "takes `classes` and the options named below.",
        f"```text\n{printed('zoo')}```",
    ]
    for name, entry in zoo.ZOO.items():
        parts += [f"## {name}", _signature(entry.make), inspect.getdoc(entry.make) or ""]
    return "\n\n".join(parts)


def recipes() -> str:
    """The recipes: a row each, a column for each setting."""
    plain = [each.name for each in fields(Recipe) if each.name != "augmentation"]
    varied = [each.name for each in fields(Augmentation)]
    rows = [(f"`{name}`", *_values(recipe, plain)) for name, recipe in RECIPES.items()]
    augmented = [(f"`{name}`", *_values(recipe.augmentation, varied)) for name, recipe in RECIPES.items()]
    return "\n\n".join(
        [
            "# Recipes",
            "How a network is trained: `--recipe NAME` or `recipe=NAME`. The first five are hubel's own, the "
            "others are those of the papers. A recipe is adapted to the number of images and their size; one "
            "from a TOML file is taken as it is written. `--set KEY=VALUE`, or a keyword argument in Python, "
            "changes one setting. The settings are explained under [config.toml](config.md).",
            "## Training",
            table(("recipe", *(f"`{name}`" for name in plain)), rows),
            "## Augmentation",
            table(("recipe", *(f"`{name}`" for name in varied)), augmented),
        ]
    )


def _values(of: Any, names: list[str]) -> list[str]:
    """The settings of a recipe as text; those at their default in grey, so that the others stand out."""
    usual = asdict(type(of)())
    values = []
    for name in names:
        value = getattr(of, name)
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        values.append(text or "-" if value != usual[name] else f"<small>{text or '-'}</small>")
    return values


def config() -> str:
    """The keys of config.toml, table by table."""
    parts = [
        "# config.toml",
        "A run's folder holds the `config.toml` that repeats the run: `hubel train --config FILE`. "
        "`[recipe]` and `[recipe.augmentation]` are tables of their own. Each key is a keyword argument of "
        "`hubel.train` too, and `--set KEY=VALUE` on the command line.",
    ]
    for title, value in (
        ("Top level", Config),
        ("[recipe]", Recipe),
        ("[recipe.augmentation]", Augmentation),
    ):
        rows = [(f"`{each.name}`", f"`{each.type}`", _default(each)) for each in fields(value)]
        parts += [f"## {title}", inspect.getdoc(value) or "", table(("key", "type", "default"), rows)]
    return "\n\n".join(parts)


def _default(of: Field[Any]) -> str:
    if of.default is not MISSING:
        return f"`{of.default!r}`"
    return "required" if of.default_factory is MISSING else "see below"


def errors() -> str:
    """The exceptions, a section each."""
    about = inspect.getdoc(sys.modules["hubel.errors"]) or ""
    first, rest = about.split("\n\n", 1)
    tree, said = rest.split("\n\n", 1)
    parts = ["# Errors", first.strip(), f"```text\n{inspect.cleandoc(tree)}\n```", said]
    for each in _subclasses(HubelError):
        parts += [
            f"## {each.__name__}",
            f"`{each.__module__}.{each.__qualname__}`",
            inspect.getdoc(each) or "",
        ]
    parts += [
        "## Exit status",
        "0 for success; 1 for an error in the data, the model or the run, such as an unreadable image; 2 for "
        "an error of usage. `hubel diff` has diff's: 0 the same, 1 different, 2 trouble.",
    ]
    return "\n\n".join(parts)


def _subclasses(of: type) -> list[type]:
    below: list[type] = of.__subclasses__()
    return [of, *(inner for each in below for inner in _subclasses(each))]


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def index(pages: dict[str, str]) -> str:
    """The list of the pages."""
    links = [f"- [{text.split(chr(10), 1)[0].removeprefix('# ')}]({name})" for name, text in pages.items()]
    return "\n".join(["# Reference", "", "Made from the code, when this site is built.", "", *links])


def main(place: Path) -> None:
    """Writes docs/ and the reference into a folder, which is made anew."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(DOCS, place)
    for notebook in (place / "notebooks").glob("*.md"):  # their head is for jupytext
        text = notebook.read_text(encoding="utf-8")
        notebook.write_text(re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL), encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        pages = {
            "commands.md": commands(),
            "python.md": python(),
            "layers.md": layers(),
            "networks.md": networks(),
            "recipes.md": recipes(),
            "config.md": config(),
            "json.md": json_page(Path(scratch)),
            "model-file.md": model_page(Path(scratch)),
            "errors.md": errors(),
        }
    (place / "reference").mkdir()
    for name, text in {"index.md": index(pages), **pages}.items():
        (place / "reference" / name).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
