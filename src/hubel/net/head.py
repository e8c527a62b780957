"""The head: the last layer that learns, whose units are the classes; each member's in an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hubel.errors import NetworkError
from hubel.net.algebra import Beside, Chain, Named, Net, Plus, Side, Times
from hubel.net.layers import Add, Fc
from hubel.net.sliding import Conv
from hubel.net.trace import Step


def with_classes(net: Net, classes: int) -> Net:
    """The network with so many units in its head, and in the head of each side.

    Where it ends in a sum, so does it in heads. Raises NetworkError: its last layer that learns is no
    fully connected one or convolution.
    """
    found = _with(_sides(net, classes), classes)
    if found is None:
        raise NetworkError("the network has no head: it does not end in one fc or conv for the classes")
    return found


def end_of(steps: Sequence[Step]) -> Step:
    """The step that gives the scores: the last that is of no side head."""
    return next(step for step in reversed(steps) if not step.side)


def members(last: Step) -> tuple[str, ...]:
    """The paths of the scores that the last step adds up, as of an ensemble; none where it adds up none."""
    return last.sources if isinstance(last.layer, Add) and last.output.plane == (1, 1) else ()


def heads(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The last steps that learn before the last of all: several where what they make is added up."""
    known = {step.path: step for step in steps}
    found: dict[str, Step] = {}
    waiting = [steps[-1].path]
    while waiting:
        step = known.pop(waiting.pop(), None)  # the input, or a step that was met before
        if step is None:
            continue
        if step.layer.params(step.inputs[0]):
            found[step.path] = step
        else:
            waiting += step.sources if isinstance(step.layer, Add) else step.sources[:1]
    return tuple(step for step in steps if step.path in found)


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
        case Plus(parts=parts):
            return Plus(tuple(with_classes(part, classes) for part in parts))
        case Beside() | Times():
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
