"""Measuring a model: which images are taken, and that they are read as for predictions."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hubel import build, parse
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.data.marks import fingerprint, marks
from hubel.data.sources import open_data
from hubel.data.split import with_val
from hubel.errors import DataError, UsageError
from hubel.evaluation.model import measure
from hubel.evaluation.splits import images_of
from hubel.model.file import Model
from hubel.report.evaluation import known_text
from hubel.tasks.evaluate import evaluate
from hubel.tasks.export import export

CLASSES = ("cat", "dog")


def folder(root: Path, *splits: str, count: int = 10) -> Path:
    """A folder of images of noise, in class folders below each split."""
    generator = np.random.default_rng(0)
    for split in splits or ("",):
        for name in CLASSES:
            place = root / split / name
            place.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return root


def model(classes: tuple[str, ...] = CLASSES, **summary: Any) -> Model:
    network = build(parse(f"conv(3, 3) >> relu >> fc({len(classes)})"), "8x8x3", scores=True)
    return Model(network, classes, Preprocessing.of("8x8x3"), summary)


def trained_on(place: Path, seed: int = 3) -> Model:
    """A model whose file says that it was trained on a folder without splits."""
    split = with_val(open_data(str(place.resolve()), val=0), 0.3, seed)
    return model(data=str(place.resolve()), val=0.3, seed=seed, trained_on=fingerprint(split.train))


@pytest.mark.parametrize(
    ("splits", "taken"),
    [(("train", "val", "test"), "test"), (("train", "val"), "val"), (("train",), "all"), ((), "all")],
)
def test_auto_takes_the_test_set_then_the_validation_set_then_all(
    tmp_path: Path, splits: tuple[str, ...], taken: str
) -> None:
    found = images_of(str(folder(tmp_path / "set", *splits)), model=model())
    assert found.split == taken
    assert len(found.images) == 20
    assert found.classes == CLASSES


def test_a_named_split(tmp_path: Path) -> None:
    place = str(folder(tmp_path / "set", "train", "val"))
    assert images_of(place, "train", model()).split == "train"
    with pytest.raises(DataError, match="has no test split; it has train, val"):
        images_of(place, "test", model())
    with pytest.raises(UsageError, match="did you mean test"):
        images_of(place, "tset", model())


def test_the_validation_images_of_training_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(tmp_path / "set")
    ours = trained_on(place)
    expected = with_val(open_data(str(place), val=0), 0.3, 3).val
    assert expected is not None
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for where in (str(place), "set", "./set/", "~/set"):
        found = images_of(where, model=ours)
        assert found.split == "val"
        names = [Path(found.images.name(index)).resolve() for index in range(len(found.images))]
        assert names == [Path(expected.name(index)) for index in range(len(expected))]
    assert len(images_of(str(place), "train", ours).images) == 14
    anything = images_of("set")
    assert (anything.split, len(anything.images)) == ("all", 20)
    assert anything.images.name(0) == "set/cat/0.png"


def test_the_validation_images_are_found_wherever_the_set_is_now(tmp_path: Path) -> None:
    place = folder(tmp_path / "set")
    ours = trained_on(place)
    expected = images_of(str(place), model=ours).images
    for moved in (tmp_path / "moved", tmp_path / "deep" / "train"):
        shutil.copytree(place, moved)
        found = images_of(str(moved.parent if moved.name == "train" else moved), model=ours)
        assert found.split == "val"
        names = [Path(found.images.name(index)).relative_to(moved) for index in range(len(found.images))]
        assert names == [Path(expected.name(index)).relative_to(place) for index in range(len(expected))]


def test_another_set_has_no_validation_images_of_training(tmp_path: Path) -> None:
    """Not of those with the same names either."""
    ours = trained_on(folder(tmp_path / "set"))
    for path in folder(tmp_path / "same").rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    assert images_of(str(tmp_path / "same"), model=ours).split == "all"
    for other in (folder(tmp_path / "other", count=9), folder(tmp_path / "single", count=1)):
        assert images_of(str(other), model=ours).split == "all"


def test_shards_named_with_braces_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("webdataset")
    images = sorted(folder(tmp_path / "set").rglob("*.png"))
    for number in range(2):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as tar:
            for place, path in enumerate(images[number::2]):
                path.with_suffix(".cls").write_text(path.parent.name)
                tar.add(path, f"{place}.png")
                tar.add(path.with_suffix(".cls"), f"{place}.cls")
    ours = trained_on(tmp_path / "{0..1}.tar")
    monkeypatch.chdir(tmp_path)
    for where in ("{0..1}.tar", str(tmp_path / "{0..1}.tar")):
        found = images_of(where, model=ours)
        assert (found.split, len(found.images), found.classes) == ("val", 6, CLASSES)


def test_changed_images_are_not_called_new(tmp_path: Path) -> None:
    ours = trained_on(folder(tmp_path / "set"))
    (tmp_path / "set" / "cat" / "0.png").rename(tmp_path / "set" / "cat" / "zero.png")
    with pytest.raises(DataError, match="images have changed since"):
        images_of(str(tmp_path / "set"), model=ours)


def test_of_a_changed_set_only_images_new_to_the_model_are_measured(tmp_path: Path) -> None:
    """By pixels: whatever the files are called, and wherever they are."""
    place = folder(tmp_path / "set")
    split = with_val(open_data(str(place), val=0), 0.3, 3)
    assert split.val is not None
    seen = decode(split.train, Preprocessing.of("8x8x3"))
    ours = replace(trained_on(place), seen=frozenset(marks(seen.pixels)))
    assert measure(ours, str(place)).split == "val"
    assert measure(ours, str(place)).known == 0
    (place / "cat" / "0.png").rename(place / "cat" / "new.png")
    found = measure(ours, str(place))
    assert (found.split, found.known) == ("new", len(split.train))
    assert {Path(name).name for name in found.names} == {
        Path(split.val.name(at)).name.replace("0.png", "new.png" if "cat" in split.val.name(at) else "0.png")
        for at in range(len(split.val))
    }
    for at in range(len(split.val)):
        name = Path(split.val.name(at))
        (name if name.exists() else name.with_name("new.png")).unlink()
    with pytest.raises(DataError, match="the model was trained on every image of it"):
        measure(ours, str(place))


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_by_any_engine_the_same_images_are_new(engine: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "set")
    some = [0, 3, 5]
    images = open_data(str(place), val=0).train
    seen = decode(images, Preprocessing.of("8x8x3"))
    ours = replace(model(), seen=frozenset(marks(seen.pixels[some])))
    ours.save(tmp_path / "m.safetensors")
    found = evaluate(tmp_path / "m.safetensors", str(place), engine=engine)
    assert (found.split, found.known, len(found.names)) == ("new", 3, len(images) - 3)
    path = export(ours, out=tmp_path / "m.onnx").path
    assert known_text(evaluate(path, str(place))).startswith("an exported file does not know")


def test_a_training_set_without_a_known_image_has_changed(tmp_path: Path) -> None:
    place = folder(tmp_path / "set")
    ours = replace(trained_on(place), seen=frozenset([b"a mark"]))
    (place / "cat" / "0.png").rename(place / "cat" / "new.png")
    with pytest.raises(DataError, match="its images have changed"):
        measure(ours, str(place))


def test_a_stream_is_not_searched_for_known_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.data.feed.open.free_memory", lambda: 0)
    place = folder(tmp_path / "set")
    found = measure(replace(model(), seen=frozenset([b"a mark"])), str(place))
    assert (found.split, found.known) == ("all", None)
    assert "are not searched for those the model was trained on" in known_text(found)


def test_of_a_named_split_nothing_is_left_out(tmp_path: Path) -> None:
    place = folder(tmp_path / "set", "train", "test")
    shutil.copy(place / "train" / "cat" / "1.png", place / "test" / "dog" / "again.png")
    seen = decode(open_data(str(place), val=0).train, Preprocessing.of("8x8x3"))
    found = measure(replace(model(), seen=frozenset(marks(seen.pixels))), str(place))
    assert (found.split, len(found.labels), found.known) == ("test", 21, 1)


def test_labels_are_of_the_models_classes(tmp_path: Path) -> None:
    found = images_of(str(folder(tmp_path / "set")), model=model())
    assert found.decoded(model()).labels.tolist() == [0] * 10 + [1] * 10
    assert found.decoded(model(("dog", "eel", "cat"))).labels.tolist() == [2] * 10 + [0] * 10
    with pytest.raises(DataError, match="class 'cat' is not of the model"):
        found.decoded(model(("eel", "dog")))
    many = tuple(f"class{number}" for number in range(1000))
    with pytest.raises(DataError, match="are class0, class1, class2, class3, class4 and 995 more"):
        found.decoded(model(many))


@pytest.mark.parametrize("views", ["one", "mirror", "mirror-shift"])
def test_the_probabilities_are_those_of_predictions(tmp_path: Path, views: str) -> None:
    ours = replace(model(), temperature=0.5, views=views)
    measured = measure(ours, str(folder(tmp_path / "set", count=3)))
    expected = ours.probabilities([Path(name) for name in measured.names])
    torch.testing.assert_close(measured.probabilities, expected)
    assert measured.temperature == 0.5


def test_a_mistake_has_a_name(tmp_path: Path) -> None:
    ours = model()
    found = measure(ours, str(folder(tmp_path / "set")))
    mistakes = found.mistakes()
    assert len(mistakes) == round((1 - found.top1) * 20) > 0
    confidences = [each.confidence for each in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    for each in mistakes:
        alone = ours.predict(each.name)
        assert each.truth == Path(each.name).parent.name != each.prediction == alone.label
        assert (each.confidence, each.probability_of_truth) == pytest.approx(
            (alone.probability, dict(alone.classes)[each.truth]), rel=1e-4
        )


def test_an_evaluation_prints_on_one_screen(tmp_path: Path) -> None:
    text = repr(measure(model(), str(folder(tmp_path / "set"))))
    assert "images             20 (all)" in text
    assert len(text.splitlines()) < 12
