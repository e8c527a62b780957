"""What every instrument shares: the model it is held against, images as it sees them, a bar, its image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.cli.output import bar

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.instruments.subject import Subject
    from hubel.model.file import Model


@dataclass(frozen=True, slots=True)
class Looked:
    """The model an instrument is held against, a run's folder for its best; read when it is asked for."""

    text: str

    def opened(self) -> tuple[Model, Subject]:
        """The model, and its network in front of the instruments. Raises ModelError: it cannot be read."""
        from hubel.instruments.subject import Subject
        from hubel.model.open import open_model

        folder = Path(self.text)
        model = open_model(str(folder / "best.safetensors") if folder.is_dir() else self.text)
        return model, Subject.of(model.network)


def seen(model: Model, images: list[str]) -> Tensor:
    """Image files as the network sees them: float32, n x depth x height x width.

    Raises DataError: a file that cannot be read.
    """
    import torch

    pixels = [torch.from_numpy(model.preprocessing.read(Path(image))) for image in images]
    return model.preprocessing.normalise(torch.stack(pixels))


def write(out: Path, content: bytes, *, silent: bool) -> None:
    """Writes an image and says so, unless what is printed is for a program."""
    from hubel.files import write_whole

    write_whole(out, content)
    if not silent:
        print(f"wrote {out}")


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal; call it with how much of the total is done."""
    with bar() as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.update(task, completed=done)
