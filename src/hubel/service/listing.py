"""The models that are served: `GET /v1/models` and `/v1/models/NAME`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hubel.net.ledger import ledger
from hubel.report.table import as_data
from hubel.service.refusals import answer
from hubel.service.schema import ModelList, ModelState, errors
from hubel.service.service import Service
from hubel.service.shelf import Served

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models", summary="The models that are served.", response_model=ModelList, responses=errors(400))
async def models(request: Request) -> Response:
    """Lists the models: name, input, number of classes, engine, since when."""
    service = Service.of(request)
    return answer({"models": [state(service, served) for served in service.shelf]})


@router.get(
    "/models/{name}",
    summary="Everything known of a model.",
    response_model=ModelState,
    responses=errors(400, 404),
)
async def model(request: Request, name: str) -> Response:
    """Returns a model's classes, preprocessing, ledger, and how it was trained."""
    service = Service.of(request)
    served = service.shelf.get(name)
    header = served.runs.header
    content = state(service, served) | {
        "class_names": list(header.classes),
        "preprocessing": json.loads(header.preprocessing),
        "temperature": header.temperature,
        "views": header.views,
        "notation": header.notation,
        "maker": header.maker,
        "summary": header.summary,
        "versions": header.versions,
        "ledger": None if header.notation is None else as_data(ledger(header.net, header.volume), name),
    }
    return answer(content)


def state(service: Service, served: Served) -> dict[str, Any]:
    """What the list says of a model."""
    header = served.runs.header
    trouble = service.shelf.troubles.get(served.name)
    again = trouble.again if trouble else None
    return {
        "name": served.name,
        "input": str(header.volume),
        "classes": len(header.classes),
        "engine": served.engine,
        "since": served.since.isoformat(timespec="seconds"),
        "trouble": trouble.why if trouble else None,
        "tries": trouble.tries if trouble else 0,
        "next_try": None
        if again is None
        else datetime.fromtimestamp(again, UTC).isoformat(timespec="seconds"),
    }
