"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much processor time a container gets: quota and period, in microseconds."""


def allowed_cores(quota: Path = CPU_MAX) -> int:
    """The cores of this process: its affinity, and the container's quota, rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
        return max(1, min(cores, -(-int(share) // int(period))))
    except (OSError, ValueError):  # no such container, or no limit: "max"
        return cores
