"""The head: the last layer that learns, whose units are the classes."""

from __future__ import annotations

from dataclasses import replace

from hubel.errors import NetworkError
from hubel.net.algebra import Beside, Chain, Named, Net, Plus, Side, Times
from hubel.net.layers import Fc
from hubel.net.sliding import Conv


def with_classes(net: Net, classes: int) -> Net:
    """The network with so many units in its head, and in the head of each side.

    Raises NetworkError: its last layer that learns is not a single fully connected one or convolution.
    """
    found = _with(_sides(net, classes), classes)
    if found is None:
        raise NetworkError("the network has no head: it does not end in one fc or conv for the classes")
    return found


def _with(net: Net, classes: int) -> Net | None:
    """The network with its head replaced, None where nothing in it learns."""
    match net:
        case Fc():
            return replace(net, units=classes)
        case Conv():
            return replace(net, filters=classes)
        case Named(name=name, net=inner):
            found = _with(inner, classes)
            return found and Named(name, found)
        case Chain(parts=parts):
            for place in range(len(parts) - 1, -1, -1):
                found = _with(parts[place], classes)
                if found is not None:
                    return Chain((*parts[:place], found, *parts[place + 1 :]))
        case Plus() | Beside() | Times():
            raise NetworkError(f"the network ends in {net!r:.60}, which is no single layer for the classes")
    return None


def _sides(net: Net, classes: int) -> Net:
    """The network with so many units in the head of each side."""
    match net:
        case Side(head=head):
            return replace(net, head=with_classes(head, classes))
        case Named(name=name, net=inner):
            return Named(name, _sides(inner, classes))
        case Times(copies=copies, net=inner):
            return Times(copies, _sides(inner, classes))
        case Chain() | Plus() | Beside():
            return type(net)(tuple(_sides(part, classes) for part in net.parts))
    return net
