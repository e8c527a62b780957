"""Weights of other libraries become a model: read without unpickling, with preprocessing and class names."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, UsageError, nearest
from hubel.files import is_file
from hubel.model.file import Model
from hubel.module.network import build
from hubel.module.weights import AVERAGED, Loaded, listed, load_weights
from hubel.net.volume import Volume, VolumeLike
from hubel.zoo import lookup
from hubel.zoo.imagenet import imagenet_classes
from hubel.zoo.registry import ZOO

WRAPPERS = ("state_dict", "model", "model_state_dict")
"""The keys under which training programs store the state_dict in a checkpoint, the preferred first."""

DEEPEST = 3
"""How many keys deep a checkpoint is searched for tensors."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation, as torchvision and timm use them."""

HALF = (0.5, 0.5, 0.5)
LITES: tuple[tuple[int, int, Literal["bilinear", "bicubic"]], ...] = (
    (240, 272, "bicubic"),
    (260, 292, "bicubic"),
    (300, 331, "bilinear"),
    (380, 413, "bilinear"),
)
"""Of timm's Lite1 to Lite4: the side of the image, the resize, floor(side / crop_pct), and its method."""

B_TF = ((224, 256), (240, 272), (260, 292), (300, 331), (380, 412))
"""Of timm's tf_efficientnet_b0 to b4: the side of the image, and the resize, floor(side / crop_pct)."""

LITE_MEAN, LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3

CAFFE = "keras_caffe"
"""How Keras' ResNets and VGGs take images: their weights came from Caffe, and their colours are turned."""

PREPROCESSINGS: dict[str, Preprocessing] = {
    # torchvision's IMAGENET1K_V1 weights.
    "torchvision": Preprocessing(224, 224, 3, MEAN, STD, resize=256),
    # torchvision's IMAGENET1K_V2 weights of ResNets.
    "torchvision_v2": Preprocessing(224, 224, 3, MEAN, STD, resize=232),
    # torchvision's GoogLeNet, which itself brings the values to -1 to 1 (`transform_input`).
    "googlenet": Preprocessing(224, 224, 3, HALF, HALF, resize=256),
    # timm's pretrained_cfg of most networks.
    "timm": Preprocessing(224, 224, 3, MEAN, STD, resize=256, interpolation="bicubic"),
    # timm's a1 weights of ResNets: 0.95 of the image, floor(224/0.95) = 235.
    "timm_a1": Preprocessing(224, 224, 3, MEAN, STD, resize=235, interpolation="bicubic"),
    # (x - 127)/128 of values to 255. Source: README of tensorflow/tpu, efficientnet/lite.
    "efficientnet_lite0": Preprocessing(
        224, 224, 3, LITE_MEAN, LITE_STD, resize=256, interpolation="bicubic"
    ),
    # torchvision's IMAGENET1K_V1 weights, each with its own crop.
    **{
        f"efficientnet_b{number}": Preprocessing(
            side, side, 3, MEAN, STD, resize=resize, interpolation="bicubic"
        )
        for number, (side, resize) in enumerate(((224, 256), (240, 256), (288, 288), (300, 320), (380, 384)))
    },
    **{
        f"convnext_{size}": Preprocessing(224, 224, 3, MEAN, STD, resize=resize)
        for size, resize in (("tiny", 236), ("small", 230), ("base", 232))
    },
    # torchvision's IMAGENET1K_V1 weights; Inception-v3 itself brings the values to -1 to 1.
    **{
        f"shufflenet_v2_{width}": Preprocessing(224, 224, 3, MEAN, STD, resize=232)
        for width in ("x1_5", "x2_0")
    },
    "inception_v3": Preprocessing(299, 299, 3, HALF, HALF, resize=342),
    # timm's pretrained_cfg of mobilenetv1_100, tf_mobilenetv3 and tf_efficientnet weights.
    "mobilenet_v1": Preprocessing(224, 224, 3, HALF, HALF, resize=256, interpolation="bicubic"),
    **{
        f"mobilenet_v3_{size}_tf": Preprocessing(224, 224, 3, HALF, HALF, resize=256)
        for size in ("large", "small")
    },
    **{
        f"efficientnet_b{number}_tf": Preprocessing(
            side, side, 3, MEAN, STD, resize=resize, interpolation="bicubic"
        )
        for number, (side, resize) in enumerate(B_TF)
    },
    # timm's tf_efficientnet_lite weights, pretrained_cfg: crop_pct 0.882, 0.89, 0.904, 0.92.
    **{
        f"efficientnet_lite{number}": Preprocessing(
            side, side, 3, HALF, HALF, resize=resize, interpolation=how
        )
        for number, (side, resize, how) in enumerate(LITES, 1)
    },
    # Keras' `preprocess_input` by its mode; its example stretches images to 224x224.
    CAFFE: Preprocessing(
        224, 224, 3, tuple(mean / 255 for mean in (123.68, 116.779, 103.939)), (1 / 255,) * 3, fit="squash"
    ),
    "keras_tf": Preprocessing(224, 224, 3, HALF, HALF, fit="squash"),
    "keras_torch": Preprocessing(224, 224, 3, MEAN, STD, fit="squash"),
}
"""The preprocessing of published weights, by name."""

OF_TIMM = (
    *("mobilenet_v3_large_timm", "mobilenet_v3_small_timm", "efficientnet_lite0_timm"),
    *("senet154_gluon", "regnet_x_400mf"),
)
"""Networks that timm alone has weights for, with the preprocessing `timm`."""

USUAL = {
    "googlenet_bn": "googlenet",
    **dict.fromkeys(OF_TIMM, "timm"),
    **dict.fromkeys(("seresnet50_v1_5", "regnet_y_8gf"), "timm_a1"),
    **{name: name for name in PREPROCESSINGS if name in ZOO},
}
"""The preprocessing of a network's published weights, unless it is `torchvision`."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A model made from weights of another library, and how their tensors were `loaded`."""

    model: Model
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a file, from under its `key`, empty for the top.

    `others` are the keys under which it has as many others, such as those of a moving average.
    """

    tensors: dict[str, Tensor]
    key: str = ""
    others: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to say: which state_dict was taken, where that is not obvious."""
        if not self.others and self.key in ("", *WRAPPERS):
            return ()
        instead = f", not from {listed(self.others)}" if self.others else ""
        averaged = any(map(AVERAGED.search, self.others)) and not AVERAGED.search(self.key)
        hint = " (--ema takes the moving average)" if averaged else ""
        return (f"taken from {self.key or 'the top'}{instead}{hint}",)


def read_weights(path: str | Path, *, ema: bool = False) -> Weights:
    """Reads a state_dict from `.safetensors`, or from a checkpoint of torch with `weights_only=True`.

    Of a checkpoint with a moving average besides, that is taken with `ema`, else the weights themselves.

    Raises ModelError: no such file, a damaged one, or a pickle that needs more than tensors: it could run
    any code and is never unpickled.
    """
    path = Path(path)
    if not is_file(path):
        raise ModelError(f"{path} does not exist; give a file of weights, .pth or .safetensors")
    content = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    found = dict(_state_dicts(content))
    if not found:
        raise ModelError(
            f"{path} holds no state_dict, neither at the top nor under {' or '.join(map(repr, WRAPPERS))}; "
            "save one with torch.save(model.state_dict(), ...)"
        )

    def preference(key: str) -> tuple[bool, int, int]:
        known = WRAPPERS.index(key) if key in WRAPPERS else len(WRAPPERS)
        return bool(AVERAGED.search(key)) == ema, -known, len(found[key])

    key = max(found, key=preference)
    alike = [other for other in found if other != key and 2 * len(found[other]) > len(found[key])]
    return Weights(found[key], key, tuple(alike))


def _state_dicts(content: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yields each mapping of names to tensors in a checkpoint, with its key; an optimizer's are left out."""
    if not isinstance(content, Mapping) or depth > DEEPEST or key.rpartition(".")[2].startswith("optim"):
        return
    if content and all(isinstance(value, Tensor) for value in content.values()):
        yield key, {str(name): value for name, value in content.items()}
    else:
        for name, value in content.items():
            yield from _state_dicts(value, f"{key}.{name}" if key else str(name), depth + 1)


def import_weights(
    net: str,
    state: Mapping[str, Tensor],
    *,
    preprocessing: Preprocessing | None = None,
    volume: VolumeLike | None = None,
    classes: Sequence[str] | None = None,
    source: str = "",
    ema: bool = False,
) -> Imported:
    """Makes a model from a network of the zoo and weights of another library.

    `net` is a text such as `resnet50_v1_5`. The network has as many classes as the weights, unless `net`
    gives another number: then its head stays as initialised, and the model is `untrained`. By default the
    class names are those of ImageNet if there are 1,000 classes, else numbers, and the preprocessing is that
    of the network's published weights, adapted to another `volume`. `ema` is that of `load_weights`.

    Raises NotationError, SizeError: no such network, or a volume that does not fit.
    Raises ModelError: weights that do not belong to the network, or a wrong number of class names.
    """
    if volume is None and preprocessing is not None:
        volume = (preprocessing.height, preprocessing.width, preprocessing.depth)
    made, seen = lookup.at(net, volume)
    module = build(made, seen, scores=True)
    loaded = load_weights(module, state, ema=ema)
    if loaded.head is not None:
        theirs, _ = lookup.find(net, loaded.head[0], seen)
        if theirs != made:  # the text gives no number
            module = build(theirs, seen, scores=True)
            loaded = load_weights(module, state, ema=ema)
    if preprocessing is None:
        preprocessing = PREPROCESSINGS[USUAL.get(net.partition("(")[0].strip(), "torchvision")]
    names = tuple(classes) if classes is not None else class_names(module.output.depth)
    if len(names) != module.output.depth:
        raise ModelError(f"{len(names)} class names are given for {module.output.depth} classes")
    module.eval()
    summary = {"weights": source, "names": loaded.maker, "report": str(loaded)}
    untrained = loaded.head is not None
    return Imported(Model(module, names, fitted(preprocessing, seen), summary, untrained=untrained), loaded)


def class_names(count: int) -> tuple[str, ...]:
    """Returns ImageNet's names for 1,000 classes; `class 0`, `class 1` and so on for any other number."""
    names = imagenet_classes()
    return names if count == len(names) else tuple(f"class {number}" for number in range(count))


def fitted(preprocessing: Preprocessing, volume: Volume) -> Preprocessing:
    """Adapts a preprocessing to another volume: sizes in proportion, grey by the means over the colours."""
    at = preprocessing.at(volume)
    if volume.depth == at.depth:
        return at
    mean, std = ((sum(values) / at.depth,) for values in (at.mean, at.std))
    return replace(at, depth=volume.depth, mean=mean, std=std)


def preprocessing_named(name: str) -> Preprocessing:
    """Returns a preprocessing by its name. Raises UsageError: an unknown name."""
    if name not in PREPROCESSINGS:
        hint = nearest(name, PREPROCESSINGS)
        raise UsageError(f"there is no preprocessing {name!r}{hint}; choose {', '.join(PREPROCESSINGS)}")
    return PREPROCESSINGS[name]


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except SafetensorError:
        why = "ends early; copy it again" if _begins_well(path) else "is not a safetensors file"
        raise ModelError(f"{path} {why}") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    return tensors


def _begins_well(path: Path) -> bool:
    """Whether a file begins as those of safetensors do: a length, then a JSON object."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _checkpoint(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        needs = f"it asks for {found[1]}" if found else "it is damaged or asks for more than tensors"
        raise ModelError(
            f"{path} is not read: {needs}. Reading more than tensors from a pickle can run any code, so "
            "hubel never does. Where you trust the file, load it in the program that wrote it and save its "
            "weights alone: torch.save(model.state_dict(), ...)"
        ) from None
    except Exception as error:  # damage raises RuntimeError, EOFError, KeyError, struct.error and more
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"{path} is not a readable checkpoint, or is cut short ({reason})") from None
