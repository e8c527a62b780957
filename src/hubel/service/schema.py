"""The shapes of answers, for the description of the service in OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

MEANINGS = {
    400: "The request cannot be understood.",
    401: "The token is missing or another one.",
    404: "There is no such model.",
    408: "The request did not arrive in time.",
    413: "The request or an image is too large.",
    415: "The content is of a kind that is not taken.",
    422: "An image or an argument cannot be used.",
    503: "Too much waits already, or the service is ending; Retry-After says when to try again.",
}


class Error(BaseModel):
    """What is wrong, and what to do."""

    error: str = Field(description="Where the error is, what is wrong, why, and what to do.")
    status: int = Field(description="The status of HTTP.")
    request: str = Field(description="The id of the request, also in the log.")


class ClassProbability(BaseModel):
    """A class with its probability."""

    name: str
    probability: float = Field(ge=0, le=1)


class ImagePrediction(BaseModel):
    """The most probable classes of an image, the most probable first; or what is wrong with it."""

    file: str = Field(description="The name of the file, or `image N`.")
    classes: list[ClassProbability] | None = None
    error: str | None = None
    status: int | None = Field(None, description="With an error: the status that this image has alone.")


class Predictions(BaseModel):
    """The predictions of all images of a request, in order."""

    model: str
    predictions: list[ImagePrediction]


class EncodedImage(BaseModel):
    """An image file in base64."""

    data: str = Field(description="The bytes of an image file, in base64.")
    file: str | None = Field(None, description="Its name, which comes back with its prediction.")


class ImageList(BaseModel):
    """Image files in base64."""

    images: list[EncodedImage | str] = Field(min_length=1)


class ModelState(BaseModel):
    """A model that is served."""

    name: str
    input: str = Field(description="Height x width x depth.")
    classes: int
    engine: str
    since: str = Field(description="When its file was opened.")
    trouble: str | None = Field(description="What is wrong with its changed file, which was not taken.")
    tries: int = Field(description="How often that file was tried.")
    next_try: str | None = Field(description="When it is tried again; a change of the file is seen at once.")


class ModelList(BaseModel):
    """The models that are served."""

    models: list[ModelState]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the description of the errors that a route answers with."""
    return {status: {"model": Error, "description": MEANINGS[status]} for status in statuses}
