"""What a network may be given as: a text as on the command line, a path, a Net, a torch module or a Model."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hubel.errors import NetworkError, NotationError, UsageError, nearest
from hubel.files import exists
from hubel.foreign.endings import is_foreign
from hubel.module.user_code import is_python, module_of
from hubel.net import ledger as net_ledger
from hubel.net.algebra import Net
from hubel.net.ledger import Ledger
from hubel.net.names import LAYERS
from hubel.net.notation import parse
from hubel.net.volume import Volume, VolumeLike
from hubel.tasks.foreign import foreign_network
from hubel.zoo import lookup
from hubel.zoo.input import check_input
from hubel.zoo.registry import ZOO

if TYPE_CHECKING:
    from torch import nn

    from hubel.data.dataset import DataSet
    from hubel.model.file import Model
    from hubel.model.header import Validated
    from hubel.module.network import Network
    from hubel.module.own import OwnNetwork

NetLike: TypeAlias = "str | os.PathLike[str] | Net | nn.Module | Callable[[], nn.Module] | Model"
"""A text: a notation, a name of the zoo, `file.py:name`, or the path of a model or a run. Or a value: a path,
a run, a Net, a module, a class or function that makes one without arguments, or a Model."""

WEIGHTS = (".pth", ".pt")
"""The suffixes of PyTorch's files of weights."""

ENDING = re.compile(r"\w\.[a-zA-Z]\w*$")
"""The ending of a file's name."""

NAME = re.compile(r"[\w.~/ -]+")
"""What can be the name of a network or a file. A notation has operators or parentheses."""


@dataclass(frozen=True, slots=True)
class GivenNetwork:
    """A network or module that was given, and the `volume` of its input.

    `name` is what to call it: a text as it was written, the notation of a network, the class of a module or
    the function that makes it. `maker` is the importable name of what made a module, unless that is its
    class. `built` is the built network that was given, whose weights training starts from. `validated` says
    how a trained model did on its validation images.
    """

    name: str
    net: Net | nn.Module
    volume: Volume
    maker: str = ""
    built: nn.Module | None = None
    validated: Validated | None = None

    @property
    def short(self) -> str:
        """A short name: that of the zoo, the stem of a file, the name of a module; else `net`."""
        if not isinstance(self.net, Net):
            return self.name.rpartition(":")[2]
        if lookup.known(self.name):
            return self.name
        is_file = is_model_file(self.name) or is_foreign(self.name)
        return Path(self.name).stem if is_file else "net"

    def ledger(self, *, strict: bool = False, output: str | None = None) -> Ledger:
        """The ledger of the network: see the function of this name."""
        if isinstance(self.net, Net):
            if output is not None:
                raise UsageError("output chooses among the results of a torch module; a network has one")
            return net_ledger.ledger(self.net, self.volume, strict=strict)
        from hubel.module.survey.follow import survey

        return survey(self.net, self.volume, strict=strict, output=output)

    def remarked(self) -> Ledger:
        """The ledger, for a result that does not show its remarks: each is a warning."""
        found = self.ledger()
        for remark in found.remarks:
            warnings.warn(f"{remark}; `hubel table --output` follows another", stacklevel=4)
        return found

    def trainable(self) -> Net | OwnNetwork:
        """The network, or the module with the interface of a network.

        Raises SizeError, NetworkError: the module does not run on the volume.
        """
        module = self.built or self.net
        if isinstance(module, Net):
            return module
        from hubel.module.own import OwnNetwork

        root = module.root if isinstance(module, OwnNetwork) else module
        return OwnNetwork(root, self.volume, self.maker)


def given(net: NetLike, volume: VolumeLike | None = None, data: DataSet | None = None) -> GivenNetwork:
    """Returns the network or module that `net` stands for; its input is `volume`, by default its own.

    With the `data` that it is to be trained on, a network of the zoo gets the set's classes, and the set's
    depth in place of its own; a notation gets the size of the set's images. Otherwise warns where the weights
    of a model's file do not fit the network on `volume`.

    Raises UsageError: a notation or a module without a volume. Raises NotationError: a text that names no
    network. Raises ModelError: a model's file that cannot be read. Raises NetworkError: any other value, or a
    module whose code fails.
    """
    asked = volume_of(volume)
    if isinstance(net, os.PathLike) and not is_python(os.fspath(net)) and not is_foreign(os.fspath(net)):
        return _saved(Path(net), asked, data)
    if isinstance(net, str | os.PathLike):
        return _named(os.fspath(net), asked, data)
    return _value(net, asked, data)


def ledger(
    net: NetLike, volume: VolumeLike | None = None, *, strict: bool = False, output: str | None = None
) -> Ledger:
    """The ledger of a network on an input volume; by default its own, if it has one.

    A module's is read off one run on the meta device: see `hubel.module.survey`. `strict` refuses windows
    that leave part of their input unused. `output` names the result of a module that returns several.

    Raises SizeError: it does not fit; `steps` of the error are those before. Raises NetworkError: a module
    that cannot be followed. Raises others as `given` does.
    """
    return given(net, volume).ledger(strict=strict, output=output)


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

    found = given(net, volume)
    if not isinstance(found.net, Net):
        raise NetworkError(f"{found.name} is a torch module: it is built already")
    return build_net(found.net, found.volume, init=init, seed=seed, scores=scores, force=force)


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


def _named(text: str, asked: Volume | None, data: DataSet | None) -> GivenNetwork:
    """The network that a text stands for."""
    if lookup.known(text):
        if data is None:
            return GivenNetwork(text, *lookup.at(text, asked))
        own = lookup.find(text)[1]
        seen = asked or Volume(own.height, own.width, data.depth)
        net, _ = lookup.find(text, len(data.classes), seen)
        return GivenNetwork(text, net, check_input(net, seen))
    if is_foreign(text) and exists(text):
        return GivenNetwork(text, *foreign_network(Path(text), asked))
    if is_model_file(text):
        return _saved(Path(text), asked, data)
    if is_python(text):
        if asked is None:
            raise _no_volume("a module")
        return GivenNetwork(text, module_of(text), asked, text)
    return GivenNetwork(text, _parsed(text), _input("a notation", asked, data))


def _saved(path: Path, asked: Volume | None, data: DataSet | None) -> GivenNetwork:
    """The network of a model's file or a run's folder."""
    from hubel.model.header import Validated, read_header

    header = read_header(path)
    net, own = header.net, header.volume
    if (
        asked
        and data is None
        and net_ledger.ledger(net, asked).totals.params != net_ledger.ledger(net, own).totals.params
    ):
        warnings.warn(f"the weights of {path} are for {own}; they do not fit {asked}", stacklevel=4)
    validated = Validated.of(header.summary, len(header.classes))
    return GivenNetwork(str(path), net, asked or own, validated=validated)


def _value(net: Any, asked: Volume | None, data: DataSet | None) -> GivenNetwork:
    """The network or module in a value, or the module that it makes. Raises NetworkError: there is none."""
    if isinstance(net, Net):
        return GivenNetwork(repr(net), net, _input("a network", asked, data))
    if not isinstance(net, type) and (module := _module_in(net)) is not None:
        own, written = getattr(module, "volume", None), getattr(module, "net", None)
        seen = asked or (own if isinstance(own, Volume) else None)
        if isinstance(written, Net):
            built = module if module is net else None  # of a model the network alone
            seen = seen or _input("a network", None, data)
            return GivenNetwork(repr(written), written, seen, built=built, validated=_validated(net))
        maker = str(getattr(module, "maker", ""))
        if seen is None:
            raise _no_volume("a module")
        return GivenNetwork(maker.rpartition(":")[2] or type(module).__name__, module, seen, maker)
    if not callable(net):
        raise NetworkError(
            "a network is expected here, such as 'resnet18', conv(6, 5) >> relu or a torch module; "
            f"not {net!r}"
        )
    from hubel.module.own import made_by, maker_of

    module, maker = made_by(net), maker_of(net)
    if asked is None:
        raise _no_volume("a module")
    return GivenNetwork(maker.rpartition(":")[2], module, asked, maker)


def _validated(net: Any) -> Validated | None:
    """How a Model did on its validation images; of any other value nothing is known."""
    from hubel.model.file import Model
    from hubel.model.header import Validated

    return Validated.of(net.summary, len(net.classes)) if isinstance(net, Model) else None


def _module_in(net: Any) -> nn.Module | None:
    """The torch module that a value is or has as its `network`."""
    torch = sys.modules.get("torch")  # where torch is not imported, no value can be a module
    if torch is None:
        return None
    module = net if isinstance(net, torch.nn.Module) else getattr(net, "network", None)
    return module if isinstance(module, torch.nn.Module) else None


def _input(what: str, asked: Volume | None, data: DataSet | None) -> Volume:
    """The input that was asked for, else the size of a set's images. Raises UsageError: neither is given."""
    if asked is not None:
        return asked
    if data is None:
        raise _no_volume(what)
    return Volume(*data.size, data.depth)


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


def _is_path(text: str) -> bool:
    """Whether a text can only be meant as a path: it has a slash or an ending, and nothing of a notation."""
    return bool(NAME.fullmatch(text)) and ("/" in text or bool(ENDING.search(text)))


def _meant(text: str, error: str) -> str:
    """What is wrong with a text that is no notation, by what it was meant as."""
    if text.endswith(WEIGHTS) and exists(text):
        return f"{text} holds weights alone; `hubel import {text} --net NAME` makes a model of them"
    if is_python(text):
        return (
            f"{text}: no module of a Python file can be used here; give a notation, a name or a model's file"
        )
    if _is_path(text):
        return f"there is no file or folder {text!r}; give one that exists, or a network's name or notation"
    if NAME.fullmatch(text) and text not in LAYERS:
        hint = nearest(text, [*ZOO, *LAYERS])
        return f"there is no network and no file {text!r}{hint or ';'} `hubel zoo` lists the networks"
    unquoted = re.sub(r"""(["']).*?\1""", "", text)
    whole = next((word for word in re.findall(r"\w+", unquoted) if word in ZOO), None)
    if whole:
        return f"{error}\n  {whole} is a whole network of the zoo; as a part, write zoo.{whole}() in Python"
    return error
