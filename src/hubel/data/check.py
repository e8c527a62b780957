"""Checking a data set: everything wrong with its images, found before training."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from PIL import Image

from hubel.cores import allowed_cores
from hubel.data.dataset import FileImages
from hubel.data.feed.range import described, pooled, thinned
from hubel.data.formats.folder import visible, walk
from hubel.data.formats.shards import ShardImages
from hubel.data.image.modes import COLOUR, as_image, flatten, is_deep, loses_bits, upright
from hubel.data.image.reading import is_empty, opened, read_raster
from hubel.data.sources import FORMATS, UNPACKED, DataLike, open_data
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt

    from hubel.data.arrays import Bytes
    from hubel.data.dataset import Images
    from hubel.data.image.reading import File

Level: TypeAlias = Literal["error", "warning", "notice"]

IMBALANCE, MENTIONED = 10, 3
"""The ratios of the largest class to the smallest: above the first a warning, from the second on a notice."""

_ORIENTATION = 0x0112
_BLOCK = 32
_ALIKE = {"MPO": "JPEG", "DIB": "BMP"}
"""Formats that count as another one, of which they are variants."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding: an `error` should be corrected, a `warning` considered, a `notice` known.

    `kind` is one of layout, empty, huge, damaged, format, ending, turned, deep, conflict, leak, duplicate,
    missing and imbalance; `names` are the images, files or folders it concerns, in the order of the set.
    """

    level: Level
    kind: str
    message: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """The smallest, the median and the largest of some numbers of pixels."""

    least: int
    median: float
    most: int


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check: image `counts` by split and class, upright sizes in pixels, and findings.

    The sizes are None if no image could be read.
    """

    name: str
    counts: dict[str, dict[str, int]]
    heights: Spread | None
    widths: Spread | None
    findings: tuple[Finding, ...]

    @property
    def images(self) -> int:
        """The number of images in all splits, readable or not."""
        return sum(sum(classes.values()) for classes in self.counts.values())

    def of_level(self, level: Level) -> tuple[Finding, ...]:
        """The findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)


def check(where: DataLike, progress: Callable[[int], None] | None = None) -> Check:
    """Reads every image of a set, on all cores, and reports everything wrong with it.

    If a folder of class folders cannot be opened as a set, every reason is reported and the rest is checked.
    `progress` is called with the number of images read so far.

    Raises DataError: no such set, or an unknown format.
    """
    found = _listed(where)
    examined: list[_Examined] = []
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(), ThreadPoolExecutor(allowed_cores()) as pool:
        # An image that Pillow warns about is reported as huge.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)

        def work(places: list[_Place]) -> list[_Examined]:
            return [_examine(place, limit, count) for place in places]

        places = found.places()
        count = pooled(len(places))
        for block in pool.map(work, [places[at : at + _BLOCK] for at in range(0, len(places), _BLOCK)]):
            examined += block
            if progress is not None:
                progress(len(examined))
    sizes = [each.size for each in examined if each.size is not None]
    return Check(
        name=found.name,
        counts=found.counts(),
        heights=_spread([height for height, _ in sizes]),
        widths=_spread([width for _, width in sizes]),
        findings=(
            *found.findings,
            *(finding for each in examined for finding in each.findings),
            *_formats(examined),
            *_turned(examined),
            *_deep(examined),
            *_deep_colours(examined),
            *_duplicates(examined),
            *_missing(found.counts()),
            *_imbalance(found.counts()),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """An image in its split and class."""

    split: str
    label: str
    images: Images
    index: int

    @property
    def name(self) -> str:
        return self.images.name(self.index)

    @property
    def file(self) -> File | None:
        """Its file, if it has one. Raises DataError: the file cannot be read."""
        if isinstance(self.images, FileImages | ShardImages):
            return self.images.file(self.index)
        return None


@dataclass(slots=True)
class _Examined:
    """What is known of one image; `digest` is that of its upright pixels, None if it cannot be read.

    `format` is the file's true format and `ending` its name's ending, if the two disagree. `values` are some
    of a deep image's, the least and the greatest among them; `deep_colours`: it has 16 bits per colour, of
    which 8 are read.
    """

    place: _Place
    digest: bytes | None = None
    size: tuple[int, int] | None = None
    orientation: int = 1
    format: str = ""
    ending: str = ""
    values: npt.NDArray[np.float64] | None = None
    deep_colours: bool = False
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _Listed:
    """The images of a set by split, its classes, and the findings on its layout."""

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, Images]
    findings: list[Finding] = field(default_factory=list)

    def places(self) -> list[_Place]:
        """Every image, split by split."""
        return [
            _Place(split, self.classes[label], images, index)
            for split, images in self.splits.items()
            for index, label in enumerate(images.labels.tolist())
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """The number of images by split and class, classes without any included."""
        return {
            split: dict(
                zip(
                    self.classes,
                    np.bincount(images.labels, minlength=len(self.classes)).tolist(),
                    strict=True,
                )
            )
            for split, images in self.splits.items()
        }


def _listed(where: DataLike) -> _Listed:
    """The set as training would open it; if it cannot be opened, everything in its class folders."""
    try:
        dataset = open_data(where, val=0)
    except DataError:
        root = Path(where).expanduser() if isinstance(where, str | Path) else None
        if root is None or not _is_of_folders(root):
            raise
        return _listed_folder(root)
    splits = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    present = {split: images for split, images in splits.items() if images is not None}
    return _Listed(dataset.name, dataset.classes, present)


def _is_of_folders(root: Path) -> bool:
    """Whether a folder can only be meant to hold class folders."""
    if not root.is_dir() or any((root / name).is_dir() for name in UNPACKED):
        return False
    return not any(recognise(root) for recognise, _ in FORMATS) and any(map(Path.is_dir, visible(root)))


def _listed_folder(root: Path) -> _Listed:
    """The images that `read_folder` would read, and a finding for everything it would refuse."""
    findings: list[Finding] = []

    def wrong(path: Path, reason: str) -> None:
        findings.append(Finding("error", "layout", reason, (str(path),)))

    classes, images = walk(root, wrong)
    if len(classes) < 2:
        wrong(root, f"{len(classes)} class; a classifier needs at least two")
    return _Listed(root.resolve().name, classes, images, findings)


def _examine(place: _Place, limit: int | None, count: int) -> _Examined:
    """Reads an image, from its file if it has one; of a deep one about `count` values are kept."""
    found = _Examined(place)
    file = None
    try:
        file = place.file
        if file is not None:
            _header(file, found)
            if limit is not None and found.size is not None and found.size[0] * found.size[1] > limit:
                return _broken(found, "huge", f"{found.size[0]}x{found.size[1]} pixels, over {limit:,}")
            raster = read_raster(file)
        else:
            raster = place.images.image(place.index)
        pixels = _pixels(raster)
    except DataError as error:
        bomb = isinstance(error.__cause__, Image.DecompressionBombError)
        kind = "huge" if bomb else "empty" if file is not None and is_empty(file) else "damaged"
        return _broken(found, kind, str(error).removeprefix(f"{place.name}: "))
    found.size = pixels.shape[0], pixels.shape[1]
    if pixels.ndim == 2:
        found.values = thinned(pixels.ravel(), count)
    digest = blake2b(f"{found.size}{'' if pixels.ndim == 3 else pixels.dtype}".encode(), digest_size=16)
    digest.update(pixels.data)
    found.digest = digest.digest()
    return found


def _pixels(raster: Image.Image | Bytes) -> npt.NDArray[np.generic]:
    """An image's upright pixels, whatever its colour mode: uint8, h x w x 3; of a deep one its values, h x w.

    Raises DataError: values that are no number.
    """
    if isinstance(raster, np.ndarray) and raster.shape[-1] == COLOUR:
        return np.ascontiguousarray(raster)
    image = as_image(raster) if isinstance(raster, np.ndarray) else raster
    if not is_deep(image):
        return np.asarray(flatten(upright(image), COLOUR))
    values = np.ascontiguousarray(upright(image))
    if not np.isfinite(values).all():
        raise DataError("some of its pixels are no number; replace NaN and infinity, or remove it")
    return values


def _header(file: File, found: _Examined) -> None:
    """Records what a file's header states; nothing if it cannot be read."""
    try:
        with opened(file) as image:
            found.size = image.height, image.width
            found.deep_colours = loses_bits(image)  # before the next line reads the pixels
            found.orientation = image.getexif().get(_ORIENTATION, 1)
            kind = _ALIKE.get(str(image.format), str(image.format))
    except Exception:  # reading the whole file tells what is wrong
        return
    named = Image.registered_extensions().get(file.suffix.lower(), "")
    if kind != _ALIKE.get(named, named):
        found.format, found.ending = kind, file.suffix


def _broken(found: _Examined, kind: str, message: str) -> _Examined:
    found.size = None
    found.findings = (Finding("error", kind, message, (found.place.name,)),)
    return found


def _formats(examined: Iterable[_Examined]) -> list[Finding]:
    """Files whose format is not that of their ending, or that have none, which other programs may refuse."""
    kinds: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in examined:
        if each.format:
            kinds[each.format, each.ending].append(each.place.name)
    return [
        Finding("error", "format", f"in fact {kind}, but named {ending}; rename or re-export", tuple(names))
        if ending
        else Finding("notice", "ending", f"{kind} without an ending; hubel reads them", tuple(names))
        for (kind, ending), names in kinds.items()
    ]


def _turned(examined: Iterable[_Examined]) -> list[Finding]:
    names = tuple(each.place.name for each in examined if each.orientation in range(2, 9))
    message = "turned by their EXIF orientation; hubel reads them upright, other programs may not"
    return [Finding("notice", "turned", message, names)] if names else []


def _deep(examined: Iterable[_Examined]) -> list[Finding]:
    """Deep images, and the range that training gives them."""
    deep = [each for each in examined if each.values is not None]
    values = [each.values for each in deep if each.place.split == "train" and each.values is not None]
    names = tuple(each.place.name for each in deep)
    return [Finding("notice", "deep", described(np.concatenate(values)), names)] if values else []


def _deep_colours(examined: Iterable[_Examined]) -> list[Finding]:
    names = tuple(each.place.name for each in examined if each.deep_colours)
    message = "16 bits per colour, of which the upper 8 are read; scale dark ones to 8 bits yourself"
    return [Finding("notice", "deep", message, names)] if names else []


def _duplicates(examined: Iterable[_Examined]) -> list[Finding]:
    """Duplicates: images with the same pixels, with two labels, in two splits, or within one class."""
    same: defaultdict[bytes, list[_Place]] = defaultdict(list)
    for each in examined:
        if each.digest is not None:
            same[each.digest].append(each.place)
    findings = []
    for places in same.values():
        if len(places) < 2:
            continue
        names = tuple(place.name for place in places)
        labels = list(dict.fromkeys(place.label for place in places))
        splits = list(dict.fromkeys(place.split for place in places))
        if len(labels) > 1:
            message = f"the same image with the labels {' and '.join(labels)}; keep the correct one"
            findings.append(Finding("error", "conflict", message, names))
        elif len(splits) > 1:
            message = f"the same image in {' and '.join(splits)}, which makes results look too good; keep one"
            findings.append(Finding("error", "leak", message, names))
        else:
            findings.append(Finding("warning", "duplicate", "the same image more than once", names))
    return findings


def _missing(counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    return [
        Finding("error", "missing", f"{split} has no image of class {label}")
        for split, classes in counts.items()
        for label, count in classes.items()
        if count == 0
    ]


def _imbalance(counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    classes = Counter({label: count for label, count in counts.get("train", {}).items() if count})
    if len(classes) < 2:
        return []
    (most, large), (least, small) = classes.most_common()[0], classes.most_common()[-1]
    if large < MENTIONED * small:
        return []
    message = (
        f"in train, {most} has {large:,} images and {least} {small:,}, {large / small:.3g} times fewer; "
        "train with --balance loss or --balance sampler, or add images"
    )
    return [Finding("warning" if large > IMBALANCE * small else "notice", "imbalance", message)]


def _spread(values: list[int]) -> Spread | None:
    return Spread(min(values), float(np.median(values)), max(values)) if values else None
