"""The smallest input that a network takes, and an error that names it."""

from __future__ import annotations

from hubel.errors import SizeError
from hubel.net.algebra import Net
from hubel.net.trace import UnfitError, trace
from hubel.net.volume import Volume, VolumeLike

LARGEST = 512
"""The largest side that is tried, in pixels."""


def smallest_input(net: Net, depth: int, largest: int = LARGEST) -> Volume:
    """Returns the smallest square input of this depth that the network takes.

    Raises SizeError: the network takes none up to `largest` x `largest`.
    """
    for side in range(1, largest + 1):
        if _fits(net, Volume(side, side, depth)):
            return Volume(side, side, depth)
    raise SizeError(f"no square input of depth {depth} up to {largest}x{largest} fits")


def check_input(net: Net, volume: VolumeLike) -> Volume:
    """Returns the volume if the network takes it.

    Raises UnfitError: it does not. Where the volume is too small, the error names the smallest square input
    that fits; its `steps` are those before the layer that does not fit.
    """
    checked = Volume.of(volume)
    try:
        trace(net, checked)
    except UnfitError as error:
        raise UnfitError(str(error) + _advice(net, checked), error.steps) from None
    return checked


def _fits(net: Net, volume: Volume) -> bool:
    try:
        trace(net, volume)
    except SizeError:
        return False
    return True


def _advice(net: Net, volume: Volume) -> str:
    """Returns a line with the smallest square input if `volume` is smaller, else an empty text."""
    try:
        smallest = smallest_input(net, volume.depth)
    except SizeError:
        return ""
    if min(volume.plane) >= smallest.height:
        return ""
    return f".\n  the smallest square input is {smallest.height}x{smallest.width}"
