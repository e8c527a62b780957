"""The records of a run as steps: paths, shared parameters, side heads, parameters that nothing reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch import nn

from hubel.module.survey.calls import Visit
from hubel.module.survey.watch import Record, Watch
from hubel.net.foreign import Foreign, Marked, Unused
from hubel.net.layer import Layer
from hubel.net.trace import INPUT, Step


def steps_of(
    watch: Watch, ends: Sequence[int], module: nn.Module, *, sides: bool, unused: bool = True
) -> tuple[Step, ...]:
    """Returns the steps of a run whose first result comes from record number `ends[0]`.

    `sides`: records that do not lead there are side heads. `unused`: parameters that nothing reads get steps.
    """
    records = watch.records
    names = {name for name, _ in module.named_modules()}
    paths = _paths(records, names)
    owners: dict[str, int] = {}
    main = _behind(records, ends[:1]) if sides else set(range(len(records)))
    heads = _heads(records, paths, main)
    steps: list[Step] = []
    for at, record in enumerate(records):
        layer = _counted(watch, record, owners, paths)
        for name in record.origin.weights:
            owners.setdefault(name, at)
        sources = tuple(INPUT if source < 0 else paths[source] for source in record.sources)
        steps.append(Step(paths[at], layer, sources, record.inputs, record.output, heads.get(at, "")))
    if unused:
        left = {name for name in watch.costs if name not in owners and not name.startswith("operation ")}
        end = steps[ends[0]] if ends and ends[0] >= 0 else None
        steps += _left_over(watch, left, end, set(paths))
    return tuple(steps)


def _paths(records: Sequence[Record], names: set[str]) -> list[str]:
    """Returns the path of every record: its submodule's, with kind and number if that made several."""
    taken = {INPUT}
    paths = []
    for record in records:
        path = _path(record.layer, record.visit, names)
        again = 1
        while path in taken:
            again += 1
            path = f"{path.partition('#')[0]}#{again}"
        taken.add(path)
        paths.append(path)
    return paths


def _path(layer: Layer, visit: Visit, names: set[str]) -> str:
    if visit.path and visit.own == 1 and not visit.inner:
        return visit.path
    prefix = f"{visit.path}." if visit.path else ""
    while True:
        visit.numbers[layer.kind] = visit.numbers.get(layer.kind, 0) + 1
        gap = "_" if layer.kind[-1].isdigit() else ""
        path = f"{prefix}{layer.kind}{gap}{visit.numbers[layer.kind]}"
        if path not in names:
            return path


def _counted(watch: Watch, record: Record, owners: dict[str, int], paths: Sequence[str]) -> Layer:
    """Returns the layer with the parameters that its row counts: those that no earlier row has read."""
    new = [name for name in record.origin.weights if name not in owners]
    own = sum(watch.costs[name][0] for name in new)
    extra = sum(watch.costs[name][1] for name in new)
    shared = sorted({owners[name] for name in record.origin.weights if name in owners})
    remark = (
        f"shared: its parameters are counted in {', '.join(paths[at] for at in shared)}" if shared else ""
    )
    layer = record.layer
    if isinstance(layer, Foreign):
        macs = None if layer.own_macs is None else layer.own_macs + extra
        remark = "; ".join(part for part in (remark, layer.remark) if part)
        return replace(layer, own_params=own, own_macs=macs, remark=remark)
    usual = layer.params(record.inputs[0])
    if own == usual and not extra and not shared:
        return layer
    if not shared:
        remark = f"{own:,} parameters in place of {usual:,}" if own != usual else ""
    if extra:
        made = f"{extra:,} of its MACs make its weights"
        remark = f"{remark}; {made}" if remark else made
    return Marked(layer, own, extra, remark)


def _behind(records: Sequence[Record], ends: Iterable[int]) -> set[int]:
    """Returns the numbers of the records that lead to the given ones."""
    found: set[int] = set()
    left = [end for end in ends if end >= 0]
    while left:
        at = left.pop()
        if at not in found:
            found.add(at)
            left += [source for source in records[at].sources if source >= 0]
    return found


def _heads(records: Sequence[Record], paths: Sequence[str], main: set[int]) -> dict[int, str]:
    """Returns for each record outside `main` its side head: the prefix that its paths share."""
    heads: dict[int, int] = {}
    for at, record in enumerate(records):
        if at not in main:
            heads[at] = next((heads[source] for source in record.sources if source in heads), at)
    names = {
        first: _common([paths[at] for at in heads if heads[at] == first]) or f"side{number}"
        for number, first in enumerate(dict.fromkeys(heads.values()), 1)
    }
    return {at: names[first] for at, first in heads.items()}


def _common(paths: Sequence[str]) -> str:
    """Returns the dotted prefix that paths share."""
    parts = [path.split(".") for path in paths]
    shared = [each[0] for each in zip(*parts, strict=False) if len(set(each)) == 1]
    return ".".join(shared)


def _left_over(watch: Watch, left: set[str], end: Step | None, taken: set[str]) -> list[Step]:
    """Returns a step for each submodule whose parameters are all unread, the largest ones only."""
    groups: dict[str, int] = {}
    names = [name for name in watch.costs if not name.startswith("operation ")]
    for name in names:
        if name in left:
            owner = name
            while "." in owner:
                above = owner.rpartition(".")[0]
                if any(other.startswith(f"{above}.") and other not in left for other in names):
                    break
                owner = above
            groups[owner] = groups.get(owner, 0) + watch.costs[name][0]
    steps = []
    for path, count in groups.items():
        place = path if path not in taken else f"{path}.unused"
        sources, volume = ((end.path,), end.output) if end else ((INPUT,), watch.entry_volume)
        steps.append(Step(place, Unused(own_params=count), sources, (volume,), volume))
    return steps
