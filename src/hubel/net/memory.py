"""Memory by named accounting, for one image in float32, in bytes.

The field's figures for one network differ because they count different things; each accounting
here has a name and one definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hubel.net.layer import FLOAT_BYTES
from hubel.net.layers import Dropout, Identity, SideHead
from hubel.net.trace import INPUT, Step, at_inference


def overwriting(steps: Sequence[Step]) -> set[str]:
    """The paths of the steps that write nothing new.

    They hand their input on, or work in place on values nobody else reads afterwards.
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
    """What PyTorch's autograd keeps for the backward pass, parameters and buffers apart.

    Each volume counts once, however many layers keep it; with pooling's int64 indices, dropout's
    masks and batch norm's statistics. Layers before the first parameters keep nothing: the image
    needs no gradient. Checked against saved-tensor hooks.
    """
    holders = _holders(steps)
    learning: set[str] = set()
    kept: dict[str, int] = {}
    more = 0
    sizes = {step.path: step.output.values for step in steps}
    if steps:
        sizes[INPUT] = steps[0].inputs[0].values

    def keep(path: str) -> None:
        kept[holders[path]] = sizes[holders[path]]

    for step in steps:
        first = learning.isdisjoint(step.sources)
        if first and not step.layer.params(step.inputs[0]):
            continue
        learning.add(step.path)
        keeps = step.layer.keeps(step.inputs[0])
        more += keeps.more
        if keeps.input and not (first and keeps.relays):
            keep(step.sources[0])
        if keeps.others:
            for source in step.sources[1:]:
                keep(source)
        if keeps.output:
            keep(step.path)
    return FLOAT_BYTES * sum(kept.values()) + more


def inference_peak_bytes(steps: Sequence[Step]) -> int:
    """The most activation bytes alive at once, every buffer freed after its last reader."""
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


def _holders(steps: Sequence[Step]) -> dict[str, str]:
    """For every path, the path that holds its values: another one where a layer only hands them on."""
    holders = {INPUT: INPUT}
    for step in steps:
        same = step.layer.view or isinstance(step.layer, (Identity, SideHead)) or step.layer == Dropout(0)
        holders[step.path] = holders[step.sources[0]] if same else step.path
    return holders
