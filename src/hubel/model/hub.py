"""Weights from the Hugging Face hub: `hf:timm/resnet50.a1_in1k`, a revision after `@`."""

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
from hubel.files import parse_json

SCHEME = "hf:"
FILES = ("model.safetensors", "pytorch_model.bin")
"""The names of weight files in a repository, the preferred first."""

NETWORKS = (
    {
        "alexnet": "alexnet_owt",
        "googlenet": "googlenet_bn",
        "resnet50": "resnet50_v1_5",
        "resnet101": "resnet101_v1_5",
        "resnet152": "resnet152_v1_5",
    }
    | {name: name for name in ("resnet18", "resnet34")}
    | {f"vgg{layers}{norm}": f"vgg{layers}{norm}" for layers in (11, 13, 16, 19) for norm in ("", "_bn")}
)
"""The network of the zoo by timm's name of the architecture."""

_ID = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file from the hub, in the library's cache; `config` is the repository's config.json."""

    path: Path
    source: str
    config: Mapping[str, Any]

    @property
    def net(self) -> str | None:
        """The zoo's name of the repository's architecture; None if the zoo lacks it."""
        return NETWORKS.get(str(self.config.get("architecture")))

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
    config = _config(_file(repo, "config.json", revision))
    for name in FILES:
        path = _file(repo, name, revision)
        if path is not None:
            check_content(path)
            commit = path.parent.name
            return Fetched(path, f"{SCHEME}{repo}@{commit}", config)
    raise ModelError(f"{text} has neither {' nor '.join(FILES)}; hubel reads no other files of weights")


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
        kind = settings.get("crop_mode", "center")
        if kind != "center":
            raise ModelError(f"its images are cropped by {kind!r}; hubel has only the centre crop")
        return Preprocessing(
            height,
            width,
            depth,
            tuple(map(float, settings["mean"])),
            tuple(map(float, settings["std"])),
            resize=math.floor(min(height, width) / float(settings["crop_pct"])),
            interpolation=settings["interpolation"],
        )
    except (HubelError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(
            f"the repository's config.json describes a preprocessing that hubel does not support ({error}); "
            "choose one with --preprocessing"
        ) from None


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
            'the hub needs huggingface_hub, which is not installed: pip install "hubel[hub]"'
        ) from None
    where = f"{SCHEME}{repo}" + (f"@{revision}" if revision else "")
    try:
        return Path(
            hf_hub_download(repo, name, revision=revision, endpoint=os.environ.get("HF_ENDPOINT") or None)
        )
    except errors.LocalEntryNotFoundError:
        raise ModelError(
            f"{where}: the hub cannot be reached, and {name} is not cached. Try again online; or "
            f"download the file elsewhere and give it: hubel import {FILES[0]} --net NAME"
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{where}: the repository has no such revision") from None
    except errors.EntryNotFoundError:
        return None
    except errors.RepositoryNotFoundError:
        raise ModelError(f"{where}: the hub has no such repository, or it needs a login") from None
    except Exception as error:  # the library lets errors of its HTTP client through
        raise ModelError(f"{where}: the hub gave an unexpected answer ({error})") from None
