"""Programs that run an exported model without hubel: NumPy, Pillow and the runtime alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

if TYPE_CHECKING:
    from hubel.model.file import Model

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "pt2": "torch"}
"""The runtime of each format."""


def program(model: Model, path: Path, name: str, runtime: str, *, raw: bool, resize: bool) -> str:
    """Returns the program `name` that runs an exported file, beside which it lies, by a runtime."""
    loader = jinja2.PackageLoader("hubel.report")
    environment = jinja2.Environment(loader=loader, keep_trailing_newline=True, autoescape=False)
    seen = model.preprocessing
    return environment.get_template("program.py.jinja").render(
        program=name,
        file=path.name,
        runtime=runtime,
        seen=seen,
        filter=seen.interpolation.upper(),
        mean=list(seen.mean),
        std=list(seen.std),
        views=model.views,
        temperature=model.temperature,
        raw=raw,
        resize=resize,
    )
