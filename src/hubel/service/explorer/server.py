"""The explorer's server: uvicorn until the process is told to end, or in a thread beside a training."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from hubel.service.server import address

if TYPE_CHECKING:
    from fastapi import FastAPI


def run(application: FastAPI, place: socket.socket, on_ready: Callable[[str], object]) -> None:
    """Serves an application at a socket until SIGINT or SIGTERM; `on_ready` gets its address."""
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again that ended it
        _Server(_config(application), lambda: on_ready(address(place))).run(sockets=[place])


@contextmanager
def beside(application: FastAPI, place: socket.socket) -> Iterator[str]:
    """Serves an application in a thread while something else runs; yields its address once it answers."""
    ready = threading.Event()
    server = _Server(_config(application), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield address(place)
    finally:
        server.should_exit = True
        thread.join(5)


def _config(application: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=2,
    )


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()
