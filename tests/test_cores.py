"""How many cores a process may use, and what the processor is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch

from hubel.cores import allowed_cores, processor_flags

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 64)])
def test_a_containers_quota_counts(text: str, cores: int, tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert allowed_cores(quota) == min(cores, allowed_cores(tmp_path / "none"))


def test_a_process_kept_to_one_core_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert allowed_cores(tmp_path / "none") == 1


CASCADE_LAKE = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Gold 6252 CPU @ 2.10GHz
flags\t\t: fpu vme avx2 avx512f avx512_vnni
vmx flags\t: vnmi amx_bf16

processor\t: 1
flags\t\t: fpu vme avx2 avx512f avx512_vnni
"""
SAPPHIRE_RAPIDS = CASCADE_LAKE.replace("avx512_vnni\n", "avx512_vnni avx512_bf16 amx_bf16 amx_tile\n")
ALTRA = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd evtstrm aes crc32 asimddp\n"
GRAVITON3 = ALTRA.replace("asimddp", "asimddp sve i8mm bf16 dgh")


@pytest.mark.parametrize(
    ("cpuinfo", "flag"),
    [(CASCADE_LAKE, ""), (SAPPHIRE_RAPIDS, "amx_bf16"), (ALTRA, ""), (GRAVITON3, "bf16")],
)
def test_the_flags_are_those_that_linux_states(cpuinfo: str, flag: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert processor_flags(tmp_path / "cpuinfo") & {"amx_bf16", "bf16"} == ({flag} if flag else set())


def test_where_there_is_no_linux_torch_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"bf16": True, "amx_bf16": False, "architecture": "arm64", "num_sockets": 1}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert processor_flags(tmp_path / "none") == {"bf16"}
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert processor_flags(tmp_path / "none") == frozenset()
