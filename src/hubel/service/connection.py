"""A connection of uvicorn with limits of time: a client that sends or reads nothing is not waited for."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_WITHIN = 10.0
"""Seconds from the begin of a connection, or of a request, until its headers are there."""

READ_WITHIN = 30.0
"""Seconds in which a client takes what waits for it, where that is more than the system's buffers hold."""

MOST = 900
"""How many connections are open at once: fewer than the files that a process may usually have open."""


class Connection(HttpToolsProtocol):
    """A connection that is closed when its client is late; uvicorn waits for such a one without bound."""

    _late: asyncio.TimerHandle | None = None
    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._late = self.loop.call_later(HEADERS_WITHIN, transport.abort)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._forget()
        self._late = self.loop.call_later(HEADERS_WITHIN, self.transport.abort)

    def on_headers_complete(self) -> None:
        self._forget()
        super().on_headers_complete()

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

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
