"""Memory by named accounting, in bytes for one image in float32.

Published figures for the same network differ because they count different things. Each accounting here has
a name and one definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from hubel.net.layer import FLOAT_BYTES, Keeps
from hubel.net.layers import Rbf
from hubel.net.trace import INPUT, Step, at_inference


def overwriting(steps: Sequence[Step]) -> set[str]:
    """Returns the paths of the steps that write no new activations.

    They pass their input on, or overwrite it where no later step reads it.
    """
    holders = _holders(steps)
    readers = Counter(holders[source] for step in steps for source in step.sources)
    paths = set()
    for step in steps:
        alone = readers[holders[step.sources[0]]] == 1
        if holders[step.path] != step.path or (alone and step.layer.in_place(step.inputs[0])):
            paths.add(step.path)
        readers.subtract(holders[source] for source in step.sources)
    return paths


def backward_bytes(steps: Sequence[Step]) -> int:
    """Returns what PyTorch's autograd saves for the backward pass, without parameters and buffers.

    Each volume counts once, however many layers save it. Included are the int64 indices of max pooling, the
    masks of dropout and the statistics of batch normalisation. Layers before the first parameters save
    nothing, as the image needs no gradient. The tests check the number against saved-tensor hooks.
    """
    holders = _holders(steps)
    need_gradient: set[str] = set()
    saved: dict[str, int] = {}
    more = 0
    sizes = {step.path: step.output.values for step in steps}
    if steps:
        sizes[INPUT] = steps[0].inputs[0].values

    for step in steps:
        first = need_gradient.isdisjoint(step.sources)
        if first and not step.layer.params(step.inputs[0]):
            continue
        need_gradient.add(step.path)
        keeps = step.layer.keeps(step.inputs[0])
        more += keeps.more
        for path in _kept(step, keeps, need_gradient, first=first):
            saved[holders[path]] = sizes[holders[path]]
    return FLOAT_BYTES * sum(saved.values()) + more


def _kept(step: Step, keeps: Keeps, need_gradient: set[str], *, first: bool) -> Iterator[str]:
    """Yields the paths whose values a step saves; `first`: no layer before it is trained."""
    if keeps.input and not (first and keeps.relays):
        yield step.sources[0]
    if keeps.others:
        yield from step.sources[1:]
    if keeps.crossed:
        for at, source in enumerate(step.sources):
            if not need_gradient.isdisjoint(step.sources[:at] + step.sources[at + 1 :]):
                yield source
    if keeps.output:
        yield step.path


def inference_peak_bytes(steps: Sequence[Step]) -> int:
    """Returns the most bytes of activations alive at once, each freed after its last reader."""
    alive = {INPUT: steps[0].inputs[0].values} if steps else {}
    main = at_inference(tuple(steps))
    holders, over = _holders(steps), overwriting(main)
    writers = [step for step in main if holders[step.path] == step.path]
    readers = Counter(holders[source] for step in writers for source in step.sources)
    peak = sum(alive.values())
    for step in writers:
        peak = max(peak, sum(alive.values()) + (0 if step.path in over else step.output.values))
        for source in step.sources:
            holder = holders[source]
            readers[holder] -= 1
            if readers[holder] == 0:
                del alive[holder]
        alive[step.path] = step.output.values
    return FLOAT_BYTES * peak


def bytes_to_run(steps: Sequence[Step]) -> int:
    """Returns what a built network takes to run on one image: its parameters, codes and activations."""
    params = sum(step.layer.params(step.inputs[0]) for step in steps)
    codes = sum(step.layer.macs(step.inputs[0]) for step in steps if isinstance(step.layer, Rbf))
    return FLOAT_BYTES * (params + codes) + inference_peak_bytes(steps)


def _holders(steps: Sequence[Step]) -> dict[str, str]:
    """Returns for every path the path that holds its values: an earlier one where a layer passes them on."""
    holders = {INPUT: INPUT}
    for step in steps:
        holders[step.path] = holders[step.sources[0]] if step.layer.view else step.path
    return holders
