"""Work that is kept in a folder until it is finished, so that it can be stopped at any time and resumed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hubel.data.dataset import ArrayImages, FileImages
from hubel.data.formats.shards import ShardImages
from hubel.errors import UsageError
from hubel.files import write_whole

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.dataset import Images

Arrays: TypeAlias = "dict[str, npt.NDArray[Any]]"


@dataclass(frozen=True, slots=True)
class Kept:
    """The finished parts of an atlas in a folder; `key` identifies what they are parts of."""

    folder: Path
    key: str

    def open(self) -> bool:
        """Opens the folder or makes it, and returns whether parts of other work had to be removed.

        Raises UsageError: the folder exists and was not made by an atlas.
        """
        name = self.folder / "key"
        if name.is_file() and name.read_text() == self.key:
            return False
        if self.folder.is_dir() and not name.is_file() and any(self.folder.iterdir()):
            raise UsageError(
                f"{self.folder} was not made by an atlas; move it, or write the atlas to another file"
            )
        outdated = name.is_file()
        if outdated:
            self.remove()
        self.folder.mkdir(exist_ok=True)
        write_whole(name, self.key)
        return outdated

    def text(self, name: str) -> str | None:
        """Returns a text that was kept, or None."""
        path = self.folder / name
        return path.read_text("utf-8", "surrogateescape") if path.is_file() else None

    def arrays(self, name: str) -> Arrays | None:
        """Returns arrays that were kept, or None."""
        path = self.folder / name
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as found:
            return dict(found)

    def keep(self, name: str, content: str | Mapping[str, npt.NDArray[Any]]) -> None:
        """Keeps a text or arrays, whole or not at all."""
        if isinstance(content, str):
            write_whole(self.folder / name, content)
        else:
            out = io.BytesIO()
            np.savez(out, allow_pickle=False, **content)
            write_whole(self.folder / name, out.getvalue())

    def layers(self) -> int:
        """Returns how many layers are finished."""
        return len(list(self.folder.glob("layer-*.json")))

    def remove(self) -> None:
        """Removes the folder and what an atlas keeps in it."""
        for pattern in ("key", "*.npz", "layer-*.json", ".*.*"):
            for path in self.folder.glob(pattern):
                path.unlink()
        self.folder.rmdir()


def images_digest(images: Images) -> str:
    """Returns a digest of images: of files their names, sizes and times, of images in memory their pixels."""
    digest = hashlib.sha256(images.labels.tobytes())
    for index in range(len(images)):
        digest.update(images.name(index).encode("utf-8", "surrogateescape"))
        if isinstance(images, FileImages):
            known = images.file(index).stat()
            digest.update(f"{known.st_size} {known.st_mtime_ns}".encode())
    if isinstance(images, ShardImages):
        digest.update(b"".join(images.digests()))
    if isinstance(images, ArrayImages):
        digest.update(images.pixels.tobytes())
    return digest.hexdigest()
