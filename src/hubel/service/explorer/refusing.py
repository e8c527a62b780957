"""Routes that answer a user's mistake as the service does: one JSON object that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from hubel.errors import DataError, HubelError, MissingError
from hubel.service.refusals import RefusedError


class Explained(APIRoute):
    """A route whose errors are explained: 404 for what is not there, 422 for a useless image, else 400."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def explained(request: Request) -> Response:
            try:
                return await handle(request)
            except HubelError as error:
                statuses = {MissingError: 404, DataError: 422}
                status = next((each for kind, each in statuses.items() if isinstance(error, kind)), 400)
                raise RefusedError(status, str(error)) from None

        return explained
