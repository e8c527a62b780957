"""The whole arithmetic of ResNet-152: `hubel table` against torchinfo on the same network.

Each is a fresh process from start to finished table; the two take turns. Prints medians of wall time
and peak memory, their ratio, and the time of the ledger alone within the library.

    python benchmarks/table.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

HUBEL = [sys.executable, "-m", "hubel", "table", "resnet152"]
TORCHINFO = [
    sys.executable,
    "-c",
    "import hubel, torchinfo; network = hubel.build(hubel.zoo.resnet152(), '224x224x3');"
    "print(torchinfo.summary(network, (1, 3, 224, 224), depth=9,"
    " col_names=('kernel_size', 'input_size', 'output_size', 'num_params', 'mult_adds')))",
]
LIBRARY = """
import time
from hubel import ledger, zoo
net, times = zoo.resnet152(), []
for _ in range(21):
    began = time.perf_counter()
    rows = len(ledger(net, "224x224x3").rows)
    times.append(time.perf_counter() - began)
print(rows, sorted(times)[10])
"""


def spent(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MB (10^6 bytes) of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.perf_counter() - began, usage.ru_maxrss * 1024 / 1e6


def main(rounds: int) -> None:
    """Runs both in turns and prints what came out."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(spent(HUBEL))
        theirs.append(spent(TORCHINFO))
    (seconds, memory), (their_seconds, their_memory) = (
        [statistics.median(column) for column in zip(*runs, strict=True)] for runs in (ours, theirs)
    )
    rows, ledger_seconds = subprocess.run(
        [sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True
    ).stdout.split()
    result = {
        "network": "resnet152",
        "rows": int(rows),
        "hubel_process_seconds": round(seconds, 3),
        "torchinfo_process_seconds": round(their_seconds, 3),
        "times_faster": round(their_seconds / seconds, 1),
        "hubel_peak_mb": round(memory),
        "torchinfo_peak_mb": round(their_memory),
        "ledger_seconds": round(float(ledger_seconds), 4),
        "rounds": rounds,
        "versions": {name: version(name) for name in ("torch", "torchinfo")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
