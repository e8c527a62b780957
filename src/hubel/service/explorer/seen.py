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

from hubel.data.image.reading import Encoded
from hubel.errors import DataError, UsageError
from hubel.instruments.maps import LayerMaps, Maps, maps, seen_paths
from hubel.instruments.neuron import neuron
from hubel.instruments.unit import Unit
from hubel.report.instruments.neuron import as_json
from hubel.service.explorer.describe import Json

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.service.explorer.exhibit import Exhibit

    Bytes = npt.NDArray[np.uint8]

KEPT = 64
"""How many images are kept; the one that was not used for longest goes first."""

MOST_VALUES = 40_000_000
"""The most values that one answer gives."""


class Seen:
    """Images by the digest of their pixels, for one exhibit; the maps of the last one are kept."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.exhibit = exhibit
        self._pixels: OrderedDict[str, Bytes] = OrderedDict()
        self._maps: tuple[str, Maps] | None = None
        self._lock = threading.Lock()

    def read(self, data: bytes) -> Json:
        """Takes the bytes of an image file and returns it as `add` does.

        Raises DataError: it cannot be read.
        """
        return self.add(self.exhibit.specimen.preprocessing.read(Encoded("image", data)))

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
        `PATH:maps`: int64, which these are. `scores` and `probabilities`: float32, one per class. The metadata
        has for each path its scale, the largest magnitude of all maps, and whether any value is negative.

        Raises DataError: no such image. Raises UsageError: no such layer or map, or more than 40 million values.
        """
        found = self._computed(key)
        layers = {layer.path: layer for layer in found.layers}
        arrays: dict[str, npt.NDArray[Any]] = {
            "scores": np.ascontiguousarray(found.scores),
            "probabilities": self._probabilities(found.scores),
        }
        about: Json = {}
        values = 0
        for path in paths:
            if path not in layers:
                self.exhibit.specimen.subject.step(path)
                raise UsageError(f"{path} has no maps")
            layer = layers[path]
            chosen = self._channels(layer, most, channels)
            values += len(chosen) * layer.volume.height * layer.volume.width
            if values > MOST_VALUES:
                raise UsageError(f"that is more than {MOST_VALUES:,} values at once; ask for fewer maps")
            arrays[path] = np.ascontiguousarray(layer.values[chosen])
            arrays[f"{path}:maps"] = chosen
            about[path] = {"scale": layer.scale, "signed": layer.signed}
        return arrays, {"layers": json.dumps(about)}

    def neuron(self, key: str, name: str) -> Json:
        """Returns the arithmetic of one unit, and `here`, the values of all maps at its place.

        Raises UsageError: no such unit. Raises DataError: no such image.
        """
        exhibit = self.exhibit
        subject = exhibit.specimen.subject
        unit = Unit.parse(name, subject.steps)
        with exhibit.lock, torch.no_grad():
            found: Json = json.loads(as_json(neuron(subject, self._input(key), unit)))
        layer = next(layer for layer in self._computed(key).layers if layer.path == unit.path)
        row, column = unit.row or 0, unit.column or 0
        return found | {"here": [round(float(value), 7) for value in layer.values[:, row, column]]}

    def _probabilities(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The probabilities of classes, with the model's temperature."""
        specimen = self.exhibit.specimen
        if not len(scores) or specimen.subject.last.layer.kind == "softmax":
            return scores
        heat = 1.0 if specimen.model is None else specimen.model.temperature
        found: npt.NDArray[np.float32] = (torch.from_numpy(scores) / heat).softmax(0).numpy()
        return found

    def _channels(self, layer: LayerMaps, most: int, channels: Sequence[int]) -> npt.NDArray[np.int64]:
        if not channels:
            return np.asarray(layer.strongest(max(1, most)), np.int64)
        for channel in channels:
            Unit(layer.path, channel).check(self.exhibit.specimen.subject.steps)
        return np.asarray(channels, np.int64)

    def _input(self, key: str) -> torch.Tensor:
        """An image as the network sees it. Raises DataError: it is not kept, or no longer."""
        with self._lock:
            pixels = self._pixels.get(key)
            if pixels is None:
                raise DataError(f"there is no image {key!r} here, or no longer; send it again")
            self._pixels.move_to_end(key)
        batch = torch.from_numpy(np.array(pixels)[None])
        return self.exhibit.specimen.preprocessing.normalise(batch)[0]

    def _computed(self, key: str) -> Maps:
        """The maps of all layers of an image; those of the last image are kept."""
        subject = self.exhibit.specimen.subject
        image = self._input(key)
        with self.exhibit.lock, torch.no_grad():
            if self._maps is None or self._maps[0] != key:
                self._maps = key, maps(subject, image, seen_paths(subject))
            return self._maps[1]
