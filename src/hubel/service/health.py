"""Whether the service is there, and its figures: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from hubel.service.refusals import answer
from hubel.service.schema import errors
from hubel.service.service import Service

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="The process answers.", response_class=Response)
async def healthz() -> Response:
    """Answers as long as the process does: for whoever restarts it."""
    return answer({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="The models answer.", response_class=Response, responses=errors(503))
async def readyz(request: Request) -> Response:
    """Answers 200 when requests may come, 503 when the service is ending: for whoever distributes them."""
    Service.of(request).check_ready()
    return answer({"status": "ready"})


@router.get("/metrics", summary="Figures for Prometheus.", response_class=Response)
async def metrics(request: Request) -> Response:
    """Requests, images, batches and times, by model and status, in the text format of Prometheus."""
    return Response(Service.of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)
