"""The scikit-learn classifier: its own estimator checks, every form of images, searches, pickles."""

from __future__ import annotations

import copy
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import hubel
import hubel.tasks.follow
from hubel.data.arrays import Bytes
from hubel.errors import DataError, HubelError, UsageError
from hubel.sklearn import HubelClassifier, InputError


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without the page of a run, which is tested elsewhere, and on one thread, as suits tiny networks."""
    monkeypatch.setattr(hubel.tasks.follow, "run_page", lambda *_args, **_kwargs: "")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@parametrize_with_checks([HubelClassifier(epochs=5)])  # type: ignore[untyped-decorator]  # it has no types
def test_it_passes_every_estimator_check(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def quick(**arguments: Any) -> Any:
    """A classifier that trains in a moment; the network is for images of 8x8 in three classes."""
    given = {"net": "conv(4, 3) >> relu >> fc(3)", "epochs": 3, "random_state": 0, **arguments}
    return HubelClassifier(**given)


@pytest.fixture(scope="module")
def digits() -> tuple[Bytes, Any]:
    """Images of the digits 0 to 2: uint8, 60 x 8 x 8; and their labels."""
    found = load_digits(n_class=3)
    return (found.images[:60] * 15).astype(np.uint8), found.target[:60]


def test_it_learns_digits() -> None:
    rows, labels = load_digits(return_X_y=True)
    found = HubelClassifier("lenet5", epochs=3, shape=(8, 8, 1), random_state=0).fit(rows[:600], labels[:600])
    assert found.score(rows[600:900], labels[600:900]) > 0.5  # chance is a tenth
    assert found.n_features_in_ == 64


def test_forms_of_the_same_images_agree(digits: tuple[Bytes, Any], tmp_path: Path) -> None:
    images, labels = digits
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    tensor = torch.from_numpy(images)[:, None]
    forms: list[tuple[Any, dict[str, Any]]] = [
        (images, {}),
        (images[..., None], {}),
        (images / 255, {}),
        (tensor, {}),
        (paths, {}),
        (np.array([str(path) for path in paths]), {}),
        ([Image.fromarray(image) for image in images], {}),
        (list(images), {}),
        (images.reshape(60, 64), {"shape": "8x8x1"}),
        (images.reshape(60, 64), {"shape": (8, 8, 1)}),
    ]
    expected = quick().fit(images, labels).predict_proba(images)
    for given, arguments in forms:
        found = quick(**arguments).fit(given, labels)
        assert np.array_equal(found.predict_proba(given), expected)
        assert found.score(given, labels) == np.mean(labels == expected.argmax(1))


@pytest.mark.parametrize(
    "names",
    [
        (10, -1, 9),
        ("b", "a", "10"),
        (10.0, 2.0, 1.0),
    ],
)
def test_columns_follow_the_order_of_the_labels(digits: tuple[Bytes, Any], names: tuple[Any, ...]) -> None:
    images, labels = digits
    named = np.array(names)[labels]
    found = quick().fit(images, named)
    assert found.classes_.tolist() == sorted(names)
    probabilities = found.predict_proba(images)
    assert probabilities.shape == (60, 3)
    assert probabilities.sum(1) == pytest.approx(1)
    assert np.array_equal(found.predict(images), found.classes_[probabilities.argmax(1)])
    assert str(found.predict(images)[0]) == found.model_.predict(images[0]).label


def test_rows_are_scaled_by_the_training_range() -> None:
    rows = np.random.default_rng(0).normal(0, 40, (60, 5))
    labels = (rows[:, 0] > 0).astype(int)
    found = HubelClassifier(epochs=3, random_state=0).fit(rows, labels)
    moved = HubelClassifier(epochs=3, random_state=0).fit(rows * 8 + 1024, labels)
    assert np.array_equal(found.predict_proba(rows), moved.predict_proba(rows * 8 + 1024))
    beyond = np.where(rows == rows.max(), 1e9, rows)
    assert np.array_equal(found.predict_proba(beyond), found.predict_proba(rows))


def test_it_works_in_pipelines_and_searches(digits: tuple[Bytes, Any]) -> None:
    images, labels = digits
    rows = images.reshape(60, 64).astype(float)
    assert cross_val_score(quick(), images, labels, cv=2).shape == (2,)
    search = GridSearchCV(quick(shape=(8, 8, 1)), {"lr": [0.01, 0.05]}, cv=2, error_score="raise")
    assert search.fit(rows, labels).best_params_["lr"] in (0.01, 0.05)
    pipeline = make_pipeline(StandardScaler(), quick(shape=(8, 8, 1)))
    assert pipeline.fit(rows, labels).predict(rows).shape == (60,)


def test_paths_can_be_cross_validated(digits: tuple[Bytes, Any], tmp_path: Path) -> None:
    images, labels = digits
    paths = [str(tmp_path / f"{number}.png") for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    assert cross_val_score(quick(), paths, labels, cv=2, error_score="raise").shape == (2,)


def test_a_random_state_repeats_the_fit_of_train(digits: tuple[Bytes, Any], tmp_path: Path) -> None:
    images, labels = digits
    found = quick(random_state=3, out=tmp_path / "a").fit(images, labels)
    run = hubel.train(
        (images, labels),
        net=found.net,
        epochs=3,
        seed=3,
        precision="float32",
        out=tmp_path / "b",
    )
    assert _weights(found.model_) == _weights(run.model)
    assert found.run_.history == found.history_
    assert len(found.history_) == 3
    other = quick(random_state=4).fit(images, labels)
    assert _weights(other.model_) != _weights(run.model)


def test_a_random_state_of_numpy_gives_a_seed(digits: tuple[Bytes, Any]) -> None:
    images, labels = digits
    settings = {"precision": "float32"}
    first, second = (
        quick(random_state=np.random.RandomState(5), settings=settings).fit(images, labels) for _ in range(2)
    )
    assert _weights(first.model_) == _weights(second.model_)


def test_settings_are_those_of_train(digits: tuple[Bytes, Any], tmp_path: Path) -> None:
    images, labels = digits
    found = quick(settings={"label_smoothing": 0.25}, val=0.5, batch=16, out=tmp_path / "run")
    config = found.fit(images, labels).run_.config
    assert (config.recipe.label_smoothing, config.val, config.recipe.batch) == (0.25, 0.5, 16)
    with pytest.raises(UsageError):
        quick(settings={"label_smoothness": 0.25}).fit(images, labels)


def test_nothing_is_left_of_a_run(
    digits: tuple[Bytes, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = quick().fit(*digits)
    assert found.run_ is None
    assert not list(tmp_path.iterdir())
    assert found.predict(digits[0]).shape == (60,)


def test_a_run_is_kept_where_asked(digits: tuple[Bytes, Any], tmp_path: Path) -> None:
    found = quick(out=tmp_path / "run").fit(*digits)
    assert found.run_.best.exists()
    kept = hubel.load(tmp_path / "run").probabilities(digits[0][..., None]).numpy()
    assert kept == pytest.approx(found.predict_proba(digits[0]), abs=1e-6)
    with pytest.raises(HubelError, match="is not empty, and a run is never overwritten"):
        found.fit(*digits)


def test_a_module_of_ones_own_is_left_as_it_is(digits: tuple[Bytes, Any]) -> None:
    images, labels = digits
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    before = copy.deepcopy(module.state_dict())
    found = quick(net=module, volume=(8, 8, 1))
    first = found.fit(images, labels).predict_proba(images)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert np.array_equal(clone(found).fit(images, labels).predict_proba(images), first)


def test_a_fitted_classifier_can_be_pickled(digits: tuple[Bytes, Any], tmp_path: Path) -> None:
    images, labels = digits
    found = quick(out=tmp_path / "run").fit(images, labels)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.predict_proba(images), found.predict_proba(images))
    assert again.run_ == found.run_


def test_a_fitted_classifier_can_be_looked_into(digits: tuple[Bytes, Any]) -> None:
    found = quick().fit(*digits)
    assert "conv(4, 3)" in str(hubel.table(found.model_))
    neuron = hubel.look(found.model_).neuron("conv1[0,3,3]", digits[0][0])
    assert "conv1" in str(neuron)


def test_images_that_cannot_be_used_are_refused(digits: tuple[Bytes, Any], tmp_path: Path) -> None:
    images, labels = digits
    rows = images.reshape(60, 64)
    with pytest.raises(InputError, match="a row has 64 values, but shape=8x9x1 has 72"):
        quick(shape=(8, 9, 1)).fit(rows, labels)
    with pytest.raises(InputError, match="a sequence of images, not one path"):
        quick().fit("photos", labels)
    with pytest.raises(InputError, match="one class"):
        quick().fit(images, np.zeros(60))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick().fit(images, labels[:-1])
    with pytest.raises(DataError, match="from 0 to 1"):
        quick().fit(images / 16, labels)
    with pytest.raises(NotFittedError):
        quick().predict(images)
    found = quick().fit(images, labels)
    with pytest.raises(InputError, match="fitted to images, not to rows"):
        found.predict(rows)
    with pytest.raises(DataError, match=r"missing\.png"):
        found.predict([tmp_path / "missing.png"])


def test_an_input_error_is_also_a_value_error() -> None:
    assert issubclass(InputError, HubelError)
    assert issubclass(InputError, ValueError)


def _weights(model: hubel.Model) -> list[Any]:
    return [value.tolist() for value in model.network.state_dict().values()]
