"""The images in the body of a request: one image as it is, a form of files, or JSON with base64."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator
from email.message import Message
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from hubel.data.image.reading import Encoded
from hubel.service.images import Unusable
from hubel.service.refusals import JSON, RefusedError
from hubel.service.schema import EncodedImage, ImageList

if TYPE_CHECKING:
    from starlette.requests import Request

    from hubel.service.settings import Settings

FORM = "multipart/form-data"
PLAIN = ("application/octet-stream", "")
"""The kinds of content, beside `image/...`, that are one image as it is."""

UNNAMED = "application/x-www-form-urlencoded"
"""The kind of content that curl names for `--data-binary`, whatever is sent."""

SMALL = 1 << 18
"""Bytes of JSON below which reading it takes less than a millisecond: other requests can wait that long."""

DESCRIBED = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        FORM: {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "Image files; the names of the fields do not matter.",
                    }
                },
            }
        },
        JSON: {"schema": {"$ref": "#/components/schemas/ImageList"}},
    },
}
"""The body in the words of OpenAPI."""


async def images_in(request: Request, settings: Settings) -> list[Encoded | Unusable]:
    """Returns the image files in a request, in order; of several, one may be unusable.

    Raises RefusedError: there are none, or they cannot be read.
    """
    kind, _ = content_type(request)
    body = await request.body()
    if kind.startswith("image/") or kind in PLAIN:
        if not body:
            raise RefusedError(400, "the request is empty: send an image as its body")
        return [Encoded("image 0", body)]
    if kind == FORM:
        return await _in_form(request, body, settings)
    if kind == JSON:
        return _in_json(body) if len(body) < SMALL else await asyncio.to_thread(_in_json, body)
    taken = f"send image/..., application/octet-stream, {FORM} or {JSON}"
    if kind == UNNAMED:
        taken = "of an image say what it is, as curl does with -H 'Content-Type: image/jpeg'; or " + taken
    raise RefusedError(415, f"{kind[:100]!r} is not taken: {taken}")


def content_type(request: Request) -> tuple[str, str]:
    """The kind of a request's content, in lower case, and its encoding. Raises RefusedError: compressed."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise RefusedError(415, f"a body in {encoding[:40]} is not taken: send it as it is")
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return (message.get_content_type() if message["content-type"] else ""), encoding


class _InMemory(MultiPartParser):
    """A form whose files stay in memory: the body is within its limit already."""

    def __init__(self, request: Request, body: bytes, settings: Settings) -> None:
        self.spool_max_size = settings.max_bytes + 1
        most = settings.max_images + 1
        super().__init__(request.headers, _whole(body), max_files=most, max_fields=0)
        self.ended = False

    def on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        """Releases all files, of parts that are cut short too."""
        for file in self._files_to_close_on_error:
            file.close()


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _in_form(request: Request, body: bytes, settings: Settings) -> list[Encoded | Unusable]:
    parser = _InMemory(request, body, settings)
    found: list[Encoded | Unusable] = []
    try:
        form = await parser.parse()
        if not parser.ended:
            raise RefusedError(400, "the form is cut short: its last boundary is missing")
        for _, file in form.multi_items():
            assert isinstance(file, UploadFile)  # fields without a file were refused
            found.append(Encoded(file.filename or f"image {len(found)}", await file.read()))
    except MultiPartException as error:
        raise _unreadable(error.message, settings) from None
    finally:
        parser.close()
    if not found:
        raise RefusedError(400, "the form has no file: add one, as curl -F image=@cat.jpg does")
    return found


def _unreadable(why: str, settings: Settings) -> RefusedError:
    """What is wrong with a form that its parser refuses."""
    if why.startswith("Too many fields"):
        text = "the form has a field of text; send files alone, as curl -F image=@cat.jpg does with the @"
        return RefusedError(400, text)
    if why.startswith("Too many files"):
        return RefusedError(
            413, f"more than {settings.max_images} images in a request; send several requests"
        )
    return RefusedError(
        400, f"the form cannot be read: {why.rstrip('.')}; send files, as curl -F image=@cat.jpg does"
    )


def _in_json(body: bytes) -> list[Encoded | Unusable]:
    try:
        given = ImageList.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        status = 400 if first["type"] == "json_invalid" else 422
        place = ".".join(map(str, first["loc"])) or "the body"
        raise RefusedError(
            status, f'{place}: {first["msg"]}; send {{"images": ["BASE64", ...]}}, see /docs'
        ) from None
    return [_decoded(each, at) for at, each in enumerate(given.images)]


def _decoded(given: EncodedImage | str, at: int) -> Encoded | Unusable:
    """An image of JSON, or what is wrong with its base64."""
    text, file = (given, None) if isinstance(given, str) else (given.data, given.file)
    name = file or f"image {at}"
    try:
        return Encoded(name, b64decode(text, validate=True))
    except ValueError as error:  # of base64, or text beyond ASCII
        return Unusable(
            name, 422, f"is not base64 ({error}); encode the bytes of the file, without data:...;base64,"
        )
