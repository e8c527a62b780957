"""`import_model`: a network of another program, with its weights, becomes a model of hubel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError
from hubel.files import is_file
from hubel.foreign.endings import H5, KERAS, PROTOTXT, is_foreign
from hubel.net.norms import BatchNorm
from hubel.ram import forced
from hubel.tasks.foreign import check_installed
from hubel.tasks.import_weights import free, import_weights, lines
from hubel.tasks.network import volume_of
from hubel.tasks.prepared import preprocessing_named, statistics_of, trial_images

if TYPE_CHECKING:
    from hubel.model.file import Model
    from hubel.net.volume import Volume, VolumeLike


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model made from the file of another program, its own file, how it was checked, and remarks."""

    model: Model
    path: Path
    report: str
    remarks: tuple[str, ...] = ()


def import_model(
    source: str | Path,
    weights: str | Path | None = None,
    *,
    net: str | None = None,
    out: str | Path | None = None,
    volume: VolumeLike | None = None,
    preprocessing: str | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    classes: str | Path | Sequence[str] | None = None,
    output: str | None = None,
    images: Any = None,
    ema: bool = False,
    force: bool = False,
) -> ImportedModel:
    """Makes a model of a file of another program, and writes its file.

    `source` is an ONNX file, whose graph becomes the notation; the .prototxt of a Caffe network, with its
    `weights`, a .caffemodel; a model of Keras, .keras or .h5, or its configuration, .json, with its
    `weights`; or weights alone, as `import_weights` takes them or .h5 of Keras, which need `net`. `out` is
    the file, by default that of `source` with the ending .safetensors. `volume` is the input where the file
    leaves it open. Where the file does not say how images are prepared, `mean` and `std` do, of values from 0
    to 1, or `preprocessing`, a name of `hubel.model.import_weights.PREPROCESSINGS`. `classes` are the class
    names, or a text file of them. `output` names the output with the scores, by default the first. `ema` and
    `force` are as for `import_weights`.

    The scores of an ONNX file are compared with ONNX Runtime's, on noise, on a photograph and on the first
    eight of `images`, which are as for `hubel.predict`; those of Caffe and Keras with nothing, as neither is
    run.

    Raises UsageError: an argument cannot be used, or the file exists. Raises UnreadError: a node is no layer
    of hubel; its `steps` are those before. Raises ModelError: the file cannot be read, or the scores differ.
    """
    path = Path(source)
    if not is_foreign(path.name):
        _refuse("for weights alone", weights=weights, mean=mean, std=std, output=output, images=images)
        found = import_weights(
            source,
            net=net,
            out=out,
            volume=volume,
            preprocessing=preprocessing,
            classes=classes,
            ema=ema,
            force=force,
        )
        report = f"{found.loaded} ({found.loaded.maker} names)"
        return ImportedModel(found.model, found.path, report, found.remarks)
    alone = net is not None and weights is None and path.suffix.lower() in H5
    _refuse("where the file holds the network", net=None if alone else net, ema=ema or None)
    if not is_file(path):
        raise UsageError(f"{path} does not exist; give a file, such as model.onnx")
    target = Path(out) if out else Path(f"{path.stem}.safetensors")
    given = _Given(volume_of(volume), preprocessing, mean, std, classes, output, images)
    with forced(force):
        if path.suffix.lower() == PROTOTXT:
            model, report, remarks = _from_caffe(path, weights, given)
        elif path.suffix.lower() in KERAS:
            model, report, remarks = _from_keras(path, weights, given, net)
        else:
            _refuse("beside an ONNX file, which has them", weights=weights)
            model, report, remarks = _from_onnx(path, given)
    model.save(free(target))  # last, so that what is wrong with the file itself comes first
    return ImportedModel(model, target, report, remarks)


@dataclass(frozen=True, slots=True)
class _Given:
    """What was given beside a file that holds a network; see `import_model`."""

    volume: Volume | None
    preprocessing: str | None
    mean: Sequence[float] | float | None
    std: Sequence[float] | float | None
    classes: str | Path | Sequence[str] | None
    output: str | None
    images: Any

    @property
    def names(self) -> Sequence[str] | None:
        """The class names."""
        return lines(Path(self.classes)) if isinstance(self.classes, str | Path) else self.classes


def _from_onnx(path: Path, given: _Given) -> tuple[Model, str, tuple[str, ...]]:
    """The model of an ONNX file, how it was checked, and remarks."""
    from hubel.foreign.onnx.file import open_onnx
    from hubel.foreign.onnx.read import read_onnx
    from hubel.model.check_import import check
    from hubel.model.import_network import import_network
    from hubel.model.import_own import check_own, is_own, own_model

    check_installed("onnx", "onnxruntime")
    file = open_onnx(path)
    if is_own(file):
        for name in ("volume", "preprocessing", "mean", "std", "classes", "output"):
            _refuse("for a file of hubel, which says it itself", **{name: getattr(given, name)})
        model = own_model(file)
        report = str(check_own(file, model, trial_images(model.preprocessing, given.images)))
        folded = any(isinstance(step.layer, BatchNorm) for step in model.network.steps)
        remark = "batch normalisation is folded in the file: it comes back as a shift alone"
        return model, report, (remark,) * folded
    read = read_onnx(file, given.volume, given.output)
    imported = import_network(
        read.found,
        preprocessing=preprocessing_named(given.preprocessing, read.found.volume),
        statistics=statistics_of(given.mean, given.std),
        classes=given.names,
        source=path.name,
    )
    file.forget()
    report = str(check(read, imported, trial_images(imported.model.preprocessing, given.images)))
    return imported.model, report, imported.remarks


def _from_caffe(path: Path, weights: str | Path | None, given: _Given) -> tuple[Model, str, tuple[str, ...]]:
    """The model of a Caffe network, what was not checked, and remarks."""
    from hubel.foreign.caffe.read import read_caffe
    from hubel.model.import_network import import_network

    check_installed("google.protobuf")
    if weights is None:
        raise UsageError(f"{path} has no weights; give them, too: hubel import {path} MODEL.caffemodel")
    if is_foreign(Path(weights).name):
        raise UsageError(f"{weights} is no .caffemodel, which has the weights of {path}; give that")
    _refuse("for a Caffe network, which has one end", output=given.output)
    _refuse("for a Caffe network, whose scores are compared with nothing", images=given.images)
    found = read_caffe(path, Path(weights), given.volume)
    imported = import_network(
        found,
        preprocessing=preprocessing_named(given.preprocessing, found.volume),
        statistics=statistics_of(given.mean, given.std),
        classes=given.names,
        source=Path(weights).name,
    )
    turned = ("its first filters are turned from blue, green, red to red, green, blue",) * found.entry.bgr
    report = "its scores are compared with nothing: there is no runtime of Caffe"
    return imported.model, report, (*imported.remarks, *turned)


def _from_keras(
    path: Path, weights: str | Path | None, given: _Given, net: str | None
) -> tuple[Model, str, tuple[str, ...]]:
    """The model of Keras, or weights alone of `net`; what was not checked, and remarks."""
    from hubel.foreign.keras.applications import read_application
    from hubel.foreign.keras.read import read_keras
    from hubel.model.import_keras import keras_network

    check_installed("h5py")
    if weights is not None and not is_file(Path(weights)):
        raise UsageError(f"{weights} does not exist; give a file of weights, such as model.weights.h5")
    if net is not None:
        _refuse("for weights alone", output=given.output)
        found = read_application(path, net, given.volume)
    else:
        found = read_keras(path, Path(weights) if weights is not None else None, given.volume, given.output)
    imported = keras_network(
        found,
        preprocessing=given.preprocessing,
        statistics=statistics_of(given.mean, given.std),
        classes=given.names,
        source=Path(weights or path).name,
    )
    report = "its scores are compared with nothing: Keras is not run"
    return imported.model, report, imported.remarks


def _refuse(when: str, **given: object) -> None:
    """Raises UsageError: an argument is given that means nothing here."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name} means nothing {when}; leave it out")
