"""What the routes of a service share: its settings, its models, and how images are predicted."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from hubel.model.prediction import name_of
from hubel.service import log
from hubel.service.images import Unusable, seen
from hubel.service.refusals import RefusedError
from hubel.service.shelf import Models, Served, Shelf, Trouble

if TYPE_CHECKING:
    from starlette.requests import Request

    from hubel.graph.frozen import Floats
    from hubel.model.inputs import Input
    from hubel.service.metrics import Metrics
    from hubel.service.settings import Settings


class Service:
    """The models of an application and its threads. Raises HubelError: a model cannot be opened."""

    def __init__(self, models: Models, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.ready = True
        self.shelf = Shelf(models, settings, metrics.batch)
        self.decoders = ThreadPoolExecutor(settings.decoders, "decode")
        self.accepted: dict[str, int] = {}

    @classmethod
    def of(cls, request: Request) -> Service:
        """The service that a request is for."""
        found = request.app.state.service
        assert isinstance(found, cls)
        return found

    def check_ready(self) -> None:
        """Raises RefusedError: the service is ending."""
        if not self.ready:
            raise RefusedError(503, "the service is ending; ask another one", after=1)

    def check_room(self, served: Served, images: int = 1) -> None:
        """Raises RefusedError: too many images of a model wait already to accept so many more."""
        settings, name = self.settings, served.name
        there = self.accepted.get(name, 0)
        expected = there * (served.batcher.per_image or 0)
        if there + images > settings.queue or expected > settings.timeout:
            message = f"too many images wait for {name}; try again later, or serve it on more cores"
            raise RefusedError(503, message, max(1, math.ceil(expected)))

    async def probabilities(
        self, served: Served, images: Sequence[Input | Unusable]
    ) -> list[Floats | Unusable]:
        """Returns the probabilities of each image, in order; or what is wrong with it.

        Raises RefusedError: too many images for one request, or too many wait already.
        """
        settings, name = self.settings, served.name
        if len(images) > (most := min(settings.max_images, settings.queue)):
            raise RefusedError(
                413, f"{len(images)} images in a request; at most {most}: send several requests"
            )
        self.check_room(served, len(images))
        self._accept(name, len(images))
        try:
            each = (self._one(served, image, at) for at, image in enumerate(images))
            found = list(await asyncio.gather(*each))
        finally:
            self._accept(name, -len(images))
        for result in found:
            self.metrics.image(name, result.status if isinstance(result, Unusable) else 200)
        return found

    async def check(self) -> None:
        """Lets the models compute batches where that does not change their answers."""
        await self.shelf.check()

    async def watch(self) -> None:
        """Opens models whose files change anew, forever."""

        def changed(served: Served, trouble: Trouble | None) -> None:
            self.metrics.reloaded(served.name, trouble.tries if trouble else 0, failed=trouble is not None)
            level = logging.ERROR if trouble else logging.INFO
            why, tries = (trouble.why, trouble.tries) if trouble else (None, 0)
            log.event("reload", level, model=served.name, file=str(served.source), trouble=why, tries=tries)

        await self.shelf.watch(changed)

    def _accept(self, name: str, images: int) -> None:
        """Counts images that are accepted, or, as a negative number, answered."""
        self.accepted[name] = self.accepted.get(name, 0) + images
        self.metrics.accepted(name, self.accepted[name])

    async def _one(self, served: Served, image: Input | Unusable, at: int) -> Floats | Unusable:
        if isinstance(image, Unusable):
            return image
        decode = partial(seen, image, name_of(image, at), served.runs.preprocessing, self.settings.max_pixels)
        pixels = await asyncio.get_running_loop().run_in_executor(self.decoders, decode)
        return pixels if isinstance(pixels, Unusable) else await served.batcher(pixels)
