"""The classification head: the last layer with weights, which has one unit per class."""

from __future__ import annotations

from dataclasses import replace

from hubel.errors import NetworkError
from hubel.net.algebra import Beside, Chain, Gate, Named, Net, Plus, Side, Times
from hubel.net.layers import Fc
from hubel.net.sliding import Conv


def with_classes(net: Net, classes: int) -> Net:
    """Returns the network with `classes` units in its head and in every side head.

    Raises NetworkError: its last layer with weights is not a single fully connected layer or convolution.
    """
    changed = _with_head(_with_side_heads(net, classes), classes)
    if changed is None:
        raise NetworkError("the network has no head: it does not end in one fc or conv for the classes")
    return changed


def _with_head(net: Net, classes: int) -> Net | None:
    """Returns the network with another head, None where no layer has weights."""
    match net:
        case Fc():
            return replace(net, units=classes)
        case Conv():
            return replace(net, filters=classes)
        case Named(name=name, net=inner):
            changed = _with_head(inner, classes)
            return changed and Named(name, changed)
        case Chain(parts=parts):
            for last in range(len(parts) - 1, -1, -1):
                changed = _with_head(parts[last], classes)
                if changed is not None:
                    return Chain((*parts[:last], changed, *parts[last + 1 :]))
        case Plus() | Beside() | Times() | Gate():
            raise NetworkError(f"the network ends in {net!r:.60}, not in a single layer for the classes")
    return None


def _with_side_heads(net: Net, classes: int) -> Net:
    """Returns the network with `classes` units in every side head."""
    match net:
        case Side(head=head):
            return replace(net, head=with_classes(head, classes))
        case Named(name=name, net=inner):
            return Named(name, _with_side_heads(inner, classes))
        case Times(copies=copies, net=inner):
            return Times(copies, _with_side_heads(inner, classes))
        case Gate(branch=inner):
            return Gate(_with_side_heads(inner, classes))
        case Chain() | Plus() | Beside():
            return type(net)(tuple(_with_side_heads(part, classes) for part in net.parts))
    return net
