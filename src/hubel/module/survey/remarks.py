"""What a row of a survey says beside its numbers: what is unknown, or no volume."""

from __future__ import annotations

from torch import Tensor

from hubel.errors import NetworkError
from hubel.module.survey.arguments import Call
from hubel.module.survey.costs import Tally
from hubel.module.survey.places import by_shape
from hubel.net.axes import GlobalAxis
from hubel.net.window import Window


def remark_of(call: Call, tally: Tally, window: Window) -> str:
    """Returns what is unknown of a call; an unknown window is noted once, at the first such call."""
    known = not mixes(window) or any(place.mixed for _, place in call.activations)
    remarks = [_unknown(call, tally), "" if known else "its window is unknown: at most the whole input"]
    return "; ".join(filter(None, remarks))


def unlike_volumes(call: Call, made: Tensor) -> str:
    """Returns how a tensor that is no volume is shown. Raises NetworkError: it has no values."""
    shape = "x".join(map(str, made.shape))
    if not made.numel():
        raise NetworkError(f"{call.name} makes a tensor of {shape}, without values; it has no volume")
    volume, axes = by_shape(made)
    known = "?" not in axes or any("?" in place.axes or place.mixed for _, place in call.activations)
    return "" if known else f"a tensor of {shape} is no volume; shown as {volume}"


def mixes(window: Window) -> bool:
    """Whether every unit sees all rows, or all columns."""
    return any(isinstance(axis, GlobalAxis) for axis in window.axes)


def _unknown(call: Call, tally: Tally) -> str:
    if tally.unknown:
        return f"not accounted: {', '.join(tally.unknown)}; MACs unknown"
    if call.name in ("group_norm", "instance_norm"):
        return "its statistics are of the whole map; the receptive field leaves them out"
    return ""
