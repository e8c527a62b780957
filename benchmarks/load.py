"""A load on an HTTP server: whole requests, written as bytes, over connections that stay open.

Closed: each connection sends its next request when it has its answer. Open: requests start at even times,
whatever the answers do, and their latency counts from then; where all connections are busy, another is
opened.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MOST = 512
"""The most connections of an open load."""

CUT = b"cut: "
"""How the reason begins why a connection broke within an answer."""


def request(host: str, path: str, kind: str, body: bytes) -> bytes:
    """Returns a request of HTTP/1.1 as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Answered:
    """What came back: statuses, seconds of those with status 200, and how many were `wrong`.

    `retries` are the requests that were sent twice, for their connection had been closed as idle.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    retries: int = 0
    wall: float = 0.0

    @property
    def per_second(self) -> float:
        return self.statuses[200] / self.wall

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    def add(self, status: int, seconds: float, *, correct: bool) -> None:
        """Counts an answer."""
        self.statuses[status] += 1
        self.wrong += not correct
        if status == 200:
            self.seconds.append(seconds)


class Client:
    """One connection."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.retries = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        """Sends a request and returns status and body; status 0, and why, if the connection broke.

        A server may close a connection that is idle just when the next request is sent. As clients do, that
        request is then sent once more, on a new connection, if nothing of an answer has come.
        Source: RFC 9112, section 9.3.1.
        """
        if self._streams is not None and self._streams[0].at_eof():
            self.close()
        known = self._streams is not None
        status, body = await self._asked(data)
        if known and not status and not body.startswith(CUT):
            self.retries += 1
            return await self._asked(data)
        return status, body

    async def _asked(self, data: bytes) -> tuple[int, bytes]:
        head = b""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port, limit=1 << 20)
            reader, writer = self._streams
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            at = lower.index(b"content-length:") + 15
            length = int(lower[at : lower.index(b"\r", at)])
            body = await reader.readexactly(length)
            if b"connection: close" in lower:
                self.close()
            return int(head[9:12]), body
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.close()
            begun = head or getattr(error, "partial", b"")
            return 0, (CUT if begun else b"") + repr(error).encode()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


Check = Callable[[int, int, bytes], bool]
"""Whether an answer is as expected: the number of the request, the status, the body."""


async def closed(
    address: tuple[str, int], requests: Sequence[bytes], connections: int, seconds: float, check: Check
) -> Answered:
    """Asks over so many connections for so long."""
    found = Answered()
    end = time.perf_counter() + seconds

    async def work(at: int) -> None:
        client = Client(*address)
        while time.perf_counter() < end:
            number = at % len(requests)
            due = time.perf_counter()
            status, body = await client.ask(requests[number])
            found.add(status, time.perf_counter() - due, correct=check(number, status, body))
            at += connections
        found.retries += client.retries
        client.close()

    began = time.perf_counter()
    await asyncio.gather(*(work(at) for at in range(connections)))
    found.wall = time.perf_counter() - began
    return found


async def opened(
    address: tuple[str, int], requests: Sequence[bytes], per_second: float, seconds: float, check: Check
) -> Answered:
    """Asks so often for so long; what would need more than `MOST` connections is not sent, status -1."""
    found = Answered()
    idle: list[Client] = []
    tasks: set[asyncio.Task[None]] = set()

    async def work(number: int, due: float) -> None:
        client = idle.pop() if idle else Client(*address)
        status, body = await client.ask(requests[number])
        found.add(status, time.perf_counter() - due, correct=check(number, status, body))
        idle.append(client)

    began = time.perf_counter()
    for count in range(int(per_second * seconds)):
        due = began + count / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if len(tasks) == MOST:
            found.statuses[-1] += 1
            continue
        task = asyncio.create_task(work(count % len(requests), due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    found.wall = time.perf_counter() - began
    for client in idle:
        found.retries += client.retries
        client.close()
    return found
