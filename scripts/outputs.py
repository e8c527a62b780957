"""The pages of the reference that show what commands write: JSON, and a model's file.

The commands run on a small network that is trained for a moment; the schemas describe what they print.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open

from hubel.cli import main
from hubel.graph import seal
from hubel.model.header import Header

NET = "conv(4, 3) >> relu >> maxpool(2) >> fc(10)"
LONGEST = 6
"""The most entries of a list or an object that an example shows."""

JSON = {
    "table": ("table", "conv(6, 5) >> relu", "--input", "32x32x3", "--format", "json"),
    "zoo": ("zoo", "--json"),
    "compare": ("compare", "lenet5", "alexnet", "--json"),
    "diff": ("diff", "resnet50", "resnet50_v1_5", "--json"),
    "data check": ("data", "check", "photos", "--json"),
    "evaluate": ("val", "run/best.safetensors", "digits", "--json"),
    "bench": ("bench", "run", "--batch", "1", "--seconds", "0", "--json"),
    "info": ("info", "run", "--json"),
    "predict": ("predict", "run/best.safetensors", "photos/a/0.png", "photos/a/none.png", "--json"),
    "look neuron": ("look", "run/best.safetensors", "neuron", "conv1[0,2,2]", "photos/a/0.png", "--json"),
    "look patches": ("look", "run/best.safetensors", "patches", "digits", "--unit", "conv1[0]", "--json"),
}
"""The commands that print JSON, and what shows it. `hubel look` has more: `--help` of each instrument."""


def printed(*arguments: str) -> str:
    """What a command prints on stdout. Raises RuntimeError: it fails, and prints nothing there."""
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["hubel", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as exit_:
        if exit_.code not in {None, 0, 1} or (exit_.code == 1 and not out.getvalue()):
            raise RuntimeError(f"hubel {' '.join(arguments)}: {err.getvalue()}") from None
    finally:
        sys.argv = argv
    return out.getvalue()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Works in a folder that has two classes of small images, and a run of one epoch."""
    from PIL import Image

    before = Path.cwd()
    os.chdir(folder)
    try:
        if not Path("run").exists():
            for name, colour in (("a", 40), ("b", 200)):
                Path("photos", name).mkdir(parents=True)
                for number in range(3):
                    Image.new("L", (8, 8), colour + number).save(Path("photos", name, f"{number}.png"))
            printed("train", "digits", "--net", NET, "--epochs", "1", "--out", "run")
        yield
    finally:
        os.chdir(before)


def json_page(folder: Path) -> str:
    """The JSON that each command prints: a schema and an example."""
    parts = [
        "# JSON",
        "What the commands print with `--json` (`hubel table`: `--format json`). Volumes are "
        "`[height, width, depth]`, pairs `[height, width]`. Each schema describes the whole output. "
        "The examples are cut to a few entries.",
    ]
    with _inside(folder):
        for name, arguments in JSON.items():
            value = json.loads(printed(*arguments))
            said = " ".join(f"'{each}'" if " " in each or "[" in each else each for each in arguments)
            parts += [
                f"## hubel {name}",
                f"```text\n$ hubel {said}\n```",
                f"```json\n{json.dumps(schema(value), indent=2)}\n```",
                f"```json\n{json.dumps(shortened(value), indent=2, ensure_ascii=False)}\n```",
            ]
            if name == "predict":
                parts += _lines_of_predict()
    return "\n\n".join(parts)


def _lines_of_predict() -> list[str]:
    """The lines that `predict --out` writes into a .jsonl."""
    command = ("predict", "run", "photos/a/0.png", "photos/a/none.png", "--out", "answers.jsonl")
    Path("answers.jsonl").unlink(missing_ok=True)
    printed(*command)
    lines = Path("answers.jsonl").read_text(encoding="utf-8").rstrip()
    return [
        "## hubel predict --out",
        "A `.jsonl` has one object per line and image, in the order of the images: those of the list that "
        "`--json` prints, with the most probable class alone unless `--top` asks for more.",
        f"```text\n$ hubel {' '.join(command)}\n```",
        f"```json\n{lines}\n```",
    ]


def model_page(folder: Path) -> str:
    """The metadata and the tensors of a model's file, and what an exported file says."""
    with _inside(folder), safe_open(Path("run", "best.safetensors"), framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        printed("export", "run", "--out", "exported.onnx")
        exported = seal.metadata_of(Path("exported.onnx").read_bytes())
    rows = [
        f"| `{name}` | {'JSON' if _is_json(text) else 'text'} | `{_brief(text)}` |"
        for name, text in sorted(metadata.items())
    ]
    sizes = [f"| `{name}` | {value.dtype} | {list(value.shape)} |" for name, value in tensors.items()]
    return "\n\n".join(
        [
            "# The model's file",
            "A model is one `.safetensors` file; nothing in it is pickled. Its tensors are the network's "
            "`state_dict`, named by the paths that `hubel table` shows. Its metadata are texts, some of them "
            "JSON.",
            "## Metadata",
            inspect.getdoc(Header) or "",
            "\n".join(["| key | form | example |", "| --- | --- | --- |", *rows]),
            "## Tensors",
            f"Those of `{NET}` on 8x8x1:",
            "\n".join(["| tensor | type | shape |", "| --- | --- | --- |", *sizes]),
            "## Exported files",
            "A file of `hubel export` has the same metadata, but not `seen`: "
            f"{', '.join(f'`{name}`' for name in sorted(exported))}. An ONNX file has them as "
            "`metadata_props`, an OpenVINO file as `rt_info` under `hubel`, and a `.pt2` as the JSON object "
            "in its extra file `hubel.json`. Three entries are added where they apply:",
            "\n".join(
                [
                    "| key | form | says |",
                    "| --- | --- | --- |",
                    "| `raw` | text | the graph takes normalised images and gives scores |",
                    "| `resize` | text | the graph takes images of any size; how near it is to Pillow |",
                    "| `int8` | JSON | the graph computes in int8: `processor` and `engine` that it was "
                    "judged with, `images`, `accuracy_float32`, `drop` and `drop_at_most` in points, and the "
                    "layers `in_float` |",
                ]
            ),
            "### The seal",
            inspect.getdoc(seal) or "",
            f"The key is `{seal.CHECKSUM}`. To check a file without hubel:",
            f"```python\n{_SEAL_CHECK}```",
            "An OpenVINO file has under that key the SHA-256 of its `.bin`; a `.pt2` has none.",
        ]
    )


_SEAL_CHECK = f"""import hashlib
from pathlib import Path

model = Path("exported.onnx").read_bytes()
whole = hashlib.sha256(model[:-{seal.SEAL}]).hexdigest().encode()
assert model.endswith(whole)
"""


def _is_json(text: str) -> bool:
    return text[:1] in "[{"


def _brief(text: str) -> str:
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= 90 else f"{text[:90]}…"


def schema(value: Any) -> dict[str, Any]:
    """The JSON Schema of a value; the entries of a list are merged into one."""
    if isinstance(value, dict):
        inner = {key: schema(each) for key, each in value.items()}
        return {"type": "object", "properties": inner, "required": list(inner)}
    if isinstance(value, list):
        items: dict[str, Any] = {}
        for each in value:
            items = merged(items, schema(each)) if items else schema(each)
        return {"type": "array", "items": items}
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return {"type": names[type(value)]}


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The schema of values of either schema."""
    kinds = [one.get("type"), other.get("type")]
    if kinds == ["object", "object"]:
        inner = dict(one["properties"])
        for key, each in other["properties"].items():
            inner[key] = merged(inner[key], each) if key in inner else each
        required = [key for key in one["required"] if key in other["required"]]
        return {"type": "object", "properties": inner, "required": required}
    if kinds == ["array", "array"]:
        items = merged(one["items"], other["items"]) if one["items"] and other["items"] else {}
        return {"type": "array", "items": items or one["items"] or other["items"]}
    types: list[str] = []
    for kind in kinds:
        types += kind if isinstance(kind, list) else [str(kind)]
    if "number" in types:
        types = [each for each in types if each != "integer"]
    unique = list(dict.fromkeys(types))
    rest = {key: each for side in (one, other) for key, each in side.items() if key != "type"}
    return {"type": unique[0] if len(unique) == 1 else unique, **rest}


def shortened(value: Any) -> Any:
    """A value with its lists and objects cut to a few entries."""
    if isinstance(value, dict):
        return {key: shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        most = LONGEST if value and not isinstance(value[0], dict | list) else 2
        return [shortened(each) for each in value[:most]]
    return value
