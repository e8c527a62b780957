"""The explorer's API and page, as routes of the service. Arrays are answered as safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import safetensors.numpy
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from hubel.data.image.reading import Encoded
from hubel.service.explorer.describe import Json
from hubel.service.explorer.design import MOST_TEXT, designed, zoo_json, zoo_notation
from hubel.service.explorer.page import POLICY, TYPES, assets, served
from hubel.service.explorer.refusing import Explained
from hubel.service.images import check_size
from hubel.service.refusals import RefusedError
from hubel.service.schema import errors

if TYPE_CHECKING:
    from hubel.service.explorer.rooms import Rooms
    from hubel.service.explorer.training import Follower
    from hubel.service.settings import Settings

API = "/v1/explore"
"""Where the explorer's API begins."""

SECURE = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=()",
}

BINARY = "application/octet-stream"


class Ascii(JSONResponse):
    """JSON in ASCII: a class may be named by a text that is not valid Unicode."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


class Design(BaseModel):
    """A notation that is being written."""

    notation: Annotated[str, Field(max_length=MOST_TEXT)]
    volume: Annotated[str, Field(max_length=100)]
    strict: bool = False
    caret: tuple[int, int] | None = None


def router(rooms: Rooms, follower: Follower | None, settings: Settings) -> APIRouter:
    """Returns the explorer's routes for the models of `rooms`; `follower` follows a run that is trained."""
    routes = APIRouter(
        tags=["explorer"],
        route_class=Explained,
        default_response_class=Ascii,
        responses=errors(400, 401, 404, 408, 413, 422, 503),
    )
    _page(routes)
    _design(routes)
    _models(routes, rooms, follower)
    _images(routes, rooms, settings.max_pixels)
    _looks(routes, rooms)
    _training(routes, follower)
    return routes


def _tensors(arrays: Mapping[str, Any], metadata: dict[str, str] | None = None) -> Response:
    return Response(safetensors.numpy.save(dict(arrays), metadata), media_type=BINARY)


def _page(routes: APIRouter) -> None:
    @routes.get("/", include_in_schema=False)
    def page() -> Response:
        return HTMLResponse(served(), headers=SECURE)

    @routes.get("/assets/{path:path}", include_in_schema=False)
    def asset(path: str) -> Response:
        found = assets().get(path)
        if found is None:
            raise RefusedError(404, f"the page has no file {path[:100]!r}")
        kind = TYPES[path[path.rindex(".") :]]
        headers = {**SECURE, "Cache-Control": "no-cache"}
        return Response(found, media_type=f"{kind}; charset=utf-8", headers=headers)


def _design(routes: APIRouter) -> None:
    @routes.post(f"{API}/design", response_class=Ascii)
    def design(asked: Design) -> Response:
        """The ledger of a notation, or its error with the layers before it."""
        return Ascii(designed(asked.notation, asked.volume, strict=asked.strict, caret=asked.caret))

    @routes.get(f"{API}/zoo")
    def zoo() -> list[Json]:
        """The networks of the zoo."""
        return zoo_json()

    @routes.get(f"{API}/zoo/{{name}}")
    def notation(name: str) -> Json:
        """The notation of a network of the zoo."""
        return zoo_notation(name)


def _models(routes: APIRouter, rooms: Rooms, follower: Follower | None) -> None:
    @routes.get(API)
    def models() -> Json:
        """The models that can be explored, and whether a training is followed."""
        return {"models": rooms.names(), "training": follower is not None}

    @routes.get(f"{API}/models/{{name}}", response_class=Ascii)
    def model(name: str) -> Response:
        """A network: its steps, its ledger, its classes and its preprocessing."""
        return Ascii(rooms.room(name).exhibit.document())

    @routes.get(f"{API}/models/{{name}}/weights", response_class=Response)
    def weights(name: str, layer: str | None = None) -> Response:
        """The weights, of all layers or of one, as a safetensors file."""
        return _tensors(rooms.room(name).weights(layer))


def _images(routes: APIRouter, rooms: Rooms, max_pixels: int) -> None:
    @routes.get(f"{API}/models/{{name}}/samples")
    def samples(name: str) -> list[Json]:
        """Some images of the model's data set, as the network sees them."""
        return rooms.room(name).seen.samples()

    @routes.post(f"{API}/models/{{name}}/images")
    async def image(name: str, request: Request) -> Json:
        """An image, the bytes of its file, as the network sees it; its id is for the other calls."""
        body = await request.body()  # the gate bounds it

        def read() -> Json:
            check_size(Encoded("image", body), max_pixels)
            return rooms.room(name).seen.read(body)

        return await run_in_threadpool(read)

    @routes.get(f"{API}/models/{{name}}/images/{{key}}/maps", response_class=Response)
    def maps(
        name: str,
        key: str,
        layer: Annotated[list[str], Query()] = [],  # noqa: B006 - how FastAPI writes a default
        most: Annotated[int, Query(ge=1, le=4096)] = 16,
        channel: Annotated[list[int], Query()] = [],  # noqa: B006
    ) -> Response:
        """The maps of layers for an image, and its scores and probabilities, as a safetensors file."""
        return _tensors(*rooms.room(name).seen.maps(key, layer, most=most, channels=channel))

    @routes.get(f"{API}/models/{{name}}/images/{{key}}/neuron")
    def neuron(name: str, key: str, unit: str) -> Json:
        """The arithmetic of one unit, such as conv1[3,5,7], for an image."""
        return rooms.room(name).seen.neuron(key, unit)


def _looks(routes: APIRouter, rooms: Rooms) -> None:
    @routes.get(f"{API}/models/{{name}}/looks")
    def state(name: str) -> Json:
        """How far the pass over the images is that finds what every map looks for."""
        return rooms.room(name).looks.state()

    @routes.post(f"{API}/models/{{name}}/looks")
    def start(name: str) -> Json:
        """Begins that pass."""
        return rooms.room(name).looks.start()

    @routes.get(f"{API}/models/{{name}}/looks/{{layer}}", response_class=Response)
    def layer(name: str, layer: str) -> Response:
        """What the maps of a layer look for: patches, projections, tuning, classes."""
        return Response(rooms.room(name).looks.layer(layer), media_type="application/json")


def _training(routes: APIRouter, follower: Follower | None) -> None:
    def followed() -> Follower:
        if follower is None:
            raise RefusedError(404, "no training is followed here; start one with hubel train DATA --live")
        return follower

    @routes.get(f"{API}/training")
    def training() -> Json:
        """How a run goes: its rounds, its latest steps, its speed and its latest mistakes."""
        return followed().state()

    @routes.get(f"{API}/training/filters", response_class=Response)
    def filters() -> Response:
        """The filters of the first layer as they are now, as a safetensors file: `filters`."""
        return _tensors({"filters": followed().filters()})
