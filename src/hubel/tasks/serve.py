"""`serve`: models behind HTTP, until the process is told to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hubel.engines.engine import AUTO
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.service.shelf import Models

PACKAGES = ("fastapi", "fastapi_offline", "httptools", "prometheus_client", "python_multipart", "uvicorn")


def serve(
    models: Models,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    engine: str = AUTO,
    batch: int = 8,
    queue: int = 128,
    max_images: int = 64,
    max_mb: float = 32.0,
    max_megapixels: float = 50.0,
    decodes: int | None = None,
    timeout: float = 30.0,
    grace: float = 30.0,
    token: str | None = None,
    origin: Sequence[str] | None = None,
    explore: bool = True,
    allow_code: bool = False,
    force: bool = False,
    on_ready: Callable[[str], object] | None = None,
) -> None:
    """Serves models behind HTTP until SIGINT or SIGTERM; `on_ready` gets the address when it answers.

    `models` is a run's folder, a model's file, an exported file, a trained network's name or a `hubel.Model`;
    several of these; or a dictionary of them by name. A text may be NAME=MODEL. A file that changes is opened
    anew, and no request is lost. The settings are those of `hubel.service.settings.Settings`; the application
    alone, for another server, is `hubel.service.app.app`.

    Raises ModelError, UsageError: a model cannot be opened, a setting is out of range, the port is in use, or
    the extra `serve` is not installed.
    """
    check_installed()
    from hubel.service import log

    log.to_stderr()
    from hubel.service.metrics import Metrics
    from hubel.service.service import Service
    from hubel.service.settings import Settings

    settings = Settings(
        engine=engine,
        batch=batch,
        queue=queue,
        max_images=max_images,
        max_mb=max_mb,
        max_megapixels=max_megapixels,
        decodes=decodes,
        timeout=timeout,
        grace=grace,
        token=token,
        origin=tuple(origin or ()),
        explore=explore,
        allow_code=allow_code,
        force=force,
    )
    with ThreadPoolExecutor(1) as opener:
        opening = opener.submit(Service, models, settings, Metrics())
        # FastAPI takes as long to import as a model to be opened, so both are done at once.
        from hubel.service.app import application
        from hubel.service.server import bound, run

        with bound(host, port) as place:
            run(application(opening.result()), place, on_ready or (lambda _: None))


def check_installed() -> None:
    """Raises UsageError: a package of the service is not installed."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise UsageError(f'{", ".join(missing)} is not installed: pip install "hubel[serve]"')
