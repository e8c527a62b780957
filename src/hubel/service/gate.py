"""The gate: what every request passes, for whatever route: id, token, limits of bytes and time, log, figures.

What can be refused without its body is refused before that is read. Else the whole body is read, within its
limits, before the application sees the request. Meanwhile the gate watches for a client that goes away, whose
work is then cancelled. Once an answer has begun there is no limit of time, so that a route may stream.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.requests import Request

from hubel.service import log
from hubel.service.exchange import CROWDED, Exchange
from hubel.service.refusals import RefusedError, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hubel.service.metrics import Metrics
    from hubel.service.settings import Settings

OPEN = ("/", "/healthz", "/readyz", "/docs", "/openapi.json")
OPEN_BELOW = ("/v2/health/", "/static-offline-docs/", "/assets/")
"""The addresses that need no token: what tells nothing of the models, and the files of pages."""

HELD = 8
"""How many of the largest requests are held in memory at once; smaller ones are more."""

DRAINED, DRAINED_WITHIN = 256 << 20, 2.0
"""How many bytes of a request that is refused are taken nevertheless, and for how many seconds."""

IDENTITY = re.compile(rb"[\w.-]{1,64}", re.ASCII)
"""What a client may call its request."""


class Gate:
    """An ASGI middleware around the application. `check_early` refuses what needs no body to be refused."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        metrics: Metrics,
        check_early: Callable[[Exchange], None] = lambda _: None,
    ) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._check_early = check_early
        self._held = 0
        self._start, self._count = uuid4().hex[:12], itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope)
        given = exchange.header(b"x-request-id")
        scope["id"] = given.decode() if IDENTITY.fullmatch(given) else f"{self._start}-{next(self._count)}"

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", scope["id"].encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            exchange.ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._pass(exchange, receive, answered)
        except RefusedError as refused:
            await _drain(exchange, receive)
            await refusal(Request(scope), refused)(scope, receive, answered)
        except asyncio.CancelledError:  # by the server, at the end of the grace
            if exchange.status:
                raise
            await refusal(Request(scope), _ending())(scope, receive, answered)
        except Exception:  # whatever it is, the client is answered, and the log says why
            log.failure(request=scope["id"])
            if exchange.status:  # the answer has begun: it is cut short, as the client will see
                raise
            failed = RefusedError(500, "the service failed; its log says why, under the id of this request")
            await refusal(Request(scope), failed)(scope, receive, answered)
        finally:
            self._held -= exchange.held
            self._metrics.answered(exchange)
            log.answered(exchange)

    async def _pass(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Lets a request through. Raises RefusedError: it is not let through, or takes too long."""
        if CROWDED in exchange.scope.get("extensions", {}):
            raise RefusedError(
                503, "too many connections; try again later", after=1, headers={"Connection": "close"}
            )
        self._check_token(exchange)
        self._check_early(exchange)
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        try:
            async with asyncio.timeout_at(deadline):
                body = await self._body(exchange, receive)
        except TimeoutError:
            raise RefusedError(
                408, "the request did not arrive in time; send it faster, or a smaller one"
            ) from None
        if body is None:  # the client has gone
            exchange.status = 499
            return
        await self._work(exchange, body, receive, send, deadline)

    async def _work(
        self, exchange: Exchange, body: bytes, receive: Receive, send: Send, deadline: float
    ) -> None:
        """Runs the application, until its answer ends, its client has gone, or it took too long to begin."""
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.create_task(_gone(receive))

        async def replay() -> Message:
            if parts:
                return parts.pop()
            await asyncio.shield(gone)
            return {"type": "http.disconnect"}

        work: asyncio.Task[None] = asyncio.create_task(self._answered(exchange.scope, replay, send))
        try:
            left = deadline - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({work, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done and exchange.status:
                done, _ = await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work in done or exchange.ended:
                await work
            elif gone in done:
                exchange.status = exchange.status or 499
            else:
                raise RefusedError(
                    503,
                    f"no answer within {self._settings.timeout:g} seconds; try again later, or with less",
                    after=1,
                )
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _check_token(self, exchange: Exchange) -> None:
        """Raises RefusedError: a token is needed, and this is not it.

        That takes as long whatever is wrong with it.
        """
        path, wanted = exchange.scope["path"], self._settings.token
        if wanted is None or path in OPEN or path.startswith(OPEN_BELOW):
            return
        scheme, _, token = exchange.header(b"authorization").partition(b" ")
        correct = hmac.compare_digest(token.strip(), wanted.strip().encode())
        if scheme.lower() != b"bearer" or not correct:
            raise RefusedError(
                401, "this service needs its token: send the header Authorization: Bearer TOKEN"
            )

    async def _body(self, exchange: Exchange, receive: Receive) -> bytes | None:
        """The body of a request; None if its client has gone.

        Its bytes are reserved before they are read: as many as it declares, else as many as it may have.
        Raises RefusedError: it is too large, or too many are.
        """
        most = self._settings.max_bytes
        declared = exchange.header(b"content-length")
        chunked = exchange.header(b"transfer-encoding")
        if not declared and not chunked:
            declared = b"0"
        size = int(declared[:18]) if declared.isdigit() else most
        if size > most:
            raise self._too_large()
        if self._held + size > HELD * most:
            raise RefusedError(503, "too many large requests at once; try again later", after=1)
        exchange.held = size
        self._held += size
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            exchange.size = len(body)
            if len(body) > most:
                raise self._too_large()
            if not message.get("more_body", False):
                exchange.whole = True
                return bytes(body)

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, f"the request has more than {self._settings.max_mb:g} MB; send fewer or smaller images"
        )


def _ending() -> RefusedError:
    message = "the service has ended before the answer was there; ask another one"
    return RefusedError(503, message, after=1, headers={"Connection": "close"})


async def _drain(exchange: Exchange, receive: Receive) -> None:
    """Takes what still arrives of a request, for a while: many clients read no answer before.

    Nothing of it is kept. One that waits for leave to send gets none.
    """
    if exchange.whole or exchange.header(b"expect"):
        return
    taken = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAINED_WITHIN):
            while taken < DRAINED:
                message = await receive()
                taken += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


async def _gone(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
