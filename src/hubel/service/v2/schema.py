"""The JSON of the open inference protocol: what a request for inference holds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictInt, StrictStr

INPUT = "images"
PROBABILITIES, LABELS = "probabilities", "labels"

BINARY, BINARY_SIZE, BINARY_OUTPUT = "binary_data", "binary_data_size", "binary_data_output"
"""The parameters of the extension for binary tensors: of an output, of an input or output, of a request."""

HEADER_LENGTH = "inference-header-content-length"
"""The header that says how many bytes at the beginning of a body are JSON."""


class InputTensor(BaseModel):
    """A tensor that comes in; its values are `data`, or lie behind the JSON, `binary_data_size` bytes."""

    name: StrictStr
    datatype: StrictStr
    shape: list[Annotated[StrictInt, Field(ge=0, lt=1 << 31)]]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class OutputAsked(BaseModel):
    """An output that is asked for."""

    name: StrictStr
    parameters: dict[str, Any] = {}


class InferenceRequest(BaseModel):
    """A request for inference."""

    id: StrictStr | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[OutputAsked] = []


class OutputTensor(BaseModel):
    """A tensor that goes out."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class InferenceResponse(BaseModel):
    """The answer to a request for inference."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]
