"""`predict`: the most probable classes of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload

from hubel.engines.engine import AUTO
from hubel.errors import UsageError
from hubel.files import exists
from hubel.model.classifier import classifier
from hubel.model.inputs import STDIN, is_one_image, several
from hubel.model.prediction import Prediction, check_top, predict_one, predictions_together
from hubel.tasks.predict_file import PredictionFile, Progress, predict_to_file
from hubel.world import World

if TYPE_CHECKING:
    from hubel.data.image.objects import ImageLike
    from hubel.model.file import Model
    from hubel.model.inputs import Input
    from hubel.model.prediction import Classifier
    from hubel.tasks.predict_file import Predict


@overload
def predict(  # type: ignore[overload-overlap]  # a text is one path, never iterated
    model: Model | str | Path,
    images: ImageLike,
    *,
    top: int | None = None,
    engine: str = AUTO,
    allow_code: bool = False,
    force: bool = False,
    on_prediction: Callable[[Prediction], object] | None = None,
) -> Prediction: ...


@overload
def predict(
    model: Model | str | Path,
    images: Iterable[ImageLike],
    *,
    top: int | None = None,
    engine: str = AUTO,
    allow_code: bool = False,
    force: bool = False,
    on_prediction: Callable[[Prediction], object] | None = None,
) -> list[Prediction]: ...


@overload
def predict(
    model: Model | str | Path,
    images: ImageLike | Iterable[ImageLike],
    *,
    top: int | None = None,
    engine: str = AUTO,
    out: str | Path,
    resume: bool = False,
    ray: str | None = None,
    allow_code: bool = False,
    force: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> PredictionFile: ...


def predict(
    model: Model | str | Path,
    images: ImageLike | Iterable[ImageLike],
    *,
    top: int | None = None,
    engine: str = AUTO,
    out: str | Path | None = None,
    resume: bool = False,
    ray: str | None = None,
    allow_code: bool = False,
    force: bool = False,
    on_prediction: Callable[[Prediction], object] | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Prediction | list[Prediction] | PredictionFile:
    """Predicts the `top` most probable classes, 5 by default: one image gives one prediction, several a list.

    `model` is a model, its file, a run's folder, the name of a trained network, or an exported file. An
    image is the path of a file, a PIL image, an array h x w x c or a tensor c x h x w, both uint8, or float
    from 0 to 1; several are an iterable of these, a folder, a pattern such as `photos/*.jpg`, a list
    `@files.txt`, a shard `.tar`, also at an http address, or `-`, paths from standard input. `engine` runs
    the network: torch, openvino, onnxruntime and others of `hubel bench`; `auto` takes what `hubel bench`
    found best for the file on this machine, else the first that is installed. `on_prediction` is called with
    each prediction as soon as it is made. `allow_code` and `force` are as for `hubel.load`.

    With `out`, a .csv or a .jsonl, any number of images is predicted into that file, the most probable class
    alone unless `top` asks for more; `resume` continues one, and `progress` is called once a second. `ray`
    is the address of a Ray cluster whose machines predict: they all have hubel, and find the model and the
    images by the same paths. Processes that torchrun or the like has started share the images; the first
    writes the file and calls the functions.

    Raises DataError: a single image cannot be used, or a folder has none; among several, an unreadable
    image gives a prediction with an `error`. Raises ModelError, UsageError: the model or `top` cannot be
    used.
    """
    most = top if top is not None else 5 if out is None else 1
    check_top(most)
    world = World.join()
    _check_known(images, world)
    opened = classifier(model, engine, allow_code=allow_code, force=force)
    with world.unbroken():
        if out is not None:
            by: Predict = partial(_together, opened, most, world)
            if ray is not None:
                by = _by_ray(model, ray, engine, most, allow_code=allow_code, force=force)
            return predict_to_file(
                opened, images, Path(out), most, resume=resume, progress=progress, by=by, world=world
            )
        if resume or ray:
            raise UsageError("resume and ray are for a file of predictions: name it as out")
        tell = on_prediction if on_prediction and world.leads else lambda _: None
        if is_one_image(images):
            one = predict_one(opened, images, most)  # type: ignore[arg-type]  # checked in the line above
            tell(one)
            return one
        found = []
        for each in predictions_together(opened, several(images), most, world):
            found.append(each)
            tell(each)
        return found


def _together(
    model: Classifier, top: int, world: World, images: Iterator[Input], first: int
) -> Iterator[Prediction]:
    """Predictions by the processes of a world."""
    return predictions_together(model, images, top, world, first)


def _check_known(images: object, world: World) -> None:
    """Raises UsageError: several processes are to read a standard input, which only one of them has."""
    if world.size > 1 and (images == STDIN or (isinstance(images, list | tuple) and STDIN in images)):
        raise UsageError("several processes cannot share a standard input: name the images in a file, @LIST")


def _by_ray(
    model: Model | str | Path, address: str, engine: str, top: int, *, allow_code: bool, force: bool
) -> Predict:
    """Predictions by the machines of a Ray cluster. Raises UsageError: the model is in memory alone."""
    from hubel.tasks.predict_ray import Job, ray_predictions

    if not isinstance(model, str | Path):
        raise UsageError(
            "the machines of a Ray cluster read the model from its file: save it, and name the file"
        )
    place = str(Path(model).absolute()) if exists(model) else str(model)
    job = Job(place, engine, top, allow_code=allow_code, force=force)
    return lambda images, first: ray_predictions(job, images, address, first)
