"""A run in words: what is left out, and why a network was chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from hubel import build, parse
from hubel.data.feed.bad import Bad
from hubel.data.image.preprocess import Preprocessing
from hubel.evaluation.metrics import Evaluation
from hubel.model.file import Model
from hubel.net.volume import Volume
from hubel.report.training import chosen_text, end_text, left_out_text
from hubel.training.run.auto import Candidate, Chosen
from hubel.training.run.events import Finished
from hubel.training.run.folder import RunFolder
from hubel.training.settings.recipe import Recipe

CANDIDATE = Candidate("net", parse("fc(2)"), Volume(8, 8, 3), Recipe(), by="fast_short")


def test_images_left_out_are_counted_and_the_first_are_named() -> None:
    bad = [Bad(f"{number}.png", "is damaged") for number in range(1234)]
    lines = left_out_text(bad, 10_000).splitlines()
    assert lines[:2] == ["left out: 1,234 of 11,234 images", "  0.png: is damaged"]
    assert lines[-2:] == ["  19.png: is damaged", "  and 1,214 more; `hubel data check` lists all"]
    assert left_out_text(bad[:1], 9).splitlines() == ["left out: 1 of 10 images", "  0.png: is damaged"]


def test_the_end_says_over_how_many_views_it_is_right() -> None:
    network = build(parse("fc(2)"), "2x2x1", scores=True)
    model = Model(network, ("a", "b"), Preprocessing.of("2x2x1"), {"val_top1": 0.25})
    result = Evaluation(torch.eye(2)[[0, 1, 0, 0]], torch.tensor([0, 1, 1, 1]))
    folder = RunFolder(Path("run"))
    text = end_text(Finished(folder, model, result))
    assert text.startswith(
        "best model: validation accuracy 50.00 % (2 of 4; 95 % interval 15.00 to 85.00 %); chance is 75.00 %"
    )
    several = end_text(Finished(folder, replace(model, views="mirror"), result))
    assert (
        "averaged over 2 views per image; 25.00 % (1 of 4; 95 % interval 4.56 to 69.94 %) with one" in several
    )


def test_a_start_says_why() -> None:
    chosen = Chosen(CANDIDATE, start="efficientnet_lite0")
    assert "starts from efficientnet_lite0, the best pretrained network installed" in chosen_text(
        chosen, asked=False
    )
    assert "starts from efficientnet_lite0; --from none" in chosen_text(chosen)
    assert "--freeze none lets all parts learn" in chosen_text(
        replace(chosen, candidate=replace(CANDIDATE, freeze=("conv1",)))
    )
    assert "freeze" not in chosen_text(chosen)
    alone = chosen_text(Chosen(CANDIDATE))
    assert alone == "network: net, input 8x8x3, recipe fast_short"
    assert "none is installed" in chosen_text(Chosen(CANDIDATE, none_installed=True), asked=False)
