"""The filters of a layer: their statistics, which are dead, and which are duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.errors import UsageError
from hubel.instruments.subject import Subject, bare
from hubel.net import layers as spec
from hubel.net import sliding
from hubel.net.layer import Layer
from hubel.net.norms import BatchNorm
from hubel.net.trace import Step

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Weights = npt.NDArray[np.float32]
    Counts = npt.NDArray[np.int64]

ALIKE = 0.95
"""Filters whose cosine is at least this are duplicates; at most its negative, negatives of each other."""

DEAD = 1e-4
"""A norm or scale below this fraction of the layer's largest counts as zero."""

SPARSE = 0.01
"""A weight below this fraction of the layer's largest counts as zero."""


@dataclass(frozen=True, slots=True)
class Twins:
    """Two filters of the same direction: `cosine` from `ALIKE` to 1, or to -1 if of opposite directions."""

    first: int
    second: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a convolution or fully connected layer at `path`, whose input is `source`.

    `weights`: float32, filters x maps x height x width, with 0 where a link is missing. `sees`: int64,
    filters x maps, the number of the input map that each of these is, out of `depth` input maps.
    `norm`, `mean`, `std`, `energy`, `sparsity`: float64, one per filter. `energy` is its share of the sum
    of all squared weights, `sparsity` the fraction of its weights near zero (`SPARSE`).
    `dead`: the reason why a filter has no effect, by its number. `twins`: pairs of nearly the same direction.
    """

    path: str
    layer: Layer
    source: str
    depth: int
    weights: Weights
    sees: Counts
    norm: Floats
    mean: Floats
    std: Floats
    energy: Floats
    sparsity: Floats
    dead: dict[int, str]
    twins: tuple[Twins, ...]

    @property
    def scale(self) -> float:
        """The largest magnitude of all weights."""
        return float(np.abs(self.weights).max(initial=0))

    @property
    def order(self) -> Counts:
        """The filters' numbers by energy, the largest first."""
        return np.argsort(-self.energy, kind="stable")

    @property
    def maps(self) -> Counts:
        """The input maps' numbers by the energy of all weights on them, the largest first."""
        energy = np.zeros(self.depth)
        np.add.at(energy, self.sees, np.einsum("nmhw,nmhw->nm", self.weights, self.weights, dtype=np.float64))
        return np.argsort(-energy, kind="stable")


def filters(subject: Subject, path: str | None = None, *, alike: float = ALIKE) -> Filters:
    """Returns the filters of a layer, by default of the first convolution or else fully connected layer.

    `alike` is the cosine from which on filters are twins. Raises UsageError: no such layer, one without
    filters, or a cosine outside 0 to 1.
    """
    if not 0 < alike <= 1:
        raise UsageError(f"alike is a cosine above 0 and at most 1, not {alike:g}")
    step = _first(subject) if path is None else subject.step(path)
    layer = bare(step.layer)
    if not isinstance(layer, (sliding.Conv, spec.Fc)):
        known = ", ".join(step.path for step in _having(subject)) or "none"
        raise UsageError(f"{step.path} is {layer!r} and has no filters; those that have: {known}")
    weights, sees = _weights(subject.works_with(step.path), layer, step)
    flat = weights.reshape(len(weights), -1)
    squares = np.einsum("nm,nm->n", flat, flat, dtype=np.float64)
    norm = np.sqrt(squares)
    dead = _dead(subject, step, norm)
    return Filters(
        path=step.path,
        layer=layer,
        source=step.sources[0],
        depth=step.inputs[0].depth,
        weights=weights,
        sees=sees,
        norm=norm,
        mean=flat.mean(1, dtype=np.float64),
        std=np.array([filter_.std(dtype=np.float64) for filter_ in flat]),
        energy=squares / (squares.sum() or 1.0),
        sparsity=(np.abs(flat) <= SPARSE * np.abs(flat).max(initial=0)).mean(1),
        dead=dead,
        twins=_twins(weights, sees, norm, dead, alike),
    )


def _having(subject: Subject) -> list[Step]:
    """The steps that have filters."""
    return [step for step in subject.steps if isinstance(bare(step.layer), (sliding.Conv, spec.Fc))]


def _first(subject: Subject) -> Step:
    having = _having(subject)
    convs = [step for step in having if isinstance(bare(step.layer), sliding.Conv)]
    for step in (*convs, *having):
        return step
    raise UsageError("the network has no layer with filters")


def _weights(
    works_with: Mapping[str, Any], layer: sliding.Conv | spec.Fc, step: Step
) -> tuple[Weights, Counts]:
    """The weights of each filter on each input map, and the number of that input map."""
    seen = step.inputs[0]
    weight = works_with["weight"].detach().float().cpu().numpy()
    if isinstance(layer, spec.Fc):
        return weight.reshape(-1, seen.depth, *seen.plane), np.tile(np.arange(seen.depth), (layer.units, 1))
    every = np.tile(np.arange(seen.depth), (layer.filters, 1))
    if "filter_of" in works_with:  # a convolution with links
        dense = np.zeros(works_with["shape"], np.float32)
        dense[works_with["filter_of"].cpu().numpy(), works_with["map_of"].cpu().numpy()] = weight
        return dense, every
    rows, columns = layer.window(seen).axes
    weight = weight.reshape(layer.filters, -1, rows.size, columns.size)
    depth = seen.depth // layer.groups
    group = np.arange(layer.filters) // (layer.filters // layer.groups)
    return weight, group[:, None] * depth + np.arange(depth)


def _dead(subject: Subject, step: Step, norm: Floats) -> dict[int, str]:
    """Filters whose weights are zero, and those whose map a batch normalisation scales to zero."""
    dead = {int(at): "its weights are zero" for at in np.flatnonzero(norm <= DEAD * norm.max(initial=0))}
    readers = [each for each in subject.steps if step.path in each.sources]
    if len(readers) != 1 or not isinstance(bare(readers[0].layer), BatchNorm):
        return dead
    scale = subject.works_with(readers[0].path).get("weight")
    if scale is None:
        return dead
    size = np.abs(scale.detach().double().cpu().numpy())
    why = f"{readers[0].path} scales it to zero"
    return dead | {
        int(at): why for at in np.flatnonzero(size <= DEAD * size.max(initial=0)) if at not in dead
    }


def _twins(
    weights: Weights, sees: Counts, norm: Floats, dead: dict[int, str], alike: float
) -> tuple[Twins, ...]:
    """Pairs of filters on the same input maps with nearly the same direction, the most similar first."""
    found: list[Twins] = []
    for group in np.unique(sees[:, 0]):
        members = np.array([at for at in np.flatnonzero(sees[:, 0] == group) if at not in dead], np.int64)
        unit = weights[members].reshape(len(members), weights[0].size) / norm[members, None].astype(
            np.float32
        )
        if unit.shape[1] < 2:  # a single number has no direction
            continue
        cosines = np.clip(unit @ unit.T, -1, 1)
        for first, second in np.argwhere(np.triu(np.abs(cosines) >= alike, 1)):
            pair = int(members[first]), int(members[second])
            found.append(Twins(*pair, float(cosines[first, second])))
    return tuple(sorted(found, key=lambda twins: (-abs(twins.cosine), twins.first, twins.second)))
