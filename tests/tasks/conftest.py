"""The command line beside the functions."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Hubel, hubel

__all__ = ["hubel"]


@pytest.fixture
def hubel_command(hubel: Hubel) -> Hubel:
    """Runs `hubel ARGUMENTS...`; `hubel` itself is the package in these tests."""
    return hubel
