"""`POST /v1/predict`: the most probable classes of the images in a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from hubel.model.prediction import Prediction, most_probable
from hubel.report.prediction import as_object
from hubel.service.bodies import DESCRIBED, images_in
from hubel.service.images import Unusable
from hubel.service.refusals import RefusedError, answer
from hubel.service.schema import Predictions, errors
from hubel.service.service import Service

router = APIRouter(prefix="/v1", tags=["predict"])


@router.post(
    "/predict",
    summary="Classify images, the most probable class first.",
    response_model=Predictions,
    responses=errors(400, 401, 404, 408, 413, 415, 422, 503),
    openapi_extra={"requestBody": DESCRIBED},
)
async def predict(
    request: Request,
    model: Annotated[str | None, Query(description="Its name; needed if several are served.")] = None,
    top: Annotated[int, Query(ge=1, le=1_000_000, description="How many classes of each image.")] = 5,
) -> Response:
    """Predicts one image, the body as it is; or several, in a form or in base64.

    The objects of the images are those of `hubel predict --json`. Among several images one that cannot be
    used has an `error`, with the `status` that it has alone, and stops no other.
    """
    service = Service.of(request)
    served = service.shelf.get(model)
    images = await images_in(request, service.settings)
    objects = []
    for at, result in enumerate(await service.probabilities(served, images)):
        if isinstance(result, Unusable):
            if len(images) == 1:
                raise RefusedError(result.status, f"{result.name}: {result.message}")
            wrong = as_object(Prediction(result.name, error=result.message))
            objects.append(wrong | {"status": result.status})
        else:
            classes = most_probable(served.runs, result, top)
            objects.append(as_object(Prediction(images[at].name, classes)))
    return answer({"model": served.name, "predictions": objects})
