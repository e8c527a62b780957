"""The header of a model's file: everything known about a model except its weights. Needs no torch.

A model is one `.safetensors` file. Its metadata are texts: `format`, `notation` or `maker`, `input`,
`classes`, `preprocessing`, `versions` and `summary`, the last four JSON; `temperature` and `views`; and
`seen`, the marks of the images that the model was trained on, where they are known.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.errors import HubelError, ModelError
from hubel.net.notation import parse
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from hubel.net.algebra import Net

FORMAT = "hubel/1"

BEST = "best.safetensors"
"""The file of the best model in a run's folder."""

CONFIG = "config.toml"
"""The file of a run's configuration, by which its folder is recognised."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a model's file says about it; `classes` are in the order of the scores.

    The network is either a `notation`, or what `maker` names makes it, such as `model.py:make_model`.
    `seen` is a text, as `hubel.data.marks` writes it; None where the training images are not known.
    Raises ModelError: both or neither of notation and maker.
    """

    notation: str | None
    volume: Volume
    classes: tuple[str, ...]
    preprocessing: str
    versions: dict[str, str]
    summary: dict[str, Any]
    temperature: float = 1.0
    views: str = "one"
    seen: str | None = field(default=None, repr=False)
    maker: str | None = None

    def __post_init__(self) -> None:
        if (self.notation is None) == (self.maker is None):
            raise ModelError("a model has either a notation or a maker")

    @property
    def net(self) -> Net:
        """The network of the notation.

        Raises NotationError: the notation cannot be read. Raises ModelError: code makes the network.
        """
        if self.notation is None:
            raise ModelError(
                f"the model's network has no notation: the code of {self.maker} makes it; give that in its "
                f"place, with --input {self.volume}"
            )
        return parse(self.notation)

    def to_metadata(self) -> dict[str, str]:
        """Returns the metadata of the file."""
        metadata = {
            "format": FORMAT,
            "input": str(self.volume),
            "classes": json.dumps(self.classes),
            "preprocessing": self.preprocessing,
            "versions": json.dumps(self.versions),
            "summary": json.dumps(self.summary),
            "temperature": str(self.temperature),
            "views": self.views,
        }
        optional = {"notation": self.notation, "maker": self.maker, "seen": self.seen}
        return metadata | {name: text for name, text in optional.items() if text is not None}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], path: Path) -> Header:
        """Reads the metadata of a file. Raises ModelError: they are damaged, or not of a model of hubel.

        Older files have no `temperature` and `views`, which are then 1 and `one`, and keep `seen` in the
        summary.
        """
        if metadata.get("format") != FORMAT:
            found = metadata.get("format", "not given")
            raise ModelError(f"{path} is not a model of hubel: its format is {found}, not {FORMAT}")
        try:
            summary = json.loads(metadata["summary"])
            if not isinstance(summary, dict):
                raise TypeError("the summary is not an object")
            temperature = float(metadata.get("temperature", 1))
            if not 0 < temperature < math.inf:
                raise ValueError(f"the temperature is {temperature}")
            older = summary.pop("seen", None)
            return cls(
                notation=metadata.get("notation"),
                volume=Volume.parse(metadata["input"]),
                classes=tuple(json.loads(metadata["classes"])),
                preprocessing=metadata["preprocessing"],
                versions=json.loads(metadata["versions"]),
                summary=summary,
                temperature=temperature,
                views=metadata.get("views", "one"),
                seen=metadata.get("seen", older),
                maker=metadata.get("maker"),
            )
        except (KeyError, ValueError, TypeError, HubelError) as error:
            raise ModelError(f"{path}: its metadata are damaged ({error!r}); train the model again") from None


def model_file(place: str | Path) -> Path:
    """Returns the file of a model, or the best model of a run's folder.

    Raises ModelError: there is no such file or folder, or the folder has no best model.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        if (path / BEST).is_file():
            return path / BEST
        if (path / CONFIG).is_file():
            raise ModelError(f"{path} has no {BEST}: the run has not finished its first round")
        raise ModelError(f"{path} is a folder, but not a run's: it has neither {BEST} nor {CONFIG}")
    if not path.is_file():
        raise ModelError(f"{path} does not exist; give a model's file or a run's folder")
    return path


def read_header(place: str | Path) -> Header:
    """Reads the header of a model's file, or of the best model of a run's folder.

    Raises ModelError: no such file, not a safetensors file, cut short, or not a model of hubel.
    """
    path = model_file(place)
    try:
        metadata = _metadata(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a safetensors file, or is cut short ({error})") from None
    return Header.from_metadata(metadata, path)


def _metadata(path: Path) -> dict[str, str]:
    """Reads the metadata of a safetensors file: 8 bytes of length, a JSON object, then the tensors.

    The library of that name would import numpy or torch. Raises ValueError and others: not such a file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            raise ValueError("it does not begin with the length of a header")
        tensors = json.loads(file.read(length))
    metadata: dict[str, str] = dict(tensors.pop("__metadata__", {}))
    end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    if size != 8 + length + end:
        raise ValueError(f"it has {size:,} bytes, not {8 + length + end:,}")
    return metadata
