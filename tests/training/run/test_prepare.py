"""What a run is made of, from a folder of images: balance, marks, and images that cannot be used."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.errors import DataError, NetworkError
from hubel.model.file import load
from hubel.training.events import RoundDone
from hubel.training.run.folder import RunFolder
from hubel.training.run.prepare import prepare
from hubel.training.run.session import Session
from hubel.training.settings.config import Config
from hubel.training.settings.toml import changed
from hubel.training.step.loss import class_weights
from hubel.training.trainer import Trainer

CONFIG = changed(Config("", "fc(2)", "4x4x1", val=0.25, precision="float32"), {"epochs": 1, "batch": 4})


def folder(root: Path, bad: tuple[str, ...] = (), seed: int = 0, **counts: int) -> Config:
    """A config on a folder of so many grey images of each class, those named `bad` damaged."""
    generator = np.random.default_rng(seed)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (4, 4)).astype(np.uint8)
            path = root / name / f"{number}.png"
            Image.fromarray(pixels).save(path)
            if f"{name}/{number}" in bad or name in bad:
                path.write_bytes(b"no image")
    return replace(CONFIG, data=str(root))


def test_classes_are_balanced_by_the_loss_by_the_batches_or_not_at_all(tmp_path: Path) -> None:
    asked = folder(tmp_path / "set", a=24, b=8)
    weighed = prepare(replace(asked, balance="loss"))
    assert weighed.weights is not None
    torch.testing.assert_close(weighed.weights, class_weights(torch.tensor([0] * 18 + [1] * 6), 2))
    assert prepare(asked).weights is None
    even = prepare(replace(asked, balance="sampler"))
    assert even.weights is None
    seen = torch.cat([labels for number in range(40) for _, labels in even.train.epoch(number)])
    assert seen.double().mean() == pytest.approx(0.5, abs=0.06)  # 960 draws: four standard deviations
    plain = torch.cat([labels for _, labels in prepare(asked).train.epoch(0)])
    assert plain.double().mean() == 0.25


@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_of_a_run_is_weighed(mixed: bool, tmp_path: Path) -> None:
    """Two networks of the same weights, before any step: by hand from the scores of the first batch."""
    changes = {"balance": "loss", "label_smoothing": 0.0, "mixup": 0.5 if mixed else 0.0}
    asked = changed(folder(tmp_path / "set", a=24, b=8), changes)
    setting = prepare(asked)
    images, targets = setting.train.first()
    scores = setting.network.train()(images).detach()
    trainer = Trainer.of(setting.network, asked, setting.train, weights=setting.weights)
    first = next(event.loss for event in trainer.run(setting.train, setting.val) if hasattr(event, "loss"))
    assert setting.weights is not None
    if mixed:
        losses = -(targets * setting.weights * scores.log_softmax(1)).sum(1)
        assert first == pytest.approx(losses.mean().item(), rel=1e-5)
    else:
        picked = -scores.log_softmax(1)[torch.arange(len(targets)), targets] * setting.weights[targets]
        assert first == pytest.approx((picked.sum() / setting.weights[targets].sum()).item(), rel=1e-5)


def test_a_model_knows_what_it_and_its_start_were_trained_on(tmp_path: Path) -> None:
    began = folder(tmp_path / "one", a=8, b=8)
    run, setting = RunFolder.create(tmp_path / "run", "one", "fc"), prepare(began)
    trainer = Trainer.of(setting.network, began, setting.train)
    assert any(isinstance(event, RoundDone) for event in Session(run, setting, trainer).train())
    asked = replace(folder(tmp_path / "two", seed=1, a=8, b=8), start=str(run.best))
    again = prepare(asked)
    own, before = ((each.train.images.marks() or []) for each in (again, setting))
    assert not set(own) & set(before)
    assert again.seen == frozenset([*own, *before])
    assert load(run.best).seen == frozenset(before)


def test_a_class_that_loses_all_its_images_is_refused(tmp_path: Path) -> None:
    asked = replace(folder(tmp_path / "set", bad=("c",), a=8, b=8, c=4), net="fc(3)", on_bad="skip")
    with pytest.raises(DataError, match="set: none of the training images of c can be read"):
        prepare(asked)


def test_a_class_of_which_what_is_held_out_is_left_out_is_told(tmp_path: Path) -> None:
    names = tuple(f"b/{number}" for number in range(8))
    (tmp_path / "set").mkdir()
    asked = folder(tmp_path / "set" / "train", a=8, b=8)
    folder(tmp_path / "set" / "val", bad=names, a=8, b=8)
    told: list[str] = []
    prepare(replace(asked, data=str(tmp_path / "set"), on_bad="skip"), warn=told.append)
    assert told[0].startswith("no validation image shows b")


def test_where_none_is_left_skipping_is_not_advised(tmp_path: Path) -> None:
    asked = folder(tmp_path / "set" / "train", a=8, b=8)
    folder(tmp_path / "set" / "val", bad=("a", "b"), a=2, b=2)
    asked = replace(asked, data=str(tmp_path / "set"), on_bad="skip")
    with pytest.raises(DataError, match="4 of 4 images cannot be used") as told:
        prepare(asked)
    assert "--on-bad" not in str(told.value)


def test_views_moved_by_a_pixel_need_two(tmp_path: Path) -> None:
    asked = changed(folder(tmp_path / "set", a=8, b=8), {"views": "mirror-shift"})
    with pytest.raises(NetworkError, match="views, mirror-shift, need images of at least 2 pixels"):
        prepare(replace(asked, input="1x1x1"))


def test_a_missing_file_in_a_folder_whose_name_is_no_text_is_left_out(tmp_path: Path) -> None:
    try:
        root = Path(os.fsdecode(os.fsencode(tmp_path / "man") + b"\xff"))
        root.mkdir()
    except OSError:
        pytest.skip("the file system takes names that are text alone")
    folder(root / "set", a=8, b=8)
    lines = [
        f"set/{name}/{number}.png,{name}" for name in "ab" for number in range(9)
    ]  # of each one too many
    (root / "m.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    found = prepare(replace(CONFIG, data=str(root / "m.csv"), on_bad="skip"))
    assert len(found.skipped) == 2
