"""What was measured of engines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an engine is with batches of `batch` images: seconds a batch, of many tries."""

    batch: int
    median: float
    p99: float

    @property
    def per_second(self) -> float:
        """Images per second."""
        return self.batch / self.median


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What was measured of one engine.

    `ready` is the time in seconds from the start of a process until its first answer, `memory` the most
    memory of that process in bytes. `difference` is the largest of any probability from those of the
    benchmark's reference, `agreement` the share of images whose most probable class is the same; None on
    noise. `error` says why it did not run.
    """

    name: str
    paces: tuple[Pace, ...] = ()
    ready: float = 0.0
    memory: int = 0
    difference: float = 0.0
    agreement: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Benchmark:
    """The figures of every engine; `auto` is the engine that predictions now take, and `why`.

    `reference` is the engine whose answers the others are compared with; `images` says on what: so many of a
    set, or noise.
    """

    model: str
    processor: str
    cores: int
    engines: tuple[EngineFigures, ...]
    reference: str
    images: str
    auto: str
    why: str

    def __repr__(self) -> str:
        ran = [each for each in self.engines if not each.error]
        lines = [
            f"  {each.name:<14} "
            + ", ".join(f"batch {pace.batch}: {pace.per_second:,.1f} images/s" for pace in each.paces)
            for each in ran
        ]
        return "\n".join([f"Benchmark of {self.model[:80]}: auto takes {self.auto}, {self.why}", *lines])
