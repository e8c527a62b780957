"""What an image may be given as: the path of a file, a PIL image, an array or a tensor becomes pixels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from PIL import Image

from hubel.data.image.modes import COLOUR, GREY
from hubel.data.image.reading import Encoded
from hubel.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from hubel.data.arrays import Bytes
    from hubel.data.image.preprocess import Preprocessing

ImageLike: TypeAlias = "str | os.PathLike[str] | Image.Image | npt.NDArray[Any] | Tensor"
"""An image: the path of a file, a PIL image, or an array or a tensor as `image_of` takes it."""

_CHANNELS = (GREY, COLOUR)


def as_seen(image: ImageLike | Encoded, preprocessing: Preprocessing) -> Bytes:
    """Returns an image as a network of this preprocessing sees it: uint8, height x width x depth.

    A file, or its bytes, is read exactly as in training. Raises DataError: the image cannot be used.
    """
    if isinstance(image, Encoded):
        return preprocessing.read(image)
    return preprocessing.read(Path(image)) if is_path(image) else preprocessing.pixels(image_of(image))


def image_of(value: object) -> Image.Image | Bytes:
    """Returns a PIL image as it is, and an array or tensor as pixels: uint8, h x w x c with c of 1 or 3.

    An array is h x w or h x w x c, a tensor h x w or c x h x w; both are uint8, or float from 0 to 1.

    Raises DataError: any other object, shape, type or range.
    """
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, np.ndarray) or is_tensor(value):
        return pixels_of(value)
    raise no_image(value)


def no_image(value: object) -> DataError:
    """The error of an object that is no image."""
    return DataError(
        f"an image is a PIL image, an array of height x width x {GREY} or {COLOUR}, a tensor of "
        f"{GREY} or {COLOUR} x height x width, or a path, not {type(value).__name__}"
    )


def is_path(value: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a value names a file."""
    return isinstance(value, str | os.PathLike)


def is_tensor(value: object) -> bool:
    """Whether an object is a torch tensor, without importing torch."""
    return hasattr(value, "detach") and hasattr(value, "is_floating_point")


def pixels_of(values: Any, *, many: bool = False) -> Bytes:
    """Returns an array or tensor as uint8, h x w x c; with `many` as n x h x w x c. c is 1 or 3.

    The last axis of an array holds the channels; of a tensor it is the first one of each image, as in torch.
    Grey images may lack that axis. A float from 0 to 1 is scaled to 255 and rounded.

    Raises DataError: another shape, type or range.
    """
    lead = int(many)
    array = _channels_last(values, lead) if is_tensor(values) else np.asarray(values)
    if array.ndim == lead + 2:
        array = array[..., None]
    if array.ndim != lead + 3 or array.shape[-1] not in _CHANNELS or array.size == 0:
        raise DataError(_shape_error(values, lead))
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        raise DataError(f"pixels are uint8 from 0 to 255, or float from 0 to 1, not {array.dtype}")
    least, most = float(array.min()), float(array.max())
    if not (least >= 0 and most <= 1):
        raise DataError(
            f"float pixels are from 0 to 1, but these are from {least:.4g} to {most:.4g}; undo any "
            "normalisation, since hubel does its own; give values from 0 to 255 as uint8"
        )
    pixels: Bytes = np.rint(array * 255).astype(np.uint8)
    return pixels


def _channels_last(values: Any, lead: int) -> Any:
    """A tensor as an array with its channels last."""
    values = values.detach().cpu()
    if values.is_floating_point():
        values = values.float()  # NumPy has no bfloat16
    array = values.numpy()
    if array.ndim == lead + 3:
        if array.shape[lead] not in _CHANNELS:
            raise DataError(_shape_error(values, lead))
        array = np.moveaxis(array, lead, -1)
    return array


def _shape_error(values: Any, lead: int) -> str:
    """What shape is needed, and how to get there if the channels are on the wrong side."""
    shape = tuple(values.shape)
    n = "n x " * lead
    misplaced = len(shape) == lead + 3
    if is_tensor(values):
        wanted, order = f"{n}{GREY} or {COLOUR} x height x width", (*range(lead), lead + 2, lead, lead + 1)
        remedy = f"x.permute{order}" if misplaced and shape[-1] in _CHANNELS else ""
    else:
        wanted, order = f"{n}height x width x {GREY} or {COLOUR}", (*range(lead), lead + 1, lead + 2, lead)
        remedy = f"x.transpose{order}" if misplaced and shape[lead] in _CHANNELS else ""
    kind = "a tensor" if is_tensor(values) else "an array"
    what = f"{kind} of images" if lead else f"{kind} of one image"
    found = " x ".join(map(str, shape)) or "a single value"
    return f"{what} is {wanted}, not {found}" + (f"; move the channels with {remedy}" if remedy else "")
