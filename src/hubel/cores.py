"""The processor: how many of its cores this process may use, and what it is."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux states a container's processor time: quota and period, in microseconds."""


CPUINFO = Path("/proc/cpuinfo")
"""Where Linux states what each core can do."""

NUMBERS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"),
    *("asimddp", "i8mm", "bf16"),
)
"""The flags of instructions for products of numbers, of x86-64 and of ARM: engines choose by them."""


def allowed_cores(quota: Path = CPU_MAX) -> int:
    """Returns the number of cores in the process's affinity, at most the container's quota, rounded up.

    Processes that torchrun starts on one machine, which are told their number, share them.
    """
    beside = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, _of_all(quota) // max(1, int(beside) if beside.isdecimal() else 1))


def _of_all(quota: Path) -> int:
    """The cores that the processes share."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
        return max(1, min(cores, -(-int(share) // int(period))))
    except (OSError, ValueError):  # no such container, or no limit ("max")
        return cores


def processor() -> str:
    """Returns what decides how fast an engine is: the processor's name and its instructions for products.

    Outside of Linux only the architecture is known.
    """
    fields = _fields(CPUINFO)
    if fields is None:
        return platform.machine()
    flags = _flags(fields)
    return " ".join(
        [fields.get("model name", platform.machine()), *(each for each in NUMBERS if each in flags)]
    )


def processor_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Returns the flags of the processor: by Linux, elsewhere by torch; none where neither says."""
    fields = _fields(cpuinfo)
    if fields is not None:
        return _flags(fields)
    import torch

    ask = getattr(torch.cpu, "get_capabilities", dict)  # not in older torch
    return frozenset(name for name, has in ask().items() if has is True)


def _fields(cpuinfo: Path) -> dict[str, str] | None:
    """Returns what Linux states of a core, by name; None elsewhere."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}


def _flags(fields: dict[str, str]) -> frozenset[str]:
    return frozenset(fields.get("flags", fields.get("Features", "")).split())
