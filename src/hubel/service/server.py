"""The server: uvicorn with an application, until it is told to end; what was accepted is answered first."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from hubel.errors import UsageError
from hubel.service import log
from hubel.service.connection import Connection
from hubel.service.service import Service

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

KEEP_ALIVE = 15
"""Seconds that a connection without a request stays open."""

WAITING = 1024
"""How many connections may wait to be accepted."""


def bound(host: str, port: int) -> socket.socket:
    """Returns a socket with an address, on which nobody listens yet; port 0 takes a free one.

    Raises UsageError: the address is in use, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"port {port} of {host} cannot be used: {why}; give another") from None
    return found


def address(place: socket.socket) -> str:
    """The address of a socket as one types it: `http://127.0.0.1:8000`."""
    host, port = place.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(application: FastAPI, place: socket.socket, on_ready: Callable[[str], object]) -> None:
    """Serves an application until SIGINT or SIGTERM; `on_ready` gets its address when requests may come.

    Then no connection is accepted any more. Those that are open get one more answer, and are closed after it,
    within `grace` seconds of the settings.
    """
    service: Service = application.state.service
    config = uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=WAITING,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(service.settings.grace),
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again that ended it
        _Server(config, service, lambda: on_ready(address(place))).run(sockets=[place])
    log.event("end")


class _Server(uvicorn.Server):
    """A server that says when it is ready, and no longer is when it is told to end."""

    def __init__(self, config: uvicorn.Config, service: Service, on_ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._service, self._on_ready = service, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.ready = False
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes the connections that the system has opened already, which would be reset; then ends."""
        loop = asyncio.get_running_loop()
        places = [each.dup() for each in sockets or ()]  # still listen when the server has closed its own
        for each in sockets or ():
            loop.remove_reader(each)
        for _ in range(3):  # until asyncio has made connections of what it has accepted
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for accepted in [each for place in places for each in _waiting(place)]:
            await loop.connect_accepted_socket(self._connection, accepted)
        await super().shutdown(sockets)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)


def _waiting(place: socket.socket) -> list[socket.socket]:
    """The connections that wait to be accepted at a socket, which is closed."""
    found = []
    with place, suppress(BlockingIOError):
        place.setblocking(False)
        while True:
            found.append(place.accept()[0])
    for each in found:
        each.setblocking(False)
    return found
