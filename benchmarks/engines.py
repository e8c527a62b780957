"""Engines against plain PyTorch: images per second of the papers' networks, in turns, medians.

    python benchmarks/engines.py [--networks resnet18,vgg16] [--batch 1,16] [--rounds 9] [--json FILE]

Every way has a process of its own, which waits while the others are measured, so that none profits from what
another has set (memory kept, threads, formats). `plain` is PyTorch as it comes: float32, `eval`,
`inference_mode`, n x c x h x w. The others take uint8 images, n x h x w x c, and give probabilities, as
`hubel predict` uses them; plain takes normalised images and gives scores, which is less work. Weights are
random: they do not change the time. `-int8` is the graph that `hubel export --int8` writes, with ranges
measured on noise. The last lines are geometric means, over the six networks of 224 pixels, of the ratio to
plain.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from hubel.cores import allowed_cores, processor

LARGE = ("alexnet_owt", "vgg16", "googlenet", "resnet18", "resnet50", "efficientnet_lite0")
SMALL = ("lenet5", "resnet20")
WAYS = (
    *("plain", "torch-fused", "torch-bf16", "onnxruntime", "openvino", "openvino-bf16"),
    *("onnxruntime-int8", "openvino-int8"),
)

BEST: dict[str, tuple[str, ...]] = {
    "best in float32": ("-bf16", "-int8"),
    "best without int8": ("-int8",),
    "best": (),
}
"""Kinds of the best way, with the endings of those that are left out."""

PAUSE = 0.02
"""Seconds before each try, in which the threads of the process before stop waiting busily."""


def runner(name: str, way: str) -> Callable[[int], object]:
    """Returns what runs a network on a number of images."""
    import torch

    from hubel.tasks.bench_subject import untrained

    torch.set_num_threads(allowed_cores())
    model = untrained(name, None)
    seen = model.preprocessing.volume
    draw = np.random.default_rng(0)

    def pixels(count: int) -> Any:
        return draw.integers(0, 256, (count, *seen.plane, seen.depth), np.uint8)

    batches = {count: pixels(count) for count in (1, 16)}
    if way == "plain":
        network = model.network.eval()
        inputs = {
            n: model.preprocessing.normalise(torch.from_numpy(x)).contiguous() for n, x in batches.items()
        }

        def plain(count: int) -> object:
            with torch.inference_mode():
                return network(inputs[count])

        return plain
    if way.endswith("-int8"):
        from hubel.evaluation.int8 import _ranges
        from hubel.graph.quantise import Quantisation
        from hubel.model.exported import compiled
        from hubel.model.graph import frozen_model, onnx_graph
        from hubel.module.network import Network

        assert isinstance(model.network, Network)
        frozen = frozen_model(model.network, model.header)
        ranges = _ranges(model, frozen, pixels(16), "onnxruntime").extremes()
        graph = onnx_graph(model.header, frozen, int8=Quantisation(ranges))
        engine = compiled(graph, way.removesuffix("-int8"))
        return lambda count: engine(batches[count])
    runs = model.by(way)
    return lambda count: runs.probabilities_of(batches[count])


def work(name: str, way: str, orders: Connection) -> None:
    """A process: answers each number of images with the seconds that they took."""
    try:
        run = runner(name, way)
    except Exception as error:
        orders.send(f"{type(error).__name__}: {error}")
        return
    orders.send("")
    while count := orders.recv():
        began = time.perf_counter()
        run(count)
        orders.send(time.perf_counter() - began)


def measured(name: str, ways: list[str], batches: list[int], rounds: int) -> dict[str, dict[int, float]]:
    """The median seconds of each way with each batch."""
    context = multiprocessing.get_context("spawn")
    workers: dict[str, Connection] = {}
    for way in ways:
        here, there = context.Pipe()
        context.Process(target=work, args=(name, way, there), daemon=True).start()
        if trouble := here.recv():
            print(f"  {way}: {trouble}", flush=True)
        else:
            workers[way] = here
    found: dict[str, dict[int, float]] = {way: {} for way in workers}
    for count in batches:
        times: dict[str, list[float]] = {way: [] for way in workers}
        for number in range(rounds + 2):
            for way, worker in workers.items():
                time.sleep(PAUSE)
                worker.send(count)
                taken = worker.recv()
                if number > 1:
                    times[way].append(taken)
        for way, taken_by in times.items():
            found[way][count] = statistics.median(taken_by)
    for worker in workers.values():
        worker.send(0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", default=",".join((*LARGE, *SMALL)))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--batch", default="1,16")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    ways = list(dict.fromkeys(["plain", *asked.ways.split(",")]))
    batches = [int(each) for each in asked.batch.split(",")]
    packages = ", ".join(f"{each} {version(each)}" for each in ("torch", "openvino", "onnxruntime"))
    print(f"{processor()}, {allowed_cores()} cores; {packages}", flush=True)
    results: dict[str, dict[str, dict[int, float]]] = {}
    for name in asked.networks.split(","):
        results[name] = measured(name, ways, batches, asked.rounds)
        for count in batches:
            plain = results[name]["plain"][count]
            ratios = "  ".join(f"{way} {plain / each[count]:.2f}" for way, each in results[name].items())
            print(f"{name} batch {count}: plain {count / plain:.1f} images/s; {ratios}", flush=True)
    large = [name for name in results if name in LARGE]
    for count in batches if len(large) == len(LARGE) else ():
        means = {
            way: statistics.geometric_mean(
                results[name]["plain"][count] / results[name][way][count] for name in large
            )
            for way in ways
            if all(way in results[name] for name in large)
        }
        best = {}
        for kind, slow in BEST.items():
            allowed = [way for way in ways if not way.endswith(slow)]
            best[kind] = statistics.geometric_mean(
                max(results[name]["plain"][count] / results[name][way][count] for way in allowed)
                for name in large
            )
        line = "  ".join(f"{way} {ratio:.2f}" for way, ratio in {**means, **best}.items())
        print(f"geometric mean, batch {count}: {line}", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
