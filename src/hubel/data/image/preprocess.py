"""Preprocessing: the single path from an image to the network's input, in training and afterwards."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from hubel.data.image.modes import COLOUR, GREY, Range, as_image, flatten, upright
from hubel.data.image.reading import read_raster
from hubel.errors import DataError, nearest
from hubel.files import parse_json
from hubel.net.volume import Volume

if TYPE_CHECKING:
    import torch

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

    `fit` says how an image of another aspect ratio is resized: `crop` keeps the centre, after the short side
    is resized to `resize` pixels, or to as few as the crop needs if that is None; `pad` keeps the whole image
    and adds black borders; `squash` stretches it. Small images are enlarged by the same rule. `mean` and
    `std` are those of pixel values from 0 to 1, one per channel; the network sees `(value - mean) / std`.
    `range` are the values of a deep image, such as one of 16 bits, that become black and white; None for the
    whole range of 16 bits. Images of 8 bits have no other range than their own.

    Raises DataError: a field of another type or range, `resize` smaller than the crop or without a crop.
    """

    height: int
    width: int
    depth: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit = "crop"
    resize: int | None = None
    interpolation: Interpolation = "bilinear"
    range: Range | None = None

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
        if self.range is not None and not _is_range(self.range):
            raise DataError(f"range is a low and a higher float, or nothing, not {self.range!r}")
        self._check_resize()

    def _check_resize(self) -> None:
        """Raises DataError: `resize` does not go with the other fields."""
        if self.resize is None:
            return
        if self.fit != "crop":
            raise DataError(f"resize belongs to fit='crop'; leave it out, or change fit={self.fit!r}")
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
        """Returns the preprocessing for a network's input volume; values are from 0 to 1 until `measured`.

        Raises NetworkError: not a volume. Raises DataError: as the class.
        """
        height, width, depth = Volume.of(volume)
        return cls(height, width, depth, (0.0,) * depth, (1.0,) * depth, fit, resize, interpolation)

    def at(self, volume: VolumeLike) -> Preprocessing:
        """Returns the same preprocessing for another height and width, with `resize` in proportion.

        Raises NetworkError: not a volume. Raises DataError: as the class.
        """
        height, width, _ = Volume.of(volume)
        resize = self.resize and round(self.resize * max(height, width) / max(self.height, self.width))
        return replace(self, height=height, width=width, resize=resize)

    def fitting(self, fit: Fit | None) -> Preprocessing:
        """Returns the same preprocessing with another `fit`, if one is given; `resize` is then dropped."""
        return self if fit in (None, self.fit) else replace(self, fit=fit, resize=None)

    @property
    def volume(self) -> Volume:
        """What an image becomes."""
        return Volume(self.height, self.width, self.depth)

    @property
    def side(self) -> int:
        """The length in pixels of an image's shorter side from which nothing is enlarged."""
        return max(self.height, self.width) if self.resize is None else self.resize

    def kept(self, height: int, width: int) -> float:
        """Returns the share of an image of this size that is seen; the rest is cut off."""
        if self.fit != "crop":
            return 1.0
        if self.resize is None:
            scale = max(self.height / height, self.width / width)
        else:
            scale = self.resize / min(height, width)
        return min(1.0, self.height / (scale * height)) * min(1.0, self.width / (scale * width))

    def read(self, path: File) -> Bytes:
        """Returns the preprocessed pixels of an image file: uint8, height x width x depth.

        Training and prediction read files this way alone: a JPEG file much larger than needed is decoded at a
        half, a quarter or an eighth (`reading.read_raster`), which changes its pixels slightly.

        Raises DataError: the file cannot be read, or its pixels or orientation are ambiguous.
        """
        raster = read_raster(path, self.side)
        try:
            return self.pixels(raster)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def pixels(self, image: Image.Image | Bytes) -> Bytes:
        """Returns an image's preprocessed pixels: uint8, height x width x depth.

        They can be written to, and may be the given array.

        The image is turned upright (`modes.upright`), converted to 8-bit grey or colour (`modes.flatten`) and
        fitted, with antialiasing if it becomes smaller. An array is an upright image: uint8, h x w x c with c
        of 1 or 3.

        Raises DataError: the image's orientation or pixels are ambiguous.
        """
        if isinstance(image, np.ndarray):
            same = image.shape == (self.height, self.width, self.depth)
            if same and self.resize in (None, min(self.height, self.width)):
                return np.require(image, requirements="W")  # torch warns of an array that is read only
            image = as_image(image)
        fitted = self._fitted(flatten(upright(image), self.depth, self.range))
        return np.array(fitted, np.uint8).reshape(self.height, self.width, self.depth)

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """Returns the network's input: float32, n x depth x height x width, on the batch's device.

        The batch is uint8, n x height x width x depth; its memory layout stays, which torch calls
        `channels_last`. Each row of pixels is one multiply-add, which uses the processor's vector units
        better than working channel by channel.

        Raises DataError: the batch has another type or shape.
        """
        import torch  # reading images needs none

        shape = (self.height, self.width, self.depth)
        if batch.dtype != torch.uint8 or batch.shape[1:] != shape:
            found = f"{batch.dtype} of {' x '.join(map(str, batch.shape))}"
            raise DataError(f"a batch is uint8 of n x {' x '.join(map(str, shape))}, not {found}")
        factor, summand = _factors(self.mean, self.std, self.width, batch.device)
        rows = batch.reshape(len(batch) * self.height, self.width * self.depth).float()
        seen = torch.addcmul(summand, rows, factor, out=rows)
        return seen.view(batch.shape).permute(0, 3, 1, 2)

    def measured(self, images: Bytes) -> Preprocessing:
        """Returns the same preprocessing with the mean and std of `images`: uint8, n x h x w x depth.

        Both are exact, from counts of the 256 values. A constant channel gets a standard deviation of 1.

        Raises DataError: no images, or images of another depth.
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
        """Returns all fields as a JSON object, which `from_json` reads; `range` only if there is one."""
        content = asdict(self)
        if self.range is None:
            del content["range"]
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """Returns the preprocessing that `to_json` wrote.

        Raises DataError: not a JSON object, an unknown or missing key, or as the class.
        """
        try:
            content = parse_json(text)
        except ValueError as error:
            raise DataError(f"preprocessing is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise DataError(f"preprocessing is a JSON object, not {text!r}")
        known = [field.name for field in fields(cls)]
        for key in content:
            if key not in known:
                raise DataError(f"preprocessing has no {key!r}{nearest(key, known)}")
        for key in known:
            if key not in content and key != "range":
                raise DataError(f"preprocessing lacks {key!r}; it has {', '.join(content) or 'nothing'}")
        return cls(**{key: _tuple(value) for key, value in content.items()})

    def _check_statistic(self, name: str, least: float) -> None:
        """Raises DataError: `mean` or `std` is not one finite float above `least` per channel."""
        values = getattr(self, name)
        if not isinstance(values, tuple) or len(values) != self.depth:
            raise DataError(f"{name} is a tuple of {self.depth}, one per channel, not {values!r}")
        for value in values:
            if not isinstance(value, float) or not math.isfinite(value) or value <= least:
                raise DataError(
                    f"{name} has finite floats{' above 0' if name == 'std' else ''}, not {value!r}"
                )

    def _fitted(self, image: Image.Image) -> Image.Image:
        """Returns an 8-bit image at the network's height and width."""
        across, down = image.size
        wanted = (self.width, self.height)
        resample = _FILTERS[self.interpolation]
        if self.fit == "squash":
            return image.resize(wanted, resample)
        wide = self.width * down >= self.height * across  # the input is wider than the image
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


@dataclass(frozen=True, slots=True)
class Whole(Preprocessing):
    """The preprocessing of a graph that resizes images itself: they are read alike, and keep their size."""

    def pixels(self, image: Image.Image | Bytes) -> Bytes:
        """Returns an upright image's pixels in 8 bits: uint8, h x w x depth, of any height and width.

        Raises DataError: as `Preprocessing.pixels`.
        """
        image = as_image(image) if isinstance(image, np.ndarray) else image
        flat = flatten(upright(image), self.depth, self.range)
        return np.array(flat, np.uint8).reshape(flat.height, flat.width, self.depth)


@lru_cache(16)
def _factors(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """The factor and the summand for each value of a row of pixels: float32, width * depth."""
    import torch

    scale = torch.tensor(std)
    factor, summand = 1 / (255 * scale), -torch.tensor(mean) / scale
    return factor.repeat(width).to(device), summand.repeat(width).to(device)


def _crop_box(
    size: tuple[int, int], wanted: tuple[int, int], by: int, of: int
) -> tuple[float, float, float, float]:
    """Returns the central part of an image that becomes `wanted` when scaled by `by / of`.

    Its left and upper edges lie on whole pixels, so that an image that is only cropped is not blurred.
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


def _is_range(value: object) -> bool:
    """Whether this is a low and a higher value, both finite."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    return all(isinstance(item, float) and math.isfinite(item) for item in value) and value[0] < value[1]


def _tuple(value: Any) -> Any:
    """A JSON list as a tuple of floats; some JSON writers drop the decimal point of whole numbers."""
    if not isinstance(value, list):
        return value
    return tuple(float(item) if type(item) is int else item for item in value)
