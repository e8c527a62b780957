"""A network as a scikit-learn classifier, for pipelines, cross-validation and searches over settings.

from hubel.sklearn import HubelClassifier

classifier = HubelClassifier(net="lenet5", epochs=5, shape=(8, 8, 1), random_state=0)
cross_val_score(classifier, *load_digits(return_X_y=True))
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from hubel.cores import allowed_cores
from hubel.data.image.objects import as_seen, image_of, is_path, is_tensor, pixels_of
from hubel.errors import DataError, UsageError
from hubel.net.names import fc, relu
from hubel.net.volume import Volume
from hubel.tasks.train import train
from hubel.training.settings.config import AUTO

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
except ImportError as error:
    raise UsageError(
        'hubel.sklearn needs scikit-learn 1.6 or newer; run `pip install -U "hubel[sklearn]"`'
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from torch import nn

    from hubel.data.arrays import Bytes
    from hubel.model.file import Model
    from hubel.net.algebra import Net
    from hubel.net.volume import VolumeLike
    from hubel.training.settings.recipe import Recipe

HIDDEN = 64
"""The units of the hidden layer of the network for rows that are no images."""

BATCH = 256
"""How many images are read and predicted at a time."""

MULTIPLE = 16
"""Images are predicted in multiples of so many, the last batch filled up.

Of fewer images sums are computed in another order: one alone would get other last digits than among others.
"""

LARGEST_SEED = 2**31 - 1


class InputError(DataError, ValueError):
    """Images or labels that a classifier cannot be fitted to: also a ValueError, as scikit-learn expects."""


@dataclass(frozen=True, slots=True)
class Rows:
    """How rows of numbers become images of the volume `shape`: `least` becomes black, `most` white."""

    shape: Volume
    least: float
    most: float

    @classmethod
    def of(cls, rows: Any, shape: VolumeLike | None) -> Rows:
        """The way for training rows, n x d, by default to images of one row of d pixels.

        uint8 keeps its values. Raises InputError: `shape` does not have d values.
        """
        volume = Volume(1, rows.shape[1], 1) if shape is None else Volume.of(shape)
        if volume.values != rows.shape[1]:
            raise InputError(
                f"a row has {rows.shape[1]} values, but shape={volume} has {volume.values}; give the "
                "(height, width, depth) of an image before it was flattened"
            )
        if rows.dtype == np.uint8:
            return cls(volume, 0.0, 255.0)
        return cls(volume, float(rows.min()), float(rows.max()))

    def images(self, rows: Any) -> Bytes:
        """The images of rows, n x d: uint8, n x h x w x c. Values outside the range are clipped."""
        span = self.most - self.least or 1.0
        shares = (rows.astype(np.float64) - self.least) / span
        pixels: Bytes = np.rint(shares.clip(0, 1) * 255).astype(np.uint8)
        return pixels.reshape(len(rows), *self.shape)


class HubelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A convolutional network with the interface of scikit-learn's classifiers.

    Images `X`, n of them, are one of

    - an array n x h x w or n x h x w x c, uint8, or float from 0 to 1, with c of 1 or 3;
    - a sequence of paths, PIL images or arrays, whose sizes may differ;
    - rows of numbers, n x d: images that were flattened, where `shape` is their (height, width, depth).

    Rows may hold any finite numbers: the range of the training rows, over all columns, becomes 0 to 255, and
    values outside it are clipped when predicting; uint8 is taken as it is. Without `shape` a row becomes an
    image of one row of pixels, for which the default network has one hidden layer of 64 units. Labels `y`
    are numbers or texts.

    `net`, `volume`, `time`, `epochs`, `recipe`, `start`, `batch`, `lr` and `val` are the arguments of
    `hubel.train`, with the same defaults; `settings` holds any others by name, such as
    `{"label_smoothing": 0.0}`. A share of `X` is held out to choose the best epoch and to calibrate the
    probabilities. A module of your own is copied before every fit and starts with the weights it has.

    With a whole number for `random_state` a fit on a CPU that counts epochs repeats exactly. Its steps are
    then computed in float32 unless `settings` name another `precision`, because the fastest is found by
    measuring. None draws a seed from NumPy's global generator.

    The folder of the run is `out`, which is for one fit, or a temporary one that is deleted after the fit.

    Attributes after `fit`: `classes_`, the labels in ascending order; `model_`, the `hubel.Model`, with
    which `hubel.look` works; `history_`, the rounds; `run_`, the `hubel.Run` where `out` is given, else
    None; for rows also `n_features_in_`, and `feature_names_in_` of a DataFrame.

    A fitted classifier can be pickled. `model_.save(path)` is the form that any version of hubel opens.
    """

    def __init__(
        self,
        net: str | Net | nn.Module | Callable[[], nn.Module] | None = None,
        *,
        shape: VolumeLike | None = None,
        volume: VolumeLike | None = None,
        time: str | float | None = None,
        epochs: int | None = None,
        recipe: str | Recipe | None = None,
        start: str | Path = AUTO,
        batch: int | None = None,
        lr: float | None = None,
        val: float | None = None,
        random_state: int | np.integer[Any] | np.random.RandomState | None = None,
        out: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.net = net
        self.shape = shape
        self.volume = volume
        self.time = time
        self.epochs = epochs
        self.recipe = recipe
        self.start = start
        self.batch = batch
        self.lr = lr
        self.val = val
        self.random_state = random_state
        self.out = out
        self.settings = settings

    def fit(self, X: Any, y: Any) -> Self:
        """Trains the network on images `X` with a label `y` each.

        Raises InputError, which is a ValueError: fewer than two classes, or rows that do not have the
        `shape`. Raises ValueError, TypeError: arrays that scikit-learn refuses. Raises any error of
        `hubel.train`.
        """
        images, labels = self._training_set(X, y)
        with _folder(self.out) as folder:
            run = train(
                (images, [str(label) for label in labels]),
                net=self._network(),
                volume=self.volume,
                time=self.time,
                epochs=self.epochs,
                recipe=self.recipe,
                start=self.start,
                batch=self.batch,
                lr=self.lr,
                val=self.val,
                out=folder,
                **self._settings(),
            )
            self.model_ = run.model
            self.history_ = run.history
            self.run_ = None if self.out is None else replace(run, trained=None)
        return self

    def predict(self, X: Any) -> Any:
        """Returns the most probable label of each image: n."""
        places = self.predict_proba(X).argmax(axis=1)
        return self.classes_[places]

    def predict_proba(self, X: Any) -> Any:
        """Returns the probability of each class of `classes_` for each image: float64, n x classes.

        Raises NotFittedError: before `fit`. Raises InputError: rows, where the classifier was fitted to
        images. Raises DataError: an image that cannot be used. Raises ValueError: rows of other columns.
        """
        check_is_fitted(self)
        images = _images(X)
        if images is None:
            images = self._images_of_rows(X)
        columns = [self.model_.classes.index(str(label)) for label in self.classes_]
        return _probabilities(self.model_, images)[:, columns]

    def __getstate__(self) -> Any:
        """The state to pickle: of a model on a GPU a copy in main memory, so that it opens without one."""
        state = super().__getstate__()
        if "model_" in state:
            network = copy.deepcopy(self.model_.network).cpu()
            state = {**state, "model_": replace(self.model_, network=network)}
        return state

    def _training_set(self, X: Any, y: Any) -> tuple[Any, Any]:
        """The images as `hubel.train` takes them, and their labels; sets what is known of both."""
        images = _images(X)
        self._rows: Rows | None = None
        if images is None:
            X, y = validate_data(self, X, y, ensure_min_samples=2)
            self._rows = Rows.of(X, self.shape)
            images = self._rows.images(X)
        else:
            y = validate_data(self, y=y)
            check_consistent_length(images, y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise InputError(f"y has one class, {self.classes_[0]!r}; a classifier needs at least two")
        return images, y

    def _network(self) -> Any:
        """The network to train: the one given, else for rows without a shape one that takes any."""
        if self.net is None and self._rows is not None and self.shape is None:
            return fc(HIDDEN) >> relu >> fc(len(self.classes_))
        return copy.deepcopy(self.net)

    def _settings(self) -> dict[str, Any]:
        """The other settings of the run, its random seed among them."""
        if isinstance(self.random_state, int | np.integer):
            fixed = {"seed": int(self.random_state), "precision": "float32"}
        else:
            fixed = {"seed": int(check_random_state(self.random_state).randint(LARGEST_SEED))}
        return {**fixed, **(self.settings or {})}

    def _images_of_rows(self, X: Any) -> Bytes:
        """The images of rows to predict."""
        X = validate_data(self, X, reset=False)
        if self._rows is None:
            raise InputError("the classifier was fitted to images, not to rows of numbers; give images")
        return self._rows.images(X)


def _images(X: Any) -> Any:
    """Returns images as an array, uint8, n x h x w x c, or as a list; None if `X` is none of them, but rows.

    Raises InputError: one path. Raises DataError: an array that is no image.
    """
    if is_path(X):
        raise InputError(f"X is a sequence of images, not one path; give [{str(X)!r}]")
    dimensions = getattr(X, "ndim", 1 if isinstance(X, list | tuple) else None)
    if dimensions in (3, 4):
        return pixels_of(X if is_tensor(X) else np.asarray(X), many=True)
    if dimensions != 1 or len(X) == 0 or not _is_image(next(iter(X))):
        return None
    return [item if is_path(item) else image_of(item) for item in X]


def _is_image(item: Any) -> bool:
    """Whether an item of a sequence is an image, not a number or a row of numbers."""
    return is_path(item) or isinstance(item, Image.Image) or getattr(item, "ndim", 0) in (2, 3)


def _probabilities(model: Model, images: Any) -> Any:
    """The probability of each of the model's classes: float64, n x classes."""
    found = []
    with ThreadPoolExecutor(allowed_cores()) as pool:
        for at in range(0, len(images), BATCH):
            seen = list(
                pool.map(partial(as_seen, preprocessing=model.preprocessing), images[at : at + BATCH])
            )
            seen += [seen[0]] * (-len(seen) % MULTIPLE)
            found.append(model.probabilities_of(np.stack(seen)))
    return torch.cat(found)[: len(images)].numpy().astype(np.float64)


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """The folder of a run: `out`, or one that is deleted afterwards."""
    if out is not None:
        yield Path(out)
        return
    with TemporaryDirectory(prefix="hubel-") as folder:
        yield Path(folder) / "run"
