"""The range of a training set's deep images: the values that become black and white.

Deep images have 16 bits, 32 bits or floating-point values. A set may use a narrow band of them only: the
values of a thermal camera lie within some hundred of 65,536.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.cores import allowed_cores
from hubel.data.dataset import ArrayImages, FileImages
from hubel.data.formats.shards import ShardImages
from hubel.data.image.modes import FULL, is_deep
from hubel.data.image.reading import holds_deep
from hubel.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.dataset import Images
    from hubel.data.image.modes import Range

    Values = npt.NDArray[np.float64]

SHALLOW = (".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".webp", ".tga", ".avif")
"""The endings of formats that have 8 bits only."""

MOST = 10_000
"""The most images that a range is measured by."""

_LOOKED_AT = 200
_ASKED_FOR, _REMOTE = 32, 1000
_POOLED = 1 << 22
_OUTLIERS = 1e-4
_NARROWER = 4
_FEWEST = 16


def range_of(text: str, images: Images) -> Range | None:
    """Returns the range that a config asks for: `LOW:HIGH`, `full` for 16 bits, or `auto`: the images' own.

    Raises DataError: another text.
    """
    if text == "auto":
        return measured_range(images)
    found = FULL if text == "full" else written_range(text)
    if found is None:
        raise DataError(f"range is auto, full or LOW:HIGH, such as 29000:31000, not {text!r}")
    return found


def written_range(text: str) -> Range | None:
    """Returns the range in a text `LOW:HIGH`; None if it is none."""
    low, _, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        return None
    return found if math.isfinite(found[0]) and math.isfinite(found[1]) and found[0] < found[1] else None


def measured_range(images: Images) -> Range | None:
    """Returns the least and the greatest value of the deep images; None if there are none.

    At most 10,000 images are read, evenly spread; unreadable ones are passed over. Values that stand apart
    are left out, and clipped later: dead and hot pixels, and a value for "not measured" (`without_outliers`).
    """
    places = deep_places(images)
    count = pooled(len(places))

    def work(place: int) -> Values:
        try:
            return thinned(np.asarray(images.image(place)).ravel(), count)
        except DataError:
            return np.empty(0)

    with ThreadPoolExecutor(allowed_cores()) as pool:
        values = np.concatenate([np.empty(0), *pool.map(work, places)])
    return without_outliers(np.sort(values)) if len(values) else None


def pooled(images: int) -> int:
    """How many values are kept of each of so many deep images."""
    return max(64, _POOLED // max(1, images))


def thinned(values: npt.NDArray[Any], count: int) -> Values:
    """Returns at most about `count` of an image's values, evenly spread, and the least and the greatest."""
    finite: Values = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        return finite
    return np.concatenate([finite[:: -(-len(finite) // count)], np.array([finite.min(), finite.max()])])


def described(values: Values) -> str:
    """Returns what becomes of deep images in training; `values` are some of all of them."""
    low, high = without_outliers(np.sort(values))
    black, white = np.rint(np.clip((low, high), *FULL) * (255 / FULL[1])).astype(int)
    beyond = float(((values < low) | (values > high)).mean())
    return (
        f"values from {low:g} to {high:g} become black to white in training; at the full range of 16 bits "
        f"they would be {white - black + 1} of 256 greys"
        + (f"; {100 * beyond:.2g} % of the values lie beyond and are clipped" if beyond else "")
        + "; --range LOW:HIGH sets another range"
    )


def without_outliers(values: Values) -> Range:
    """Returns the least and the greatest of some values, ascending, but for those that stand apart.

    These are a ten-thousandth at either end, if the range is at least four times narrower without them; and
    a single value, if it is three times farther from the others than they are from one another. At least 16
    different values always stay.
    """
    cut = math.ceil(_OUTLIERS * len(values))
    inner = values[cut : len(values) - cut]
    if _is_worth(inner) and values[-1] - values[0] >= _NARROWER * (inner[-1] - inner[0]):
        values = inner
    for _ in range(2):
        above, below = values[values > values[0]], values[values < values[-1]]
        if _is_worth(above) and above[0] - values[0] >= (_NARROWER - 1) * (above[-1] - above[0]):
            values = above
        elif _is_worth(below) and values[-1] - below[-1] >= (_NARROWER - 1) * (below[-1] - below[0]):
            values = below
    low, high = float(values[0]), float(values[-1])
    return (low, high) if low < high else (low, low + 1)


def deep_places(images: Images) -> list[int]:
    """Returns the places of deep images, at most 10,000, evenly spread.

    The headers of files are read unless their ending excludes it; of remote ones only some are, as of other
    images, unless there are deep ones among these.
    """
    if isinstance(images, ArrayImages):
        return []
    if not isinstance(images, FileImages | ShardImages):
        some = _spread(list(range(len(images))), _LOOKED_AT)
        found = [place for place in some if _is_deep(images, place)]
        more = _spread(list(range(len(images))), MOST) if found and len(some) < len(images) else []
        return [place for place in more if _is_deep(images, place)] or found
    may = [place for place in range(len(images)) if not images.name(place).lower().endswith(SHALLOW)]
    most = MOST
    if isinstance(images, ShardImages) and images.remote:  # where each image is a request
        most = _REMOTE if any(_is_deep(images, place) for place in _spread(may, _ASKED_FOR)) else 0
    return [place for place in _spread(may, most) if _is_deep(images, place)]


def _is_deep(images: Images, place: int) -> bool:
    """Whether an image is deep; False if it cannot be read."""
    try:
        if isinstance(images, FileImages | ShardImages):
            return holds_deep(images.file(place))
        return is_deep(images.image(place))
    except DataError:
        return False


def _is_worth(values: Values) -> bool:
    """Whether values are different enough to be a range of their own."""
    return len(np.unique(values)) >= _FEWEST


def _spread(places: list[int], most: int) -> list[int]:
    if len(places) <= most:
        return places
    if not most:
        return []
    return [places[at] for at in np.linspace(0, len(places) - 1, most).astype(np.int64).tolist()]
