"""What is refused, and why: every error is one JSON object that says what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

JSON = "application/json"


class RefusedError(Exception):
    """A request, or an image of one, that is answered with an error: a status of HTTP and a message.

    `after` are the seconds after which it may be tried again.
    """

    def __init__(self, status: int, message: str, after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.after = status, message, after


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns a value as JSON in ASCII: a class may be named by a text that is not valid Unicode."""
    return Response(json.dumps(content, allow_nan=False), status, headers, JSON)


def refusal(request: Request, refused: RefusedError) -> Response:
    """Returns the answer to a request that is refused."""
    content = {"error": refused.message, "status": refused.status, "request": request.scope.get("id", "")}
    headers = {"Retry-After": str(refused.after)} if refused.after is not None else {}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return answer(content, refused.status, headers)
