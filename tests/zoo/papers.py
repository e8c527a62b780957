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


LARGER = {
    *("alexnet_2012_six", "densenet169", "densenet201", "resnext101_32x8d"),
    *("wide_resnet101_2", "wide_resnet50_2"),
    *(f"efficientnet_b{number}" for number in range(1, 5)),
    *(f"efficientnet_lite{number}" for number in range(1, 5)),
    *(f"efficientnet_b{number}_tf" for number in range(1, 5)),
    *("efficientnet_lite0_timm", "senet154", "senet154_gluon"),
    *(f"mobilenet_v3_{form}" for form in ("large_timm", "small_timm", "large_tf")),
    *("convnext_small", "convnext_base", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    *("regnet_x_400mf_wide", "regnet_x_1_6gf", "regnet_x_8gf"),
    *("regnet_y_1_6gf", "regnet_y_8gf", "regnet_y_8gf_wide"),
}
"""Networks beside the lecture's that have nothing which a smaller one of their page has not."""

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
