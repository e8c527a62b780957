"""Designing a network: the ledger of a notation as it is typed, or its error and what would fit."""

from __future__ import annotations

from functools import cache

from hubel.errors import HubelError, NotationError
from hubel.net.algebra import Net
from hubel.net.ledger import Ledger, ledger
from hubel.net.notation import parse
from hubel.net.trace import UnfitError, trace
from hubel.net.volume import Volume
from hubel.service.explorer.describe import Json, network_json
from hubel.service.refusals import RefusedError
from hubel.zoo import lookup
from hubel.zoo.registry import ZOO

MOST_TEXT = 100_000
"""The most characters of a notation that is designed."""

MOST_LAYERS = 2_500
"""The most layers of a network that is designed, every copy counted."""

CARET = "at_the_caret"
"""The name that marks the layer where the caret is."""


def designed(text: str, volume: str, *, strict: bool = False, caret: tuple[int, int] | None = None) -> Json:
    """Returns the network of a notation or of a name of the zoo, or its error and the layers before it.

    `caret` is where the text of the layer that is edited begins and ends: `at` is the number of its first
    step, None where it has none.
    """
    try:
        net, seen = _read(text, volume)
        found = ledger(net, seen, strict=strict)
    except UnfitError as error:
        before = network_json(Ledger.of(error.steps[0].inputs[0], error.steps)) if error.steps else None
        return {"error": str(error), "network": before, "at": None}
    except HubelError as error:
        return {"error": str(error), "network": None, "at": None}
    at = None if caret is None else _step_at(text, seen, caret)
    return {"error": "", "network": network_json(found), "at": at, "notation": repr(net)}


def _read(text: str, volume: str) -> tuple[Net, Volume]:
    """The network and its input. Raises HubelError: the text is no network, or too large to be designed."""
    if len(text) > MOST_TEXT:
        raise NotationError(f"a notation has at most {MOST_TEXT:,} characters here, not {len(text):,}")
    wanted = Volume.of(volume)
    net = lookup.find(text, volume=wanted)[0] if lookup.known(text) else parse(text)
    if net.layers > MOST_LAYERS:
        raise NotationError(f"a network has at most {MOST_LAYERS:,} layers here, not {net.layers:,}")
    return net, wanted


def _step_at(text: str, volume: Volume, caret: tuple[int, int]) -> int | None:
    """The number of the first step that the layer between two places of the text makes."""
    first, last = caret
    marked = f'{text[:first]}named("{CARET}", {text[first:last]}){text[last:]}'
    try:
        steps = trace(parse(marked), volume)
    except HubelError:
        return None
    return next((at for at, step in enumerate(steps) if CARET in step.path), None)


@cache
def zoo_json() -> list[Json]:
    """Returns the networks of the zoo that may be designed, with their input, year and paper."""
    return [
        {
            "name": name,
            "volume": str(entry.input),
            "year": entry.year,
            "paper": entry.paper,
            "data": entry.data,
        }
        for name, entry in ZOO.items()
        if lookup.find(name)[0].layers <= MOST_LAYERS
    ]


def zoo_notation(name: str) -> Json:
    """Returns the notation of a network of the zoo. Raises RefusedError: there is none of this name."""
    try:
        net, volume = lookup.find(name)
    except NotationError as error:
        raise RefusedError(404, str(error)) from None
    return {"name": name, "notation": repr(net), "volume": str(volume)}
