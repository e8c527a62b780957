"""`bench`: how fast each engine runs a model on this machine, and which one `auto` takes."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.cores import allowed_cores, processor
from hubel.engines.choice import remember
from hubel.engines.engine import TORCH, installed
from hubel.engines.figures import Benchmark, EngineFigures, Pace
from hubel.errors import HubelError, UsageError
from hubel.evaluation.trial import Trial, trial_images
from hubel.model.classifier import digest_of, source_of
from hubel.model.file import Model
from hubel.model.open import open_model

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.model.prediction import Classifier
    from hubel.tasks.network import NetLike

IMAGES = 200
"""How many real images the answers are compared on."""

ENOUGH, AGREES = 100, 0.99
"""`auto` takes an engine in bfloat16 if on so many real images this share of answers is the same."""

MOST_ROUNDS, FEWEST_ROUNDS = 200, 5

START = """
import json, sys, time
import numpy as np
from hubel.model.classifier import classifier
from hubel.ram import most_memory
runs = classifier(sys.argv[1], sys.argv[2])
seen = runs.preprocessing.volume
np.asarray(runs.probabilities_of(np.zeros((1, *seen.plane, seen.depth), np.uint8)))
print(json.dumps([time.time(), most_memory()]))
"""
"""A process that opens a model and answers once; it prints when, and the most memory it had, in bytes."""


def bench(
    model: Model | str | Path | NetLike,
    *,
    volume: Any = None,
    batch: Sequence[int] | str = "1,16",
    data: Any = None,
    seconds: float = 3.0,
    allow_code: bool = False,
    force: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Benchmark:
    """Measures every engine that is installed, in turns, and remembers the best for this model and machine.

    `model` is a model, its file, a run's folder or the name of a trained network; or any network, which gets
    random weights, and whose input is `volume`. `batch` are numbers of images, such as `1,16`. `seconds` is
    how long each engine is measured for each of them. Answers are compared with those of `torch` in float32
    on images of `data`, by default of the set that the model was trained on. `allow_code` and `force` are as
    for `hubel.load`. `progress` is called with what is being done.

    Raises UsageError, ModelError, DataError: an argument cannot be used.
    """
    batches = _batches(batch)
    if not 0 <= seconds < math.inf:
        raise UsageError(f"seconds is how long to measure, a number from 0, not {seconds:g}")
    tell = progress or (lambda _: None)
    with _on_disk(model, volume, allow_code=allow_code, force=force) as (opened, path):
        trial = trial_images(opened, data, IMAGES)
        runs: dict[str, Classifier] = {}
        failed: list[EngineFigures] = []
        names = installed() if opened.has_notation else (TORCH,)
        for name in names:
            tell(f"{name}: compiling")
            try:
                runs[name] = opened.by(name)
                runs[name].probabilities_of(trial.pixels[:1])
            except (HubelError, RuntimeError) as error:
                failed.append(EngineFigures(name, error=str(error).partition("\n")[0]))
                runs.pop(name, None)
        paces: dict[str, list[Pace]] = {name: [] for name in runs}
        for count in batches:
            tell(f"batches of {count}")
            for name, pace in _in_turns(runs, trial.pixels, count, seconds).items():
                paces[name].append(pace)
        tell("comparing the answers")
        answers = {name: _answers(each, trial.pixels) for name, each in runs.items()}
        figures = []
        for name in runs:
            tell(f"{name}: starting a process")
            own, right = answers[name], answers[TORCH]
            agreement = float((own.argmax(1) == right.argmax(1)).mean()) if trial.real else None
            difference = float(np.abs(own - right).max())
            started = _start(path, name)
            figures.append(EngineFigures(name, tuple(paces[name]), *started, difference, agreement))
    figures = sorted(figures, key=_speed, reverse=True) + failed
    auto, why = _best(figures, trial)
    source = source_of(model) if isinstance(model, str | Path) else None
    if source is not None:
        remember(digest_of(source), auto)
    shown = f"{len(trial.pixels)} of {trial.source}" if trial.real else trial.source
    title = str(model) if isinstance(model, str | Path) else opened.description
    return Benchmark(title, processor(), allowed_cores(), tuple(figures), shown, auto, why)


def _batches(batch: Sequence[int] | str) -> list[int]:
    """The numbers of images. Raises UsageError: not whole numbers of at least 1."""
    try:
        found = [int(each) for each in (batch.split(",") if isinstance(batch, str) else batch)]
    except (TypeError, ValueError):
        found = []
    if not found or min(found) < 1:
        raise UsageError(f"batch is one or more numbers of images, such as 1,16, not {batch!r}")
    return found


@contextmanager
def _on_disk(model: Any, volume: Any, *, allow_code: bool, force: bool) -> Iterator[tuple[Model, str]]:
    """A model and where its file is; of a network or a model in memory, a file for the time being."""
    try:
        opened = open_model(model, allow_code=allow_code, force=force)
    except HubelError:
        if isinstance(model, str | Path) and Path(model).exists():
            raise
        opened = _untrained(model, volume)
        model = None
    if isinstance(model, str | Path):
        yield opened, str(model)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        opened.save(path)
        yield opened, str(path)


def _untrained(net: Any, volume: Any) -> Model:
    """A network with random weights as a model, of classes without names."""
    from hubel.data.image.preprocess import Preprocessing
    from hubel.tasks.network import build

    network = build(net, volume, scores=True).eval()
    classes = tuple(f"class {number}" for number in range(network.output.values))
    return Model(network, classes, Preprocessing.of(network.volume))


def _in_turns(runs: dict[str, Classifier], pixels: Bytes, count: int, seconds: float) -> dict[str, Pace]:
    """Measures all engines with batches of so many images, one after the other in every round."""
    images = pixels[np.arange(count) % len(pixels)]
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds * len(runs)
    for each in runs.values():
        each.probabilities_of(images)  # what is made for this size of batch is made once
    for number in range(MOST_ROUNDS):
        if number >= FEWEST_ROUNDS and time.perf_counter() > end:
            break
        for name, each in runs.items():
            began = time.perf_counter()
            each.probabilities_of(images)
            times[name].append(time.perf_counter() - began)
    return {
        name: Pace(count, statistics.median(taken), float(np.quantile(taken, 0.99)))
        for name, taken in times.items()
    }


def _answers(runs: Classifier, pixels: Bytes) -> Any:
    parts = [np.asarray(runs.probabilities_of(pixels[at : at + 16])) for at in range(0, len(pixels), 16)]
    return np.concatenate(parts)


def _start(path: str, engine: str) -> tuple[float, int]:
    """How long a new process takes until it has answered, in seconds, and its memory in bytes."""
    run = [sys.executable, "-c", START, path, engine]
    if not engine.startswith(TORCH):
        subprocess.run(run, capture_output=True, check=False)  # this one may have to make the graph
    began = time.time()
    out = subprocess.run(run, capture_output=True, text=True, check=False).stdout
    ended, memory = json.loads(out) if out else (began, 0)
    return ended - began, memory


def _speed(figures: EngineFigures) -> float:
    """The geometric mean of the images per second over the batches."""
    return float(np.exp(np.mean([np.log(pace.per_second) for pace in figures.paces])))


def _best(figures: list[EngineFigures], trial: Trial) -> tuple[str, str]:
    """The engine that `auto` takes, and why: the fastest in float32, or in bfloat16 where answers agree."""
    kept = []
    why = "the fastest"
    for each in figures:
        if each.error:
            continue
        if not each.name.endswith("-bf16"):
            kept.append(each)
        elif not trial.real or len(trial.pixels) < ENOUGH:
            why = f"the fastest in float32; bfloat16 needs {ENOUGH} real images to be compared on"
        elif each.agreement is not None and each.agreement >= AGREES:
            kept.append(each)
        else:
            why = f"the fastest that gives {AGREES:.0%} of the answers of float32"
    return max(kept, key=_speed).name, why
