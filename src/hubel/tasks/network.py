"""How a network may be given: as a text as on the command line, a Net, a torch module, a Model or a path."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hubel import zoo
from hubel.errors import NetworkError, NotationError, UsageError, nearest
from hubel.files import exists
from hubel.module.user_code import is_python, module_of
from hubel.net import ledger as net_ledger
from hubel.net.algebra import Net
from hubel.net.ledger import Ledger
from hubel.net.names import LAYERS
from hubel.net.notation import parse
from hubel.net.volume import Volume, VolumeLike

if TYPE_CHECKING:
    from torch import nn

    from hubel.data.dataset import DataSet
    from hubel.model.file import Model
    from hubel.module.network import Network

NetLike: TypeAlias = "str | Path | Net | nn.Module | Model"
"""A value, or a text: a notation, a name of the zoo, `file.py:name`, or the path of a model or a run."""

WEIGHTS = (".pth", ".pt")
"""The suffixes of PyTorch's files of weights."""

NAME = re.compile(r"[\w.~/ -]+")
"""What can be the name of a network or a file. A notation has operators or parentheses."""


def network(net: NetLike, volume: VolumeLike | None = None) -> tuple[Net | nn.Module, Volume]:
    """Returns the network or module that `net` stands for, and its input: `volume`, or else its own.

    Warns where the weights of a model's file do not fit the network on `volume`.

    Raises UsageError: a notation or a module without a volume. Raises NotationError: a text that names no
    network. Raises ModelError: a model's file that cannot be read. Raises NetworkError: any other value.
    """
    given = volume_of(volume)
    if isinstance(net, Path) and not is_python(str(net)):
        return _saved(net, given)
    if isinstance(net, str | Path):
        return _named(str(net), given)
    made, own = _unwrapped(net)
    seen = given or own
    if seen is None:
        raise _no_volume("a network" if isinstance(made, Net) else "a module")
    return made, seen


def ledger(
    net: NetLike, volume: VolumeLike | None = None, *, strict: bool = False, output: str | None = None
) -> Ledger:
    """The ledger of a network on an input volume; by default its own, if it has one.

    A module's is read off one run on the meta device: see `hubel.module.survey`. `strict` refuses windows
    that leave part of their input unused. `output` names the result of a module that returns several.

    Raises SizeError: it does not fit; `steps` of the error are those before. Raises NetworkError: a module
    that cannot be followed. Raises others as `network` does.
    """
    made, seen = network(net, volume)
    if isinstance(made, Net):
        if output is not None:
            raise UsageError("output chooses among the results of a torch module; a network has one")
        return net_ledger.ledger(made, seen, strict=strict)
    from hubel.module.survey.follow import survey

    return survey(made, seen, strict=strict, output=output)


def build(
    net: NetLike,
    volume: VolumeLike | None = None,
    *,
    init: str = "he",
    seed: int = 0,
    scores: bool = False,
    force: bool = False,
) -> Network:
    """Builds the torch module of a network, initialised by the rule `init`; `volume` is as for `ledger`.

    `scores` leaves a final softmax out. `force` lets it take all of the machine's memory, not only what is
    free. Raises SizeError: the network does not fit. Raises UsageError: no
    such initialisation. Raises NetworkError: a module, which is built already.
    """
    from hubel.module.network import build as build_net

    made, seen = network(net, volume)
    if not isinstance(made, Net):
        raise NetworkError(f"{name_of(net)} is a torch module: it is built already")
    return build_net(made, seen, init=init, seed=seed, scores=scores, force=force)


def network_for(text: str, size: str | None, data: DataSet) -> tuple[str, Net, Volume]:
    """Returns a short name, the network and its input for training on a data set.

    A network of the zoo gets the set's classes, and the set's depth in place of its own.

    Raises UsageError, NotationError, NetworkError: no such network or input.
    """
    given = volume_of(size)
    if zoo.known(text):
        _, own = zoo.find(text)
        seen = given or Volume(own.height, own.width, data.depth)
        return text, zoo.find(text, len(data.classes), seen)[0], seen
    if is_model_file(text):
        net, own = _read(Path(text))
        return Path(text).stem, net, given or own
    return "net", _parsed(text), given or Volume(*data.size, data.depth)


def name_of(net: NetLike) -> str:
    """What a network is called in a report: a text as it was written, a network by its notation.

    A module is called by the name of its class.
    """
    if isinstance(net, str | Path):
        return str(net)
    made, _ = _unwrapped(net)
    return repr(made) if isinstance(made, Net) else type(made).__name__


def volume_of(volume: VolumeLike | None) -> Volume | None:
    """The volume that was given, or None. Raises UsageError: it is not height x width x depth."""
    try:
        return Volume.of(volume) if volume else None
    except NetworkError as error:
        raise UsageError(str(error)) from None


def is_model_file(text: str) -> bool:
    """Whether a text names a model's file: it has the suffix, or exists and can be nothing else."""
    if text.endswith(".safetensors"):
        return True
    other = text in LAYERS or text.endswith((".py", *WEIGHTS))
    return not other and NAME.fullmatch(text) is not None and exists(text)


def _named(text: str, given: Volume | None) -> tuple[Net | nn.Module, Volume]:
    """The network that a text stands for, and its input."""
    if zoo.known(text):
        return zoo.at(text, given)
    if is_model_file(text):
        return _saved(Path(text), given)
    module = is_python(text)
    parsed = None if module else _parsed(text)
    if given is None:
        raise _no_volume("a module" if module else "a notation")
    return parsed or module_of(text), given


def _saved(path: Path, given: Volume | None) -> tuple[Net, Volume]:
    """The network of a model's file or a run's folder, and its input."""
    net, own = _read(path)
    if given and net_ledger.ledger(net, given).totals.params != net_ledger.ledger(net, own).totals.params:
        warnings.warn(f"the weights of {path} are for {own}; they do not fit {given}", stacklevel=4)
    return net, given or own


def _read(path: Path) -> tuple[Net, Volume]:
    from hubel.model.header import read_header

    header = read_header(path)
    return header.net, header.volume


def _unwrapped(net: Any) -> tuple[Net | nn.Module, Volume | None]:
    """The network or module in a value, and the input it was made for. Raises NetworkError: there is none."""
    if isinstance(net, Net):
        return net, None
    torch = sys.modules.get("torch")  # where torch is not imported, no value can be a module
    if torch is not None:
        made = net if isinstance(net, torch.nn.Module) else getattr(net, "network", None)
        if isinstance(made, torch.nn.Module):
            volume = getattr(made, "volume", None)
            written = getattr(made, "net", None)
            own = volume if isinstance(volume, Volume) else None
            return written if isinstance(written, Net) else made, own
    raise NetworkError(
        f"a network is expected here, such as 'resnet18', conv(6, 5) >> relu or a torch module; not {net!r}"
    )


def _no_volume(what: str) -> UsageError:
    return UsageError(
        f"{what} does not state its input; add --input HxWxD, such as --input 224x224x3 "
        "(in Python, volume=(224, 224, 3))"
    )


def _parsed(text: str) -> Net:
    """The network of a notation. Raises NotationError: it is none, or was meant as something else."""
    try:
        return parse(text)
    except NotationError as error:
        raise NotationError(_meant(text, str(error))) from None


def _meant(text: str, error: str) -> str:
    """What is wrong with a text that is no notation, by what it was meant as."""
    if text.endswith(WEIGHTS):
        return f"{text} holds weights alone; `hubel import-weights {text} --net NAME` makes a model of them"
    if is_python(text):
        return (
            f"{text}: no module of a Python file can be used here; give a notation, a name or a model's file"
        )
    if NAME.fullmatch(text) and text not in LAYERS:
        hint = nearest(text, [*zoo.ZOO, *LAYERS])
        return f"there is no network and no file {text!r}{hint or ';'} `hubel zoo` lists the networks"
    unquoted = re.sub(r"""(["']).*?\1""", "", text)
    whole = next((word for word in re.findall(r"\w+", unquoted) if word in zoo.ZOO), None)
    if whole:
        return f"{error}\n  {whole} is a whole network of the zoo; as a part, write zoo.{whole}() in Python"
    return error
