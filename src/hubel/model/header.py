"""The header of a model's file: everything known about a model except its weights. Needs no torch.

A model is one `.safetensors` file. Its metadata are texts: `format`, `notation` or `maker`, `input`,
`classes`, `preprocessing`, `versions` and `summary`, the last four JSON; `temperature` and `views`;
`seen`, the marks of the images that the model was trained on, where they are known; `untrained`, where the
head never was; and `sha256`, the checksum of the tensors and of all other metadata (`hubel.model.checksum`),
which older files lack.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hubel.errors import HubelError, ModelError, shortened
from hubel.files import exists, parse_json
from hubel.foreign.endings import is_foreign
from hubel.module.views import VIEWS
from hubel.net.notation import parse
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from hubel.net.algebra import Net

Json = TypeVar("Json", list[Any], dict[str, Any])

FORMAT = "hubel/1"

BEST = "best.safetensors"
"""The file of the best model in a run's folder."""

TEMPERATURES = (1e-6, 1e6)
"""The least and the greatest temperature: within them, scores divided by one stay finite in float32."""

_WRITTEN = (
    "format notation maker input classes preprocessing versions summary temperature views seen untrained"
)
KNOWN = frozenset({*_WRITTEN.split(), "sha256"})
"""The entries of the metadata. Among others might be one of these whose name is damaged."""

RAW = "raw"
"""The entry of an exported file's metadata that says that its graph has no preprocessing and no softmax."""

RESIZE = "resize"
"""The entry of an exported file's metadata that says that its graph resizes, and how near to Pillow."""

INT8 = "int8"
"""The entry of an exported file's metadata that says how a graph in int8 was judged, as JSON."""

EXPORTED = (".onnx", ".xml", ".pt2")
"""The endings of exported files: of ONNX, OpenVINO and PyTorch."""

NUMBERS = ("epoch", "val_top1", "val_loss", "val_images", "val", "seed")
TEXTS = ("data", "weights", "trained_on")
"""What hubel reads of a summary, where it is there."""

CONFIG = "config.toml"
"""The file of a run's configuration, by which its folder is recognised."""


@dataclass(frozen=True, slots=True)
class Validated:
    """How many of its validation images a model predicted correctly; a guess names one of its `classes`."""

    correct: int
    images: int
    classes: int

    @classmethod
    def of(cls, summary: dict[str, Any], classes: int) -> Validated | None:
        """Reads it off a model's summary; None where that does not have it, as in older files."""
        if "val_top1" not in summary or "val_images" not in summary:
            return None
        images = int(summary["val_images"])
        return cls(round(summary["val_top1"] * images), images, classes)


@dataclass(frozen=True, slots=True)
class Header:
    """What a model's file says about it; `classes` are in the order of the scores.

    The network is either a `notation`, or what `maker` names makes it, such as `model.py:make_model`.
    `seen` is a text, as `hubel.data.marks` writes it; None where the training images are not known.
    `untrained` says that the head, which gives the scores, is still as it was initialised.
    Raises ModelError: both or neither of notation and maker, class names that are no distinct texts, or a
    temperature out of range.
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
    untrained: bool = False

    def __post_init__(self) -> None:
        if (self.notation is None) == (self.maker is None):
            raise ModelError("a model has either a notation or a maker")
        check_names(self.classes)
        least, most = TEMPERATURES
        if not least <= self.temperature <= most:
            raise ModelError(f"the temperature is {self.temperature:g}, not from {least:g} to {most:g}")

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

    def check_trained(self) -> None:
        """Raises ModelError: the head was never trained, so that its scores mean nothing."""
        if self.untrained:
            weights = self.summary.get("weights") or "its weights"
            raise ModelError(
                f"the model's head was never trained: {weights} had other classes. Train it first: "
                "hubel train DATA --from MODEL; or import it with the classes it has: leave (classes=...) out"
            )

    def check_parts(self, seen: Volume, scores: int, path: Path) -> None:
        """Raises ModelError: parts do not fit together; `seen` is what the preprocessing makes."""
        if seen != self.volume:
            raise ModelError(f"{path}: its preprocessing makes {seen}, its network takes {self.volume}")
        if scores != len(self.classes):
            raise ModelError(f"{path}: it names {len(self.classes)} classes for {scores} scores")
        if self.views == "mirror-shift" and min(seen.plane) < 2:
            raise ModelError(f"{path}: the views mirror-shift need 2 pixels of height and width, not {seen}")
        if self.views not in VIEWS:
            raise ModelError(f"{path}: its views are {self.views!r}; known are {', '.join(VIEWS)}")

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
        optional["untrained"] = "head" if self.untrained else None
        return metadata | {name: text for name, text in optional.items() if text is not None}

    def to_exported(self, *, raw: bool) -> dict[str, str]:
        """Returns the metadata of an exported file: all but the marks and the place of the training images.

        `raw`: its graph takes normalised images and gives scores.
        """
        texts = self.to_metadata()
        texts.pop("seen", None)
        if "data" in self.summary:  # a name, not the folder's place on this machine
            texts["summary"] = json.dumps(self.summary | {"data": Path(self.summary["data"]).name})
        return texts | ({RAW: "normalised images in, scores out"} if raw else {})

    @classmethod
    def from_exported(cls, metadata: dict[str, str], path: Path) -> Header:
        """Reads the metadata of an exported file. Raises ModelError: they are damaged."""
        own = {name: text for name, text in metadata.items() if name in KNOWN}
        return cls.from_metadata(own, path)

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], path: Path) -> Header:
        """Reads the metadata of a file. Raises ModelError: they are damaged, or not of a model of hubel.

        Older files have no `temperature` and `views`, which are then 1 and `one`, and keep `seen` in the
        summary.
        """
        if metadata.get("format") != FORMAT:
            found = metadata.get("format", "not given")
            raise ModelError(f"{path} is not a model of hubel: its format is {found}, not {FORMAT}")
        if unknown := metadata.keys() - KNOWN:
            raise _damaged(path, f"they have an unknown entry, {min(unknown)}")
        try:
            summary = _json(metadata["summary"], dict)
            older = summary.pop("seen", None)
            _check_summary(summary)
            return cls(
                notation=metadata.get("notation"),
                volume=Volume.parse(metadata["input"]),
                classes=tuple(_json(metadata["classes"], list)),
                preprocessing=metadata["preprocessing"],
                versions=_json(metadata["versions"], dict),
                summary=summary,
                temperature=float(metadata.get("temperature", 1)),
                views=metadata.get("views", "one"),
                seen=metadata.get("seen", older),
                maker=metadata.get("maker"),
                untrained="untrained" in metadata or _was_reset(summary),
            )
        except KeyError as error:
            raise _damaged(path, f"they lack {error}") from None
        except (ValueError, TypeError, RecursionError, HubelError) as error:
            raise _damaged(path, str(error)) from None


def _was_reset(summary: dict[str, Any]) -> bool:
    """Whether an older file, which has no entry for it, was imported with a head of other classes."""
    return re.match(r"head \d+ -> \d+ reset", str(summary.get("report", ""))) is not None


def check_names(classes: Sequence[object]) -> None:
    """Raises ModelError: class names that are no texts of Unicode, are empty, or not distinct."""
    for name in classes:
        if not isinstance(name, str):
            raise ModelError(f"a class is named by a text, not by {shortened(repr(name))}")
        if not name.strip():
            raise ModelError("a class has an empty name")
        try:
            name.encode("utf-8", "surrogateescape")  # as file names that are not Unicode
        except UnicodeEncodeError:
            raise ModelError(f"a class has a name that cannot be written, {shortened(repr(name))}") from None
    if len(set(classes)) < len(classes):
        twice = next(name for place, name in enumerate(classes) if name in classes[:place])
        raise ModelError(f"two classes have the same name, {shortened(repr(twice))}")


def _json(text: str, kind: type[Json]) -> Json:
    """A JSON text of a list or an object. Raises TypeError: another value. Raises ValueError: no JSON."""
    value = parse_json(text)
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is expected, not {shortened(text)}")
    return value


def _check_summary(summary: dict[str, Any]) -> None:
    """Raises TypeError, ValueError: what hubel reads of a summary is not a number or a text."""
    for name in NUMBERS:
        value = summary.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise TypeError(f"{name} is a number, not {shortened(repr(value))}")
    for name in TEXTS:
        if not isinstance(summary.get(name, ""), str):
            raise TypeError(f"{name} is a text, not {shortened(repr(summary[name]))}")
    if not 0 <= summary.get("val_top1", 0) <= 1:
        raise ValueError(f"val_top1 is from 0 to 1, not {summary['val_top1']}")
    images = summary.get("val_images", 1)
    if images < 1 or images != int(images):
        raise ValueError(f"val_images is a whole number from 1, not {images}")


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(f"{path}: its metadata are damaged ({shortened(why)}); train the model again")


def model_file(place: str | Path) -> Path:
    """Returns the file of a model, or the best model of a run's folder.

    Raises ModelError: there is no such file or folder, or the folder has no best model.
    """
    path = Path(place).expanduser()
    if not exists(path):
        raise ModelError(f"{path} does not exist; give a model's file or a run's folder")
    if path.is_dir():
        if (path / BEST).is_file():
            return path / BEST
        if (path / CONFIG).is_file():
            raise ModelError(f"{path} has no {BEST}: the run has not finished its first round")
        if member := next((each for each in sorted(path.iterdir()) if (each / BEST).is_file()), None):
            raise ModelError(
                f"{path} is a folder of runs: evaluate, predict and serve take it as an ensemble; give one "
                f"of them, such as {member}"
            )
        raise ModelError(f"{path} is a folder, but not a run's: it has neither {BEST} nor {CONFIG}")
    if not path.is_file():
        raise ModelError(f"{path} is not a file; give a model's file or a run's folder")
    return path


def members_in(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The runs in a folder that is no run itself, by name: the members of an ensemble; none otherwise."""
    path = Path(folder).expanduser()
    if not exists(path) or not path.is_dir() or (path / BEST).exists() or (path / CONFIG).exists():
        return ()
    found = [each for each in path.iterdir() if (each / BEST).is_file()]
    return tuple(sorted(found, key=lambda each: (len(each.name), each.name)))


def is_ensemble(where: object) -> bool:
    """Whether this names a folder of runs."""
    return isinstance(where, str | os.PathLike) and bool(members_in(where))


def read_header(place: str | Path) -> Header:
    """Reads the header of a model's file, or of the best model of a run's folder; the checksum is for `load`.

    Raises ModelError: no such file, not a safetensors file, cut short, or not a model of hubel.
    """
    path = model_file(place)
    return Header.from_metadata(read_metadata(path), path)


def read_metadata(path: Path) -> dict[str, str]:
    """Reads the metadata of a safetensors file. Raises ModelError: not such a file, or cut short."""
    try:
        return _metadata(path)
    except RecursionError:
        raise ModelError(f"{path} is not a safetensors file: its header is nested too deeply") from None
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        if path.suffix.lower() in EXPORTED:
            raise ModelError(
                f"{path} is an exported file, which predict, evaluate and info take; give the model that it "
                "was exported from"
            ) from None
        if is_foreign(path.name) and path.is_file():
            raise ModelError(
                f"{path} is a network of another program; make a model of it first: hubel import {path}"
            ) from None
        why = shortened(str(error))
        raise ModelError(f"{path} is not a safetensors file, or is cut short ({why})") from None


def _metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file: 8 bytes of length, a JSON object, then the tensors.

    The library of that name would import numpy or torch. Raises ValueError and others: not such a file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            raise ValueError("it does not begin with the length of a header")
        tensors = parse_json(file.read(length))
    metadata: dict[str, str] = dict(tensors.pop("__metadata__", {}))
    for name, text in metadata.items():
        if not isinstance(text, str):
            raise TypeError(f"its metadata have a {type(text).__name__} for {name}, not a text")
    end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    if size != 8 + length + end:
        raise ValueError(f"it has {size:,} bytes, not {8 + length + end:,}")
    return metadata
