"""Fixtures for tests of shards: a set of shards, a server, and a cache of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shards import pets, served


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the cache into the test's folder and turns proxies off."""
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of four shards of pets."""
    return pets(tmp_path)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address at which the test's folder is served."""
    with served(tmp_path) as found:
        yield found
