"""What a model's file says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.data.image.preprocess import Whole

if TYPE_CHECKING:
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.header import Header


@dataclass(frozen=True, slots=True, repr=False)
class Info:
    """What a file says: its `kind`, size in bytes, header and preprocessing.

    `params` are those of a network with a notation. `raw` says that the file's graph takes normalised images;
    `int8` how it was judged, if it computes in int8.
    """

    path: Path
    kind: str
    size: int
    header: Header
    preprocessing: Preprocessing
    checksum: str
    params: int | None
    raw: bool = False
    int8: dict[str, Any] = field(default_factory=dict)

    @property
    def resizes(self) -> bool:
        """Whether the file's graph takes images of any size."""
        return isinstance(self.preprocessing, Whole)

    def __repr__(self) -> str:
        header = self.header
        return f"<Info: {self.path}, {self.kind}, {header.volume} to {len(header.classes):,} classes>"
