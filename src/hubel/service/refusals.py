"""What is refused, and why: every error is one JSON object that says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

if TYPE_CHECKING:
    from fastapi import FastAPI

JSON = "application/json"

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""The methods that an address may answer."""


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


async def check_arguments(request: Request) -> None:
    """Raises RefusedError: an argument of the query that the route does not have.

    Only addresses of the API are looked at: programs that probe others may add arguments of their own.
    """
    route = request.scope["route"]
    if not request.url.path.startswith(("/v1", "/v2")):
        return
    known = [each.alias for each in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            takes = f"its arguments are {', '.join(known)}" if known else "it has none"
            where = request.url.path[:200]
            raise RefusedError(400, f"{where} has no argument {name[:80]!r}; {takes}")


def _methods(request: Request) -> list[str]:
    """The methods that are answered at the address of a request."""
    routes, scope = request.app.routes, request.scope
    return [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _invalid(first: Mapping[str, Any], advice: str) -> RefusedError:
    """What the first error that FastAPI finds in a request is, in words of ours where its own say little."""
    if first["type"] == "json_invalid":
        why = f"{first['ctx']['error']} at character {first['loc'][-1]}"
        return RefusedError(400, f"the body is not JSON: {why}; send JSON{advice}")
    return RefusedError(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}{advice}")


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
            case HTTPException(status_code=405):
                methods = ", ".join(_methods(request))
                message = f"{request.method[:40]} is not answered at {where}: use {methods}{advice}"
                refused = RefusedError(405, message, headers={"Allow": methods})
            case HTTPException():
                message = f"{error.detail} at {where}{advice}"
                refused = RefusedError(error.status_code, message, headers=error.headers)
            case RequestValidationError():
                refused = _invalid(error.errors()[0], advice)
            case _:
                raise error
        return refusal(request, refused)

    for kind in (RefusedError, HTTPException, RequestValidationError):
        application.add_exception_handler(kind, refuse)
