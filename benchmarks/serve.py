"""`hubel serve` against its engine alone, and against LitServe: ready, memory, images per second, latency.

    python -m benchmarks.serve MODEL [--seconds 8] [--connections 24] [--engine openvino] [--peer PYTHON]
        [--side 240]

The load is JPEG files of 320x240, or of that shape and another height, one in a request, from this process.
With a small network and small images the server is the limit, not the engine. `ready` is the time from the
start of the process to the first answer, `memory` its proportional set (PSS) with that of its children: then,
and after the load. The engine alone computes full batches, of the best size, from images in memory. Open
load: requests at even times, at 80 % of what the closed load gave. PYTHON is one with litserve, in which
hubel's sources run too.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

from benchmarks.load import Answered, closed, opened, request
from hubel.cores import allowed_cores, processor

SRC = Path(__file__).parent.parent / "src"
IMAGES = 32
SIZES = (8, 16, 32)


def photos(side: int = 240) -> list[bytes]:
    """JPEG files, 4:3 and `side` pixels high, with the detail of photographs."""
    height, width = side, side * 4 // 3
    draw = np.random.default_rng(0)
    found = []
    for _ in range(IMAGES):
        small = Image.fromarray(draw.integers(0, 256, (15, 20, 3), np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(small).astype(np.int16) + draw.integers(-8, 9, (height, width, 3))
        buffer = BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
        found.append(buffer.getvalue())
    return found


def engine_alone(model: str, engine: str, out: multiprocessing.Queue[dict[int, float]]) -> None:
    """The images per second of the engine for each size of batches, medians of 15."""
    from hubel.model.classifier import classifier

    runs = classifier(model, engine)
    seen = runs.preprocessing.volume
    images = np.random.default_rng(0).integers(0, 256, (max(SIZES), *seen.plane, seen.depth), np.uint8)
    found = {}
    for size in SIZES:
        times = []
        for _ in range(18):
            began = time.perf_counter()
            runs.probabilities_of(images[:size])
            times.append(time.perf_counter() - began)
        found[size] = size / statistics.median(times[3:])
    out.put(found)


def descendants(root: int) -> list[int]:
    """A process and those that it has begun, and they."""
    found, waiting = [], [root]
    while waiting:
        each = waiting.pop()
        found.append(each)
        with suppress(OSError):  # it has ended
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return found


def memory(root: int) -> float:
    """The PSS of a process and its descendants, in MB."""
    total = 0
    for each in descendants(root):
        with suppress(OSError, IndexError):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += int(rollup.split("Pss:")[1].split()[0]) * 1024
    return total / 1e6


def processor_time(root: int) -> float:
    """The processor's seconds that a process and its descendants have taken."""
    ticks = 0
    for each in descendants(root):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def compiled_environment() -> dict[str, str]:
    """The environment without what keeps Python from writing its bytecode, which an installed hubel has."""
    return {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as place:
        return int(place.getsockname()[1])


class Server:
    """A server in a process, measured from its start to its first answer."""

    def __init__(self, words: list[str], port: int, path: str, kind: str, body: bytes) -> None:
        self.address = ("127.0.0.1", port)
        began = time.perf_counter()
        self.process = subprocess.Popen(
            words,
            env={**compiled_environment(), "PYTHONPATH": str(SRC)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                asked = Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": kind})
                with urlopen(asked, timeout=30) as answer:
                    answer.read()
                break
            except HTTPError:
                raise
            except (URLError, OSError):
                if self.process.poll() is not None or time.perf_counter() - began > 120:
                    raise
                time.sleep(0.002)
        self.ready = time.perf_counter() - began
        self.memory = memory(self.process.pid)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def fine(_number: int, status: int, _body: bytes) -> bool:
    return status == 200


def measured(
    name: str, server: Server, requests: list[bytes], alone: float, asked: argparse.Namespace
) -> float:
    """Loads a server, prints a line, and returns its images per second."""
    asyncio.run(closed(server.address, requests, asked.connections, 2, fine))
    before = processor_time(server.process.pid)
    full: Answered = asyncio.run(closed(server.address, requests, asked.connections, asked.seconds, fine))
    taken = processor_time(server.process.pid) - before
    rate = 0.8 * full.per_second
    even: Answered = asyncio.run(opened(server.address, requests, rate, asked.seconds, fine))
    one: Answered = asyncio.run(closed(server.address, requests, 1, min(3, asked.seconds), fine))
    after = memory(server.process.pid)
    print(
        f"{name:<22} ready {server.ready:.2f} s   memory {server.memory:.0f} MB, after {after:.0f} MB   "
        f"{full.per_second:.1f} images/s = {full.per_second / alone:.0%} of the engine, "
        f"{taken / full.statuses[200] * 1e3:.2f} ms of the processor each   "
        f"at {rate:.0f}/s p50 {even.percentile(0.5) * 1e3:.1f} ms p99 {even.percentile(0.99) * 1e3:.1f} ms   "
        f"alone p50 {one.percentile(0.5) * 1e3:.1f} ms   not answered {full.wrong + even.wrong + one.wrong}",
        flush=True,
    )
    return full.per_second


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--side", type=int, default=240)
    parser.add_argument("--peer", help="a Python with litserve")
    asked = parser.parse_args()
    out: multiprocessing.Queue[dict[int, float]] = multiprocessing.get_context("spawn").Queue()
    worker = multiprocessing.get_context("spawn").Process(
        target=engine_alone, args=(asked.model, asked.engine, out)
    )
    worker.start()
    paces = out.get()
    worker.join()
    alone = max(paces.values())
    print(f"{processor()}, {allowed_cores()} cores, Python {sys.version.split()[0]}")
    print(f"{asked.model}, {asked.engine}")
    print("engine alone: " + ", ".join(f"batch {size}: {pace:.1f} images/s" for size, pace in paces.items()))
    images = photos(asked.side)
    bodies = [json.dumps({"images": [base64.b64encode(each).decode()]}).encode() for each in images]
    port = free_port()
    words = [
        sys.executable,
        "-m",
        "hubel",
        "serve",
        asked.model,
        "--engine",
        asked.engine,
        "--port",
        str(port),
    ]
    server = Server(words, port, "/v1/predict", "image/jpeg", images[0])
    raw = [request("x", "/v1/predict", "image/jpeg", each) for each in images]
    measured("hubel serve", server, raw, alone, asked)
    coded = [request("x", "/v1/predict", "application/json", each) for each in bodies]
    own = measured("hubel serve, base64", server, coded, alone, asked)
    server.end()
    if asked.peer:
        port = free_port()
        words = [asked.peer, str(Path(__file__).parent / "litserve_peer.py"), asked.model, str(port), "8"]
        server = Server(words, port, "/predict", "application/json", bodies[0])
        coded = [request("x", "/predict", "application/json", each) for each in bodies]
        peer = measured("LitServe, base64", server, coded, alone, asked)
        server.end()
        print(f"hubel serve / LitServe, both base64: {own / peer:.2f}")


if __name__ == "__main__":
    main()
