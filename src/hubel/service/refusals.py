"""What is refused, and why: every error is one JSON object that says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

JSON = "application/json"


class RefusedError(Exception):
    """A request that is answered with an error: a status of HTTP and a message.

    `after` are the seconds after which it may be tried again; `headers` go with the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = dict(headers or {})
        if after is not None:
            self.headers["Retry-After"] = str(after)
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns a value as JSON."""
    return Response(as_json(content), status, headers, JSON)


def as_json(content: Any) -> bytes:
    """Returns a value as JSON in UTF-8; what is not valid Unicode, as in the names of files, becomes `?`."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def refusal(request: Request, refused: RefusedError) -> Response:
    """Returns the answer to a request that is refused."""
    content = {"error": refused.message, "status": refused.status, "request": request.scope.get("id", "")}
    return answer(content, refused.status, refused.headers)


def refuse_alike(application: FastAPI) -> None:
    """Lets every error of an application have the one form of `refusal`, those of FastAPI too."""
    from fastapi.exceptions import RequestValidationError

    has_docs = any(getattr(each, "path", "") == "/docs" for each in application.routes)
    advice = "; see /docs" if has_docs else ""

    async def refuse(request: Request, error: Exception) -> Response:
        where = request.url.path[:200]
        match error:
            case RefusedError():
                refused = error
            case HTTPException(status_code=404):
                refused = RefusedError(404, f"there is nothing at {where}{advice}")
            case HTTPException():
                message = f"{error.detail} at {where}{advice}"
                refused = RefusedError(error.status_code, message, headers=error.headers)
            case RequestValidationError():
                first = error.errors()[0]
                refused = RefusedError(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}{advice}")
            case _:
                raise error
        return refusal(request, refused)

    for kind in (RefusedError, HTTPException, RequestValidationError):
        application.add_exception_handler(kind, refuse)
