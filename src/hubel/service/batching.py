"""Batches: a lone image is computed at once, those that come while the engine is busy together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.graph.frozen import Floats

SECONDS = 0.25
"""The longest that a batch should take: it delays each of its images as long as all together need."""

SHARE = 0.2
"""How much the latest batch counts in the mean time per image."""

Waiting: TypeAlias = "tuple[Bytes, asyncio.Future[Floats]]"


class Batcher:
    """Runs an engine in a thread, on batches of at most `most` images, in the order they came.

    It belongs to one event loop. The engine computes one batch at a time, on all cores; its thread takes the
    next by itself, whatever the loop is at.
    """

    def __init__(
        self,
        run: Callable[[Bytes], Floats],
        most: int,
        on_batch: Callable[[int, float], object] | None = None,
    ) -> None:
        self.most = most
        self.per_image: float | None = None
        self._run, self._on_batch = run, on_batch or (lambda *_: None)
        self._waiting: deque[Waiting] = deque()
        self._lock = Lock()
        self._busy = False
        self._thread = ThreadPoolExecutor(1, "engine")

    @property
    def waiting(self) -> int:
        """How many images wait for the engine."""
        return len(self._waiting)

    async def __call__(self, pixels: Bytes) -> Floats:
        """Returns the probabilities of one image, float32, classes.

        `pixels` are those after preprocessing: uint8, h x w x depth. An image whose request is cancelled
        while it waits is not computed. Raises what the engine raises.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Floats] = loop.create_future()
        with self._lock:
            self._waiting.append((pixels, future))
            idle, self._busy = not self._busy, True
        if idle:
            self._thread.submit(self._work, loop)
        return await future

    @property
    def _size(self) -> int:
        """How many images a batch may have to take no longer than `SECONDS`."""
        if not self.per_image:
            return self.most
        return max(1, min(self.most, int(SECONDS / self.per_image)))

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Computes batches until no image waits; in the engine's thread."""
        while batch := self._taken():
            began = time.perf_counter()
            found = self._computed([pixels for pixels, _ in batch])
            seconds = time.perf_counter() - began
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(self._answer, batch, found, seconds)

    def _taken(self) -> list[Waiting]:
        """The next batch; none if no image waits, and then the thread is idle."""
        batch: list[Waiting] = []
        size = self._size
        with self._lock:
            while self._waiting and len(batch) < size:
                pixels, future = self._waiting.popleft()
                if not future.done():  # else its request was cancelled
                    batch.append((pixels, future))
            self._busy = bool(batch)
        return batch

    def _computed(self, pixels: Sequence[Bytes]) -> list[Floats | Exception]:
        """The probabilities of each image; where a batch fails, its images are computed one by one."""
        try:
            return list(np.asarray(self._run(np.stack(pixels))))
        except Exception as error:  # of any kind, which goes to whoever asked for the image
            return [error] if len(pixels) == 1 else [self._computed([each])[0] for each in pixels]

    def _answer(self, batch: list[Waiting], found: list[Floats | Exception], seconds: float) -> None:
        """Answers those who wait for a batch."""
        each = seconds / len(batch)
        self.per_image = each if self.per_image is None else (1 - SHARE) * self.per_image + SHARE * each
        self._on_batch(len(batch), seconds)
        for (_, future), row in zip(batch, found, strict=True):
            if future.done():  # its request was cancelled meanwhile
                continue
            if isinstance(row, Exception):
                future.set_exception(row)
            else:
                future.set_result(row)
