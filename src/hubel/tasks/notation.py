"""`notation`: the text of a network, whatever it comes as; a torch module with its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError
from hubel.net.algebra import Net
from hubel.ram import forced
from hubel.tasks.import_weights import free, lines
from hubel.tasks.network import GivenNetwork, NetLike, given
from hubel.tasks.prepared import preprocessing_named, statistics_of, trial_images

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.file import Model
    from hubel.model.import_network import Statistics
    from hubel.module.survey.notated import Notated
    from hubel.net.volume import Volume, VolumeLike


@dataclass(frozen=True, slots=True, repr=False)
class Notation:
    """The notation of a network: `net` on the input `volume`; `str` and `repr` give its text.

    Of a torch module, `paths` has the path of each of its layers by the survey's. `model` is the model that
    was made of it, `path` its file, `report` how it was checked, and `remarks` what to know of it.
    """

    net: Net
    volume: Volume
    paths: dict[str, str]
    model: Model | None = None
    path: Path | None = None
    report: str = ""
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return repr(self.net)


def notation(
    net: NetLike,
    volume: VolumeLike | None = None,
    *,
    out: str | Path | None = None,
    preprocessing: str | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    classes: str | Path | Sequence[str] | None = None,
    output: str | None = None,
    images: Any = None,
    force: bool = False,
) -> Notation:
    """The notation of a network: of a torch module, a network of the zoo, a model's file, an ONNX file.

    `net` and `volume` are as for `table`. With `out` a torch module becomes a model in that file, with its
    weights; their scores are compared on noise, on a photograph and on `images`. `images`, `preprocessing`,
    `mean`, `std` and `classes` are then as for `import_model`. Of a module that returns several results,
    `output` names the one that is its scores. `force` is as for `hubel.load`.

    Raises UnreadError: a part of a module is no layer of hubel; its `steps` are those before. Raises
    TangledError: its branches cross. Raises UsageError: an argument cannot be used. Raises ModelError: the
    scores differ.
    """
    found = given(net, volume)
    target = free(Path(out)) if out is not None else None
    if isinstance(found.net, Net):
        if target is not None or output is not None or images is not None:
            raise UsageError("out, output and images are for a torch module, whose weights come along")
        return Notation(found.net, found.volume, {})
    from hubel.module.survey.notated import notated

    read = notated(found.net, found.volume, output)
    if target is None:
        if images is not None:
            raise UsageError("images are to compare a model on; give out, too, the file of the model")
        return Notation(read.net.net, read.volume, read.net.paths)
    with forced(force):
        model, remarks = _model(
            found,
            read,
            preprocessing_named(preprocessing, read.volume),
            statistics_of(mean, std),
            lines(Path(classes)) if isinstance(classes, str | Path) else classes,
        )
        report = _compared(found, read, model, trial_images(model.preprocessing, images))
    model.save(target)
    return Notation(read.net.net, read.volume, read.net.paths, model, target, report, remarks)


def _model(
    found: GivenNetwork,
    read: Notated,
    preprocessing: Preprocessing | None,
    statistics: Statistics | None,
    classes: Sequence[str] | None,
) -> tuple[Model, tuple[str, ...]]:
    """The model of a module, and remarks."""
    from hubel.errors import ModelError
    from hubel.model.file import Model
    from hubel.model.import_network import chosen_names, chosen_preprocessing
    from hubel.module.survey.notated import with_weights

    assert not isinstance(found.net, Net)
    network = with_weights(read, found.net)
    if network.output.plane != (1, 1):
        raise ModelError(f"the network ends in {network.output}, not in one score per class")
    names, said = chosen_names(classes, network.output.depth, "the module")
    seen, more = chosen_preprocessing(read.volume, preprocessing, statistics, "the module")
    return Model(network, names, seen, {"weights": found.name}), (*said, *more)


def _compared(found: GivenNetwork, read: Notated, model: Model, pixels: Bytes) -> str:
    """How the scores of a module and its model agree. Raises ModelError: they differ."""
    import torch

    from hubel.module.network import Network
    from hubel.module.survey.notated import agreement

    assert isinstance(model.network, Network)
    assert not isinstance(found.net, Net)
    seen = model.preprocessing.normalise(torch.from_numpy(pixels))
    worst = agreement(read, found.net, model.network, seen)
    return f"its scores are those of the module to {worst:.1g} on {len(pixels)} images"
