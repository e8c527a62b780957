"""The explorer alone, as an application: the gate of the service, and the explorer's routes."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

from hubel.service.explorer.exhibit import Exhibit
from hubel.service.explorer.rooms import Exhibits
from hubel.service.explorer.router import router
from hubel.service.explorer.training import Follower
from hubel.service.gate import Gate
from hubel.service.metrics import Metrics
from hubel.service.refusals import check_arguments, refuse_alike
from hubel.service.settings import Settings
from hubel.version import __version__


def application(
    exhibits: Mapping[str, Exhibit], follower: Follower | None = None, settings: Settings | None = None
) -> FastAPI:
    """Returns the application that shows these exhibits, by name; `follower` follows a training."""
    settings = settings or Settings()
    gate = Middleware(Gate, settings=settings, metrics=Metrics())
    app = FastAPI(
        title="hubel",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(check_arguments)],
        middleware=[gate],
    )
    refuse_alike(app)
    app.include_router(router(Exhibits(exhibits), follower, settings))
    return app
