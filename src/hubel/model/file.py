"""A trained network with everything needed to use it: weights, classes, preprocessing, in one file."""

from __future__ import annotations

import errno
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hubel.counted import counted, percent
from hubel.data.image.objects import as_seen
from hubel.data.image.preprocess import Preprocessing
from hubel.data.marks import read as read_marks
from hubel.data.marks import written as written_marks
from hubel.engines.engine import AUTO, TORCH, check_engine, usual_engine
from hubel.errors import HubelError, ModelError, UsageError, shortened
from hubel.files import write_whole
from hubel.model.arrays import damaged, not_finite
from hubel.model.checksum import KEY, Content, checksum
from hubel.model.graph import engine_of
from hubel.model.header import Header, Validated, model_file, read_metadata
from hubel.model.inputs import is_one_image, several
from hubel.model.network import Maker, network_of
from hubel.model.prediction import Classifier, Prediction, predict_one, predictions
from hubel.module.network import Network
from hubel.module.own import OwnNetwork, Trainable
from hubel.module.views import scores
from hubel.net.ledger import Ledger, ledger
from hubel.shown import Shown
from hubel.version import __version__

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Flags
    from hubel.data.image.objects import ImageLike
    from hubel.model.export import Check
    from hubel.net.algebra import Net

LINE = 100
"""The most characters of a line of a model's `repr`."""


@dataclass(frozen=True, slots=True, repr=False)
class Model(Shown):
    """A network whose scores stand for `classes`, with the preprocessing from an image to its input.

    `network` gives scores, without a final softmax; of a module of the user's own it is the
    `OwnNetwork` around it. Their mean over `views` of an image is divided by
    `temperature` before the softmax. `summary` says how the model was trained. `seen` are the marks of
    the images it was trained on (`hubel.data.marks`), None where they are not known. `untrained` says that
    its head is still as it was initialised: it predicts nothing.
    """

    network: Trainable
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    summary: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    views: str = "one"
    seen: frozenset[bytes] | None = None
    untrained: bool = False

    def __repr__(self) -> str:
        names = (f"{name:<11} {text}" for name, text in self.facts().items())
        return "\n  ".join([f"Model of {len(self.classes):,} classes", *map(_one_line, names)])

    def facts(self) -> dict[str, str]:
        """What to show of the model: a name and a text each, which may be long."""
        said = self.summary
        found = {
            "classes": ", ".join(self.classes[:LINE]),
            "network": self.description[: LINE + 1],
            "input": f"{self.network.volume}, fit {self.preprocessing.fit}",
            "parameters": f"{sum(each.numel() for each in self.network.parameters()):,}",
            "trained on": str(said.get("data", "")),
            "weights": str(said.get("weights", "")),
            "epoch": f"{said['epoch']:g}" if "epoch" in said else "",
            "accuracy": self._accuracy(),
            "views": self.views if self.views != "one" else "",
            "temperature": f"{self.temperature:.3g}" if self.temperature != 1 else "",
            "head": "not trained" if self.untrained else "",
        }
        return {name: text for name, text in found.items() if text}

    def _accuracy(self) -> str:
        """The accuracy on the validation images; a file of an older version does not know how many."""
        if found := Validated.of(self.summary, len(self.classes)):
            return f"{counted(found.correct, found.images)}, validation images"
        top1 = self.summary.get("val_top1")
        return "" if top1 is None else f"{percent(top1)} of the validation images"

    @property
    def net(self) -> Net:
        """The network as a value. Raises ModelError: a module of the user's own, which has none."""
        if isinstance(self.network, OwnNetwork):
            raise ModelError(
                f"the model's network has no notation: the code of {self.network.maker} makes it"
            )
        return self.network.net

    @property
    def has_notation(self) -> bool:
        """Whether the network is a value, not a module of the user's own."""
        return isinstance(self.network, Network)

    @property
    def description(self) -> str:
        """The notation of the network, or what makes it."""
        return self.network.notation or self.network.maker or ""

    @property
    def ledger(self) -> Ledger:
        """The ledger of the network on its input."""
        if self.network.maker is not None:
            return Ledger.of(self.network.volume, self.network.steps)
        return ledger(self.net, self.network.volume)

    @property
    def header(self) -> Header:
        """The header of the model's file."""
        return Header(
            notation=self.network.notation,
            maker=self.network.maker,
            volume=self.network.volume,
            classes=self.classes,
            preprocessing=self.preprocessing.to_json(),
            versions={
                "hubel": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            summary=self.summary,
            temperature=self.temperature,
            views=self.views,
            seen=None if self.seen is None else written_marks(self.seen),
            untrained=self.untrained,
        )

    def check_trained(self) -> None:
        """Raises ModelError: the head was never trained, so that its scores mean nothing."""
        self.header.check_trained()

    def saw(self, found: Sequence[bytes]) -> Flags:
        """Which images, by their marks, the model was trained on, as far as is known: bool, n."""
        seen = self.seen or frozenset()
        return np.array([mark in seen for mark in found], np.bool_)

    def save(self, path: str | Path) -> None:
        """Writes the model as one `.safetensors` file, completely or not at all, with a checksum.

        Of a module of the user's own it holds the weights and the name of what makes the module.
        Raises ModelError: class names or a temperature that no model has. Raises UsageError: there is no
        such folder.
        """
        if not Path(path).absolute().parent.is_dir():
            raise UsageError(f"there is no folder {str(Path(path).parent)!r} to write {Path(path).name} to")
        state = {name: value.detach().cpu().contiguous() for name, value in _bare(self.network).items()}
        metadata = self.header.to_metadata()
        metadata[KEY] = checksum(_content(state), metadata)

        def write(draft: Path) -> None:  # from the tensors' own memory
            try:
                safetensors.torch.save_file(state, draft, metadata)
            except SafetensorError as error:
                raise OSError(errno.EIO, str(error), str(path)) from None

        write_whole(Path(path), write)

    def export(
        self, path: str | Path, *, raw: bool = False, resize: bool = False, images: Bytes | None = None
    ) -> Check:
        """Writes the model for another program, by the ending: .onnx, .xml for OpenVINO, .pt2 for PyTorch.

        The file is checked on `images` after preprocessing, n x h x w x c, by default noise. `hubel.export`,
        which explains `raw` and `resize`, checks it on real ones and writes an example program beside it.
        Raises UsageError, ModelError: as `hubel.export`.
        """
        from hubel.model.export import FORMATS, export_model

        to = {suffix: name for name, suffix in FORMATS.items()}.get(Path(path).suffix.lower())
        if to is None:
            raise UsageError(f"{Path(path).name} has to end in {', '.join(FORMATS.values())}")
        seen = self.preprocessing.volume
        if images is None:
            shape = (3, *seen.plane, seen.depth)
            images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        return export_model(self, to, Path(path), images, raw=raw, resize=resize)

    @overload
    def predict(self, images: ImageLike, top: int = ..., engine: str = ...) -> Prediction: ...  # type: ignore[overload-overlap]  # a text is one path, never iterated

    @overload
    def predict(self, images: Iterable[ImageLike], top: int = ..., engine: str = ...) -> list[Prediction]: ...

    def predict(
        self, images: ImageLike | Iterable[ImageLike], top: int = 5, engine: str = AUTO
    ) -> Prediction | list[Prediction]:
        """Predicts the `top` most probable classes: one image gives one prediction, several give a list.

        An image is the path of a file, a PIL image, an array h x w x c or a tensor c x h x w; both are
        uint8, or float from 0 to 1. Several are any iterable of these, an array n x h x w x c, a tensor
        n x c x h x w, or the path of a folder, which gives a list too. `engine` is as for `by`.

        Raises DataError: the one image cannot be used. Among several, such an image gives a prediction
        with an `error`.
        """
        runs = self.by(engine)
        if is_one_image(images):
            return predict_one(runs, images, top)  # type: ignore[arg-type]  # checked in the line above
        return list(predictions(runs, several(images), top))

    def by(self, engine: str = AUTO) -> Classifier:
        """Returns the model as an engine runs it: torch, openvino, onnxruntime, or the usual one, `auto`.

        It is made anew only if the weights have changed since. A module of the user's own, and any network
        on a GPU, runs by torch as it is, and so does every network with the engine `torch`; `torch-fused` has
        its layers fused.
        Raises UsageError: there is no such engine, it is not installed, or it does not run the network.
        Raises ModelError: the head was never trained.
        """
        check_engine(engine)
        on_cpu = self._device.type == "cpu"
        if engine == AUTO:
            engine = usual_engine() if isinstance(self.network, Network) and on_cpu else TORCH
        if engine == TORCH:
            return self
        if not isinstance(self.network, Network):
            raise UsageError(f"a module of your own is run by torch, not by {engine}")
        return engine_of(self.network, self.header, engine)

    @property
    def _device(self) -> torch.device:
        """Where the network's weights are; a network without any computes on the CPU."""
        return next(self.network.parameters(), torch.empty(0)).device

    def probabilities(self, images: ImageLike | Iterable[ImageLike]) -> Tensor:
        """Returns the probability of each class for each image: float32, images x classes.

        One image, or several, as for `predict`; one image gives one row.
        Raises DataError: an image that cannot be used.
        """
        pixels = [as_seen(image, self.preprocessing) for image in several(images)]
        return self.probabilities_of(np.stack(pixels)) if pixels else torch.empty(0, len(self.classes))

    @torch.inference_mode()
    def probabilities_of(self, pixels: Bytes) -> Tensor:
        """Returns the same for images after preprocessing: uint8, images x height x width x depth.

        Raises ModelError: the head was never trained, or the network's scores are not finite.
        """
        self.check_trained()
        self.network.eval()
        inputs = torch.from_numpy(pixels).to(self._device)
        found = scores(self.network, self.preprocessing.normalise(inputs), self.views)
        probabilities = (found / self.temperature).softmax(1).cpu()
        if not probabilities.isfinite().all():
            raise ModelError("the model's scores are not finite: its weights are of no use; train it again")
        return probabilities


def load(
    place: str | Path, module: Maker | None = None, *, allow_code: bool = False, force: bool = False
) -> Model:
    """Loads a model from its file, or the best model of a run's folder.

    A model of the user's own module needs its code: the `module` itself, or a class or function that
    makes one, which gets the weights of the file; or leave to execute the file that made it, `allow_code`.
    A network that needs more memory than is free is refused; with `force`, one that needs more than there is.

    Raises ModelError: no such file, a damaged one, weights that do not belong to the network or are not
    finite, or a network that needs code.
    """
    path = model_file(place)
    metadata = read_metadata(path)
    header = Header.from_metadata(metadata, path)
    state = _tensors(path, metadata)
    try:
        network = network_of(header, path, module, allow_code=allow_code, force=force)
        preprocessing = Preprocessing.from_json(header.preprocessing)
        header.check_parts(preprocessing.volume, network.output.values, path)
    except ModelError:
        raise
    except HubelError as error:
        raise ModelError(f"{path}: its metadata cannot be used: {shortened(str(error), 300)}") from None
    _load_weights(network, state, path)
    network.eval()
    return Model(
        network,
        header.classes,
        preprocessing,
        header.summary,
        header.temperature,
        header.views,
        _marks(header, path),
        header.untrained,
    )


def _tensors(path: Path, metadata: dict[str, str]) -> dict[str, Tensor]:
    """The tensors of a file. Raises ModelError: they or the metadata are not what was written."""
    try:
        state = safetensors.torch.load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(f"{path} is not a safetensors file, or is cut short ({error})") from None
    if KEY in metadata and checksum(_content(state), metadata) != metadata[KEY]:
        raise damaged(path)
    return state


def _marks(header: Header, path: Path) -> frozenset[bytes] | None:
    """The marks of the training images. Raises ModelError: they are damaged."""
    try:
        return None if header.seen is None else read_marks(header.seen)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: the marks of its training images cannot be read: {error}") from None


def _load_weights(network: Trainable, state: dict[str, Tensor], path: Path) -> None:
    """Gives a network the weights of a file.

    Raises ModelError: names the first that does not belong, or is not finite.
    """
    expected = {name: _form(value) for name, value in _bare(network).items()}
    found = {name: _form(value) for name, value in state.items()}
    for name in (*expected, *found):
        if expected.get(name) != found.get(name):
            wanted, had = expected.get(name, "nothing"), found.get(name, "nothing")
            raise ModelError(f"{path}: for {name} its network has {wanted}, the file {had}")
    root = network.root if isinstance(network, OwnNetwork) else network
    own_buffers = {name for name, _ in root.named_buffers()} if isinstance(network, OwnNetwork) else set()
    for name, value in state.items():  # a module of the user's own may keep a mask of infinities
        if name not in own_buffers and value.is_floating_point() and not value.isfinite().all():
            raise not_finite(path, name)
    root.load_state_dict(state)  # copied: the file's own memory would change with the file


def _bare(network: Trainable) -> dict[str, Tensor]:
    """The weights of a network by the names its maker gave them; those that share memory are copied."""
    if not isinstance(network, OwnNetwork):
        return network.state_dict()
    return {name: value.clone() for name, value in network.root.state_dict().items()}


def _content(state: dict[str, Tensor]) -> Iterator[Content]:
    """The tensors of a network, on the CPU, for their checksum."""
    for name, value in state.items():
        data = value.contiguous().reshape(-1).view(torch.uint8).numpy().data
        yield Content(name, str(value.dtype).removeprefix("torch."), tuple(value.shape), data)


def _form(tensor: Tensor) -> str:
    """The type and shape of a tensor: `float32 6x1x5x5`."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {'x'.join(map(str, tensor.shape)) or 'number'}"


def _one_line(text: str) -> str:
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"
