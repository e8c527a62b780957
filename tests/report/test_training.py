"""A run in words: what is left out, and why a network was chosen."""

from __future__ import annotations

from hubel import parse
from hubel.data.decoded import Bad
from hubel.net import Volume
from hubel.report.training import chosen_text, left_out_text
from hubel.train import Candidate, Chosen, Recipe

CANDIDATE = Candidate("net", parse("fc(2)"), Volume(8, 8, 3), Recipe())


def test_pictures_left_out_are_counted_and_the_first_are_named() -> None:
    bad = [Bad(f"{number}.png", "is damaged") for number in range(1234)]
    lines = left_out_text(bad, 10_000).splitlines()
    assert lines[:2] == ["left out: 1,234 of 11,234 pictures", "  0.png: is damaged"]
    assert lines[-2:] == ["  19.png: is damaged", "  and 1,214 more; `hubel data check` lists all"]
    assert left_out_text(bad[:1], 9).splitlines() == ["left out: 1 of 10 pictures", "  0.png: is damaged"]


def test_a_start_says_why() -> None:
    chosen = Chosen(CANDIDATE, start="efficientnet_lite0")
    assert "starts from efficientnet_lite0, the best trained network at hand" in chosen_text(
        chosen, asked=False
    )
    assert "starts from efficientnet_lite0, as it was trained" in chosen_text(chosen)
    assert "starts" not in chosen_text(Chosen(CANDIDATE))
    assert "none is at hand" in chosen_text(Chosen(CANDIDATE, none_at_hand=True), asked=False)
