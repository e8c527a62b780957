"""Shards for tests: tar files of noise images, and a server that sends parts of files."""

from __future__ import annotations

import re
import tarfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hubel.data.formats.shards import ShardImages
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEEN = Preprocessing.of("6x5x3")
CLASSES = ("ant", "bee", "cow")
SHARDS, EACH = 4, 9
"""The number of shards of a set, and of images per shard."""


def image(number: int, kind: str = "PNG") -> bytes:
    """An image of noise, different for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write(path: Path, *files: tuple[str, bytes]) -> Path:
    """A tar of files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, BytesIO(data))
    return path


def sample(number: int, said: str | None = None) -> list[tuple[str, bytes]]:
    """The files of an image and its class, by default the number modulo 3."""
    name = CLASSES[number % 3] if said is None else said
    return [(f"{number:03}.png", image(number)), (f"{number:03}.cls", name.encode())]


def shard(path: Path, start: int, count: int = EACH) -> Path:
    return write(path, *(file for number in range(start, start + count) for file in sample(number)))


def pets(root: Path) -> Path:
    """A folder in `root` of four shards of nine images."""
    for number in range(SHARDS):
        shard(root / "pets" / f"part-{number}.tar", number * EACH)
    return root / "pets"


class Parts(SimpleHTTPRequestHandler):
    """Serves files, and parts of them if requested."""

    parts = True
    asked: Callable[[str], object] = staticmethod(len)

    def do_GET(self) -> None:
        self.asked(self.path)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not (found and self.parts and path.is_file()):
            super().do_GET()
            return
        data = path.read_bytes()[int(found[1]) : int(found[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serves a folder; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Parts, directory=str(root))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def remote(address: str) -> ShardImages:
    train = open_data(f"{address}/pets/part-{{0..3}}.tar", val=0).train
    assert isinstance(train, ShardImages)
    return train


def numbers(images: Any) -> list[int]:
    """The numbers of the images, from their names."""
    return [int(Path(images.name(place)).stem) for place in range(len(images))]
