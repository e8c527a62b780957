"""How many cores a process may use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hubel.cores import allowed_cores

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
