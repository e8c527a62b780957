"""The images that the explorer was shown, and what a network computes of them."""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hubel.data.image.reading import Encoded
from hubel.errors import UsageError
from hubel.instruments.neuron import neuron
from hubel.instruments.unit import Unit
from hubel.report.instruments.neuron import as_json
from hubel.service.explorer.describe import Json
from hubel.service.refusals import RefusedError

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.service.explorer.exhibit import Exhibit

    Bytes = npt.NDArray[np.uint8]
    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]
    Values = dict[str, Floats]

KEPT = 64
"""How many images are kept; the one that was not used for longest goes first."""

MOST_VALUES = 40_000_000
"""The most values that one answer gives."""


class Seen:
    """Images by the digest of their pixels, for one exhibit; the maps of the last one are kept."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.exhibit = exhibit
        self._pixels: OrderedDict[str, Bytes] = OrderedDict()
        self._values: tuple[str, Values, Floats] | None = None
        self._lock = threading.Lock()

    def read(self, data: bytes) -> Json:
        """Takes the bytes of an image file and returns it as `add` does.

        Raises DataError: it cannot be read.
        """
        return self.add(self.exhibit.opened.preprocessing.read(Encoded("image", data)))

    def add(self, pixels: Bytes, name: str = "", label: str = "") -> Json:
        """Keeps the pixels of an image and returns them with its id: base64 of uint8, h x w x c."""
        height, width, depth = pixels.shape
        content = np.ascontiguousarray(pixels).tobytes()
        key = hashlib.sha256(content).hexdigest()[:32]
        with self._lock:
            self._pixels[key] = pixels
            self._pixels.move_to_end(key)
            while len(self._pixels) > KEPT:
                self._pixels.popitem(last=False)
        return {
            "id": key,
            "name": name,
            "label": label,
            "height": height,
            "width": width,
            "depth": depth,
            "pixels": b64encode(content).decode(),
        }

    def samples(self) -> list[Json]:
        """Some images of the data set, kept, with their classes."""
        return [self.add(pixels, name, label) for name, label, pixels in self.exhibit.samples()]

    def maps(
        self, key: str, paths: Sequence[str], *, most: int = 16, channels: Sequence[int] = ()
    ) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
        """Returns the maps of layers for an image, as named arrays and their metadata.

        `PATH`: float32, maps x height x width, those named by `channels` or else the `most` with most energy;
        `PATH:maps`: int64, which these are. `scores` and `probabilities`: float32, one per class. The
        metadata has for each path its scale, the largest magnitude of all maps, and whether any value is
        negative.

        Raises RefusedError: no such image. Raises UsageError: no such layer or map, or too many values.
        """
        values, scores = self._computed(key)
        arrays: dict[str, npt.NDArray[Any]] = {"scores": scores, "probabilities": self._probabilities(scores)}
        about: Json = {}
        given = 0
        for path in paths:
            if path not in values:
                self.exhibit.opened.subject.step(path)
                raise UsageError(f"{path} has no maps")
            every = values[path]
            chosen = self._channels(path, every, most, channels)
            given += len(chosen) * every[0].size
            if given > MOST_VALUES:
                raise UsageError(f"that is more than {MOST_VALUES:,} values at once; ask for fewer maps")
            arrays[path] = np.ascontiguousarray(every[chosen])
            arrays[f"{path}:maps"] = chosen
            low, high = float(every.min()), float(every.max())
            about[path] = {"scale": max(-low, high, 0.0), "signed": low < 0}
        return arrays, {"layers": json.dumps(about)}

    def neuron(self, key: str, name: str) -> Json:
        """Returns the arithmetic of one unit, and `here`, the values of all maps at its place.

        Raises UsageError: no such unit. Raises RefusedError: no such image.
        """
        exhibit = self.exhibit
        subject = exhibit.opened.subject
        unit = Unit.parse(name, subject.steps)
        with exhibit.lock, torch.no_grad():
            found: Json = json.loads(as_json(neuron(subject, self._input(key), unit)))
        every = self._computed(key)[0][unit.path]
        here = every[:, unit.row or 0, unit.column or 0]
        return found | {"here": [float(f"{value:.8g}") for value in here]}

    def _probabilities(self, scores: Floats) -> Floats:
        """The probabilities of classes, with the model's temperature."""
        opened = self.exhibit.opened
        if not len(scores) or opened.ends_in_softmax:
            return scores
        found: Floats = (torch.from_numpy(scores) / opened.temperature).softmax(0).numpy()
        return found

    def _channels(self, path: str, every: Floats, most: int, channels: Sequence[int]) -> Counts:
        if not channels:
            energy = np.square(every).sum((1, 2))
            return np.sort(np.argsort(-energy, kind="stable")[:most]).astype(np.int64)
        for channel in channels:
            Unit(path, channel).check(self.exhibit.opened.subject.steps)
        return np.asarray(channels, np.int64)

    def _input(self, key: str) -> torch.Tensor:
        """An image as the network sees it. Raises RefusedError: it is not kept, or no longer."""
        with self._lock:
            pixels = self._pixels.get(key)
            if pixels is None:
                raise RefusedError(404, f"there is no image {key[:40]!r} here, or no longer; send it again")
            self._pixels.move_to_end(key)
        batch = torch.from_numpy(np.array(pixels)[None])
        return self.exhibit.opened.preprocessing.normalise(batch)[0]

    def _computed(self, key: str) -> tuple[Values, Floats]:
        """The values of all layers for an image, and its scores; those of the last image are kept."""
        subject = self.exhibit.opened.subject
        image = self._input(key)
        with self.exhibit.lock, torch.no_grad():
            if self._values is None or self._values[0] != key:
                found: Values = {}

                def keep(path: str, value: Tensor) -> Tensor:
                    found[path] = value[0].float().numpy().copy()
                    return value

                paths = [step.path for step in subject.steps if subject.sees(step.path)]
                out = subject.run(image[None], keep, paths)
                scores = out[0].float().numpy().copy() if out.dim() == 2 else np.empty(0, np.float32)
                self._values = key, found, scores
            return self._values[1:]
