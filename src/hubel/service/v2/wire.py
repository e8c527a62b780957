"""Tensors on the wire of the open inference protocol: from a body to images, from outputs to a body."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from hubel.data.image.reading import Encoded
from hubel.service.refusals import RefusedError, as_json
from hubel.service.v2.schema import (
    BINARY,
    BINARY_OUTPUT,
    BINARY_SIZE,
    INPUT,
    LABELS,
    PROBABILITIES,
    InferenceRequest,
    InputTensor,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Floats
    from hubel.model.inputs import Input

KINDS: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("<u1"), "FP32": np.dtype("<f4")}
"""The types of pixels."""

NUMBERS = {"UINT8": "iu", "FP32": "iuf"}
"""NumPy's kinds of numbers that JSON may have for each."""

LENGTH = 4
"""The bytes that say how long an element of BYTES is, the lowest first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for: its images, and its outputs, each with whether it is to be binary."""

    identity: str | None
    images: list[Input]
    outputs: dict[str, bool]


def read(body: bytes, length: int | None, max_images: int) -> Asked:
    """Returns what a body asks for; its first `length` bytes are JSON, by default all.

    Raises RefusedError: it is not a request of the protocol, or asks for what there is not.
    """
    if length is not None and not 0 < length <= len(body):
        raise RefusedError(400, f"the JSON cannot have {length} bytes: the body has {len(body)}")
    text, binary = body[:length], body[len(body) if length is None else length :]
    try:
        asked = InferenceRequest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise RefusedError(400, f"{place}: {first['msg']}; one input, {INPUT}, is taken: see /docs") from None
    return Asked(asked.id, _images(asked.inputs[0], binary, max_images), _outputs(asked))


def _images(tensor: InputTensor, binary: bytes, max_images: int) -> list[Input]:
    """The images of the input. Raises RefusedError: its name, type, shape or length is wrong."""
    if tensor.name != INPUT:
        raise RefusedError(400, f"there is no input {tensor.name[:100]!r}; the one input is {INPUT}")
    _check_known(tensor.parameters, {BINARY_SIZE}, "an input")
    size = tensor.parameters.get(BINARY_SIZE)
    if (size is None) == (tensor.data is None) or (size is None and binary):
        raise RefusedError(400, f"the values of {INPUT} are either in data or binary, {BINARY_SIZE} bytes")
    if size is not None and (not isinstance(size, int) or size != len(binary)):
        raise RefusedError(400, f"{BINARY_SIZE} is {str(size)[:40]}; {len(binary)} bytes follow the JSON")
    if tensor.datatype == "BYTES":
        found: list[Input] = list(_files(tensor, None if size is None else binary))
    elif tensor.datatype in KINDS:
        found = list(_pixels(tensor, None if size is None else binary, max_images))
    else:
        raise RefusedError(
            400, f"{INPUT} is BYTES, image files; or UINT8 or FP32, pixels; not {tensor.datatype[:40]}"
        )
    if not found:
        raise RefusedError(400, f"{INPUT} is empty: send at least one image")
    return found


def _files(tensor: InputTensor, binary: bytes | None) -> Iterator[Encoded]:
    """Image files: in binary each after its length, in JSON each in base64."""
    found = list(_elements(binary)) if binary is not None else [_decoded(each) for each in tensor.data or ()]
    if math.prod(tensor.shape) != len(found) or not tensor.shape:
        raise RefusedError(400, f"{INPUT} has {len(found)} elements, which are not of shape {tensor.shape}")
    for at, data in enumerate(found):
        yield Encoded(f"image {at}", data)


def _elements(binary: bytes) -> Iterator[bytes]:
    """The elements of BYTES. Raises RefusedError: they are cut short."""
    place = 0
    while place < len(binary):
        start = place + LENGTH
        place = start + int.from_bytes(binary[place:start], "little")
        if place > len(binary):
            raise RefusedError(400, f"{INPUT} is cut short: each element has {LENGTH} bytes for its length")
        yield binary[start:place]


def _decoded(text: Any) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise RefusedError(400, f"in JSON the BYTES of {INPUT} are texts in base64") from None


def _pixels(tensor: InputTensor, binary: bytes | None, max_images: int) -> Iterator[npt.NDArray[Any]]:
    """Images as arrays: n x h x w x c."""
    shape, kind = tensor.shape, KINDS[tensor.datatype]
    if len(shape) != 4 or shape[3] not in (1, 3) or 0 in shape[:3]:
        raise RefusedError(400, f"pixels are n x height x width x channels, 1 or 3, not {shape}")
    if shape[0] > max_images:
        raise RefusedError(413, f"{shape[0]} images in a request; at most {max_images}: send several")
    wanted = math.prod(shape)
    size = wanted * kind.itemsize
    if binary is None:
        array = _numbers(tensor, kind)
    elif len(binary) == size:
        array = np.frombuffer(binary, kind)
    else:
        raise RefusedError(400, f"{shape} {tensor.datatype} are {size} bytes, not {len(binary)}")
    if array.size != wanted:
        raise RefusedError(400, f"{INPUT} has {array.size} values, which are not of shape {shape}")
    yield from array.reshape(shape)


def _numbers(tensor: InputTensor, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """The numbers in a list of JSON, flat or nested."""
    try:
        found = np.array(tensor.data)
        if found.dtype.kind in NUMBERS[tensor.datatype]:
            with np.errstate(over="ignore"):  # infinite: refused as pixels
                exact = found.astype(kind)
            if tensor.datatype == "FP32" or (exact == found).all():
                return exact
    except (ValueError, OverflowError):  # lists of different lengths
        pass
    raise RefusedError(400, f"data of {INPUT} are numbers of {tensor.datatype}, in lists of one length")


def _outputs(asked: InferenceRequest) -> dict[str, bool]:
    """The outputs that are asked for, all by default, and whether they are to be binary."""
    _check_known(asked.parameters, {BINARY_OUTPUT}, "a request")
    usual = _flag(asked.parameters, BINARY_OUTPUT, usual=False)
    if not asked.outputs:
        return dict.fromkeys((PROBABILITIES, LABELS), usual)
    found = {}
    for each in asked.outputs:
        if each.name not in (PROBABILITIES, LABELS):
            raise RefusedError(
                400, f"there is no output {each.name[:100]!r}; there are {PROBABILITIES} and {LABELS}"
            )
        _check_known(each.parameters, {BINARY}, "an output")
        found[each.name] = _flag(each.parameters, BINARY, usual=usual)
    return found


def _check_known(parameters: dict[str, Any], known: set[str], what: str) -> None:
    for name in parameters.keys() - known:
        raise RefusedError(400, f"{what} has no parameter {name[:100]!r} here; there is {min(known)}")


def _flag(parameters: dict[str, Any], name: str, *, usual: bool) -> bool:
    value = parameters.get(name, usual)
    if not isinstance(value, bool):
        raise RefusedError(400, f"{name} is true or false, not {str(value)[:40]}")
    return value


def written(
    about: dict[str, Any], outputs: dict[str, bool], rows: Sequence[Floats], labels: Sequence[str]
) -> tuple[bytes, int | None]:
    """Returns the body of an answer, and how many bytes of it are JSON if binary tensors follow.

    `about` are the names of model and request; `rows` the probabilities of each image, `labels` its classes.
    """
    table = np.stack(rows).astype("<f4")
    texts = [label.encode("utf-8", "replace") for label in labels]
    tensors: dict[str, tuple[str, list[int], list[Any], bytes]] = {
        PROBABILITIES: ("FP32", list(table.shape), table.ravel().tolist(), table.tobytes()),
        LABELS: (
            "BYTES",
            [len(texts)],
            list(labels),
            b"".join(len(text).to_bytes(LENGTH, "little") + text for text in texts),
        ),
    }
    described, behind = [], []
    for name, binary in outputs.items():
        kind, shape, values, data = tensors[name]
        content: dict[str, Any] = {"name": name, "datatype": kind, "shape": shape}
        if binary:
            behind.append(data)
            described.append(content | {"parameters": {BINARY_SIZE: len(data)}})
        else:
            described.append(content | {"data": values})
    text = as_json(about | {"outputs": described})
    return text + b"".join(behind), (len(text) if behind else None)
