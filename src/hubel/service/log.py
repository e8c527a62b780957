"""The log of a service: a line of JSON for each request and each event, by the logger `hubel.service`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubel.service.exchange import Exchange

logger = logging.getLogger("hubel.service")

QUIET = ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready")
"""Addresses that are asked all the time; they are logged only where they fail, or at the level DEBUG."""


class Lines(logging.Formatter):
    """Formats a record as one line of JSON, in ASCII: nobody writes a second line into it."""

    def format(self, record: logging.LogRecord) -> str:
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            content["error"] = self.formatException(record.exc_info)
        return json.dumps(content)


def to_stderr() -> None:
    """Writes the log to standard error, a line of JSON each, unless the program has set it up already.

    To be called before libraries are loaded: where one logs meanwhile, Python sets it up for plain text.
    """
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(Lines())
    logging.basicConfig(handlers=[lines], level=logging.WARNING)
    logger.setLevel(logging.INFO)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the client is told


def event(name: str, level: int = logging.INFO, **fields: Any) -> None:
    """Logs an event with its fields."""
    logger.log(level, name, extra={"fields": fields})


def failure(**fields: Any) -> None:
    """Logs the error that is being handled."""
    logger.exception("failure", extra={"fields": fields})


def answered(exchange: Exchange) -> None:
    """Logs a request that was answered; its client may have gone before, status 499."""
    scope = exchange.scope
    quiet = scope["path"] in QUIET and exchange.status < 400
    event(
        "request",
        logging.DEBUG if quiet else logging.ERROR if exchange.status == 500 else logging.INFO,
        request=scope["id"],
        client=(scope.get("client") or ("", 0))[0],
        method=scope["method"],
        path=scope["path"],
        status=exchange.status,
        bytes=exchange.size,
        seconds=round(exchange.seconds, 6),
    )
