"""The number of processor cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux states a container's processor time: quota and period, in microseconds."""


def allowed_cores(quota: Path = CPU_MAX) -> int:
    """Returns the number of cores in the process's affinity, at most the container's quota, rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
        return max(1, min(cores, -(-int(share) // int(period))))
    except (OSError, ValueError):  # no such container, or no limit ("max")
        return cores
