"""An atlas's page, read again: the texts of its layers, and which weights they are of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubel.errors import DataError
from hubel.report.instruments.atlas import RULES

PAGE = "atlas.html"
"""The name that `hubel look MODEL atlas` gives its page."""

_DATA = re.compile(r'<script type="application/json" id="(settings|data-\d+)">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class WrittenAtlas:
    """An atlas that was written to `path`.

    `layers` are the texts of `layer_text` by path, in order. `classes` are those of its data set, `rule` is
    that of its projections, `weights` the digest of the module that it is of.
    """

    path: Path
    layers: Mapping[str, str]
    classes: tuple[str, ...]
    rule: str
    weights: str


def read_atlas(path: Path) -> WrittenAtlas:
    """Returns the atlas of a page, or of the `atlas.html` in a folder.

    Raises DataError: it cannot be read, is no atlas, or was written before atlases said what they are of.
    """
    path = path / PAGE if path.is_dir() else path
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a page"
        raise DataError(f"cannot read the atlas {path}: {reason}") from None
    found = dict(_DATA.findall(text))
    try:
        settings = json.loads(found.pop("settings"))
        texts = [found[f"data-{at}"] for at in range(len(found))]
        layers = {str(json.loads(each)["path"]): each for each in texts}
        classes = tuple(map(str, settings["classes"]))
        rule = next(rule for rule, (name, _) in RULES.items() if name == settings["rule"])
    except (KeyError, TypeError, ValueError, StopIteration):
        raise DataError(f"{path} is not an atlas; hubel look MODEL atlas --data DATA writes one") from None
    if not settings.get("weights"):
        raise DataError(f"{path} does not say which model it is of; write it again: hubel look MODEL atlas")
    return WrittenAtlas(path, layers, classes, rule, str(settings["weights"]))
