"""The routes of the open inference protocol: `/v2` and below."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hubel.service.bodies import content_type
from hubel.service.images import Unusable
from hubel.service.refusals import JSON, RefusedError, answer
from hubel.service.schema import errors
from hubel.service.service import Service
from hubel.service.shelf import Served
from hubel.service.v2.schema import (
    HEADER_LENGTH,
    INPUT,
    LABELS,
    PROBABILITIES,
    InferenceResponse,
)
from hubel.service.v2.wire import read, written
from hubel.version import __version__

VERSION = "1"
"""The one version that each model has."""

MIXED = "application/octet-stream"
"""What clients call a body of JSON with binary tensors behind it."""

router = APIRouter(prefix="/v2", tags=["open inference protocol"])

BODY = {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/InferenceRequest"}}}}


@router.get("", summary="The server.")
async def server() -> Response:
    """Returns name, version and extensions of the server."""
    return answer({"name": "hubel", "version": __version__, "extensions": ["binary_tensor_data"]})


@router.get("/health/live", summary="The process answers.", response_class=Response)
async def live() -> Response:
    """Answers 200 as long as the process answers."""
    return Response()


@router.get("/health/ready", summary="The models answer.", response_class=Response, responses=errors(503))
async def ready(request: Request) -> Response:
    """Answers 200 if requests may come."""
    Service.of(request).check_ready()
    return Response()


@router.get("/models/{name}", summary="A model's inputs and outputs.", responses=errors(400, 401, 404))
@router.get("/models/{name}/versions/{version}", include_in_schema=False)
async def metadata(request: Request, name: str, version: str = VERSION) -> Response:
    """Returns the metadata of a model. The pixels of `images` may also be UINT8 or FP32, n x h x w x c."""
    served = _served(request, name, version)
    classes = len(served.runs.classes)
    content = {
        "name": name,
        "versions": [VERSION],
        "platform": f"hubel_{served.engine}",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, classes]},
            {"name": LABELS, "datatype": "BYTES", "shape": [-1]},
        ],
    }
    return answer(content)


@router.get(
    "/models/{name}/ready",
    summary="A model answers.",
    response_class=Response,
    responses=errors(400, 401, 404, 503),
)
@router.get("/models/{name}/versions/{version}/ready", include_in_schema=False)
async def model_ready(request: Request, name: str, version: str = VERSION) -> Response:
    """Answers 200 if requests for this model may come."""
    _served(request, name, version)
    Service.of(request).check_ready()
    return Response()


@router.post(
    "/models/{name}/infer",
    summary="The probabilities of images.",
    response_model=InferenceResponse,
    responses=errors(400, 401, 404, 408, 413, 415, 422, 503),
    openapi_extra={"requestBody": BODY},
)
@router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
async def infer(request: Request, name: str, version: str = VERSION) -> Response:
    """Returns `probabilities`, n x classes, and `labels`, the most probable class of each image.

    All images of a request are answered, or none: one that cannot be used is an error of the request.
    """
    service, served = Service.of(request), _served(request, name, version)
    kind, _ = content_type(request)
    if kind not in (JSON, MIXED, ""):
        raise RefusedError(415, f"{kind[:100]!r} is not taken: send {JSON}, or {MIXED} with {HEADER_LENGTH}")
    asked = await asyncio.to_thread(
        read, await request.body(), _header_length(request), service.settings.max_images
    )
    rows = []
    for at, row in enumerate(await service.probabilities(served, asked.images)):
        if isinstance(row, Unusable):
            raise RefusedError(row.status, f"image {at}: {row.message}")
        rows.append(row)
    about: dict[str, Any] = {"model_name": name, "model_version": VERSION}
    about |= {} if asked.identity is None else {"id": asked.identity}
    labels = [served.runs.classes[int(np.argmax(row))] for row in rows]
    body, length = written(about, asked.outputs, rows, labels)
    headers = {} if length is None else {HEADER_LENGTH: str(length)}
    return Response(body, headers=headers, media_type=JSON if length is None else MIXED)


def _served(request: Request, name: str, version: str) -> Served:
    """The model of a name. Raises RefusedError: there is no such model, or no such version."""
    served = Service.of(request).shelf.get(name)
    if version != VERSION:
        raise RefusedError(404, f"{name} has no version {version[:40]!r}; its one version is {VERSION}")
    return served


def _header_length(request: Request) -> int | None:
    """How many bytes of the body are JSON; None if all. Raises RefusedError: not a number."""
    text = request.headers.get(HEADER_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise RefusedError(400, f"{HEADER_LENGTH} is a number of bytes, not {text[:40]!r}")
    return int(text)
