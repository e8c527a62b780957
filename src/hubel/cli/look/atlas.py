"""`hubel look MODEL atlas --data DATA`: all units of a network on one page; may be stopped and continued."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from hubel.cli.look.looked import Looked
from hubel.cli.look.patches import SPLIT_HELP
from hubel.cli.output import bar, check_place
from hubel.errors import UsageError
from hubel.report.units import count, memory

if TYPE_CHECKING:
    import numpy.typing as npt
    from rich.progress import Progress, TaskID

    from hubel.data.dataset import Images
    from hubel.instruments.atlas import Atlas, Seen, UnitView
    from hubel.instruments.subject import Subject
    from hubel.instruments.tuning import Tuning
    from hubel.model.file import Model

    Arrays = dict[str, npt.NDArray[Any]]

_DATA_HELP = "A folder of images, or a set's name."
_OUT_HELP = "The page to write; while it is made, what is done is kept in FILE.parts."
_UNITS_HELP = "The most units of a layer, its first ones."
_CLASSES_HELP = "The most classes a unit tells of: those it answers to most."
_IMAGES_HELP = "The most images to look at, taken evenly from the split."
_EVERY_SECONDS = 4.0
"""How often the pass over the images is kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an atlas shows."""

    units: int
    classes: int
    top: int
    images: int

    def check(self) -> None:
        """Raises UsageError: nothing to show."""
        for name, value in asdict(self).items():
            if value < 1:
                raise UsageError(f"--{name} is at least 1, not {value}")


def atlas(
    context: typer.Context,
    *,
    data: Annotated[str, typer.Option(help=_DATA_HELP, metavar="DATA")],
    out: Annotated[Path, typer.Option("-o", "--out", help=_OUT_HELP, metavar="FILE")] = Path("atlas.html"),
    units: Annotated[int, typer.Option(help=_UNITS_HELP)] = 64,
    classes: Annotated[int, typer.Option(help=_CLASSES_HELP)] = 10,
    top: Annotated[int, typer.Option(help="How many patches a unit gets.")] = 9,
    images: Annotated[int, typer.Option(help=_IMAGES_HELP)] = 50_000,
    split: Annotated[str, typer.Option(help=SPLIT_HELP)] = "train",
) -> None:
    """Write one page of all units: filters, patches, projections, tuning, classes.

    It may be stopped: the same command goes on from there.
    """
    from hubel.evaluation.splits import images_of
    from hubel.files import write_whole
    from hubel.instruments.embedding import evenly

    limits = Limits(units, classes, top, images)
    limits.check()
    check_place(out)
    looked: Looked = context.obj
    model, subject = looked.opened()
    found = images_of(data, split)
    shown = found.images.select(evenly(len(found.images), images))
    kept = Kept(out.with_name(f"{out.name}.parts"), _key(model, shown, found.classes, limits))
    kept.open()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    try:
        with bar(*columns) as bars:
            job = Job(model, subject, shown, found.classes, limits, kept, bars)
            write_whole(out, job.page("/".join(Path(looked.text).parts[-2:]), Path(data).name))
    except KeyboardInterrupt:
        typer.echo(
            f"stopped; the same command goes on from here, with what is kept in {kept.folder}", err=True
        )
        raise typer.Exit(130) from None
    kept.remove()
    print(f"wrote {out}, {memory(out.stat().st_size)}")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is done of an atlas, in a folder beside it; `key` says of what it is the work."""

    folder: Path
    key: str

    def open(self) -> None:
        """Goes on with what is there, and says so; work of anything else is thrown away.

        Raises UsageError: a folder of that name that no atlas made.
        """
        from hubel.files import write_whole

        name = self.folder / "key"
        if name.is_file() and name.read_text() == self.key:
            return
        if self.folder.is_dir() and not name.is_file() and any(self.folder.iterdir()):
            raise UsageError(f"{self.folder}: no atlas made this folder; move it, or write to another file")
        if name.is_file():
            typer.echo(f"{self.folder} is of another model, set or settings: begun anew", err=True)
            self.remove()
        self.folder.mkdir(exist_ok=True)
        write_whole(name, self.key)

    def text(self, name: str) -> str | None:
        """A text that was kept, if it was."""
        path = self.folder / name
        return path.read_text("utf-8", "surrogateescape") if path.is_file() else None

    def arrays(self, name: str) -> Arrays | None:
        """Arrays that were kept, if they were."""
        import numpy as np

        path = self.folder / name
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as found:
            return dict(found)

    def keep(self, name: str, content: str | Arrays) -> None:
        """Keeps a text or arrays, whole or not at all."""
        import numpy as np

        from hubel.files import write_whole

        if isinstance(content, str):
            write_whole(self.folder / name, content)
        else:
            out = io.BytesIO()
            np.savez(out, allow_pickle=False, **content)
            write_whole(self.folder / name, out.getvalue())

    def remove(self) -> None:
        """Removes the folder and what an atlas keeps in it."""
        for pattern in ("key", "*.npz", "layer-*.json", ".*.*"):
            for path in self.folder.glob(pattern):
                path.unlink()
        self.folder.rmdir()


@dataclass(frozen=True, slots=True)
class Job:
    """What is made: of the split `images` of a set of these `classes`, keeping what is done."""

    model: Model
    subject: Subject
    images: Images
    classes: tuple[str, ...]
    limits: Limits
    kept: Kept
    bar: Progress

    def page(self, model: str, data: str) -> str:
        """The page, of a model and a set of these names."""
        from hubel.instruments.atlas import Atlas
        from hubel.instruments.deconv import fitting
        from hubel.report.instruments.atlas import About, atlas_page

        seen, tunings = self._seen(), self._tunings()
        rule = fitting(self.subject)
        whole = Atlas(
            self.subject, self.model.preprocessing, self.images, seen, tunings, rule, self.limits.units
        )
        about = About(model, data, len(self.images), self.classes, rule, self.limits.top)
        return atlas_page(about, self.model.network.steps, self._layers(whole))

    def _layers(self, whole: Atlas) -> list[str]:
        """The layers as texts: as kept, or made."""
        from hubel.report.instruments.atlas import layer_text

        layers, texts = whole.layers(), []
        task = self.bar.add_task("units", total=sum(layer.shown for layer in layers))
        for at, layer in enumerate(layers):
            text = self.kept.text(f"layer-{at:04}.json")
            if text is None:
                self.bar.update(task, description=layer.path)
                units = self._counted(whole.units(layer.path), task)
                labels = self.images.labels
                text = layer_text(layer, units, self.subject.volume, labels, bars=self.limits.classes)
                self.kept.keep(f"layer-{at:04}.json", text)
            else:
                self.bar.advance(task, layer.shown)
            texts.append(text)
        return texts

    def _counted(self, units: Iterable[UnitView], task: TaskID) -> Iterator[UnitView]:
        for unit in units:
            yield unit
            self.bar.advance(task)

    def _seen(self) -> Seen:
        """What the pass over the images finds, from where it was stopped."""
        from hubel.instruments.atlas import Census
        from hubel.instruments.patches import stream

        census = Census(self.subject, self.images.labels, len(self.classes), top=self.limits.top)
        total = len(self.images)
        state = self.kept.arrays("images.npz")
        if state is not None:
            census.resume(state)
            layers = len(list(self.kept.folder.glob("layer-*.json")))
            done = f"{count(census.done)} of {count(total)} images and {layers} layers"
            typer.echo(f"going on after {done}, kept in {self.kept.folder}", err=True)
        task = self.bar.add_task("images", total=total, completed=census.done)
        last = time.monotonic()
        for images in stream(self.images, self.model.preprocessing, first=census.done):
            census.take(images)
            self.bar.update(task, completed=census.done)
            if census.done == total or time.monotonic() - last > _EVERY_SECONDS:
                self.kept.keep("images.npz", census.state())
                last = time.monotonic()
        return census.seen()

    def _tunings(self) -> tuple[Tuning, ...]:
        """How units answer to gratings: as kept, or found."""
        from hubel.instruments.atlas import tuned
        from hubel.instruments.tuning import Gratings, Tuning, tune

        units = tuned(self.subject, most=self.limits.units)
        gratings = Gratings.over(self.subject.volume)
        if not units:
            return ()
        state = self.kept.arrays("gratings.npz")
        if state is None:
            task = self.bar.add_task("gratings", total=len(gratings))
            found = tune(
                self.subject,
                units,
                self.model.preprocessing.normalise,
                gratings,
                progress=lambda done: self.bar.update(task, completed=done),
            )
            state = {f"{at}.responses": each.responses for at, each in enumerate(found)}
            state |= {f"{at}.blank": each.blank for at, each in enumerate(found)}
            self.kept.keep("gratings.npz", state)
        paths = dict.fromkeys(unit.path for unit in units)
        its = [tuple(unit for unit in units if unit.path == path) for path in paths]
        return tuple(
            Tuning(path, its[at], gratings, state[f"{at}.responses"], state[f"{at}.blank"])
            for at, path in enumerate(paths)
        )


def _key(model: Model, images: Images, classes: tuple[str, ...], limits: Limits) -> str:
    """What an atlas is of, as a text: only the same is gone on with."""
    header = model.header
    weights = hashlib.sha256()
    for name, value in sorted(model.network.state_dict().items()):
        weights.update(name.encode())
        weights.update(value.detach().cpu().contiguous().numpy().tobytes())
    return json.dumps(
        {
            "notation": header.notation,
            "preprocessing": header.preprocessing,
            "versions": header.versions,
            "weights": weights.hexdigest(),
            "classes": classes,
            "images": _fingerprint(images),
            "limits": asdict(limits),
        }
    )


def _fingerprint(images: Images) -> str:
    """A digest of images: of those in files the names, sizes and times, of those in memory the pixels."""
    from hubel.data.dataset import ArrayImages, FileImages
    from hubel.data.formats.shards import ShardImages

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
