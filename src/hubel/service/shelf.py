"""The models of a service by their names; one whose file changes is opened anew while the old one answers."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from hubel.cores import allowed_cores
from hubel.data.image.preprocess import Whole
from hubel.errors import UsageError, nearest
from hubel.files import exists
from hubel.model.classifier import classifier, source_of
from hubel.model.exported import Exported
from hubel.model.header import BEST, members_in
from hubel.model.prediction import Classifier
from hubel.net.ledger import ledger
from hubel.process import return_memory
from hubel.service import log
from hubel.service.batching import Batcher
from hubel.service.refusals import RefusedError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.model.file import Model
    from hubel.model.header import Header
    from hubel.service.settings import Settings

ModelLike: TypeAlias = "str | os.PathLike[str] | Model"
Models: TypeAlias = "ModelLike | Sequence[ModelLike] | Mapping[str, ModelLike]"

SMALL = 100_000_000
"""The most multiply-adds of a network that one thread computes."""

EVERY = 1.0
"""Seconds between two looks at the files."""

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
"""What a model may be called: a part of an address."""

Stamp: TypeAlias = "tuple[tuple[int, int, int], ...]"


class Runs(Classifier, Protocol):
    """What runs a model: an engine, or the model itself."""

    @property
    def header(self) -> Header:
        """What is known of the model."""

    def probabilities_of(self, pixels: Bytes) -> Any:
        """Returns float32, images x classes, for images after preprocessing."""


FIRST, LONGEST = 2.0, 300.0
"""Seconds until a changed file that could not be opened is tried again: doubled each time, up to a bound."""

GONE = "its file is gone; the model that was read from it answers"


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it is served: where it is from, what runs it, and since when.

    `source` is its file, None for a model in memory; `stamp` tells whether the file has changed since.
    """

    name: str
    where: ModelLike
    source: Path | None
    stamp: Stamp
    runs: Runs
    batcher: Batcher
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def engine(self) -> str:
        """The name of its engine."""
        return self.runs.name if isinstance(self.runs, Exported) else "torch"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a changed file was not taken, how often it was tried, and when it is tried again.

    `again` is on the scale of `time.time`; None where only another change of the file can help.
    """

    why: str
    tries: int = 0
    again: float | None = None


class Shelf:
    """The models of a service. Raises HubelError: one cannot be opened."""

    def __init__(
        self,
        models: Models,
        settings: Settings,
        on_batch: Callable[[str, int, float], object] = lambda *_: None,
    ) -> None:
        self._settings, self._on_batch = settings, on_batch
        self._served = {name: self._opened(name, where) for name, where in named(models).items()}
        self.troubles: dict[str, Trouble] = {}

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    def get(self, name: str | None) -> Served:
        """Returns a model; without a name the only one. Raises RefusedError: there is no such model."""
        if name is None:
            if len(self._served) == 1:
                return next(iter(self._served.values()))
            raise RefusedError(400, f"several models are served; name one: ?model={next(iter(self._served))}")
        if name not in self._served:
            few = ", ".join(list(self._served)[:5])
            close = nearest(name, self._served) or f"; there are {few}"
            raise RefusedError(404, f"there is no model {name[:100]!r}{close}; GET /v1/models lists them")
        return self._served[name]

    async def watch(self, on_change: Callable[[Served, Trouble | None], object]) -> None:
        """Opens models whose files change anew, forever; one that cannot be opened is tried again.

        `on_change` gets the model that answers now, and what is wrong with its new file.
        """
        while True:
            await asyncio.sleep(EVERY)
            for served in list(self):
                await self._look_at(served, on_change)

    async def check(self) -> None:
        """Lets each model compute batches, if that does not change its answers.

        The trial waits a moment: the first requests are answered before.
        """
        await asyncio.sleep(EVERY)
        for served in self:
            await self._let_batch(served)

    async def _look_at(self, served: Served, on_change: Callable[[Served, Trouble | None], object]) -> None:
        name = served.name
        stamp = await asyncio.to_thread(_stamp, served.where)
        before = self.troubles.get(name) if stamp == served.stamp else None
        is_due = before is not None and before.again is not None and before.again <= time.time()
        if stamp == served.stamp and not is_due:
            return
        trouble = Trouble(GONE)
        if stamp:
            try:
                opened = await asyncio.to_thread(self._opened, name, served.where)
            except Exception as error:  # whatever a broken file raises, the old model answers
                tries = before.tries + 1 if before else 1
                wait = min(LONGEST, FIRST * 2 ** (tries - 1))
                trouble = Trouble(str(error), tries, time.time() + wait)
            else:
                self._served[name] = opened  # requests that have the old one keep it, and its thread
                self.troubles.pop(name, None)
                on_change(opened, None)
                await self._let_batch(opened)
                return
        self._served[name] = replace(served, stamp=stamp)
        self.troubles[name] = trouble
        on_change(served, trouble)

    async def _let_batch(self, served: Served) -> None:
        """Lets a model compute batches, if its answers are the same to the last bit alone and in a batch.

        One that resizes gets its images one by one, since their sizes differ.
        """
        if isinstance(served.runs.preprocessing, Whole):
            return
        most = self._settings.batch
        try:
            alike = await _alike(served.runs, most)
        except Exception:  # such as too little memory for a batch: then images are computed one by one
            log.failure(model=served.name)
            alike = False
        if alike:
            served.batcher.most = most
        else:
            log.event("no batches", logging.WARNING, model=served.name, engine=served.engine)

    def _opened(self, name: str, where: ModelLike) -> Served:
        """Opens a model, and runs it once. Raises HubelError: it cannot be used."""
        settings = self._settings
        stamp = _stamp(where)
        runs: Any = classifier(where, settings.engine, allow_code=settings.allow_code, force=settings.force)
        runs.check_trained()
        _settle(runs)
        runs.probabilities_of(_noise(runs, 1))
        return_memory()
        batcher = Batcher(runs.probabilities_of, 1, lambda *taken: self._on_batch(name, *taken))
        return Served(name, where, _source(where), stamp, runs, batcher)


def named(models: Models) -> dict[str, ModelLike]:
    """Returns models by their names: as given, NAME=MODEL, or after their folder or file.

    Raises UsageError: no models, a name that cannot be part of an address, or two of one name.
    """
    if isinstance(models, Mapping):
        pairs = list(models.items())
    else:
        every: Any = models if isinstance(models, list | tuple) else [models]
        pairs = [_pair(each) for each in every]
    if not pairs:
        raise UsageError("there is no model to serve: give a run's folder or a model's file")
    found: dict[str, ModelLike] = {}
    for name, where in pairs:
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be part of an address: name the model with letters, digits, . - and _, as "
                f"in photos={where}"
            )
        if name in found:
            raise UsageError(f"two models are called {name}: name one of them, such as {name}-2={where}")
        found[name] = where
    return found


def _pair(where: ModelLike) -> tuple[str, ModelLike]:
    """The name of a model, and where it is."""
    if not isinstance(where, str | os.PathLike):
        return "model", where
    text = os.fspath(where)
    name, given, rest = text.partition("=")
    if isinstance(where, str) and given and not exists(text) and (NAME.fullmatch(name) or exists(rest)):
        if not rest.strip():
            raise UsageError(f"{text} names no model: write NAME=MODEL, such as {name}=runs/photos")
        return name, rest
    path = Path(text).expanduser().absolute()
    return (path.parent.name if path.name == BEST else path.name if path.is_dir() else path.stem), where


def _source(where: ModelLike) -> Path | None:
    """The file of a model; None for a model in memory."""
    if not isinstance(where, str | os.PathLike):
        return None
    return source_of(where)


def _stamp(where: ModelLike) -> Stamp:
    """What tells whether a model's file has changed; empty where there is none."""
    source = _source(where)
    members = members_in(where) if isinstance(where, str | os.PathLike) else ()
    try:
        files = [(member / BEST).stat() for member in members]
        files += [] if source is None else [source.stat()]
        if source is not None and (weights := source.with_suffix(".bin")).is_file():
            files.append(weights.stat())  # of OpenVINO
    except OSError:
        return ()
    return tuple((file.st_mtime_ns, file.st_size, file.st_ino) for file in files)


def _settle(runs: Runs) -> None:
    """Lets OpenVINO keep one graph; of a small network for one thread, if its answers stay as they are.

    Threads that wait for their part of a small network take ten times the processor's time that it needs.
    """
    settle = getattr(runs.engine, "settle", None) if isinstance(runs, Exported) else None
    if settle is None:
        return
    header, image = runs.header, _noise(runs, 1)
    if header.notation is None or ledger(header.net, header.volume).totals.macs > SMALL:
        settle()
        return
    before = np.asarray(runs.probabilities_of(image))
    settle(1)
    if (np.asarray(runs.probabilities_of(image)) != before).any():
        settle(allowed_cores())


async def _alike(runs: Runs, most: int) -> bool:
    """Whether a model's answers are the same to the last bit, alone and in a batch; computed in a thread."""
    images = _noise(runs, most)

    async def found(start: int, count: int) -> Any:
        return np.asarray(await asyncio.to_thread(runs.probabilities_of, images[start : start + count]))

    alone = {at: (await found(at, 1))[0] for at in (0, min(1, most - 1), most - 1)}
    for count in (min(2, most), most):
        together = await found(0, count)
        if any((together[at] != row).any() for at, row in alone.items() if at < count):
            return False
    return True


def _noise(runs: Runs, count: int) -> Bytes:
    seen = runs.preprocessing.volume
    return np.random.default_rng(0).integers(0, 256, (count, *seen.plane, seen.depth), np.uint8)
