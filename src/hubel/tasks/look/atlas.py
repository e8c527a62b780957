"""The atlas: every unit of a network on one page; making it can be stopped and resumed."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch

from hubel.files import write_whole
from hubel.instruments.atlas import Atlas, Census, Seen, UnitView, tuned
from hubel.instruments.deconv import fitting
from hubel.instruments.stream import stream
from hubel.instruments.tuning import Gratings, Tuning, tune
from hubel.module.digest import weights_digest
from hubel.module.network import Network
from hubel.report.form import check_place
from hubel.report.instruments.atlas import About, atlas_page, layer_text
from hubel.report.units import count
from hubel.tasks.look.finding import PAGE, Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted
from hubel.tasks.look.kept import Kept, images_digest
from hubel.tasks.look.specimen import Specimen, at_least_one
from hubel.version import __version__

if TYPE_CHECKING:
    from hubel.data.dataset import Images

EVERY_SECONDS = 4.0
"""How often the pass over the images is kept."""

Told: TypeAlias = Callable[[str], None]
"""Called with a message."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an atlas shows: units per layer, classes and patches per unit."""

    units: int
    classes: int
    top: int

    def check(self) -> None:
        """Raises UsageError: a limit below 1."""
        for name, value in asdict(self).items():
            at_least_one(name, value)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of progress, and who of messages."""

    progress: Progress | None = None
    message: Told | None = None

    def tell(self, text: str) -> None:
        """Passes on a message."""
        if self.message is not None:
            self.message(text)

    def show(self, what: str, done: int, total: int) -> None:
        """Passes on how far a task is."""
        if self.progress is not None:
            self.progress(what, done, total)


def parts_of(out: Path) -> Path:
    """Returns the folder in which the finished parts of an atlas are kept until the page is written."""
    return out.with_name(f"{out.name}.parts")


@dataclass(frozen=True, eq=False, repr=False)
class FoundAtlas(Finding):
    """What the pass over the images saw, the `page` of it, and its `layers` as JSON."""

    instrument = "atlas"
    forms = PAGE

    found: Seen
    page: str
    layers: tuple[str, ...]

    def draw(self, form: str) -> bytes:
        return self.page.encode()

    def json(self) -> str:
        return f"[{','.join(self.layers)}]"

    def named_arrays(self) -> Arrays:
        return {f"{path}.means": means for path, means in self.found.means.items()}


def look_at_all(
    specimen: Specimen, source: Source, limits: Limits, watch: Watch, out: Path | None = None
) -> Finding:
    """Makes the page of all units and, where a path is given, writes it there.

    With a path, finished parts are kept beside it until the page is written; the same call resumes from
    them. Raises DataError, UsageError: no such images, a limit below 1, or no place for the page.
    """
    limits.check()
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            return _made(specimen, source, limits, watch, folder=Path(folder, "parts"))
    check_place(out)
    return _made(specimen, source, limits, watch, folder=parts_of(out), out=out)


def _made(
    specimen: Specimen,
    source: Source,
    limits: Limits,
    watch: Watch,
    *,
    folder: Path,
    out: Path | None = None,
) -> Finding:
    """The page, written where there is a path for it; what was kept is removed when it is done."""
    found = source.open()
    kept = Kept(folder, _key(specimen, found.images, found.classes, limits))
    if kept.open():
        watch.tell(f"{folder} was of another model, data set or settings; starting again")
    job = Job(specimen, found.images, found.classes, limits, kept, watch)
    name = "/".join(Path(specimen.where).parts[-2:])
    data = Path(source.data).name if isinstance(source.data, str | Path) else found.name
    seen = job.seen()
    layers = job.layers(seen)
    page = job.page(name, data, layers)
    if out is not None:
        write_whole(out, page)
    kept.remove()
    return FoundAtlas(seen, page, tuple(layers))


@dataclass(frozen=True, slots=True)
class Job:
    """What is made: an atlas on `images` of a set of these `classes`, keeping what is finished."""

    specimen: Specimen
    images: Images
    classes: tuple[str, ...]
    limits: Limits
    kept: Kept
    watch: Watch

    def page(self, name: str, data: str, layers: list[str]) -> str:
        """Returns the page of these layers, with the names of the network and the data set."""
        subject = self.specimen.subject
        module = subject.module
        digest = weights_digest(module)
        about = About(name, data, len(self.images), self.classes, fitting(subject), self.limits.top, digest)
        return atlas_page(about, module.steps if isinstance(module, Network) else subject.steps, layers)

    def layers(self, seen: Seen) -> list[str]:
        """Returns the layers as texts: as kept, or made."""
        subject = self.specimen.subject
        whole = Atlas(
            subject,
            self.specimen.preprocessing,
            self.images,
            seen,
            self._tunings(),
            fitting(subject),
            self.limits.units,
        )
        views, texts, done = whole.layers(), [], 0
        total = sum(layer.shown for layer in views)
        for at, layer in enumerate(views):
            text = self.kept.text(f"layer-{at:04}.json")
            if text is None:
                units = self._counted(whole.units(layer.path), layer.path, done, total)
                labels = self.images.labels
                text = layer_text(layer, units, subject.volume, labels, bars=self.limits.classes)
                self.kept.keep(f"layer-{at:04}.json", text)
            done += layer.shown
            self.watch.show(layer.path, done, total)
            texts.append(text)
        return texts

    def seen(self) -> Seen:
        """Returns what the pass over the images finds, resumed where it was stopped."""
        census = Census(self.specimen.subject, self.images.labels, len(self.classes), top=self.limits.top)
        total = len(self.images)
        state = self.kept.arrays("images.npz")
        if state is not None:
            census.resume(state)
            done = f"{count(census.done)} of {count(total)} images and {self.kept.layers()} layers"
            self.watch.tell(f"resuming after {done}, kept in {self.kept.folder}")
        last = time.monotonic()
        for images in stream(self.images, self.specimen.preprocessing, first=census.done):
            census.take(images)
            self.watch.show("looking at images", census.done, total)
            if census.done == total or time.monotonic() - last > EVERY_SECONDS:
                self.kept.keep("images.npz", census.state())
                last = time.monotonic()
        return census.seen()

    def _counted(self, units: Iterable[UnitView], path: str, done: int, total: int) -> Iterator[UnitView]:
        for at, unit in enumerate(units):
            self.watch.show(path, done + at, total)
            yield unit

    def _tunings(self) -> tuple[Tuning, ...]:
        """How units respond to gratings: kept, or measured."""
        subject = self.specimen.subject
        units = tuned(subject, most=self.limits.units)
        if not units:
            return ()
        gratings = Gratings.over(subject.volume)
        state = self.kept.arrays("gratings.npz")
        if state is None:
            done = counted(self.watch.show, "showing gratings", len(gratings))
            found = tune(subject, units, self.specimen.preprocessing.normalise, gratings, progress=done)
            state = {f"{at}.responses": each.responses for at, each in enumerate(found)}
            state |= {f"{at}.blank": each.blank for at, each in enumerate(found)}
            self.kept.keep("gratings.npz", state)
        paths = dict.fromkeys(unit.path for unit in units)
        its = [tuple(unit for unit in units if unit.path == path) for path in paths]
        return tuple(
            Tuning(path, its[at], gratings, state[f"{at}.responses"], state[f"{at}.blank"])
            for at, path in enumerate(paths)
        )


def _key(specimen: Specimen, images: Images, classes: tuple[str, ...], limits: Limits) -> str:
    """What an atlas is of, as a text: only parts of the same are used again."""
    subject = specimen.subject
    return json.dumps(
        {
            "network": [[step.path, repr(step.layer), list(step.sources)] for step in subject.steps],
            "volume": str(subject.volume),
            "preprocessing": specimen.preprocessing.to_json(),
            "versions": {"hubel": __version__, "torch": torch.__version__},
            "weights": weights_digest(subject.module),
            "classes": classes,
            "images": images_digest(images),
            "limits": asdict(limits),
        }
    )
