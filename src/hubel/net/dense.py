"""A network in its fully convolutional form, which scores an image of any size as a map and averages it."""

from __future__ import annotations

from hubel.errors import NetworkError
from hubel.net.algebra import Beside, Chain, Named, Net, Plus, Side, Times
from hubel.net.layers import AdaptiveAvgPool, Fc, GlobalAvgPool, Identity, Rbf, Softmax
from hubel.net.sliding import Conv
from hubel.net.trace import trace
from hubel.net.volume import Volume


def dense(net: Net, volume: Volume) -> Net:
    """The network with convolutions in place of its fully connected layers, and the mean of the scores last.

    On its own `volume` it computes the same scores: the first fully connected layer becomes a convolution as
    large as the map before it, those after it become 1x1. Its weights are the same numbers in the same order.
    Side heads and a last softmax are left out. Source: Simonyan and Zisserman 2014, section 3.2, after
    Sermanet et al. 2013.

    Raises NetworkError: a layer is made for one size in another way.
    """
    return _without_softmax(_dense(net, volume)) >> GlobalAvgPool()


def _dense(net: Net, volume: Volume) -> Net:
    """The network without fully connected layers and side heads."""
    match net:
        case Fc(units=units, bias=bias):
            return Conv(units, volume.plane, bias=bias)
        case AdaptiveAvgPool(height=height, width=width) if volume.plane == (height, width):
            return Identity()
        case AdaptiveAvgPool() | Rbf():
            raise NetworkError(
                f"{net!r} is made for one size, so the network has no fully convolutional form"
            )
        case Side():
            return Identity()
        case Named(name=name, net=inner):
            return Named(name, _dense(inner, volume))
        case Chain(parts=parts):
            found = []
            for part in parts:
                found.append(_dense(part, volume))
                volume = _after(part, volume)
            return Chain(tuple(found))
        case Beside() | Plus():
            return type(net)(tuple(_dense(part, volume) for part in net.parts))
        case Times(copies=copies, net=inner):
            return _dense(Chain((inner,) * copies), volume) if _has_fc(inner) else net
    return net


def _after(net: Net, volume: Volume) -> Volume:
    """The volume that a network makes of one."""
    return next((step.output for step in reversed(trace(net, volume)) if not step.side), volume)


def _has_fc(net: Net) -> bool:
    """Whether a network has layers that `_dense` changes."""
    match net:
        case Named(net=inner) | Times(net=inner):
            return _has_fc(inner)
        case Chain(parts=parts) | Beside(parts=parts) | Plus(parts=parts):
            return any(map(_has_fc, parts))
    return isinstance(net, Fc | AdaptiveAvgPool | Rbf | Side)


def _without_softmax(net: Net) -> Net:
    """The network without a softmax at its end."""
    match net:
        case Chain(parts=(*before, Softmax())):
            return Chain(tuple(before)) if len(before) > 1 else before[0]
        case Named(name=name, net=inner):
            return Named(name, _without_softmax(inner))
    return net
