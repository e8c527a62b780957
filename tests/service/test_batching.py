"""Batches: a lone image at once, those that come meanwhile together; order, errors, cancelled requests."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.service.batching import SECONDS, Batcher


class Engine:
    """Gives each image its own value back, when it is let; remembers the sizes of batches."""

    def __init__(self, *, free: bool = False) -> None:
        self.sizes: list[int] = []
        self.began, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.free = free

    def __call__(self, pixels: Any) -> Any:
        self.sizes.append(len(pixels))
        self.began.release()
        assert self.free or self.go.acquire(timeout=10)
        if (pixels == 255).any():
            raise RuntimeError("odd")
        return pixels.reshape(len(pixels), -1)[:, :1].astype(np.float32)


def image(value: int) -> Any:
    return np.full((2, 2, 1), value, np.uint8)


async def began(engine: Engine) -> None:
    assert await asyncio.to_thread(engine.began.acquire, timeout=10)


def test_a_lone_image_is_computed_at_once_and_the_next_together() -> None:
    engine = Engine()

    async def run() -> list[float]:
        batcher = Batcher(engine, 4)
        tasks = [asyncio.create_task(batcher(image(0)))]
        await began(engine)
        tasks += [asyncio.create_task(batcher(image(value))) for value in range(1, 8)]
        await asyncio.sleep(0)
        assert batcher.waiting == 7
        for _ in range(3):
            engine.go.release()
        return [float((await task)[0]) for task in tasks]

    assert asyncio.run(run()) == list(range(8))
    assert engine.sizes == [1, 4, 3]


def test_cancelled_images_are_not_computed() -> None:
    engine = Engine()

    async def run() -> None:
        batcher = Batcher(engine, 4)
        tasks = [asyncio.create_task(batcher(image(0)))]
        await began(engine)
        tasks += [asyncio.create_task(batcher(image(value))) for value in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[0].cancel()  # computed already, its answer goes nowhere
        tasks[2].cancel()
        engine.go.release()
        engine.go.release()
        assert [float((await tasks[at])[0]) for at in (1, 3)] == [1, 3]

    asyncio.run(run())
    assert engine.sizes == [1, 2]


def test_an_error_is_of_its_image_alone() -> None:
    engine = Engine()

    async def run() -> None:
        batcher = Batcher(engine, 2)
        first = asyncio.create_task(batcher(image(0)))
        await began(engine)
        rest = [asyncio.create_task(batcher(image(value))) for value in (255, 1, 2)]
        await asyncio.sleep(0)
        for _ in range(5):
            engine.go.release()
        await first
        with pytest.raises(RuntimeError, match="odd"):
            await rest[0]
        assert [(await task)[0] for task in rest[1:]] == [1, 2]

    asyncio.run(run())


def test_a_batch_has_as_many_images_as_fit_its_time() -> None:
    engine = Engine()

    async def run() -> None:
        batcher = Batcher(engine, 100)
        batcher.per_image = SECONDS / 3
        tasks = [asyncio.create_task(batcher(image(0)))]
        await began(engine)
        tasks += [asyncio.create_task(batcher(image(1))) for _ in range(4)]
        await asyncio.sleep(0)
        batcher.per_image = SECONDS / 3 * 0.99
        size = batcher._size
        assert size == 3
        for _ in range(9):
            engine.go.release()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert max(engine.sizes) >= 3


@given(st.lists(st.integers(0, 254), max_size=40), st.integers(1, 9), st.data())
def test_each_image_gets_its_own_answer(values: list[int], most: int, data: st.DataObject) -> None:
    engine = Engine(free=True)
    cancelled = {at for at in range(len(values)) if data.draw(st.booleans())} if values else set()

    async def run() -> None:
        batcher = Batcher(engine, most)
        tasks = [asyncio.create_task(batcher(image(value))) for value in values]
        await asyncio.sleep(0)
        for at in cancelled:
            tasks[at].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        for at, (value, answer) in enumerate(zip(values, found, strict=True)):
            if at in cancelled:
                assert isinstance(answer, asyncio.CancelledError)
            else:
                assert not isinstance(answer, BaseException)
                assert answer[0] == value
        last = await batcher(image(7))  # so the thread has come to the end of those before
        assert (last[0], batcher.waiting) == (7, 0)

    asyncio.run(run())
    assert max(engine.sizes) <= most
    assert len(values) - len(cancelled) + 1 <= sum(engine.sizes) <= len(values) + 1
