"""A service at twice its capacity, with good and bad requests: every answer is checked, its memory watched.

    python -m benchmarks.soak MODEL [--seconds 600] [--engine openvino]

The capacity for good requests is measured first. Then twice as many come, at even times, with bad ones:
good images one by one, in forms and in base64, cut and damaged ones, wrong kinds, clients that go away, and
every few seconds a new file of the same model. A good request is answered as it was alone at the start, or
refused with 503; a bad one as it was alone. Memory is compared from a quarter of the time on. On loopback
alone.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.load import Answered, Client, closed, opened, request
from benchmarks.serve import Server, free_port, memory, photos

EVERY = 1.0
"""Seconds between two looks at the memory."""

RELOADED = 5
"""After how many looks the model's file is replaced."""


def requests(images: list[bytes]) -> list[bytes]:
    """Three good requests for each bad one."""
    found = []
    for at, image in enumerate(images):
        text = base64.b64encode(image).decode()
        form = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="image"; filename="%d"\r\n\r\n%b\r\n'
            % (number, each)
            for number, each in enumerate((image, images[at - 1][:999], b"no image"))
        )
        found += [
            request("x", "/v1/predict", "image/jpeg", image),
            request("x", "/v1/predict", "application/json", json.dumps({"images": [text]}).encode()),
            request("x", "/v1/predict", "multipart/form-data; boundary=b", form + b"--b--\r\n"),
        ]
        bad = [
            request("x", "/v1/predict", "image/jpeg", image[: len(image) // 2]),
            request("x", "/v1/predict", "text/plain", image),
            request("x", "/v1/predict?model=none", "image/jpeg", image),
            request("x", "/v1/predict", "application/json", b'{"images": ["%"]}'),
            request("x", "/v2/models/m/infer", "application/json", b'{"inputs": []}'),
            request("x", "/nowhere", "image/jpeg", b""),
        ]
        found.append(bad[at % len(bad)])
    return found


async def once(address: tuple[str, int], every: list[bytes]) -> list[tuple[int, bytes]]:
    """The answers to each request alone, without their ids."""
    client = Client(*address)
    return [(status, without_id(body)) for status, body in [await client.ask(data) for data in every]]


def without_id(body: bytes) -> bytes:
    """An answer without the id of its request, which is another each time."""
    content = json.loads(body)
    content.pop("request", None)
    return json.dumps(content).encode()


async def leave(address: tuple[str, int], data: bytes, until: float) -> None:
    """Begins requests and goes away, ten times a second."""
    while time.perf_counter() < until:
        _, writer = await asyncio.open_connection(*address)
        writer.write(data)
        await asyncio.sleep(0.1)
        writer.close()


async def soaked(
    server: Server, model: Path, every: list[bytes], seconds: float
) -> tuple[Answered, list[float]]:
    """Loads a server; returns what it answered, and its memory each second."""
    wanted = await once(server.address, every)
    good = [data for data, (status, _) in zip(every, wanted, strict=True) if status == 200]
    full = await closed(server.address, good, 24, 5, lambda *_: True)
    rate = 2 * full.per_second * len(every) / len(good)
    print(f"capacity {full.per_second:.0f} good requests/s; now {rate:.0f}/s with the bad ones", flush=True)
    faults: Counter[str] = Counter()

    def check(number: int, status: int, body: bytes) -> bool:
        fine = status == 503 or (status, without_id(body) if status else b"") == wanted[number]
        if not fine:
            faults[f"{status} instead of {wanted[number][0]}: {body[:100]!r}"] += 1
        return fine

    taken: list[float] = []

    async def watch() -> None:
        while True:
            await asyncio.sleep(EVERY)
            taken.append(await asyncio.to_thread(memory, server.process.pid))
            if len(taken) % RELOADED == 0:
                shutil.copy(model, model.with_suffix(".new"))
                model.with_suffix(".new").replace(model)

    watching = asyncio.create_task(watch())
    leaving = asyncio.create_task(leave(server.address, every[0], time.perf_counter() + seconds))
    found = await opened(server.address, every, rate, seconds, check)
    await leaving
    watching.cancel()
    for fault, count in faults.most_common(5):
        print(f"{count} x {fault}")
    return found, taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--engine", default="openvino")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(shutil.copy(asked.model, Path(folder, "m.safetensors")))
        port, images = free_port(), photos()
        words = [sys.executable, "-m", "hubel", "serve", str(model), "--engine", asked.engine]
        server = Server([*words, "--port", str(port)], port, "/v1/predict", "image/jpeg", images[0])
        found, taken = asyncio.run(soaked(server, model, requests(images), asked.seconds))
        alive = server.process.poll() is None
        server.end()
    steady = taken[len(taken) // 4 :]
    drift = (sum(steady[-10:]) / len(steady[-10:])) / (sum(steady[:10]) / len(steady[:10])) - 1
    print(
        f"answers in {found.wall:.0f} s: {dict(sorted(found.statuses.items()))}, wrong: {found.wrong}, "
        f"sent again: {found.retries}"
    )
    print(
        f"memory {steady[0]:.0f} to {steady[-1]:.0f} MB, at most {max(taken):.0f} MB, {drift:+.1%}; "
        f"alive: {alive}"
    )
    sys.exit(bool(found.wrong or not alive))


if __name__ == "__main__":
    main()
