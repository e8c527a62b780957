"""What was exported, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hubel.model.export import Check

ROLES = {
    ".onnx": "model",
    ".xml": "model",
    ".pt2": "model",
    ".bin": "weights",
    ".py": "example",
    ".md": "card",
}


class Files(Protocol):
    """Exported files, and how the model's answers."""

    @property
    def files(self) -> Sequence[Path]:
        """The files, the model's first."""

    @property
    def check(self) -> Check | None:
        """How the file answers."""

    @property
    def images(self) -> str:
        """Where the images of the check are from."""


def exported_text(found: Files) -> str:
    """Returns the files with what each is, and how the file was checked."""
    lines = [f"  {ROLES[path.suffix.lower()]:<8}{path}" for path in found.files]
    if found.check is not None:
        lines.append(
            f"  checked by {found.check.engine} on {found.images}: probabilities differ by at most "
            f"{found.check.difference:.1g}"
        )
    return "\n".join(lines)
