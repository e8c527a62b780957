"""`import_weights`: weights of other libraries become a model of hubel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.errors import ModelError, UsageError
from hubel.files import read_text
from hubel.model import hub
from hubel.model import import_weights as foreign
from hubel.module.weights import AVERAGED
from hubel.ram import forced

if TYPE_CHECKING:
    from hubel.model.file import Model
    from hubel.module.weights import Loaded
    from hubel.net.volume import VolumeLike


UNTRAINED = "the head is not trained: hubel train DATA --from {}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A model made from other weights, its file, how their tensors were `loaded`, and remarks on them."""

    model: Model
    path: Path
    loaded: Loaded
    remarks: tuple[str, ...] = ()


def import_weights(
    source: str | Path,
    *,
    net: str | None = None,
    out: str | Path | None = None,
    volume: VolumeLike | None = None,
    preprocessing: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    ema: bool = False,
    force: bool = False,
) -> Imported:
    """Makes a model from the weights of torchvision, timm and others, and writes its file.

    `source` is a state_dict, .pth or .safetensors, or `hf:OWNER/NAME@REVISION` of the Hugging Face hub, or a
    folder with the model.safetensors and config.json of such a repository; nothing in it is executed. `net`
    is the network of the zoo that the weights belong to; a repository names it. `out` is the file, by default
    NET.safetensors. `volume` is the input, by default the network's own. `preprocessing` is a name of
    `hubel.model.import_weights.PREPROCESSINGS`, by default what the repository says, or that of the network's
    published weights. `classes` are the class names, or a text file of them, one per line; by default the
    repository's, or those of ImageNet where there are 1,000. With `ema` the moving average in a checkpoint
    is taken, else the weights themselves. With `force` the network may take all of the machine's memory, not
    only what is free.

    Raises UsageError: an argument cannot be used, or the file exists. Raises ModelError, NotationError,
    SizeError: the weights, the network or the volume cannot be used.
    """
    prepared = foreign.preprocessing_named(preprocessing) if preprocessing else None
    weights, name = Path(source), Path(source).name
    fetched = hub.fetch(str(source)) if hub.is_hub(str(source)) else hub.laid_out(source)
    if fetched:
        weights, name, net = fetched.path, fetched.source, fetched.network(net)
        prepared = prepared or fetched.preprocessing
        classes = classes if classes is not None else fetched.classes
    elif weights.is_dir():
        raise UsageError(
            f"{source} is a folder without {hub.FILES[0]} and a {hub.CONFIG} that names its architecture, as "
            "the hub has them; give the file of weights"
        )
    if net is None:
        raise UsageError("name the network that the weights belong to, such as --net resnet50_v1_5")
    read = foreign.read_weights(weights, ema=ema)
    path = free(Path(out) if out else Path(f"{net.partition('(')[0].strip()}.safetensors"))
    with forced(force):
        try:
            imported = foreign.import_weights(
                net,
                read.tensors,
                preprocessing=prepared,
                volume=volume,
                classes=lines(Path(classes)) if isinstance(classes, str | Path) else classes,
                source=name,
                ema=ema,
            )
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from None
    loaded = imported.loaded
    if ema and not any(map(AVERAGED.search, (read.key, loaded.prefix))):
        raise ModelError(f"{name} has no moving average of the weights; leave --ema out")
    imported.model.save(path)
    head = (UNTRAINED.format(path),) if imported.model.untrained else ()
    return Imported(imported.model, path, loaded, (*read.remarks, *loaded.remarks, *head))


def free(path: Path) -> Path:
    """Returns the path. Raises UsageError: a file exists there, or cannot be written there."""
    if path.exists():
        raise UsageError(f"{path} exists; name another file with --out")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; create it first")
    return path


def lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty. Raises UsageError: it cannot be read."""
    try:
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: class names cannot be read ({error})") from None
