"""Configs and recipes: TOML out, TOML in, single changes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubel.data.augment.policy import Augmentation
from hubel.errors import UsageError
from hubel.training.settings.config import Config
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.recipes import RECIPES, recipe_named
from hubel.training.settings.toml import changed, to_toml, wish

CONFIG = Config(
    data="digits",
    net='named("a", conv(6, 5)) >> fc(10)',
    input="32x32x1",
    freeze=("conv1", "fc1"),
    seconds=90.0,
    recipe=Recipe(lr=0.1, milestones=(0.5, 0.75), augmentation=Augmentation(flip="alternating", cutout=4)),
)
HEAD = 'data = "d"\nnet = "n"\ninput = "1x1x1"\n'


def test_toml_gives_back_an_equal_value(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.to_toml(), encoding="utf-8")
    assert Config.from_toml(path) == CONFIG


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_its_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(RECIPES[name]), encoding="utf-8")
    assert recipe_named(str(path)) == recipe_named(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "sed = 3\n", "no setting 'sed'; did you mean seed?"),
        (HEAD + "[recipe]\nepoch = 3\n", "recipe: there is no setting 'epoch'; did you mean epochs?"),
        ('data = "d"\nnet = "n"\n', "input must be set"),
        (HEAD + '[recipe]\nepochs = "three"\n', "epochs is a whole number, not 'three'"),
        (HEAD + "[recipe.augmentation]\nflip = 1\n", "flip is a text, not 1"),
        (HEAD + "recipe = 1\n", "recipe is a table, not 1"),
        (HEAD + "freeze = 1\n", "freeze is a list, not 1"),
        (HEAD + "[recipe]\nlr = 0\n", "lr is above 0, not 0"),
        ("data = ", "is not TOML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        Config.from_toml(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Config.from_toml(tmp_path / "none.toml")


def test_a_whole_number_serves_as_a_float(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(HEAD + "[recipe]\nclip = 2\n", encoding="utf-8")
    assert Config.from_toml(path).recipe.clip == 2.0


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch": 0},
        {"lr": -1.0},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"label_smoothing": -0.1},
        {"weight_decay": -1.0},
        {"clip": -1.0},
        {"average": 1.0},
        {"warm_up": 1.5},
        {"smallest": 0.0},
        {"hardest": 0.0},
        {"milestones": (0.7, 0.5)},
        {"optimizer": "sdg"},
        {"schedule": "cycles"},
        {"init": "hey"},
        {"views": "mirrors"},
        {"val": 0.0},
        {"val": 1.0},
        {"seed": -1},
        {"target": 1.5},
        {"seconds": -1.0},
        {"fit": "cut"},
        {"on_bad": "go"},
        {"balance": "losses"},
        {"precision": "float16"},
    ],
)
def test_ranges(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(change))):
        changed(CONFIG, change)


def test_the_nearest_value_follows_the_wrong_one() -> None:
    with pytest.raises(UsageError, match=r"^optimizer is one of .*, not 'adam'; did you mean adamw\?$"):
        Recipe(optimizer="adam")


def test_single_changes_reach_every_level() -> None:
    found = changed(CONFIG, dict(map(wish, ("seed=7", "lr=1", "flip = none", "milestones=[0.9]"))))
    varied = replace(CONFIG.recipe.augmentation, flip="none")
    expected = replace(CONFIG.recipe, lr=1.0, milestones=(0.9,), augmentation=varied)
    assert found == replace(CONFIG, seed=7, recipe=expected)


def test_changes_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"no setting 'leaning_rate'.*choose"):
        changed(CONFIG, {"leaning_rate": 1})
    with pytest.raises(UsageError, match="no setting 'epoch'; did you mean epochs"):
        changed(CONFIG, {"epoch": 1})
    with pytest.raises(UsageError, match="flip"):
        changed(CONFIG, {"flip": "sometimes"})
    for text in ("lr", "=1", "lr="):
        with pytest.raises(UsageError, match="key=value"):
            wish(text)
    with pytest.raises(UsageError, match="no recipe 'fats'; did you mean fast"):
        recipe_named("fats")


def test_a_recipe_is_fitted_to_the_images() -> None:
    written = Recipe(batch=512, views="mirror", augmentation=Augmentation(flip="random", shift=2, cutout=8))
    large = written.fitted(mirror=True, side=224, images=100_000)
    assert (large.augmentation.shift, large.augmentation.cutout, large.batch) == (14, 56, 512)
    assert (large.augmentation.flip, large.views) == ("random", "mirror")
    few = written.fitted(mirror=False, side=32, images=1000)
    assert (few.augmentation.flip, few.views, few.batch) == ("none", "one", 50)
    assert written.fitted(mirror=True, side=32, images=10).batch == 8
    assert RECIPES["lenet"].fitted(mirror=True, side=32, images=10).batch == 1
