"""What the explorer shows: a network with its ledger and, once it is asked for, its weights and images."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.errors import DataError, UsageError
from hubel.net.algebra import Net
from hubel.service.explorer.describe import Json, fits_browser, network_json

if TYPE_CHECKING:
    from hubel.data.dataset import Images
    from hubel.evaluation.splits import SplitImages
    from hubel.net.ledger import Ledger
    from hubel.net.volume import VolumeLike
    from hubel.tasks.look.specimen import Specimen

DIGITS = "digits"
"""The name of the model that is shown where none is given."""

SAMPLES = 12
"""How many images of a data set are offered to look at."""


@dataclass(eq=False)
class Exhibit:
    """A network to explore.

    `name` is what to call it, `notation` its text. `open` gives the network with its weights, which are random
    where it is not `trained`. `data` are the images to look at and to search, None without a data set. `run` is
    the folder of the run that trains or trained it. `lock` keeps two requests from running it at once.
    """

    name: str
    notation: str
    ledger: Ledger
    open: Callable[[], Specimen]
    trained: bool = True
    data: SplitImages | None = None
    run: Path | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @cached_property
    def specimen(self) -> Specimen:
        """The network in front of the instruments. Raises NetworkError: it does not fit the memory."""
        with self.lock:
            return self.open()

    @cached_property
    def in_browser(self) -> bool:
        """Whether the page computes the network itself."""
        return fits_browser(self.ledger.steps)

    def samples(self) -> list[tuple[str, str, np.ndarray[Any, np.dtype[np.uint8]]]]:
        """Some images of the data set: the name, the class, and the pixels as the network sees them."""
        if self.data is None:
            return []
        images = self.data.images
        chosen = spread(images, SAMPLES)
        take = self.specimen.preprocessing
        classes = self.data.classes
        return [
            (images.name(at), classes[int(images.labels[at])], images.fitted(at, take)) for at in chosen
        ]

    def document(self) -> Json:
        """The network as the page reads it, without its weights."""
        from hubel.instruments.maps import passing

        specimen = self.specimen
        model = specimen.model
        subject = specimen.subject
        return {
            "name": self.name,
            "notation": self.notation,
            "trained": self.trained,
            "classes": list(specimen.classes),
            "network": network_json(self.ledger),
            "preprocessing": preprocessing_json(specimen),
            "temperature": 1.0 if model is None else model.temperature,
            "softmax": subject.last.layer.kind == "softmax",
            "browser": self.in_browser,
            "passing": list(passing(subject)),
            "data": "" if self.data is None else self.data.name,
            "images": 0 if self.data is None else len(self.data.images),
            "run": "" if self.run is None else self.run.name,
        }


def preprocessing_json(specimen: Specimen) -> Json:
    """How an image becomes the network's input."""
    from dataclasses import asdict

    return asdict(specimen.preprocessing)


def spread(images: Images, most: int) -> list[int]:
    """At most `most` places of images, the classes in turn: the first of each class, then the second."""
    labels = images.labels
    seen: dict[int, int] = {}
    ranked = []
    for at, label in enumerate(labels.tolist()):
        ranked.append((seen.get(label, 0), label, at))
        seen[label] = seen.get(label, 0) + 1
    return [at for _, _, at in sorted(ranked)[:most]]


def exhibit(
    what: str | os.PathLike[str] | Net | None = None,
    volume: VolumeLike | None = None,
    *,
    data: Any = None,
    allow_code: bool = False,
    force: bool = False,
) -> Exhibit:
    """Returns what the explorer shows: a model, a network without weights, or the digits where none is given.

    `what` is a model's file, a run or its folder, the name of a pretrained network, a network, its notation or
    its name in the zoo; `volume` is the input of a network. `data` are the images to show; by default those
    that a run was trained on, where they are still there.

    Raises UsageError, ModelError, NotationError, SizeError: there is no such network, or it does not fit.
    Raises DataError: images that cannot be read.
    """
    if what is None:
        return digits()
    if isinstance(what, Net) or not _is_model(os.fspath(what)):
        found = _of_net(what, volume, force=force)
    else:
        found = _of_model(os.fspath(what), allow_code=allow_code, force=force)
    if data is not None:
        from hubel.evaluation.splits import images_of

        found.data = images_of(data, "auto", found.specimen.model)
    return found


def digits() -> Exhibit:
    """LeNet-5 trained on scikit-learn's digits, with the images that were held out: both come with hubel."""
    from hubel.data.dataset import ArrayImages, numbered
    from hubel.evaluation.splits import SplitImages
    from hubel.model.file import load

    with as_file(files("hubel.service.explorer") / "digits") as folder:
        model = load(folder / "lenet5.safetensors")
        with np.load(folder / "held_out.npz", allow_pickle=False) as kept:
            pixels, labels = kept["pixels"], kept["labels"].astype(np.int64)
    images = ArrayImages(labels, pixels, numbered("digits", len(pixels)))
    found = _of_open_model(model, DIGITS)
    found.data = SplitImages(DIGITS, "val", model.classes, images)
    return found


def _is_model(text: str) -> bool:
    """Whether a text names something trained: a file, a run's folder, or a network that comes trained."""
    from hubel.model.pretrained import PRETRAINED
    from hubel.tasks.network import is_model_file

    return is_model_file(text) or text in PRETRAINED or Path(text).is_dir()


def _of_model(where: str, *, allow_code: bool, force: bool) -> Exhibit:
    from hubel.model.open import open_model
    from hubel.training.run.folder import RunFolder

    model = open_model(where, allow_code=allow_code, force=force)
    found = _of_open_model(model, Path(where).stem if Path(where).is_file() else Path(where).name)
    if Path(where).is_dir():
        found.run = Path(where)
        found.data = _images_of_run(RunFolder(Path(where)), model)
    return found


def _of_open_model(model: Any, name: str) -> Exhibit:
    from dataclasses import replace

    from hubel.net.ledger import Ledger
    from hubel.tasks.look.specimen import open_specimen

    specimen = replace(open_specimen(model), where=name)
    ledger = Ledger.of(model.network.volume, specimen.subject.steps)
    return Exhibit(name, model.description, ledger, lambda: specimen, trained=not model.untrained)


def _images_of_run(folder: Any, model: Any) -> SplitImages | None:
    """The validation images of a run; None where its data set is no longer there, or was in memory."""
    from hubel.data.sources import is_from_python
    from hubel.evaluation.splits import images_of

    try:
        where = folder.config().data
        return None if is_from_python(where) else images_of(where, "auto", model)
    except (DataError, UsageError):
        return None


def _of_net(what: str | os.PathLike[str] | Net, volume: VolumeLike | None, *, force: bool) -> Exhibit:
    from hubel.tasks.network import given

    found = given(what, volume)
    if not isinstance(found.net, Net):
        raise UsageError(f"{found.name} is a torch module; explore takes a network, or a model's file")
    net = found.net

    def open_random() -> Specimen:
        from hubel.module.network import build
        from hubel.tasks.look.specimen import open_specimen

        return open_specimen(build(net, found.volume, force=force))

    return Exhibit(found.short, repr(net), found.ledger(), open_random, trained=False)
