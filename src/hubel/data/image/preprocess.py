"""Preprocessing: the one path from an image to what the network sees, in training and ever after."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from PIL import Image

from hubel.data.image.modes import COLOUR, GREY, as_image, flatten, upright
from hubel.data.image.reading import read_raster
from hubel.errors import DataError, nearest
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.image.reading import File
    from hubel.net.volume import VolumeLike

Fit: TypeAlias = Literal["crop", "pad", "squash"]
Interpolation: TypeAlias = Literal["bilinear", "bicubic"]

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes `height` x `width` x `depth` values.

    `fit` is what happens to an image of another shape: `crop` keeps its centre, after its short side has
    become `resize` pixels, or as few as the crop needs if that is None; `pad` keeps all of it, with black
    at the sides; `squash` stretches it. Small images are enlarged by the same rule. `mean` and `std` are
    of pixel values from 0 to 1, one of each per channel; the network sees `(value - mean) / std`.

    Raises DataError: a field of another kind or range, `resize` smaller than the crop or without one.
    """

    height: int
    width: int
    depth: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit = "crop"
    resize: int | None = None
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            if not _is_whole(getattr(self, name), 1):
                raise DataError(f"{name} is a whole number of at least 1, not {getattr(self, name)!r}")
        if not _is_whole(self.depth, 1) or self.depth not in (GREY, COLOUR):
            raise DataError(f"depth is 1 for grey or 3 for colour, not {self.depth!r}")
        for name, known in (("fit", get_args(Fit)), ("interpolation", get_args(Interpolation))):
            value = getattr(self, name)
            if value not in known:
                raise DataError(
                    f"{name} is one of {', '.join(known)}, not {value!r}{nearest(str(value), known)}"
                )
        for name, least in (("mean", -math.inf), ("std", 0.0)):
            self._check_statistic(name, least)
        if self.resize is None:
            return
        if self.fit != "crop":
            raise DataError(f"resize belongs to fit='crop'; take it out, or change fit={self.fit!r}")
        if not _is_whole(self.resize, max(self.height, self.width)):
            raise DataError(
                f"resize is the short side before the crop of {self.height}x{self.width}, a whole number of "
                f"at least {max(self.height, self.width)}, not {self.resize!r}"
            )

    @classmethod
    def of(
        cls,
        volume: VolumeLike,
        *,
        fit: Fit = "crop",
        resize: int | None = None,
        interpolation: Interpolation = "bilinear",
    ) -> Preprocessing:
        """Returns the preprocessing for a network's input volume, with values from 0 to 1 until `measured`.

        Raises NetworkError: no volume. Raises DataError: as the class.
        """
        height, width, depth = Volume.of(volume)
        return cls(height, width, depth, (0.0,) * depth, (1.0,) * depth, fit, resize, interpolation)

    def at(self, volume: VolumeLike) -> Preprocessing:
        """Returns the same way to another height and width, with `resize` in proportion.

        Raises NetworkError: no volume. Raises DataError: as the class.
        """
        height, width, _ = Volume.of(volume)
        resize = self.resize and round(self.resize * max(height, width) / max(self.height, self.width))
        return replace(self, height=height, width=width, resize=resize)

    def fitting(self, fit: Fit | None) -> Preprocessing:
        """Returns the same way but for `fit`, where another is named; `resize` belongs to its own."""
        return self if fit in (None, self.fit) else replace(self, fit=fit, resize=None)

    @property
    def side(self) -> int:
        """The pixels that an image's shorter side needs for nothing to be enlarged."""
        return max(self.height, self.width) if self.resize is None else self.resize

    def read(self, path: File) -> Bytes:
        """Returns what the network sees of an image's file: uint8, height x width x depth.

        The one way from a file, in training and ever after: a JPEG file much larger than needed is decoded
        at a half, a quarter or an eighth (`reading.read_raster`), which changes its pixels a little.

        Raises DataError: a file that cannot be read, or an image without a sure meaning, by its path.
        """
        raster = read_raster(path, self.side)
        try:
            return self.pixels(raster)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def pixels(self, image: Image.Image | Bytes) -> Bytes:
        """Returns an image's pixels, maybe its own: uint8, height x width x depth.

        The image is turned upright (`modes.upright`), brought to 8 bits of grey or colour
        (`modes.flatten`), and fitted, with antialiasing where it becomes smaller. An array is an image
        that is upright: uint8, h x w x c with c of 1 or 3.

        Raises DataError: an image whose orientation or pixels have no sure meaning.
        """
        if isinstance(image, np.ndarray):
            if image.shape == (self.height, self.width, self.depth):
                return image
            image = as_image(image)
        fitted = self._fitted(flatten(upright(image), self.depth))
        return np.array(fitted, np.uint8).reshape(self.height, self.width, self.depth)

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """Returns what the network sees: float32, n x depth x height x width, on the batch's device.

        The batch is uint8, n x height x width x depth; the order of the values in memory stays as it is,
        which for torch is `channels_last`. It is one multiply-add of a row of pixels at a time, which fills
        the processor's vectors better than channel by channel.

        Raises DataError: a batch of another type or shape.
        """
        shape = (self.height, self.width, self.depth)
        if batch.dtype != torch.uint8 or batch.shape[1:] != shape:
            found = f"{batch.dtype} of {' x '.join(map(str, batch.shape))}"
            raise DataError(f"a batch is uint8 of n x {' x '.join(map(str, shape))}, not {found}")
        factor, summand = _factors(self.mean, self.std, self.width, batch.device)
        rows = batch.reshape(len(batch) * self.height, self.width * self.depth).float()
        seen = torch.addcmul(summand, rows, factor, out=rows)
        return seen.view(batch.shape).permute(0, 3, 1, 2)

    def measured(self, images: Bytes) -> Preprocessing:
        """Returns itself with the mean and the standard deviation of `images`: uint8, n x h x w x depth.

        Both are exact, from counts of the 256 values. A channel that never changes has nothing to scale
        and gets a standard deviation of 1.

        Raises DataError: no images, or of another depth.
        """
        if images.size == 0 or images.shape[-1] != self.depth:
            raise DataError(
                f"images to measure are n x h x w x {self.depth}, not {' x '.join(map(str, images.shape))}"
            )
        counts = np.zeros((self.depth, 256), np.int64)
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK]
            for channel in range(self.depth):
                counts[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
        values = np.arange(256) / 255
        mean = counts @ values / counts.sum(axis=1)
        variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
        std = np.where((counts > 0).sum(axis=1) == 1, 1.0, np.sqrt(variance))
        return replace(self, mean=tuple(map(float, mean)), std=tuple(map(float, std)))

    def to_json(self) -> str:
        """Returns all fields as a JSON object; `from_json` gives back an equal value."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """Reads what `to_json` wrote.

        Raises DataError: no JSON object, a key unknown or missing, or as the class.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"preprocessing is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise DataError(f"preprocessing is a JSON object, not {text!r}")
        known = [field.name for field in fields(cls)]
        for key in content:
            if key not in known:
                raise DataError(f"preprocessing has no {key!r}{nearest(key, known)}")
        for key in known:
            if key not in content:
                raise DataError(f"preprocessing lacks {key!r}; it has {', '.join(content) or 'nothing'}")
        return cls(**{key: _tuple(value) for key, value in content.items()})

    def _check_statistic(self, name: str, least: float) -> None:
        """Refuses a `mean` or `std` that is not one finite float above `least` for each channel."""
        values = getattr(self, name)
        if not isinstance(values, tuple) or len(values) != self.depth:
            raise DataError(f"{name} is a tuple of {self.depth}, one for each channel, not {values!r}")
        for value in values:
            if not isinstance(value, float) or not math.isfinite(value) or value <= least:
                raise DataError(
                    f"{name} is of finite floats{' above 0' if name == 'std' else ''}, not {value!r}"
                )

    def _fitted(self, image: Image.Image) -> Image.Image:
        """Returns an 8-bit image in the network's height and width."""
        across, down = image.size
        wanted = (self.width, self.height)
        resample = _FILTERS[self.interpolation]
        if self.fit == "squash":
            return image.resize(wanted, resample)
        wide = self.width * down >= self.height * across  # than the image, relative to the height
        if self.fit == "pad":
            by, of = (self.height, down) if wide else (self.width, across)
            inner = [max(1, (2 * side * by + of) // (2 * of)) for side in image.size]
            canvas = Image.new(image.mode, wanted)
            canvas.paste(image.resize((inner[0], inner[1]), resample), _centred(wanted, (inner[0], inner[1])))
            return canvas
        if self.resize is not None:
            by, of = self.resize, min(image.size)
        else:
            by, of = (self.width, across) if wide else (self.height, down)
        return image.resize(wanted, resample, box=_crop_box(image.size, wanted, by, of))


@lru_cache(16)
def _factors(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the values of a row of pixels are multiplied by, and what is added: float32, width * depth."""
    scale = torch.tensor(std)
    factor, summand = 1 / (255 * scale), -torch.tensor(mean) / scale
    return factor.repeat(width).to(device), summand.repeat(width).to(device)


def _crop_box(
    size: tuple[int, int], wanted: tuple[int, int], by: int, of: int
) -> tuple[float, float, float, float]:
    """Returns the part of an image that becomes `wanted` when it is scaled by `by / of`, around its centre.

    Its left and upper edge lie on whole pixels, so that an image that is only cropped is not blurred.
    """
    left, top = ((side * by - part * of) // (2 * by) for side, part in zip(size, wanted, strict=True))
    right, bottom = (
        min(start + part * of / by, side) for start, part, side in zip((left, top), wanted, size, strict=True)
    )
    return left, top, right, bottom


def _centred(outer: tuple[int, int], inner: tuple[int, int]) -> tuple[int, int]:
    return (outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _tuple(value: Any) -> Any:
    """A JSON list as a tuple of floats; some writers of JSON drop the point of a whole number."""
    if not isinstance(value, list):
        return value
    return tuple(float(item) if type(item) is int else item for item in value)
