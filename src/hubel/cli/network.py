"""NET on the command line: a saved model's file, a network of the zoo, or a notation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hubel import zoo
from hubel.errors import NetworkError, NotationError, UsageError, nearest
from hubel.net import Net, Volume, parse
from hubel.net.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubel.data import DataSet

Word = TypeVar("Word", bound=str)

MODEL_HELP = "A model's file, such as a run's best.safetensors; or efficientnet_lite0, which comes trained."
HELP = "A notation such as 'conv(6, 5) >> relu >> fc(10)', a network of the zoo, or a saved model's file."


def network(text: str, size: str | None) -> tuple[Net, Volume]:
    """Returns the network a text names, and its input: `size` where given, else its own.

    Raises UsageError: a notation without an input size. Raises NotationError: no network.
    """
    given = volume_of(size)
    if text.endswith(".safetensors"):
        net, own = _saved(Path(text))
        return net, given or own
    if zoo.known(text):
        return zoo.at(text, given)
    net = _parsed(text)
    if given is None:
        raise UsageError("a notation says nothing of its input; add --input HxWxD, such as --input 32x32x3")
    return net, given


def network_for(text: str, size: str | None, data: DataSet) -> tuple[str, Net, Volume]:
    """Returns a short name, the network and its input for training on a set.

    A network of the zoo gets the set's classes, and the set's depth in place of its own.

    Raises UsageError, NotationError, NetworkError: no such network or input.
    """
    given = volume_of(size)
    if text.endswith(".safetensors"):
        net, own = _saved(Path(text))
        return Path(text).stem, net, given or own
    if zoo.known(text):
        _, own = zoo.find(text)
        seen = given or Volume(own.height, own.width, data.depth)
        return text, zoo.find(text, len(data.classes), seen)[0], seen
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


def _parsed(text: str) -> Net:
    """The network of a notation; a single word that is no layer was meant for the zoo."""
    if text.isidentifier() and text not in LAYERS:
        hint = nearest(text, [*zoo.ZOO, *LAYERS])
        raise NotationError(f"there is no network {text!r}{hint}; `hubel zoo` lists them")
    return parse(text)


def _saved(path: Path) -> tuple[Net, Volume]:
    from hubel.ship.header import read_header

    header = read_header(path)
    return parse(header.notation), header.volume
