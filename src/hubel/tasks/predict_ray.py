"""Predictions by the machines of a Ray cluster, in order; what a lost machine had is done again.

Batches are Ray's tasks, not a Ray Data set, which would list all images before the first is read.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.data.image.objects import is_path
from hubel.errors import UsageError
from hubel.model.classifier import classifier
from hubel.model.prediction import Prediction, name_of, predictions

if TYPE_CHECKING:
    from hubel.model.inputs import Input
    from hubel.model.prediction import Classifier

BATCH = 128
"""How many images a task predicts."""

WAIT = 10.0
"""Seconds until an address that does not answer is given up."""

AHEAD = 2
"""How many tasks each machine has waiting."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every task does: the model's file, which all machines can read, its engine, and how many classes.

    The file is a path from the root, or the name of a trained network.
    """

    model: str
    engine: str
    top: int
    allow_code: bool = False
    force: bool = False


def ray_predictions(job: Job, images: Iterable[Input], address: str, first: int = 0) -> Iterator[Prediction]:
    """Yields the predictions of images in order; those in memory are numbered from `first` on.

    `address` is that of a Ray cluster, `auto` the one that this machine is part of, `local` a new one of this
    machine alone. A task takes all processors of a machine, of the smallest if they differ.

    Raises UsageError: Ray is not installed, or there is no cluster. Raises ModelError, DataError: as a
    machine said.
    """
    ray = _connected(address)
    try:
        processors = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        processors = [count for count in processors if count]
        task = ray.remote(num_cpus=min(processors), max_retries=-1)(_predict)
        waiting: deque[Any] = deque()
        for start, batch in _batches(images, first):
            waiting.append(task.remote(job, batch, start))
            if len(waiting) > AHEAD * len(processors):
                yield from _result(ray, waiting.popleft())
        while waiting:
            yield from _result(ray, waiting.popleft())
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    """The module `ray`, connected. Raises UsageError: it is not installed, or there is no such cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError('ray is not installed: pip install "hubel[ray]"') from None
    try:
        _check_reached(address)
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise UsageError(f"no Ray cluster at {address!r}: {reason}; start one: ray start --head") from None
    return ray


def _check_reached(address: str) -> None:
    """Raises OSError: nobody listens at an address; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=WAIT).close()


def _batches(images: Iterable[Input], first: int) -> Iterator[tuple[int, list[tuple[str, Input]]]]:
    """Batches of images with their names, and the number of the first; paths as every machine finds them."""
    rest = iter(images)
    while batch := [*islice(rest, BATCH)]:
        names = [name_of(image, number) for number, image in enumerate(batch, first)]
        found = [Path(image).absolute() if is_path(image) else image for image in batch]
        yield first, [*zip(names, found, strict=True)]
        first += len(batch)


def _result(ray: Any, task: Any) -> list[Prediction]:
    try:
        found: list[Prediction] = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    return found


def _predict(job: Job, images: list[tuple[str, Input]], first: int) -> list[Prediction]:
    """What a machine does: predicts a batch by a model that it opens once."""
    found = predictions(_opened(job), [image for _, image in images], job.top, first=first)
    return [replace(each, file=name) for each, (name, _) in zip(found, images, strict=True)]


@cache
def _opened(job: Job) -> Classifier:
    return classifier(job.model, job.engine, allow_code=job.allow_code, force=job.force)
