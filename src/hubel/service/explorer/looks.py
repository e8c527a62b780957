"""What every map of a network looks for: one pass over the images of a set, in the background."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import numpy as np
import torch

from hubel.errors import HubelError, UsageError
from hubel.instruments.atlas import Atlas, Census, tuned
from hubel.instruments.deconv import fitting
from hubel.instruments.stream import stream
from hubel.instruments.subject import features
from hubel.instruments.tuning import tune
from hubel.report.instruments.atlas import layer_text
from hubel.service.explorer.describe import Json

if TYPE_CHECKING:
    from hubel.service.explorer.exhibit import Exhibit

MOST_IMAGES = 2_000
"""How many images of a set are looked at, evenly spread."""

MAPS = 64
"""The most maps of a layer that are shown, its first ones."""

BATCH = 64


class Looks:
    """The pass over the images of an exhibit's data set, and what it found, layer by layer."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.exhibit = exhibit
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._done = self._total = 0
        self._error = ""
        self._atlas: Atlas | None = None
        self._texts: dict[str, str] = {}

    def state(self) -> Json:
        """How far the pass is: `none` where there are no images, `idle`, `running`, `failed` or `done`.

        `layers` are those that are looked at, `classes` those of the images, `rule` that of the projections;
        `from` is the atlas that all this is read from, if it is.
        """
        exhibit = self.exhibit
        if exhibit.atlas is not None:
            atlas = exhibit.atlas
            return {
                "state": "done",
                "done": 0,
                "total": 0,
                "error": "",
                "layers": list(atlas.layers),
                "classes": list(atlas.classes),
                "rule": atlas.rule,
                "from": atlas.path.name,
                "remark": "",
            }
        if exhibit.data is None:
            state = "none"
        elif self._atlas is not None:
            state = "done"
        elif self._error:
            state = "failed"
        else:
            state = "idle" if self._thread is None else "running"
        layers = list(features(exhibit.opened.subject)) if state != "none" else []
        return {
            "state": state,
            "done": self._done,
            "total": self._total,
            "error": self._error,
            "layers": layers,
            "classes": [] if exhibit.data is None else list(exhibit.data.classes),
            "rule": fitting(exhibit.opened.subject),
            "from": "",
            "remark": exhibit.remark,
        }

    def start(self) -> Json:
        """Begins the pass, if it has not begun. Raises UsageError: there are no images to look at."""
        if self.exhibit.data is None:
            raise UsageError("there are no images to look at; name some: hubel explore MODEL --data DATA")
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        return self.state()

    def layer(self, path: str) -> str:
        """Returns a layer as JSON, as the atlas has it: its maps with patches, projections and tuning.

        Raises UsageError: the pass is not done, or it has no such layer.
        """
        written = self.exhibit.atlas
        if written is not None:
            if path not in written.layers:
                raise UsageError(f"{path} is not in {written.path}; these are: {', '.join(written.layers)}")
            return written.layers[path]
        if self._atlas is None:
            raise UsageError("the images are not looked at yet; POST to looks, and wait until it is done")
        with self.exhibit.lock:
            if path not in self._texts:
                self._texts[path] = self._made(self._atlas, path)
            return self._texts[path]

    def _run(self) -> None:
        """The pass; an error is kept, to be shown."""
        try:
            self._atlas = self._pass()
        except (HubelError, OSError) as error:
            self._error = str(error)

    def _pass(self) -> Atlas:
        exhibit = self.exhibit
        assert exhibit.data is not None
        opened = exhibit.opened
        images = exhibit.data.images
        if len(images) > MOST_IMAGES:
            images = images.select(np.linspace(0, len(images) - 1, MOST_IMAGES).round().astype(np.intp))
        self._total = len(images)
        census = Census(opened.subject, images.labels, len(exhibit.data.classes))
        for batch in stream(images, opened.preprocessing, batch=BATCH):
            with exhibit.lock, torch.no_grad():
                census.take(batch)
            self._done = census.done
        rule = fitting(opened.subject)
        return Atlas(opened.subject, opened.preprocessing, images, census.seen(), (), rule, MAPS)

    def _made(self, atlas: Atlas, path: str) -> str:
        """A layer's text: its patches projected, and the tuning of its maps."""
        subject = atlas.subject
        if path not in [top.path for top in atlas.seen.tops]:
            subject.step(path)
            raise UsageError(f"{path} is not looked at; these are: {', '.join(features(subject))}")
        from dataclasses import replace

        units = tuned(subject, [path], most=MAPS)
        found = tune(subject, units, atlas.preprocessing.normalise) if units else []
        atlas = replace(atlas, tunings=found)
        view = next(layer for layer in atlas.layers() if layer.path == path)
        return layer_text(view, atlas.units(path), subject.volume, atlas.images.labels)


def every_layer(looks: Looks) -> list[Json]:
    """Returns all layers, for a page without a server; looks at the images first, if it has to."""
    if looks.exhibit.atlas is None:
        looks.start()
        assert looks._thread is not None  # noqa: SLF001
        looks._thread.join()  # noqa: SLF001
    return [json.loads(looks.layer(path)) for path in looks.state()["layers"]]
