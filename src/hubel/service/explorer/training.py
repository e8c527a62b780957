"""How a training goes, for the page: from the events of a run in this process, or from a run's folder."""

from __future__ import annotations

import csv
import threading
import time
from base64 import b64encode
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hubel.errors import HubelError, UsageError
from hubel.service.explorer.describe import Json
from hubel.training.events import BatchDone, RoundDone, Warned
from hubel.training.run.events import Began, Event, Finished, NetworkChosen, Stopped
from hubel.training.run.folder import RunFolder, round_line

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from hubel.data.arrays import Bytes
    from hubel.evaluation.metrics import Evaluation
    from hubel.service.explorer.exhibit import Exhibit
    from hubel.training.run.session import Session

    Floats = npt.NDArray[np.float32]

STEPS = 400
"""How many of the latest steps are shown."""

MISTAKES_FILE = "errors.csv"
MISTAKES = 24
"""How many of the latest mistakes are shown."""

EVERY_SECONDS = 1.0
"""How often the filters are copied while a network trains."""


class Follower(Protocol):
    """What follows a run."""

    def state(self) -> Json:
        """How the run goes; `of_best`: its mistakes are the best model's, calibrated, not the round's."""

    def filters(self) -> Floats:
        """The filters of the first layer: float32, filters x maps x h x w."""


class Live:
    """Follows a run of this process: a listener of its events, which other threads ask for its state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._rounds: list[Json] = []
        self._steps: deque[list[float]] = deque(maxlen=STEPS)
        self._times: deque[tuple[float, int]] = deque(maxlen=50)
        self._filters: Floats | None = None
        self._copied = 0.0
        self._mistakes: list[Json] = []
        self._about: Json = {"state": "preparing", "progress": 0.0, "epoch": 0, "name": "", "warnings": []}
        self._count = 0
        self._asked: float | None = None
        self._seen = threading.Event()

    def __call__(self, event: Event) -> None:
        """Takes an event of the run."""
        with self._lock:
            match event:
                case NetworkChosen():
                    self._about["network"] = str(event.chosen.candidate.name)
                case Began():
                    self._began(event.session)
                case BatchDone():
                    self._step(event)
                case RoundDone():
                    self._round(event)
                case Warned():
                    self._about["warnings"] = [*self._about["warnings"], event.text][-5:]
                case Finished():
                    self._about |= {"state": "finished", "progress": 1.0}
                case Stopped():
                    self._about["state"] = "stopped"

    def state(self) -> Json:
        """How the run goes; `speed` is in images per second."""
        with self._lock:
            self._asked = time.perf_counter()
            if self._about["state"] in ("finished", "stopped"):
                self._seen.set()
            return {
                **self._about,
                "rounds": list(self._rounds),
                "steps": list(self._steps),
                "speed": self._speed(),
                "mistakes": self._mistakes,
                "of_best": False,
                "count": self._count,
            }

    def wait_until_seen(self, seconds: float) -> None:
        """Waits until somebody who follows the run has seen its end, at most so long."""
        if self._asked is not None and time.perf_counter() - self._asked < 2 * seconds:
            self._seen.wait(seconds)

    def filters(self) -> Floats:
        """The filters of the first layer. Raises UsageError: there are none yet."""
        with self._lock:
            if self._filters is None:
                raise UsageError("the network is not built yet; ask again when training has begun")
            return self._filters

    def _began(self, session: Session) -> None:
        self._session = session
        self._about |= {"state": "running", "name": session.folder.folder.name}
        self._rounds = [*session.folder.metrics()]
        self._copy(session)

    def _step(self, event: BatchDone) -> None:
        now = time.perf_counter()
        self._steps.append([round(event.epoch - 1 + event.batch / max(1, event.batches), 5), event.loss])
        self._count += 1
        self._about |= {"progress": event.progress, "epoch": event.epoch}
        session = self._session
        if session is None:
            return
        self._times.append((now, round(len(session.prepared.train.images) / max(1, event.batches))))
        if now - self._copied > EVERY_SECONDS:
            self._copy(session)

    def _round(self, event: RoundDone) -> None:
        self._times.clear()
        self._rounds.append(round_line(event))
        self._about["progress"] = event.progress
        if self._session is not None:
            self._copy(self._session)
            self._mistakes = mistakes_of_round(self._session, event.val)

    def _copy(self, session: Session) -> None:
        self._filters = first_filters(session.trainer.network)
        self._copied = time.perf_counter()

    def _speed(self) -> float | None:
        if len(self._times) < 2:
            return None
        seconds = self._times[-1][0] - self._times[0][0]
        return round(sum(count for _, count in list(self._times)[1:]) / seconds, 1) if seconds > 0 else None


class FollowedFolder:
    """Follows a run by its folder, whether it is still trained or finished."""

    def __init__(self, folder: Path, exhibit: Exhibit | None = None) -> None:
        self.folder = RunFolder(folder)
        self._exhibit = exhibit
        self._filters: tuple[float, Floats] | None = None

    def state(self) -> Json:
        """How the run goes, by its finished rounds."""
        rounds = self.folder.metrics()
        finished = (self.folder.folder / "report.html").exists()
        return {
            "state": "finished" if finished else "unfinished",
            "name": self.folder.folder.name,
            "progress": 1.0 if finished else None,
            "epoch": rounds[-1]["epoch"] if rounds else 0,
            "rounds": rounds,
            "steps": [],
            "speed": None,
            "mistakes": self._mistakes() if finished else [],
            "of_best": True,
            "warnings": [],
            "count": len(rounds),
        }

    def _mistakes(self) -> list[Json]:
        """The most confident mistakes of the finished run, where its images are there."""
        path = self.folder.folder / MISTAKES_FILE
        exhibit = self._exhibit
        if exhibit is None or exhibit.data is None or not path.is_file():
            return []
        images = exhibit.data.images
        places = {images.name(at): at for at in range(len(images))}
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row["path"] in places][:MISTAKES]
        take = exhibit.opened.preprocessing
        return [
            mistake_json(
                row["path"],
                (row["truth"], row["prediction"]),
                float(row["probability"]),
                images.fitted(places[row["path"]], take),
            )
            for row in rows
        ]

    def filters(self) -> Floats:
        """The filters of the first layer of the best model so far. Raises UsageError: there is none yet."""
        from hubel.model.file import load

        best = self.folder.best
        if not best.exists():
            raise UsageError("the run has no model yet; it has one after its first round")
        written = best.stat().st_mtime
        if self._filters is None or self._filters[0] != written:
            self._filters = written, first_filters(load(best).network)
        return self._filters[1]


def first_filters(network: nn.Module) -> Floats:
    """Returns a copy of the first four-dimensional weight of a network: float32, filters x maps x h x w.

    Raises UsageError: it has no convolution.
    """
    for _, weight in network.named_parameters():
        if weight.dim() == 4:
            return np.array(weight.detach().float().cpu().numpy(), np.float32, order="C")
    raise UsageError("the network has no convolution, so no filters to show")


def mistakes_of_round(session: Session, val: Evaluation) -> list[Json]:
    """Returns the most confident mistakes of a round: the image, its class, and the one it was given."""
    data = session.prepared.val.images
    classes = session.prepared.data.classes
    wrong = val.wrong.tolist()[:MISTAKES]
    found = []
    for at in wrong:
        try:
            pixels = data[at]
        except HubelError:  # of a stream, an image that cannot be read again
            continue
        predicted = int(val.predicted[at])
        named = classes[int(val.labels[at])], classes[predicted]
        found.append(mistake_json(data.names[at], named, float(val.probabilities[at, predicted]), pixels))
    return found


def mistake_json(name: str, classes: tuple[str, str], confidence: float, pixels: Bytes) -> Json:
    """Returns a mistake as the page reads it; `classes` are the true one and the one it was given."""
    height, width, depth = pixels.shape
    return {
        "name": name,
        "label": classes[0],
        "predicted": classes[1],
        "confidence": round(confidence, 4),
        "height": height,
        "width": width,
        "depth": depth,
        "pixels": b64encode(np.ascontiguousarray(pixels).tobytes()).decode(),
    }


__all__ = ["FollowedFolder", "Follower", "Live", "first_filters"]
