"""`bench`: how fast each engine runs a model on this machine, and which one `auto` takes."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.cores import allowed_cores, processor
from hubel.engines.choice import remember
from hubel.engines.engine import REDUCED, needs_torch
from hubel.engines.figures import Benchmark, EngineFigures, Pace
from hubel.errors import HubelError, ModelError, UsageError
from hubel.evaluation.trial import Trial, trial_images
from hubel.tasks.bench_subject import Subject, subject

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.model.file import Model
    from hubel.model.prediction import Classifier
    from hubel.tasks.network import NetLike

IMAGES = 200
"""How many real images the answers are compared on."""

ENOUGH, AGREES = 100, 0.99
"""`auto` takes an engine of less precision if on so many real images this share of answers is the same."""

MOST_ROUNDS, FEWEST_ROUNDS = 200, 5

ENOUGH_SECONDS = 0.5
"""What was measured for a shorter time is not remembered."""

START = """
import json, sys, time
import numpy as np
from hubel.model.classifier import classifier
from hubel.ram import most_memory
runs = classifier(sys.argv[1], sys.argv[2], allow_code=sys.argv[3] == "True")
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

    `model` is a model, its file, a run's folder or the name of a trained network; an exported file, which
    the engines run that can; or any network, which gets random weights, and whose input is `volume`. `batch`
    are numbers of images, such as `1,16`. `seconds` is how long each engine is measured for each of them; the
    best is remembered only from half a second on. Answers are compared with those of `torch`, for an exported
    file with those of the first engine that runs it, on images of `data`, by default of the set that the
    model was trained on. `allow_code` and `force` are as for `hubel.load`. `progress` is called with what
    is being done.

    Raises UsageError, ModelError, DataError: an argument cannot be used, or no engine runs the model.
    """
    batches = _batches(batch)
    if not 0 <= seconds < math.inf:
        raise UsageError(f"seconds is how long to measure, a number from 0, not {seconds:g}")
    tell = progress or (lambda _: None)
    with subject(model, volume, allow_code=allow_code, force=force) as measured:
        trial = trial_images(measured.trained, data, IMAGES)
        runs, failed = _compiled(measured, trial.pixels[:1], tell)
        paces: dict[str, list[Pace]] = {name: [] for name in runs}
        for count in batches:
            tell(f"batches of {count}")
            for name, pace in _in_turns(runs, trial.pixels, count, seconds).items():
                paces[name].append(pace)
        tell("comparing the answers")
        answers = {name: _answers(each, trial.pixels) for name, each in runs.items()}
        reference = next(iter(runs))
        figures = []
        for name in runs:
            tell(f"{name}: starting a process")
            own, right = answers[name], answers[reference]
            agreement = float((own.argmax(1) == right.argmax(1)).mean()) if trial.real else None
            difference = float(np.abs(own - right).max())
            started = _start(measured.path, name, allow_code=allow_code)
            figures.append(EngineFigures(name, tuple(paces[name]), *started, difference, agreement))
    figures = sorted(figures, key=_speed, reverse=True) + failed
    auto, why = measured.only or _best(figures, trial)
    if measured.digest and not measured.only:
        if seconds < ENOUGH_SECONDS:
            why += f"; not remembered, since measured for less than {ENOUGH_SECONDS:g} seconds"
        else:
            remember(measured.digest, auto)
    shown = f"{len(trial.pixels)} of {trial.source}" if trial.real else trial.source
    cores = allowed_cores()
    return Benchmark(measured.title, processor(), cores, tuple(figures), reference, shown, auto, why)


def _compiled(
    measured: Subject, pixels: Bytes, tell: Callable[[str], object]
) -> tuple[dict[str, Classifier], list[EngineFigures]]:
    """The engines that run a model, and those that do not, with the reason.

    Raises ModelError: none does.
    """
    runs: dict[str, Classifier] = {}
    failed: list[EngineFigures] = []
    for name in measured.engines:
        tell(f"{name}: compiling")
        try:
            each = measured.by(name)
            each.probabilities_of(pixels)
        except (HubelError, RuntimeError) as error:
            failed.append(EngineFigures(name, error=str(error).partition("\n")[0]))
        else:
            runs[name] = each
    if not runs:
        reasons = "; ".join(f"{each.name}: {each.error}" for each in failed)
        raise ModelError(f"no engine runs {measured.title}: {reasons or 'install openvino or onnxruntime'}")
    return runs, failed


def _batches(batch: Sequence[int] | str) -> list[int]:
    """The numbers of images. Raises UsageError: not whole numbers of at least 1."""
    try:
        found = [int(each) for each in (batch.split(",") if isinstance(batch, str) else batch)]
    except (TypeError, ValueError):
        found = []
    if not found or min(found) < 1:
        raise UsageError(f"batch is one or more numbers of images, such as 1,16, not {batch!r}")
    return found


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


def _start(path: str, engine: str, *, allow_code: bool) -> tuple[float, int]:
    """How long a new process takes until it has answered, in seconds, and its memory in bytes."""
    run = [sys.executable, "-c", START, path, engine, str(allow_code)]
    if not needs_torch(engine):
        subprocess.run(run, capture_output=True, check=False)  # this one may have to make the graph
    began = time.time()
    out = subprocess.run(run, capture_output=True, text=True, check=False).stdout
    ended, memory = json.loads(out) if out else (began, 0)
    return ended - began, memory


def _speed(figures: EngineFigures) -> float:
    """The geometric mean of the images per second over the batches."""
    return float(np.exp(np.mean([np.log(pace.per_second) for pace in figures.paces])))


def _best(figures: list[EngineFigures], trial: Trial) -> tuple[str, str]:
    """The engine that `auto` takes, and why: the fastest in float32, or in less where answers agree."""
    kept = []
    why = "the fastest"
    for each in figures:
        if each.error:
            continue
        if not each.name.endswith(REDUCED):
            kept.append(each)
        elif not trial.real or len(trial.pixels) < ENOUGH:
            why = f"the fastest in float32; less precise engines need {ENOUGH} real images to be compared on"
        elif each.agreement is not None and each.agreement >= AGREES:
            kept.append(each)
        else:
            why = f"the fastest that gives {AGREES:.0%} of the answers of float32"
    return max(kept, key=_speed).name, why
