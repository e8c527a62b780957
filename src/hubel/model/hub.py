"""Weights as the Hugging Face hub has them: `hf:timm/resnet50.a1_in1k`, a revision after `@`, or a folder."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import HubelError, ModelError, UsageError
from hubel.files import exists, parse_json

SCHEME = "hf:"
FILES = ("model.safetensors", "pytorch_model.bin")
"""The names of weight files in a repository, the preferred first."""

CONFIG = "config.json"

_RESNETS = {f"resnet{layers}": f"resnet{layers}_v1_5" for layers in (50, 101, 152)}
_SAME = (
    *(f"vgg{layers}{norm}" for layers in (11, 13, 16, 19) for norm in ("", "_bn")),
    *("resnet18", "resnet34", "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"),
    *("densenet121", "densenet169", "densenet201", "inception_v3"),
    *(f"efficientnet_b{number}" for number in range(5)),
    *("convnext_tiny", "convnext_small", "convnext_base"),
)
_MOBILE = {"mobilenetv1_100": "mobilenet_v1", "mobilenetv2_100": "mobilenet_v2"} | {
    f"{by}mobilenetv3_{size}_100": f"mobilenet_v3_{size}_{form}"
    for by, form in (("", "timm"), ("tf_", "tf"))
    for size in ("large", "small")
}
_EFFICIENT = {
    "efficientnet_lite0": "efficientnet_lite0_timm",
    **{f"tf_efficientnet_b{number}": f"efficientnet_b{number}_tf" for number in range(5)},
    **{f"tf_efficientnet_lite{number}": f"efficientnet_lite{number}" for number in range(5)},
}
_SENETS = {
    "legacy_seresnet50": "seresnet50",
    "seresnet50": "seresnet50_v1_5",
    "legacy_senet154": "senet154",
    "senet154": "senet154_gluon",
}
_REGNETS = {
    **{f"regnet{kind}_016": f"regnet_{kind}_1_6gf" for kind in "xy"},
    **{f"regnet{kind}_004": f"regnet_{kind}_400mf" for kind in "xy"},
    **{f"regnet{kind}_080": f"regnet_{kind}_8gf" for kind in "xy"},
    "regnetx_004_tv": "regnet_x_400mf_wide",
    "regnety_080_tv": "regnet_y_8gf_wide",
}
NETWORKS = {name: name for name in _SAME} | _RESNETS | _MOBILE | _EFFICIENT | _SENETS | _REGNETS
"""The network of the zoo by timm's name of the architecture."""

BY_CODE = "which hubel reads from the module: hubel notation"
EXAMPLE = "resnet50_v1_5"

PLAIN = {"in_chans", "num_classes", "drop_rate", "drop_path_rate"}
"""The `model_args` of a config.json that leave the architecture as it is, or show in the weights."""

POOLED = ("global_pool", "avg")

_ID = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file of weights, in the library's cache or in a folder; `config` is the config.json beside it."""

    path: Path
    source: str
    config: Mapping[str, Any]

    @property
    def net(self) -> str | None:
        """The zoo's name of the repository's architecture; None if the zoo lacks it."""
        return NETWORKS.get(str(self.config.get("architecture")))

    def network(self, asked: str | None = None) -> str:
        """Returns the zoo's name of the architecture, or what was asked for if that is not another network.

        Raises UsageError: it is another, or the architecture has no map. Raises ModelError: no classifier, or
        an architecture that `model_args` change.
        """
        architecture = self.config.get("architecture")
        if self.config.get("num_classes") == 0:
            raise ModelError(f"{self.source} has no classifier: it gives features alone, which no class has")
        if changed := _changed(self.config.get("model_args")):
            raise ModelError(
                f"{self.source}: its config.json changes the network by model_args ({changed}), {BY_CODE}"
            )
        if asked is not None:
            if self.net is not None and asked.partition("(")[0].strip() != self.net:
                raise UsageError(
                    f"{self.source} has the architecture {architecture}, here {self.net}; leave --net out"
                )
            return asked
        if self.net is None:
            raise UsageError(
                f"{self.source}: hubel has no map for the weights of {architecture}; {BY_CODE}"
                if architecture
                else f"{self.source} names no architecture; name the network with --net, such as {EXAMPLE}"
            )
        return self.net

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The class names that `config` has; None where it has none."""
        names = self.config.get("label_names")
        described = self.config.get("label_descriptions")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        if isinstance(described, Mapping):
            longer = [str(described.get(name, name)) for name in names]
            names = longer if len(set(longer)) == len(names) else names
        return tuple(names) if len(set(names)) == len(names) else None

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The preprocessing that `config` describes: see `preprocessing_of`."""
        return preprocessing_of(self.config)


def is_hub(text: str) -> bool:
    """Whether a text names something on the hub."""
    return text.startswith(SCHEME)


def fetch(text: str) -> Fetched:
    """Downloads the weights that `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` names, unless cached.

    The content is checked against the SHA-256 by which the hub names it. Offline, the cached file is used.

    Raises UsageError: another text, or huggingface_hub is not installed.
    Raises ModelError: the hub cannot be reached, no such repository, no weights in it, or a damaged file.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a repository; write hf:timm/resnet50.a1_in1k, or ...@REVISION")
    repo, revision = match["repo"], match["revision"]
    config = _config(_file(repo, CONFIG, revision))
    for name in FILES:
        path = _file(repo, name, revision)
        if path is not None:
            check_content(path)
            commit = path.parent.name
            return Fetched(path, f"{SCHEME}{repo}@{commit}", config)
    raise ModelError(f"{text} has neither {' nor '.join(FILES)}; hubel reads no other files of weights")


def laid_out(place: str | os.PathLike[str]) -> Fetched | None:
    """Returns weights that lie on this machine as on the hub; None if `place` has none.

    `place` is a folder, or a file in it, with a config.json that names an architecture.
    """
    path = Path(place).expanduser()
    if not exists(path):
        return None
    folder, names = (path, FILES) if path.is_dir() else (path.parent, (path.name,))
    config = _config(folder / CONFIG if (folder / CONFIG).is_file() else None)
    weights = next((folder / name for name in names if name in FILES and (folder / name).is_file()), None)
    return Fetched(weights, str(place), config) if weights and "architecture" in config else None


def check_content(path: Path) -> None:
    """Checks a cached file whose name is its SHA-256. Raises ModelError: the content is damaged."""
    expected = path.resolve().name
    if not re.fullmatch(r"[0-9a-f]{64}", expected):
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ModelError(
            f"{path} is damaged: its SHA-256 is {found}; delete {path.resolve()} and fetch it again"
        )


def preprocessing_of(config: Mapping[str, Any]) -> Preprocessing | None:
    """Returns the preprocessing that timm's config.json describes; None if it describes none.

    Raises ModelError: hubel does not support it, such as a crop other than the centre.
    """
    settings = config.get("pretrained_cfg", config)
    if not isinstance(settings, Mapping) or "mean" not in settings:
        return None
    try:
        depth, height, width = settings["input_size"]
        kind, share = settings.get("crop_mode", "center"), float(settings["crop_pct"])
        squashed = kind == "squash" and share == 1
        if kind != "center" and not squashed:
            raise ModelError(f"its images are cropped by {kind!r} to {share:g}; hubel crops the centre")
        return Preprocessing(
            height,
            width,
            depth,
            tuple(map(float, settings["mean"])),
            tuple(map(float, settings["std"])),
            fit="squash" if squashed else "crop",
            resize=None if squashed else math.floor(min(height, width) / share),
            interpolation=settings["interpolation"],
        )
    except (HubelError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(
            f"the repository's config.json describes a preprocessing that hubel does not support ({error}); "
            "choose one with --preprocessing"
        ) from None


def by_hand(repo: str, revision: str | None = None) -> str:
    """What to download where the hub can be reached, and how to give it."""
    page = f"https://huggingface.co/{repo}/tree/{revision or 'main'}"
    return f"download {CONFIG} and {FILES[0]} of {page} into a folder, and give that: hubel import FOLDER"


def _changed(arguments: Any) -> str:
    """What of a config.json's `model_args` changes the architecture; empty if nothing does."""
    if not isinstance(arguments, Mapping):
        return ""
    plain = {name for name, value in arguments.items() if name in PLAIN or (name, value) == POOLED}
    return ", ".join(map(str, arguments.keys() - plain))


def _config(path: Path | None) -> Mapping[str, Any]:
    """Returns the content of a config.json; empty if there is none or it cannot be read."""
    try:
        content = parse_json(path.read_text("utf-8")) if path else {}
    except ValueError:
        content = {}
    return content if isinstance(content, Mapping) else {}


def _file(repo: str, name: str, revision: str | None) -> Path | None:
    """Returns the cached path of a repository's file; None if the repository has no such file."""
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError:
        raise UsageError(
            'the hub needs huggingface_hub, which is not installed: pip install "hubel[hub]"; or '
            f"{by_hand(repo, revision)}"
        ) from None
    where = f"{SCHEME}{repo}" + (f"@{revision}" if revision else "")
    try:
        return Path(
            hf_hub_download(repo, name, revision=revision, endpoint=os.environ.get("HF_ENDPOINT") or None)
        )
    except errors.LocalEntryNotFoundError:
        raise ModelError(
            f"{where}: the hub cannot be reached, and {name} is not cached. Try again online; or "
            f"{by_hand(repo, revision)}"
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{where}: the repository has no such revision") from None
    except errors.EntryNotFoundError:
        return None
    except errors.RepositoryNotFoundError:
        raise ModelError(f"{where}: the hub has no such repository, or it needs a login") from None
    except Exception as error:  # the library lets errors of its HTTP client through
        raise ModelError(f"{where}: the hub gave an unexpected answer ({error})") from None
