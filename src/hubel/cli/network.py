"""NET on the command line: a saved model's file, a network of the zoo, a notation, or `file.py:name`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hubel import zoo
from hubel.cli.pyfile import is_python, module_of
from hubel.errors import NetworkError, NotationError, UsageError, nearest
from hubel.net.algebra import Net
from hubel.net.ledger import ledger
from hubel.net.names import LAYERS
from hubel.net.notation import parse
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from hubel.data.dataset import DataSet

Word = TypeVar("Word", bound=str)

MODEL_HELP = "A model's file, such as a run's best.safetensors; or efficientnet_lite0, which comes trained."
HELP = "A notation such as 'conv(6, 5) >> relu >> fc(10)', a network of the zoo, or a saved model's file."
ANY_HELP = f"{HELP[:-1]}; or file.py:name, a torch module that your file makes."

WEIGHTS = (".pth", ".pt")
"""How files of PyTorch's end."""

NAME = re.compile(r"[\w.~/ -]+")
"""What may be the name of a network or a file; operators make it a notation."""


def network(text: str, size: str | None) -> tuple[Net | nn.Module, Volume]:
    """Returns the network or module a text stands for, and its input: `size` where given, else its own.

    Says on stderr where the weights of a model's file do not fit the network on `size`.

    Raises UsageError: a notation or a module without an input size. Raises NotationError: no network.
    """
    given = volume_of(size)
    if zoo.known(text):
        return zoo.at(text, given)
    if is_model_file(text):
        net, own = _saved(Path(text))
        if given and ledger(net, given).totals.params != ledger(net, own).totals.params:
            print(f"note: the weights of {text} are for {own}; they do not fit {given}", file=sys.stderr)
        return net, given or own
    module = is_python(text)
    parsed = None if module else _parsed(text)
    if given is None:
        what = "a module" if module else "a notation"
        raise UsageError(f"{what} says nothing of its input; add --input HxWxD, such as --input 224x224x3")
    return parsed or module_of(text), given


def network_for(text: str, size: str | None, data: DataSet) -> tuple[str, Net, Volume]:
    """Returns a short name, the network and its input for training on a set.

    A network of the zoo gets the set's classes, and the set's depth in place of its own.

    Raises UsageError, NotationError, NetworkError: no such network or input.
    """
    given = volume_of(size)
    if zoo.known(text):
        _, own = zoo.find(text)
        seen = given or Volume(own.height, own.width, data.depth)
        return text, zoo.find(text, len(data.classes), seen)[0], seen
    if is_model_file(text):
        net, own = _saved(Path(text))
        return Path(text).stem, net, given or own
    return "net", _parsed(text), given or Volume(*data.size, data.depth)


def volume_of(size: str | None) -> Volume | None:
    """The volume of --input. Raises UsageError: not written so."""
    try:
        return Volume.of(size) if size else None
    except NetworkError as error:
        raise UsageError(str(error)) from None


def one_of(option: str, said: str, known: Sequence[Word]) -> Word:
    """The value of an option that takes a few words. Raises UsageError: none of them."""
    for word in known:
        if word == said:
            return word
    raise UsageError(f"{option} is one of {', '.join(known)}, not {said!r}{nearest(said, known)}")


def is_model_file(text: str) -> bool:
    """Whether a text stands for a model's file: it ends as one, or is there and can be nothing else."""
    if text.endswith(".safetensors"):
        return True
    other = text in LAYERS or text.endswith((".py", *WEIGHTS))
    return not other and NAME.fullmatch(text) is not None and Path(text).exists()


def _parsed(text: str) -> Net:
    """The network of a notation. Raises NotationError: none, or a text that was meant as something else."""
    try:
        return parse(text)
    except NotationError as error:
        raise NotationError(_meant(text, str(error))) from None


def _meant(text: str, error: str) -> str:
    """What is wrong with a text that is no notation, by what it was meant as."""
    if text.endswith(WEIGHTS):
        return f"{text} holds weights alone; `hubel import-weights {text} --net NAME` makes a model of them"
    if is_python(text):
        return f"{text}: modules of Python files are for hubel table, compare, diff and draw"
    if NAME.fullmatch(text) and text not in LAYERS:
        hint = nearest(text, [*zoo.ZOO, *LAYERS])
        return f"there is no network and no file {text!r}{hint or ';'} `hubel zoo` lists the networks"
    unquoted = re.sub(r"""(["']).*?\1""", "", text)
    whole = next((word for word in re.findall(r"\w+", unquoted) if word in zoo.ZOO), None)
    if whole:
        return f"{error}\n  {whole} of the zoo stands alone here; in Python zoo.{whole}() may be a part"
    return error


def _saved(path: Path) -> tuple[Net, Volume]:
    from hubel.model.header import read_header

    header = read_header(path)
    return parse(header.notation), header.volume
