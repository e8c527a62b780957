"""Whatever is in a file, it is an image, a set, or a HubelError: no other error, no hang, no flood of memory.

Files of every format that is read are mutated: bits flipped, parts cut out, doubled, overwritten or taken
from another file. `HUBEL_FUZZ=1` takes 10,000 files of each of the two kinds; else a few hundred.
"""

from __future__ import annotations

import gzip
import os
import pickle
import random
import shutil
import signal
import tarfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.data.check import check
from hubel.data.image.preprocess import Preprocessing
from hubel.data.image.reading import Encoded, File, holds_deep, is_image_file, read_image, read_size
from hubel.data.sources import open_data
from hubel.errors import HubelError

LONG = "HUBEL_FUZZ" in os.environ
IMAGES = 10_000 if LONG else 600
SETS = 10_000 if LONG else 150
SECONDS = 20
"""The most that one file may take."""

SEEN = Preprocessing.of("8x8x3")
EXTREMES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"99999999")


def photo(seed: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(values[..., 0].astype(np.float32))
    return Image.fromarray(values).convert(mode)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = BytesIO()
    photo(0, mode).save(buffer, kind, **options)
    return buffer.getvalue()


def whole_images() -> list[bytes]:
    """A file of every format, and of some of their variants."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        encoded("JPEG", exif=exif),
        encoded("JPEG", "CMYK"),
        encoded("JPEG", "L", progressive=True),
        encoded("PNG", "P", transparency=0),
        encoded("PNG", "I;16"),
        encoded("PNG", "RGBA", exif=exif),
        encoded("GIF", save_all=True, append_images=[photo(1)]),
        encoded("BMP", "P"),
        encoded("DIB"),
        encoded("WEBP", exif=exif),
        encoded("WEBP", "RGBA", lossless=True),
        encoded("AVIF"),
        encoded("JPEG2000"),
        encoded("TIFF", "F"),
        encoded("TIFF", "I;16", compression="tiff_lzw"),
        encoded("TIFF", exif=exif, compression="tiff_adobe_deflate", save_all=True, append_images=[photo(1)]),
        encoded("PPM"),
        encoded("PPM", "I;16"),
        encoded("TGA", "RGBA", compression="tga_rle"),
        encoded("MPO", save_all=True, append_images=[photo(1)]),
    ]


def mutated(data: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """The data after one to four mutations, mostly near their beginning, where headers are."""
    for _ in range(draw.randint(1, 4)):
        most = len(data) if draw.random() < 0.5 else min(len(data), 200)
        at = draw.randrange(most + 1)
        length = draw.choice((1, 2, 4, 16, 300))
        way = draw.randrange(6)
        if way == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
        elif way == 1:
            data = data[:at] + data[at + length :]
        elif way == 2:
            data = data[: at + length] + data[at:]
        elif way == 3:
            value = draw.choice(EXTREMES)
            data = data[:at] + value + data[at + len(value) :]
        elif way == 4:
            other = draw.choice(others)
            start = draw.randrange(len(other) + 1)
            data = data[:at] + other[start : start + length] + data[at:]
        else:
            data = data[: max(1, at)]
    return data


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raises TimeoutError: the block takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def held(work: Callable[[], object], where: str) -> bool:
    """Whether some work ends without an error. Raises AssertionError: neither so nor with a HubelError."""
    try:
        with within(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work()
    except HubelError as error:
        return not str(error)
    except Exception as error:
        raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
    return True


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fewer pixels count as a decompression bomb, so that no time goes into decoding large images."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1 << 20)
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))


def test_any_file_is_an_image_or_refused(tmp_path: Path) -> None:
    wholes, draw = whole_images(), random.Random(0)
    good = 0
    for number, whole in enumerate(wholes):
        assert held(partial(SEEN.read, Encoded("whole", whole)), f"whole {number}") or number in (13,)
    for case in range(IMAGES):
        data = mutated(draw.choice(wholes), wholes, draw)
        path = tmp_path / "case"
        path.write_bytes(data)
        file: File = Encoded("case", data) if case % 2 else path

        def work(file: File = file, path: Path = path) -> None:
            is_image_file(path)
            holds_deep(file)
            for read in (read_size, read_image):
                try:
                    read(file)
                except HubelError:
                    continue
            pixels = SEEN.read(file)
            assert pixels.shape == (8, 8, 3)
            assert pixels.dtype == np.uint8

        good += held(work, f"case {case}")
    assert good > IMAGES / 20  # else nothing but the first bytes was tried


def sets(root: Path) -> list[tuple[Path, list[Path]]]:
    """A set of each format: what to open, and the files to mutate."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    labels = np.array([0, 1] * 3, np.uint8)
    found = []
    for name, save in (("a.npz", np.savez), ("b.npz", np.savez_compressed)):
        save(root / name, x=pixels, y=labels)
        found.append((root / name, [root / name]))
    for name, pack in (("idx", bytes), ("idxgz", gzip.compress)):
        (root / name).mkdir()
        for part, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            path = root / name / f"train-{part}-ubyte"
            path.write_bytes(pack(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()))
        found.append((root / name, sorted((root / name).iterdir())))
    cifar = root / "cifar-10-batches-py"
    cifar.mkdir()
    batch = {b"data": np.zeros((6, 3072), np.uint8), b"labels": labels.tolist()}
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        (cifar / name).write_bytes(pickle.dumps(batch, 2))
    (cifar / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a", b"b"]}, 2))
    found.append((cifar, [cifar / "data_batch_1", cifar / "batches.meta"]))
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        shard = root / f"shard{form}.tar"
        with tarfile.open(shard, "w", format=form) as tar:
            for number in range(6):
                prefix = "long/" * 40 if number == 3 else ""
                for name, data in (("png", encoded("PNG")), ("cls", str(number % 2).encode())):
                    about = tarfile.TarInfo(f"{prefix}{number}.{name}")
                    about.size = len(data)
                    tar.addfile(about, BytesIO(data))
        found.append((shard, [shard]))
    for number in range(4):
        photo(number).save(root / f"{number}.png")
    lines = "".join(f"{number}.png,{'ab'[number % 2]},train,g{number}\n" for number in range(4))
    (root / "list.csv").write_text(f"path,label,split,group\n{lines}")
    found.append((root / "list.csv", [root / "list.csv"]))
    return found


def test_any_set_is_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = sets(tmp_path / "whole")
    draw, good = random.Random(1), 0
    for where, _ in whole:
        assert held(partial(check, where), str(where))
    for case in range(SETS):
        where, files = whole[case % len(whole)]
        file = draw.choice(files)
        before = file.read_bytes()
        file.write_bytes(mutated(before, [before], draw))

        def work(where: Path = where) -> None:
            train = open_data(where, val=0).train
            for place in range(min(2, len(train))):
                train.fitted(place, SEEN)

        try:
            good += held(work, f"case {case}, {where.name}")
        finally:
            file.write_bytes(before)
    assert good > SETS / 50
    shutil.rmtree(tmp_path / "whole")
