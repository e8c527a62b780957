"""The explorer alone, as an application: its routes, and its errors as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from hubel.errors import DataError, HubelError
from hubel.service.explorer.exhibit import Exhibit
from hubel.service.explorer.router import router
from hubel.service.explorer.training import Follower
from hubel.version import __version__


def application(exhibits: Mapping[str, Exhibit], follower: Follower | None = None) -> FastAPI:
    """Returns the application that shows these exhibits, by name."""
    app = FastAPI(title="hubel explore", version=__version__, docs_url=None, redoc_url=None)
    app.include_router(router(exhibits, follower))

    @app.exception_handler(HubelError)
    async def explained(_request: Request, error: HubelError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 422 if isinstance(error, DataError) else 400)

    return app
