"""Loading weights: the tensors of torchvision, timm and others into a built network.

Each tensor goes where an explicit map puts it (`hubel.module.state_dict_maps`) or is left out for a stated
reason. Anything else is refused before a single number has changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hubel.errors import ModelError
from hubel.module.network import Network
from hubel.module.state_dict_maps import LAYOUTS, Layout
from hubel.net.layers import Fc
from hubel.net.norms import LayerScale
from hubel.net.sliding import Conv
from hubel.zoo.registry import ZOO

AVERAGED = re.compile(r"(^|[._])ema([._]|$)")
"""What marks names of a moving average of the weights: `model_ema.module.`, `state_dict_ema`."""

LISTED = 5
"""The most names of tensors that a remark lists."""

COUNTER = "num_batches_tracked"
"""Batch normalisation's count of batches, which no result depends on: loaded if present."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded.

    `maker` is the library whose names the weights have, and `matched` the number of tensors that were loaded.
    If the weights are for other classes, `head` is their number and the network's, the head stays as
    initialised, and `left` are the tensors that were left out. `untrained` are the side heads that the
    weights lack, and `summed` is the convolution whose three colour channels were summed into one. `prefix`
    stood before the names of all that was loaded; `beside` are the tensors without it, which were left out.
    """

    maker: str
    matched: int
    head: tuple[int, int] | None = None
    left: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()
    summed: str = ""
    prefix: str = ""
    beside: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to say of the names: the prefix that was taken off, and the tensors that were left out."""
        prefix = [f"the prefix {self.prefix} is taken off"] if self.prefix else []
        beside = [f"left out, not of the network: {listed(self.beside)}"] if self.beside else []
        return (*prefix, *beside)

    def __str__(self) -> str:
        parts = [f"head {self.head[0]} -> {self.head[1]} reset"] if self.head else []
        parts += [f"{', '.join(self.untrained)} left as initialised"] if self.untrained else []
        parts += [f"{self.summed} summed over its colours for grey input"] if self.summed else []
        return ", ".join([*parts, f"{self.matched} tensors matched"])


def load_weights(
    module: Network, state: Mapping[str, Tensor], *, other_classes: bool = False, ema: bool = False
) -> Loaded:
    """Loads weights into a network, in place: its own, or those of another library for a network of the zoo.

    `state` is a state_dict. The prefix under which it has the network is taken off, such as `module.` of
    `DataParallel` or `model.` of Lightning, and tensors without it are left out. If it has a moving average
    besides, that is taken with `ema`, else the weights themselves. The weight of a fully connected layer may
    have the shape of a convolution. For a network with grey input, the weight of the first convolution is
    summed over the colours. A head with another number of classes stays as it is; with `other_classes`, so
    does a head with the same number.

    Raises ModelError, which names the first tensor that does not fit; the network is then unchanged.
    """
    _check(state)
    layout, prefix = _likeliest(module, state, ema=ema)
    weights = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    fitting = _Fitting(module, weights, layout, other_classes=other_classes)
    values = fitting.values()
    own = module.state_dict()
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)
    return Loaded(
        layout.maker,
        len(values),
        fitting.head,
        tuple(fitting.left),
        tuple(fitting.untrained),
        fitting.summed,
        prefix,
        tuple(name for name in state if not name.startswith(prefix)),
    )


def listed(names: Sequence[str]) -> str:
    """Returns names in a list, the first of many alone."""
    rest = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest


class _Fitting:
    """One attempt to fit weights to a network, and what was left out or changed on the way."""

    def __init__(
        self, module: Network, weights: Mapping[str, Tensor], layout: Layout, *, other_classes: bool
    ) -> None:
        self.module = module
        self.weights = weights
        self.other_classes = other_classes
        self.paths = layout.paths()
        trainable = [step for step in module.steps if step.layer.params(step.inputs[0])]
        self.steps = {step.path: step for step in trainable}
        self.heads = {step.path for step in {step.side: step for step in trainable}.values()}
        theirs = {name.rpartition(".")[0] for name in weights}
        present = {step.side for step in trainable if self.paths.get(step.path) in theirs}
        self.untrained = [
            side for side in dict.fromkeys(step.side for step in trainable) if side and side not in present
        ]
        self.head: tuple[int, int] | None = None
        self.left: list[str] = []
        self.summed = ""

    def values(self) -> dict[str, Tensor]:
        """Returns the tensor for each name of the network. Raises ModelError: a tensor does not fit."""
        values: dict[str, Tensor] = {}
        used: set[str] = set()
        reset: list[str] = []
        for name, own in self.module.state_dict().items():
            path, _, leaf = name.rpartition(".")
            theirs = self._theirs(name)
            if path in self.steps and self.steps[path].side in self.untrained:
                continue
            if theirs not in self.weights:
                if leaf == COUNTER:
                    continue
                raise self._missing(theirs, own.shape)
            used.add(theirs)
            value = self.weights[theirs]
            if self._of_other_classes(path, own, value):
                reset.append(name)
                self.left.append(theirs)
            else:
                values[name] = self._shaped(path, theirs, own, value)
        taken = {path for path, _, leaf in (name.rpartition(".") for name in values) if leaf != COUNTER}
        for name in reset:
            if name.rpartition(".")[0] in taken:
                raise self._misfit(self._theirs(name), self.module.state_dict()[name].shape)
        for theirs, value in self.weights.items():
            if theirs not in used:
                raise ModelError(
                    f"the weights have {theirs} of {_shape(value.shape)}, for which the network has no place"
                    f"{_advice(self.module, self.weights)}"
                )
        return values

    def _theirs(self, name: str) -> str:
        path, _, leaf = name.rpartition(".")
        theirs, step = self.paths.get(path, path), self.steps.get(path)
        bare = step is not None and isinstance(step.layer, LayerScale) and theirs != path
        return theirs if bare else f"{theirs}.{leaf}"  # layer scale is a tensor elsewhere, no layer

    def _of_other_classes(self, path: str, own: Tensor, value: Tensor) -> bool:
        """Whether the tensor belongs to a head with other classes, and nothing else differs."""
        if path not in self.heads or not value.shape or value[0].numel() != own[0].numel():
            return False
        if value.shape[0] == own.shape[0] and not self.other_classes:
            return False
        if not self.steps[path].side:
            self.head = (value.shape[0], own.shape[0])
        return True

    def _shaped(self, path: str, theirs: str, own: Tensor, value: Tensor) -> Tensor:
        """Returns the tensor in the network's shape. Raises ModelError: it does not fit."""
        step = self.steps.get(path)
        if value.is_floating_point() != own.is_floating_point():
            raise ModelError(f"{theirs} has type {value.dtype}, where the network has {own.dtype}")
        if step is not None and isinstance(step.layer, Fc) and value.dim() == 4:
            value = value.flatten(1)
        if step is not None and isinstance(step.layer, Conv) and value.dim() == 2 and own.dim() == 4:
            value = value[:, :, None, None]  # a linear map of the maps at each place
        if step is not None and isinstance(step.layer, LayerScale):
            value = value.flatten()
        if step is not None and isinstance(step.layer, Conv) and self._is_grey_stem(path, own, value):
            value = value.sum(1, keepdim=True)
            self.summed = path
        if value.shape != own.shape:
            raise self._misfit(theirs, own.shape)
        if own.is_floating_point() and not _is_finite(value.to(own.dtype)):
            raise ModelError(f"{theirs} has values that are not finite: these weights are corrupt")
        return value

    def _is_grey_stem(self, path: str, own: Tensor, value: Tensor) -> bool:
        first = next(iter(self.steps)) == path and self.module.volume.depth == 1
        colours = (own.shape[0], 3, *own.shape[2:])
        return first and own.dim() == 4 and own.shape[1] == 1 and tuple(value.shape) == colours

    def _missing(self, theirs: str, shape: torch.Size) -> ModelError:
        """Says that a tensor is missing, or most of them, as in weights of another network."""
        wanted = [self._theirs(name) for name in self.module.state_dict() if not name.endswith(COUNTER)]
        missing = [name for name in wanted if name not in self.weights]
        if 2 * len(missing) < len(wanted) or len(missing) < 2:
            return self._misfit(theirs, shape)
        return ModelError(
            f"these weights seem to be of another network: {len(missing)} of {len(wanted)} tensors are "
            f"missing, such as {' and '.join(missing[:2])}; they have {' and '.join([*self.weights][:2])}"
            f"{_advice(self.module, self.weights)}"
        )

    def _misfit(self, theirs: str, shape: torch.Size) -> ModelError:
        had = _shape(self.weights[theirs].shape) if theirs in self.weights else "no such tensor"
        advice = _advice(self.module, self.weights)
        return ModelError(f"{theirs}: the network has {_shape(shape)}, the weights have {had}{advice}")


def _check(state: Mapping[str, Tensor]) -> None:
    """Raises ModelError: not a state_dict."""
    if not isinstance(state, Mapping) or not state:
        raise ModelError("weights are a state_dict, names and tensors; this is empty or something else")
    for name, value in state.items():
        plain = isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta
        if not isinstance(name, str) or not plain:
            raise ModelError(
                f"weights are a state_dict, names and tensors; {name!r} is not a tensor of numbers"
            )


def _likeliest(module: Network, state: Mapping[str, Tensor], *, ema: bool) -> tuple[Layout, str]:
    """Returns the layout that shares most names with the weights, and the prefix under which it does.

    Raises ModelError: the weights have the network under several prefixes.
    """
    own = Layout("hubel", lambda: {step.path: step.path for step in module.steps})
    found = [(layout, _prefixes(module, layout, state, ema=ema)) for layout in (own, *_layouts(module))]
    layout, (prefixes, _) = max(found, key=lambda each: each[1][1])
    if len(prefixes) > 1:
        raise ModelError(
            f"the weights have this network several times, under {listed(prefixes)}; save those of one alone"
        )
    return layout, prefixes[0]


def _prefixes(
    module: Network, layout: Layout, state: Mapping[str, Tensor], *, ema: bool
) -> tuple[list[str], int]:
    """Returns the prefixes under which the weights have most names of a layout, and how many those are.

    Prefixes of a moving average are left out, or with `ema` all others, unless there are no others.
    """
    paths = layout.paths()
    split = (name.rpartition(".") for name in module.state_dict())
    expected = {f"{paths.get(path, path)}.{leaf}" for path, _, leaf in split if leaf != COUNTER}
    scales = [step.path for step in module.steps if isinstance(step.layer, LayerScale)]
    expected |= {paths[path] for path in scales if paths.get(path, path) != path}
    counted: Counter[str] = Counter()
    for name in state:
        starts = (0, *(dot.end() for dot in re.finditer(r"\.", name)))
        counted.update(name[:start] for start in starts if name[start:] in expected)
    asked = {prefix: count for prefix, count in counted.items() if bool(AVERAGED.search(prefix)) == ema}
    if 2 * max(asked.values(), default=0) < max(counted.values(), default=0):
        asked = dict(counted)  # there is nothing but the other
    most = max(asked.values(), default=0)
    return [prefix for prefix, count in asked.items() if count == most] or [""], most


def _layouts(module: Network) -> tuple[Layout, ...]:
    """Returns how others name the layers of this network, if the zoo has it with any number of classes."""
    classes = module.output.depth
    for name, layouts in LAYOUTS.items():
        if ZOO[name].make(classes=classes) == module.net:
            return layouts
    return ()


def _is_finite(value: Tensor) -> bool:
    """Whether all values are finite: asked of the least and the greatest, for which no copy is made."""
    return value.numel() == 0 or bool(torch.stack(value.aminmax()).isfinite().all())


def _advice(module: Network, weights: Mapping[str, Tensor]) -> str:
    """Returns a line with the networks whose names the weights have, if this one takes its own alone."""
    if _layouts(module):
        return ""
    paths = {*weights, *(name.rpartition(".")[0] for name in weights)}
    sizes = {name: max(_shared(layout, paths) for layout in LAYOUTS[name]) for name in LAYOUTS}
    fits = [name for name, size in sizes.items() if size and size == max(sizes.values())]
    hint = f"; these have the names of {listed(fits)}" if fits else ""
    return f".\n  This network takes none but its own weights{hint}"


def _shared(layout: Layout, paths: set[str]) -> int:
    """How many layers a layout has, if all of them are among some paths; else 0."""
    theirs = layout.paths().values()
    return len(theirs) if paths.issuperset(theirs) else 0


def _shape(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a single number"
