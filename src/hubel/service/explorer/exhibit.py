"""What the explorer shows: a network with its ledger and, once it is asked for, its weights and images."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import DataError
from hubel.files import exists
from hubel.instruments.subject import Subject
from hubel.model.file import Model, load
from hubel.net.ledger import Ledger
from hubel.service.explorer.describe import Json, fits_browser, network_json

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing
    from hubel.evaluation.splits import SplitImages
    from hubel.report.instruments.written import WrittenAtlas

DIGITS = "digits"
"""The name of the model that is shown where none is given."""

SAMPLES = 12
"""How many images of a data set are offered to look at."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A network with its weights: what it takes to show it an image, and the names of its scores."""

    subject: Subject
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    temperature: float = 1.0

    @classmethod
    def of(cls, model: Model) -> Opened:
        """Returns a model as it is explored."""
        return cls(Subject.of(model.network), model.preprocessing, model.classes, model.temperature)

    @property
    def ends_in_softmax(self) -> bool:
        """Whether the network's results are probabilities already."""
        return self.subject.last.layer.kind == "softmax"


@dataclass(eq=False)
class Exhibit:
    """A network to explore.

    `name` is what to call it, `notation` its text. `open` gives the network with its weights, which are
    random where it is not `trained`. `data` are the images to look at and to search, None without a data set.
    `atlas` is what its maps look for, where that is written already, `remark` why one beside it is not read.
    `lock` keeps two requests from running it at once.
    """

    name: str
    notation: str
    ledger: Ledger
    open: Callable[[], Opened]
    trained: bool = True
    data: SplitImages | None = None
    atlas: WrittenAtlas | None = None
    remark: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, name: str, model: Model, data: SplitImages | None = None) -> Exhibit:
        """Returns a trained model to explore."""
        opened = Opened.of(model)
        ledger = Ledger.of(opened.subject.volume, opened.subject.steps)
        return cls(name, model.description, ledger, lambda: opened, not model.untrained, data)

    @cached_property
    def opened(self) -> Opened:
        """The network with its weights. Raises NetworkError: it does not fit the memory."""
        with self.lock:
            return self.open()

    def take_atlas(self, path: Path) -> None:
        """Takes what the maps look for from an atlas, a page or the folder that it is in.

        Raises DataError: it cannot be read, or is of other weights.
        """
        from hubel.module.digest import weights_digest
        from hubel.report.instruments.written import read_atlas

        found = read_atlas(path)
        if found.weights != weights_digest(self.opened.subject.module):
            raise DataError(
                f"{found.path} is the atlas of other weights than those of {self.name}; write it again: "
                "hubel look MODEL atlas --data DATA"
            )
        self.atlas = found

    def find_atlas(self, where: object) -> None:
        """Takes the atlas beside a model's file, or in a run's folder, if there is one.

        `remark` says why it is of no use, if it is not.
        """
        from hubel.report.instruments.written import PAGE

        if not isinstance(where, str | os.PathLike) or not exists(where):
            return
        folder = Path(where) if Path(where).is_dir() else Path(where).parent
        if not (folder / PAGE).is_file():
            return
        try:
            self.take_atlas(folder)
        except DataError as error:
            self.remark = str(error)

    def samples(self) -> list[tuple[str, str, Bytes]]:
        """Some images of the data set: the name, the class, and the pixels as the network sees them.

        Raises DataError: an image that cannot be read.
        """
        if self.data is None:
            return []
        images, classes, take = self.data.images, self.data.classes, self.opened.preprocessing
        return [
            (images.name(at), classes[int(images.labels[at])], images.fitted(at, take))
            for at in in_turn(images, SAMPLES)
        ]

    def document(self) -> Json:
        """The network as the page reads it, without its weights."""
        from hubel.instruments.maps import passing

        opened = self.opened
        return {
            "name": self.name,
            "notation": self.notation,
            "trained": self.trained,
            "classes": list(opened.classes),
            "network": network_json(self.ledger),
            "preprocessing": asdict(opened.preprocessing),
            "temperature": opened.temperature,
            "softmax": opened.ends_in_softmax,
            "browser": fits_browser(self.ledger.steps),
            "passing": list(passing(opened.subject)),
            "data": "" if self.data is None else self.data.name,
            "images": 0 if self.data is None else len(self.data.images),
        }


def in_turn(images: Images, most: int) -> Sequence[int]:
    """At most `most` places of images, the classes in turn: the first of each class, then the second."""
    labels = images.labels
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.empty(len(labels), np.intp)
    rank[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    chosen: Sequence[int] = np.lexsort((labels, rank))[:most].tolist()
    return chosen


def digits() -> Exhibit:
    """LeNet-5 trained on scikit-learn's digits, and the digits that were held out: both come with hubel."""
    from hubel.data.dataset import ArrayImages, numbered
    from hubel.evaluation.splits import SplitImages

    with as_file(files("hubel.service.explorer") / "digits") as folder:
        model = load(Path(folder, "lenet5.safetensors"))
        with np.load(Path(folder, "held_out.npz"), allow_pickle=False) as kept:
            pixels, labels = kept["pixels"], kept["labels"].astype(np.int64)
    images = ArrayImages(labels, pixels, numbered(DIGITS, len(pixels)))
    return Exhibit.of(DIGITS, model, SplitImages(DIGITS, "val", model.classes, images))
