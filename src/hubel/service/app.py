"""The application: a FastAPI over trained models, for uvicorn or to be mounted in another.

    from hubel.service.app import app
    from hubel.service.settings import Settings

    service = app({"photos": "runs/photos"}, Settings(batch=8))

The routes are those of `predict` (`/v1/predict`), `listing` (`/v1/models`), `v2` (the open inference
protocol) and `health`. The explorer is `service/explorer/`: its router is included last, for it takes `/`;
its files lie below `/assets/`, and what needs a token below `/v1/explore/`. A route finds what is shared by
`Service.of(request)`: the models on the shelf, the settings, the threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from pydantic.json_schema import models_json_schema
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from hubel.service import health, listing, predict
from hubel.service.early import check_early
from hubel.service.explorer.rooms import Shelved
from hubel.service.explorer.router import router as explorer
from hubel.service.gate import Gate
from hubel.service.metrics import Metrics
from hubel.service.refusals import check_arguments, refuse_alike
from hubel.service.schema import ImageList
from hubel.service.service import Service
from hubel.service.settings import Settings
from hubel.service.v2 import routes as v2
from hubel.service.v2.schema import InferenceRequest
from hubel.version import __version__

if TYPE_CHECKING:
    from hubel.service.shelf import Models

DESCRIPTION = "Trained convolutional networks: images in, classes with probabilities out."


def app(models: Models, settings: Settings | None = None) -> FastAPI:
    """Returns the application of models: one, several, or a dictionary of them by name.

    A model is a run's folder, its file, an exported file, a trained network's name, or a `hubel.Model`. Files
    that change are opened anew as long as the application runs.
    Raises ModelError, UsageError: a model cannot be opened, or two have one name.
    """
    return application(Service(models, settings or Settings(), Metrics()))


def application(service: Service) -> FastAPI:
    """Returns the application of a service whose models are open."""
    settings = service.settings
    made: FastAPI = FastAPIOffline(
        title="hubel",
        version=__version__,
        description=DESCRIPTION,
        redoc_url=None,
        dependencies=[Depends(check_arguments)],
        lifespan=_life,
        middleware=_middleware(service),
    )
    made.openapi = partial(_description, made.openapi, settings)  # type: ignore[method-assign]  # as FastAPI has it done
    made.state.service = service
    refuse_alike(made)
    for routes in (predict, listing, v2, health):
        made.include_router(routes.router)
    if settings.explore:
        made.include_router(explorer(Shelved(service.shelf), None, settings))
    return made


def _description(described: Callable[[], dict[str, Any]], settings: Settings) -> dict[str, Any]:
    """The description of the routes, with the shapes of the bodies that they read themselves."""
    content = described()
    _, found = models_json_schema(
        [(ImageList, "validation"), (InferenceRequest, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    content["components"]["schemas"] |= found["$defs"]
    if settings.token is not None:
        content["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        content["security"] = [{"token": []}]
    return content


def _middleware(service: Service) -> list[Middleware]:
    """The gate; and before it, where pages of other origins may ask, what tells their browsers so."""
    settings = service.settings
    early = partial(check_early, service)
    found = [Middleware(Gate, settings=settings, metrics=service.metrics, check_early=early)]
    if settings.origin:
        headers = ["Authorization", "Content-Type", "X-Request-ID"]
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.origin,
            allow_methods=["GET", "POST"],
            allow_headers=headers,
        )
        found.insert(0, cors)
    return found


@asynccontextmanager
async def _life(made: FastAPI) -> AsyncIterator[None]:
    """What runs beside the requests: the look at the files, and the trial whether batches may be made."""
    service: Service = made.state.service
    tasks = [asyncio.create_task(service.check()), asyncio.create_task(service.watch())]
    try:
        yield
    finally:
        service.ready = False
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
