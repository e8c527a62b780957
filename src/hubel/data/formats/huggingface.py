"""Hugging Face: sets of the hub, and Parquet and Arrow files, read by the library `datasets`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.data.dataset import SPLITS, DataSet, labelled
from hubel.data.image.modes import upright
from hubel.data.image.reading import Encoded, read_image
from hubel.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

    from hubel.data.arrays import Bytes, Indices, Labels
    from hubel.data.image.preprocess import Preprocessing

SCHEME = "hf:"

_NAME = re.compile(r"hf:(?P<name>[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)(?:@(?P<config>[\w.-]+))?")
_SAVED = ("state.json", "dataset_dict.json")
_TABLES = {".parquet": "parquet", ".arrow": "arrow"}


@dataclass(frozen=True, eq=False)
class TableImages:
    """Images in the rows of a table, decoded when needed; image i is in row `places[i]`.

    `rows` is a `datasets.Dataset` whose `column` has encoded images, {"bytes": ..., "path": ...}: the library
    itself would open them in any format. An image's name is its place, such as `cifar10/train/7`.
    """

    labels: Labels
    places: Indices
    rows: Any
    column: str
    source: str

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """The image's place in its source."""
        return f"{self.source}/{self.places[index]}"

    def image(self, index: int) -> Image.Image:
        """The whole image. Raises DataError: it is missing or cannot be read."""
        name = self.name(index)
        cell: dict[str, Any] | None = self.rows[int(self.places[index])][self.column]
        data, path = (b"", "") if cell is None else (cell["bytes"], cell["path"])
        if not data and not path:
            raise DataError(f"{name}: has no image; remove the row")
        try:
            return read_image(Encoded(name, data) if data else Path(path))
        except DataError as error:
            reason = str(error).removeprefix(f"{name}: ")
            raise DataError(f"{name}: is a damaged image ({reason}); remove the row") from error

    def fitted(self, index: int, preprocessing: Preprocessing) -> Bytes:
        """The preprocessed image. Raises DataError: as `image` and the preprocessing."""
        image = self.image(index)
        try:
            return preprocessing.pixels(image)
        except DataError as error:
            raise DataError(f"{self.name(index)}: {error}") from error

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels, upright. Raises DataError: as `image`."""
        image = upright(self.image(index))
        return image.height, image.width

    def select(self, indices: Indices) -> TableImages:
        """The images at `indices`, in that order; nothing is read."""
        return TableImages(self.labels[indices], self.places[indices], self.rows, self.column, self.source)


def read_hub(text: str) -> DataSet:
    """Reads the set named by `hf:NAME` or `hf:NAME@CONFIG`, downloading it once.

    Raises DataError: a malformed name, the library is missing, the hub cannot be reached or has no such set,
    or as `read_loaded`.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise DataError(f"{text!r} does not name a set of the hub; write hf:ylecun/mnist, or hf:NAME@CONFIG")
    return read_loaded(_loaded(text, match["name"], match["config"]), match["name"])


def is_tables(folder: Path) -> bool:
    """Whether the folder, or its subfolder `data`, holds Parquet or Arrow files."""
    return _kind(folder) is not None


def read_tables(folder: Path) -> DataSet:
    """Reads a folder of Parquet or Arrow files, split by name as on the hub: `train-00000.parquet`.

    Raises DataError: the library is missing or cannot read the files, or as `read_loaded`.
    """
    name = folder.resolve().name
    if any((folder / file).is_file() for file in _SAVED):
        try:
            return read_loaded(_library(str(folder)).load_from_disk(str(folder)), name)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder}: cannot be read ({error}); save the set to disk again") from error
    return read_loaded(_loaded(str(folder), str(_kind(folder)), data_dir=str(folder)), name)


def read_table(file: Path) -> DataSet:
    """Reads one Parquet or Arrow file, all of it training.

    Raises DataError: as `read_tables`.
    """
    kind = _TABLES[file.suffix.lower()]
    return read_loaded(_loaded(str(file), kind, data_files=str(file)), file.stem)


def _kind(folder: Path) -> str | None:
    """The library's name of the format of a folder's files."""
    for place in (folder, folder / "data"):
        for suffix, kind in _TABLES.items():
            if next(place.glob(f"*{suffix}"), None) is not None:
                return kind
    return "arrow" if (folder / _SAVED[1]).is_file() else None


def _library(where: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise DataError(
            f'{where}: this needs the library datasets, which is not installed; run `pip install "hubel[hf]"`'
        ) from None
    return datasets


def _loaded(where: str, *what: str | None, **options: str) -> Any:
    """Calls the library, whose errors are of many types and several lines."""
    datasets = _library(where)
    try:
        return datasets.load_dataset(*what, **options)
    except Exception as error:  # OSError, ValueError, its own and its HTTP client's
        cause = error.__cause__ or error
        message = str(cause).strip().partition("\n")[0] or type(cause).__name__
        raise DataError(f"{where}: cannot be read ({message})") from error


def is_loaded(given: object) -> bool:
    """Whether an object is a `Dataset` or `DatasetDict` of the library."""
    library = type(given).__module__.partition(".")[0] == "datasets"
    return library and (hasattr(given, "features") or hasattr(given, "column_names"))


def read_loaded(found: Any, name: str) -> DataSet:
    """Returns the set in a loaded `Dataset`, all of it training, or `DatasetDict` of splits.

    Images are in the only column of images. Labels are in the only column of class labels; if there is none,
    in the only one of whole numbers or texts; if there are several, in the one called `label`. A test split
    without labels is left out.

    Raises DataError: no training split, or no such column.
    """
    tables = {"train": found} if hasattr(found, "features") else dict(found)
    splits = {SPLITS[key]: rows for key, rows in tables.items() if key in SPLITS}
    if "train" not in splits:
        raise DataError(f"{name}: has no split called train, only {', '.join(tables)}")
    features = splits["train"].features
    image, label = _columns(features, name)
    values = {split: rows.select_columns([label])[:][label] for split, rows in splits.items()}
    if "test" in values and set(values["test"]) <= {-1, None}:
        del values["test"]
    for split, column in values.items():
        if None in column:
            raise DataError(f"{name}/{split}/{column.index(None)}: has no {label}; remove the row")
    classes = getattr(features[label], "names", None)
    if classes:
        labels = {split: np.array(column, np.int64) for split, column in values.items()}
    else:
        classes, labels = labelled({split: list(map(str, column)) for split, column in values.items()})
    images = {
        split: TableImages(of, np.arange(len(of)), _imaged(splits[split], image), image, f"{name}/{split}")
        for split, of in labels.items()
    }
    return DataSet(name, tuple(classes), images["train"], images.get("val"), images.get("test"))


def _columns(features: Any, name: str) -> tuple[str, str]:
    """The columns of images and of labels."""
    datasets = _library(name)
    images = [column for column, kind in features.items() if _is_image(kind)]
    labels = [column for column, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    labels = labels or [column for column, kind in features.items() if _is_name(kind)]
    if len(labels) > 1 and "label" in labels:
        labels = ["label"]
    if len(images) != 1 or len(labels) != 1:
        columns = ", ".join(f"{column} ({_kind_name(kind)})" for column, kind in features.items())
        raise DataError(
            f"{name}: needs one column of images and one of labels, of class labels, whole numbers or texts; "
            f"its columns are {columns}"
        )
    return images[0], labels[0]


def _is_image(kind: Any) -> bool:
    """Whether a column holds images, declared as such or as bytes with a path."""
    return type(kind).__name__ == "Image" or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})


def _is_name(kind: Any) -> bool:
    return str(getattr(kind, "dtype", "")).startswith(("int", "uint", "string", "large_string"))


def _kind_name(kind: Any) -> str:
    dtype = getattr(kind, "dtype", None)
    return dtype if isinstance(dtype, str) and type(kind).__name__ == "Value" else type(kind).__name__


def _imaged(rows: Any, column: str) -> Any:
    """The table's column of images alone, not decoded."""
    alone = rows.select_columns([column])
    if type(alone.features[column]).__name__ != "Image":  # bytes and paths as they are
        return alone
    return alone.cast_column(column, _library(column).Image(decode=False))
