"""A connection of uvicorn with limits of time: a client that sends or reads nothing is not waited for."""

from __future__ import annotations

import asyncio
import select
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hubel.service.exchange import CROWDED
from hubel.service.writing import Joined

HEADERS_WITHIN = 10.0
"""Seconds from the begin of a connection, or of a request, until its headers are there."""

READ_WITHIN = 30.0
"""Seconds in which a client takes what waits for it, where that is more than the system's buffers hold."""

AGAIN = 1.0
"""Seconds until a connection is looked at again whose time is up while bytes of its client wait."""

LAST = 0.5
"""Seconds that a connection without a request stays open once the service is told to end."""

MOST, BOUND = 900, 980
"""Of how many connections open at once the requests are answered, and how many there are at all.

The requests of those between get 503. A process may usually have 1,024 files open.
"""


class Connection(HttpToolsProtocol):
    """A connection that is closed when its client is late; uvicorn waits for such a one without bound."""

    _late: asyncio.TimerHandle | None = None
    _slow: asyncio.TimerHandle | None = None
    _ending = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Joined(transport, self.loop))
        if len(self.connections) > BOUND:
            transport.abort()
        else:
            self._late = self.loop.call_later(HEADERS_WITHIN, self._end)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {CROWDED: {}} if len(self.connections) > MOST else {}
        self.scope["extensions"] = extensions
        self._forget()
        self._late = self.loop.call_later(HEADERS_WITHIN, self._end)

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection that is idle, unless a request waits that a busy service has not read yet."""
        if _has_bytes(self.transport):
            self.timeout_keep_alive_task = self.loop.call_later(AGAIN, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_headers_complete(self) -> None:
        self._forget()
        super().on_headers_complete()
        if self._ending:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Closes the connection after the answer to its request, or after its next one if that comes soon.

        To close it at once would reset it where a request is on its way.
        """
        self._ending = True
        if self._answering:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LAST, self._close_unused)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow = self.loop.call_later(READ_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._slow is not None:
            self._slow.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._slow is not None:
            self._slow.cancel()
        super().connection_lost(exc)

    def _end(self) -> None:
        """Ends a connection whose headers are late, unless it is the service that has not read them yet."""
        if _has_bytes(self.transport):
            self._late = self.loop.call_later(AGAIN, self._end)
        else:
            self.transport.abort()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close_unused(self) -> None:
        """Closes a connection of a service that ends, unless a request is there or has begun to arrive."""
        if _has_bytes(self.transport):
            self.loop.call_later(LAST, self._close_unused)
        elif not self._answering and (self.scope is None or self._late is None):
            self.transport.close()

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _has_bytes(transport: asyncio.Transport) -> bool:
    """Whether bytes, or an end, that a client has sent wait to be read."""
    place = transport.get_extra_info("socket")
    if transport.is_closing() or place is None:
        return False
    waiting = select.poll()
    waiting.register(place.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
