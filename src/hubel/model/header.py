"""The head of a model file: all that is known of a model besides its weights. Needs no torch.

A model is one `.safetensors` file. Its metadata, texts all, hold `format`, `notation`, `input`,
`classes`, `preprocessing`, `versions` and `summary`, the last four JSON, `temperature` and `views`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.errors import HubelError, ModelError
from hubel.net.volume import Volume

FORMAT = "hubel/1"


@dataclass(frozen=True, slots=True)
class Header:
    """What a model file says of itself; `classes` are in the order of the scores.

    A file without `temperature` and `views` is of a model that has neither: 1 and `one`.
    """

    notation: str
    volume: Volume
    classes: tuple[str, ...]
    preprocessing: str
    versions: dict[str, str]
    summary: dict[str, Any]
    temperature: float = 1.0
    views: str = "one"

    def to_metadata(self) -> dict[str, str]:
        """The texts that stand in the file."""
        return {
            "format": FORMAT,
            "notation": self.notation,
            "input": str(self.volume),
            "classes": json.dumps(self.classes),
            "preprocessing": self.preprocessing,
            "versions": json.dumps(self.versions),
            "summary": json.dumps(self.summary),
            "temperature": str(self.temperature),
            "views": self.views,
        }

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], path: Path) -> Header:
        """Reads the texts of a file. Raises ModelError: they are not a model's."""
        if metadata.get("format") != FORMAT:
            said = metadata.get("format", "no format")
            raise ModelError(f"{path} is no model of hubel's: its metadata say {said}, not {FORMAT}")
        try:
            summary = json.loads(metadata["summary"])
            if not isinstance(summary, dict):
                raise TypeError("the summary is no object")
            temperature = float(metadata.get("temperature", 1))
            if not 0 < temperature < math.inf:
                raise ValueError(f"the temperature is {temperature}")
            return cls(
                notation=metadata["notation"],
                volume=Volume.parse(metadata["input"]),
                classes=tuple(json.loads(metadata["classes"])),
                preprocessing=metadata["preprocessing"],
                versions=json.loads(metadata["versions"]),
                summary=summary,
                temperature=temperature,
                views=metadata.get("views", "one"),
            )
        except (KeyError, ValueError, TypeError, HubelError) as error:
            raise ModelError(
                f"{path}: the model's metadata are damaged ({error!r}); train it again"
            ) from None


def read_header(path: Path) -> Header:
    """Reads the head of a model file.

    Raises ModelError: no such file, not a safetensors file, cut short, or not a model of hubel's.
    """
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise ModelError(f"{path} is a folder; give a model's file, such as {path / 'best.safetensors'}")
    if not path.is_file():
        raise ModelError(f"{path} does not exist; give the file of a model that `hubel train` wrote")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is no safetensors file, or is cut short ({error})") from None
    return Header.from_metadata(metadata, path)
