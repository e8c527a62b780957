"""A model in int8: calibrated on training images, judged on validation images on the processor at hand.

Several ways are tried, by every runtime that is installed, and the fastest whose loss of accuracy is small
enough is kept. Where none is, the layers that cost most stay in float.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.cores import processor
from hubel.engines.engine import installed
from hubel.errors import ModelError, UsageError
from hubel.graph.quantise import Quantisation, Ranges
from hubel.model.exported import compiled
from hubel.model.graph import every_value, frozen_model, onnx_graph
from hubel.module.network import Network
from hubel.net.layers import Fc
from hubel.net.sliding import Conv

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Flags
    from hubel.engines.engine import Engine
    from hubel.evaluation.trial import Trial
    from hubel.graph.frozen import Floats, Frozen
    from hubel.model.file import Model

BATCH = 16
RUNTIMES = ("openvino", "onnxruntime")

NEARLY_ALL = 0.9999
"""The share of values within the narrower of the two ranges that are tried."""

SURE = 1.645
"""Standard errors above which a normal distribution has a twentieth."""

FEW = 64
"""How many images the cost of a single layer is measured on."""

ROUNDS = 7
AS_FAST = 0.95


@dataclass(frozen=True, slots=True)
class Judged:
    """One way of computing in int8, on validation images.

    `bits` are those of the weights, `ranges` is extremes or nearly all, `in_float` the layers that are not
    quantised. `lost` and `won` are the images that only float32, or only int8, classifies correctly.
    """

    engine: str
    bits: int
    ranges: str
    per_second: float
    images: int
    lost: int
    won: int
    in_float: tuple[str, ...] = ()

    @property
    def drop(self) -> float:
        """The loss of accuracy in points."""
        return 100 * (self.lost - self.won) / self.images

    @property
    def at_most(self) -> float:
        """The loss of accuracy in points that is not exceeded with a confidence of 95 %.

        The same images are classified twice, so those that only one gets right decide. Source: Agresti and
        Min 2005, the interval for a difference of paired proportions, half an image added to each cell.
        """
        lost, won, images = self.lost + 0.5, self.won + 0.5, self.images + 2
        middle = (lost - won) / images
        return 100 * (middle + SURE * math.sqrt((lost + won) / images - middle**2) / math.sqrt(images))


@dataclass(frozen=True, slots=True)
class Int8:
    """The way that was kept, all that were tried, and what each layer costs if it alone is quantised.

    `costs` are mean differences of probabilities, by layer, the largest first; empty where every layer is
    quantised. `accuracy` is that of float32, and `float_speeds` its images per second by each runtime.
    `graph` is the model as ONNX, with what it says of itself.
    """

    kept: Judged
    tried: tuple[Judged, ...]
    costs: dict[str, float]
    accuracy: float
    float_speeds: dict[str, float]
    graph: bytes

    @property
    def gain(self) -> float:
        """How many times as fast as float32, by its fastest runtime, the way is that was kept."""
        return self.kept.per_second / max(self.float_speeds.values())

    @property
    def fastest_float(self) -> str:
        """The runtime that is fastest in float32."""
        return max(self.float_speeds, key=self.float_speeds.__getitem__)


def to_int8(
    model: Model,
    calibration: Trial,
    validation: Trial,
    max_drop: float,
    *,
    runtimes: Sequence[str] = RUNTIMES,
    raw: bool = False,
    resize: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Int8:
    """Returns the fastest way to compute in int8 that loses at most `max_drop` points of accuracy.

    It is run by one of the `runtimes`, whichever is faster.
    Raises UsageError: neither OpenVINO nor ONNX Runtime is installed, or there are no images. Raises
    ModelError: every way loses more.
    """
    there = [name for name in runtimes if name in installed()]
    if not there:
        raise UsageError('int8 is run by OpenVINO or ONNX Runtime: pip install "hubel[openvino]"')
    if not (calibration.real and validation.real):
        raise UsageError("int8 is calibrated and judged on images: name a labelled set with --data")
    if not isinstance(model.network, Network):
        raise ModelError("a module of your own has no notation, which int8 needs")
    judge = _Judge(model, there, progress or (lambda _: None), raw=raw, resize=resize)
    judge.see(calibration.pixels, validation)
    tried = [each for way in judge.ways() for each in judge.tried(way)]
    good = [each for each in tried if each.drop <= max_drop]
    costs: dict[str, float] = {}
    if not good:
        best = min(tried, key=lambda each: each.drop)
        costs = judge.costs(best)
        for count in _doubling(len(costs)):
            judge.tell(f"{count} of {len(costs)} layers in float")
            more = judge.tried((best.bits, best.ranges, tuple(list(costs)[:count])))
            tried += more
            good = [each for each in more if each.drop <= max_drop]
            if good:
                break
    if not good:
        least = min(tried, key=lambda each: each.drop)
        raise ModelError(
            f"int8 would lose {least.drop:.2f} points of accuracy on {least.images:,} images, more than "
            f"{max_drop:g}, whichever way it is done; allow more with --max-drop, or export in float32"
        )
    kept = _fastest(good)
    return Int8(kept, tuple(tried), costs, float(judge.right.mean()), judge.float_speeds(), judge.graph(kept))


class _Judge:
    """What trying needs: the frozen network, the ranges of its values, and the answers in float32."""

    def __init__(
        self, model: Model, runtimes: list[str], tell: Callable[[str], object], *, raw: bool, resize: bool
    ) -> None:
        assert isinstance(model.network, Network)
        self.model, self.runtimes, self.tell = model, runtimes, tell
        self.raw, self.resize = raw, resize
        self.frozen: Frozen = frozen_model(model.network, model.header)

    def see(self, calibration: Bytes, validation: Trial) -> None:
        """Measures the ranges of the values on some images, and the answers in float32 on others."""
        assert validation.labels is not None
        known = validation.labels >= 0
        if not known.any():
            raise UsageError(f"{validation.source} has none of the model's classes, which int8 is judged on")
        self.pixels, self.labels = validation.pixels[known], validation.labels[known]
        self.tell(f"float32 on {len(self.pixels):,} validation images")
        self.answers = _all(lambda some: np.asarray(self.model.probabilities_of(some)), self.pixels)
        self.right: Flags = self.answers.argmax(1) == self.labels
        self.tell(f"ranges of the values of {len(calibration):,} training images")
        found = _ranges(self.model, self.frozen, calibration, self.runtimes[-1])
        self.ranges = {"extremes": found.extremes(), "nearly all": found.within(NEARLY_ALL)}

    def ways(self) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        """Bits and ranges, with every layer quantised."""
        for bits in (8, 7):
            for ranges in self.ranges:
                self.tell(f"weights of {bits} bits, {ranges} of the values")
                yield bits, ranges, ()

    def tried(self, way: tuple[int, str, tuple[str, ...]]) -> list[Judged]:
        """Judges a way by every runtime."""
        bits, ranges, in_float = way
        graph = self._graph(bits, ranges, in_float)
        found = []
        for name in self.runtimes:
            engine = compiled(graph, name)
            right = _all(engine, self.pixels).argmax(1) == self.labels
            lost, won = int((self.right & ~right).sum()), int((right & ~self.right).sum())
            speed = _per_second(engine, self.pixels)
            found.append(Judged(name, bits, ranges, speed, len(right), lost, won, in_float))
        return found

    def costs(self, way: Judged) -> dict[str, float]:
        """How far probabilities move if a layer alone is quantised, by layer, the largest first."""
        layers = [step.path for step in self.frozen.steps if isinstance(step.layer, Conv | Fc)]
        others = {step.path for step in self.frozen.steps}
        some = self.pixels[:FEW]
        found = {}
        for number, path in enumerate(layers, 1):
            self.tell(f"the cost of {path}, {number} of {len(layers)} layers")
            graph = self._graph(way.bits, way.ranges, tuple(others - {path}))
            moved = np.abs(_all(compiled(graph, way.engine), some) - self.answers[:FEW])
            found[path] = float(moved.mean())
        return dict(sorted(found.items(), key=lambda each: -each[1]))

    def float_speeds(self) -> dict[str, float]:
        """Images per second in float32, by runtime."""
        graph = onnx_graph(self.model.header, self.frozen)
        return {name: _per_second(compiled(graph, name), self.pixels) for name in self.runtimes}

    def graph(self, way: Judged) -> bytes:
        """The graph of a way, which says how it was judged."""
        about = {
            "processor": processor(),
            "engine": way.engine,
            "images": way.images,
            "accuracy_float32": float(self.right.mean()),
            "drop": way.drop,
            "drop_at_most": way.at_most,
            "in_float": list(way.in_float),
        }
        return self._graph(way.bits, way.ranges, way.in_float, about)

    def _graph(
        self, bits: int, ranges: str, in_float: tuple[str, ...], about: dict[str, Any] | None = None
    ) -> bytes:
        int8 = Quantisation(self.ranges[ranges], bits, frozenset(in_float))
        last = about is not None
        ends = {"raw": self.raw and last, "resize": self.resize and last}
        return onnx_graph(self.model.header, self.frozen, **ends, int8=int8, about=about)


def _fastest(ways: list[Judged]) -> Judged:
    """The most accurate of the fastest ways: a twentieth is within what such a measurement varies."""
    most = max(each.per_second for each in ways)
    fast = [each for each in ways if each.per_second >= AS_FAST * most]
    return min(fast, key=lambda each: (each.drop, -each.bits, -each.per_second))


def _ranges(model: Model, frozen: Frozen, pixels: Bytes, runtime: str) -> Ranges:
    """The ranges of all values of a network over images."""
    runs = every_value(model.header, frozen, runtime)
    found = Ranges()
    for at in range(0, len(pixels), BATCH):
        for path, values in runs(pixels[at : at + BATCH]).items():
            found.see(path, values)
    for at in range(0, len(pixels), BATCH):
        for path, values in runs(pixels[at : at + BATCH]).items():
            found.count(path, values)
    return found


def _all(engine: Engine | Callable[[Bytes], Any], pixels: Bytes) -> Floats:
    parts = [engine(pixels[at : at + BATCH]) for at in range(0, len(pixels), BATCH)]
    found: Floats = np.concatenate(parts)
    return found


def _per_second(engine: Engine, pixels: Bytes) -> float:
    """Images per second with full batches, by the median."""
    images = pixels[np.arange(BATCH) % len(pixels)]
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        engine(images)
        times.append(time.perf_counter() - began)
    return BATCH / float(np.median(times))


def _doubling(most: int) -> Iterator[int]:
    """1, 2, 4, ... up to half of the layers: with more, little would be gained."""
    count = 1
    while count <= most // 2:
        yield count
        count *= 2
