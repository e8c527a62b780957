"""The numbers of the papers, read from tests/papers, and the ledgers they are compared with."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from hubel import zoo
from hubel.net.ledger import Ledger, ledger

TESTS = Path(__file__).parent.parent


@cache
def page(name: str) -> dict[str, Any]:
    """One file of numbers."""
    numbers: dict[str, Any] = json.loads((TESTS / "papers" / f"{name}.json").read_text())
    return numbers


PAGES = sorted(path.stem for path in (TESTS / "papers").glob("*.json"))
FACTS: dict[str, dict[str, Any]] = {
    text: facts for name in PAGES for text, facts in page(name)["networks"].items()
}
"""The published facts of each network, by the text that `zoo.find` reads."""


def having(fact: str) -> list[str]:
    """The networks for which a fact is published."""
    return [text for text, facts in FACTS.items() if fact in facts]


@cache
def measured(text: str) -> Ledger:
    """The ledger of a network on its own input."""
    return ledger(*zoo.find(text))
