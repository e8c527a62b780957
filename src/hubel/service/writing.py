"""A transport that sends at once what is written in one turn of the loop, as head and body of an answer.

uvicorn writes them one after the other, uvloop sends each by a call of the system, and its client wakes
twice.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Joined:
    """A transport of asyncio around another one; what it does not say itself is that one's."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends bytes, when the loop is at its next turn, with those that are written until then."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def close(self) -> None:
        """Closes it after what was written."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
