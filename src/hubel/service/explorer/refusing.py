"""Routes that answer a user's mistake as the service does: one JSON object that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from hubel.errors import DataError, HubelError
from hubel.service.refusals import RefusedError, refusal


class Explained(APIRoute):
    """A route whose errors are explained: 422 for an image or a body of no use, 400 for the rest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def explained(request: Request) -> Response:
            try:
                return await handle(request)
            except RefusedError as refused:
                return refusal(request, refused)
            except RequestValidationError as error:
                first = error.errors()[0]
                message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
                return refusal(request, RefusedError(422, message))
            except HubelError as error:
                status = 422 if isinstance(error, DataError) else 400
                return refusal(request, RefusedError(status, str(error)))

        return explained
