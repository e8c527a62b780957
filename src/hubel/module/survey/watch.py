"""The recorder of a run on the meta device: every call on an activation becomes a record.

PyTorch's functions are recorded where they are called (`TorchFunctionMode`), so that a batch normalisation is
one record and not the dozen operations it is made of. A call that `hubel.module.survey.reading` reads becomes
that layer; any other becomes a `Foreign` layer, whose MACs are counted from its aten calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hubel.module.survey.arguments import Call, check_depth, factor_of, image, per_depth
from hubel.module.survey.calls import ENTERS, Origin, Visit, Visits, name_of, tensors
from hubel.module.survey.costs import Saved, Tally, storage
from hubel.module.survey.geometry import NORMALISATIONS, sees, whole
from hubel.module.survey.pads import operation, padded
from hubel.module.survey.places import Place, by_shape, moved
from hubel.module.survey.reading import JOINERS, ON_IMAGES, OWN, READERS
from hubel.module.survey.remarks import mixes, remark_of, unlike_volumes
from hubel.net.foreign import Foreign
from hubel.net.layer import Join, Layer
from hubel.net.layers import Shuffle
from hubel.net.volume import Volume
from hubel.net.window import ONE, Window

COPIES = {"contiguous", "reshape", "flatten", "clone", "to", "float", "double", "half", "bfloat16", "type"}
COPIES |= {"type_as", "detach", "cpu", "cuda", "_to_copy", "view"}
"""Functions that return the same values, copied or not."""


@dataclass(slots=True)
class Record:
    """A future step; `sources` are numbers of records, -1 for the input."""

    layer: Layer
    sources: tuple[int, ...]
    inputs: tuple[Volume, ...]
    output: Volume
    origin: Origin
    visit: Visit


class Watch(TorchFunctionMode):
    """Records one run.

    `costs` has the number of parameters and MACs of everything that weights are made from: parameters by
    name, and operations on them by number. `failed_in` is the submodule in which the run failed, and its
    input.
    """

    def __init__(self, copy: nn.Module, original: nn.Module, entry: Tensor, volume: Volume) -> None:
        super().__init__()
        self.records: list[Record] = []
        self.costs: dict[str, tuple[int, int]] = {}
        self.failed_in: tuple[str, str] | None = None
        self.entry_volume = volume
        self._places = {id(entry): Place(-1, volume, ("1", "c", "h", "w"))}
        self._weights: dict[int, frozenset[str]] = {}
        self._alive: list[Tensor] = [entry]
        self._visits = Visits()
        self._call = ("", 1)
        self._muted = 0
        self._originals = dict(original.named_modules())
        for name, parameter in copy.named_parameters():
            self.costs[name] = (parameter.numel(), 0)
            self._weights[id(parameter)] = frozenset((name,))

    # --- where in the module the run is -------------------------------------------------------------

    def enter(self, path: str) -> None:
        """Notes that a submodule is called."""
        self._visits.enter(path)
        self._muted += type(self._originals.get(path)) in OWN

    def leave(self, path: str, module: nn.Module, inputs: Any, out: Any) -> None:
        """Notes that a submodule has returned, or failed, in which case `out` is None."""
        original = self._originals.get(path)
        activations = self._activations(tensors(inputs))
        self._call = ("", 1)
        if original is not None and type(original) in OWN:
            self._muted -= 1
            if out is not None:
                layer = OWN[type(original)](original, activations[0][1].volume)
                names = [id(parameter) for parameter in module.parameters()]
                self._record(
                    layer, activations, out, frozenset().union(*(self._weights[name] for name in names))
                )
        elif activations and not self._muted:
            for result, tensor in enumerate(tensors(out)):
                if id(tensor) not in self._places:
                    self._unseen(activations, tensor, result, module)
        self._visits.leave()

    def place(self, tensor: Tensor) -> Place | None:
        """Returns the place of a tensor that the run returned."""
        return self._places.get(id(tensor))

    def _unseen(
        self, activations: list[tuple[Tensor, Place]], out: Tensor, result: int, module: nn.Module
    ) -> None:
        """Records the result of a module that no recorded call made."""
        name = type(module).__name__
        names = frozenset().union(*(self._weights.get(id(each), ()) for each in module.parameters()))
        volume, _ = by_shape(out)
        remark = f"not accounted: the operations inside {name} cannot be recorded; MACs unknown"
        layer = Foreign(
            name.lower(), volume, own_macs=None, seen=whole(activations[0][1].volume), remark=remark
        )
        self._record(layer, activations, out, names, result)

    # --- calls --------------------------------------------------------------------------------------

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs a function, and records it if it takes activations."""
        words = kwargs or {}
        if self._muted:
            return func(*args, **words)
        name = name_of(func)
        self._call = (name, self._visits.now.turn(name))
        given = list(tensors((args, words)))
        activations = self._activations(given)
        try:
            if not activations:
                return self._on_weights(func, args, words, given)
            call = Call(name, args, words, _values(activations))
            check_depth(call)
            layer = self._read(call, given)
            if layer is None:
                return self._foreign(func, call, given)
            version = _version(call.seen)
            out = _run(func, call)
            if out is call.seen and _version(out) == version:  # passed on, as by dropout: a tensor of its own
                out = out.view_as(out)
            made = out[0] if isinstance(out, tuple) else out
            if layer.output(*(place.volume for _, place in call.activations)).values != made.numel():
                raise AssertionError(f"{call.name} read as {layer!r} makes {tuple(made.shape)}")
            self._record(layer, call.activations, made, self._read_by(given))
            self._put_indices(list(tensors(out)))
            return out
        except Exception:  # a module may raise anything: note where, and raise it again
            seen = " and ".join(str(place.volume) for _, place in activations)
            self.failed_in = self.failed_in or (self._visits.now.path, seen)
            raise

    def _on_weights(self, func: Any, args: Any, words: Any, given: Sequence[Tensor]) -> Any:
        """Runs a function of weights and constants alone; its results are weights, too."""
        with Tally() as tally:
            out = func(*args, **words)
        made = list(tensors(out))
        if made:
            names = self._read_by(given)
            if tally.macs and names:
                operation = f"operation {len(self.costs)}"
                self.costs[operation] = (0, tally.macs)
                names |= {operation}
            for tensor in made:
                self._alive.append(tensor)
                self._weights[id(tensor)] = self._weights.get(id(tensor), frozenset()) | names
        return out

    def _read(self, call: Call, given: Sequence[Tensor]) -> Layer | None:
        """Returns the hubel layer of a call, None if there is none."""
        joins = call.name in JOINERS and len(call.activations) > 1
        reader = (JOINERS if joins else READERS).get(call.name)
        commutes = call.name == "mul"
        if reader is None or (len(call.activations) != 1 and not joins):
            return None
        if call.seen is not given[0] and not commutes:
            return None
        if joins and len(given) != len(call.activations):
            return None
        seen: Volume | None = call.place.volume
        if call.name == "batch_norm" and not per_depth(call):
            seen = (
                Volume(1, 1, call.seen.numel())
                if len(call.seen) == 1 and call.seen.dim() == 2
                else image(call)
            )
        elif call.name in ON_IMAGES:
            seen = image(call)
        elif call.name == "linear" and call.place.axes[-1] == "?" and reader(call) is None:
            seen = by_shape(call.seen)[0]
        if seen is None:
            return None
        self._rearranged(call, seen)
        return reader(call)

    def _rearranged(self, call: Call, seen: Volume) -> None:
        """Adds a row for a reshape, if the next layer reads the tensor as another volume."""
        tensor, place = call.activations[0]
        if place.volume == seen:
            return
        source, axes = place.source, by_shape(tensor)[1]
        if not place.mixed:
            window = Window.of(place.volume.plane) if seen.plane == (1, 1) else whole(place.volume)
            layer = Foreign("reshape", seen, seen=window, overwrites=True, is_view=True)
            self._append(layer, (source,), (place.volume,), seen, self._origin(ENTERS, tensor, axes))
            source = len(self.records) - 1
        call.activations[0] = (tensor, Place(source, seen, axes, mixed=True))

    def _foreign(self, func: Any, call: Call, given: Sequence[Tensor]) -> Any:
        """Runs a function for which hubel has no layer, and records its results."""
        first = call.args[0] if call.args and isinstance(call.args[0], Tensor) else None
        version = _version(first)
        saved = Saved()
        with saved.watching(), Tally() as tally:
            out = _run(func, call)
        results = list(tensors(out))
        if first is not None and _version(first) != version:
            results = [first]
        for result, made in enumerate(results):
            if _are_indices(results, made):
                continue
            self._result(call, given, (made, result), tally, saved, changed=_version(first) != version)
            # Weights, MACs and what is saved count once, for the first result.
            given = [tensor for tensor in given if id(tensor) in self._places]
            tally.macs = 0
            tally.unknown.clear()
            saved.tensors.clear()
        self._put_indices(results)
        return out

    def _result(
        self,
        call: Call,
        given: Sequence[Tensor],
        out: tuple[Tensor, int],
        tally: Tally,
        saved: Saved,
        *,
        changed: bool,
    ) -> None:
        """Records a result with its number; values that are only passed on keep their place."""
        made, result = out
        if not changed:
            of = next(
                (pair for pair in call.activations if storage(pair[0]) == storage(made)), call.activations[0]
            )
            copied = call.name in COPIES or storage(of[0]) == storage(made)
            if copied and of[0].numel() == made.numel():
                if made is not of[0]:
                    self._moved(of, call, made, result)
                return
        activations = (
            sorted(call.activations, key=lambda pair: -pair[1].volume.values)
            if tally.local
            else call.activations
        )
        call = replace(call, activations=activations)
        weights = self._read_by(given)
        volume = next((p.volume for t, p in activations if t.shape == made.shape), None)
        unlike = "" if volume else unlike_volumes(call, made)
        volume = volume or by_shape(made)[0]
        view = not changed and storage(call.seen) == storage(made)
        # Weights are kept anyway, and indices by the operation that made them.
        kept = [each for each in given if id(each) not in self._places or not each.is_floating_point()]
        keeps = saved.keeps([tensor for tensor, _ in activations], made, kept)
        norm = call.name in NORMALISATIONS
        window = sees(call, made, volume, local=tally.local)
        layer = Foreign(
            operation(call),
            volume,
            own_macs=None if tally.unknown else tally.macs,
            seen=window,
            overwrites=view
            or changed
            or (len(activations) == 1 and volume == call.place.volume and (tally.local or norm)),
            is_view=view,
            saved=keeps,
            remark="; ".join(filter(None, (remark_of(call, tally, window), unlike))),
            factor=factor_of(call),
        )
        self._record(layer, activations, made, weights, result)

    def _moved(self, of: tuple[Tensor, Place], call: Call, made: Tensor, result: int) -> None:
        """Sets the place of values that are only passed on; maps that were dealt out in turn are a layer."""
        seen, place = of
        after = moved(place, seen, call.name, call.args, made)
        if "cs" not in after.axes:
            self._put(made, after)
            return
        groups = seen.shape[place.axes.index("cg")]
        self._record(Shuffle(groups), [of], made, frozenset(), result)

    # --- records ------------------------------------------------------------------------------------

    def _record(
        self,
        layer: Layer,
        activations: list[tuple[Tensor, Place]],
        out: Tensor,
        weights: frozenset[str],
        result: int = 0,
    ) -> None:
        places = [place for _, place in activations]
        if not isinstance(layer, (Join, Foreign)):
            places = places[:1]
        inputs = tuple(place.volume for place in places)
        output = layer.output(*inputs)
        axes = next(
            (place.axes for tensor, place in activations if _alike(tensor, place, out)), by_shape(out)[1]
        )
        sources = tuple(place.source for place in places)
        self._append(layer, sources, inputs, output, self._origin(result, out, axes, weights))
        mixed = any(place.mixed for place in places)
        if layer.window(inputs[0]) is not ONE:
            mixed = mixed or mixes(layer.window(inputs[0]))
        self._put(out, Place(len(self.records) - 1, output, axes, mixed))

    def _append(
        self,
        layer: Layer,
        sources: tuple[int, ...],
        inputs: tuple[Volume, ...],
        output: Volume,
        origin: Origin,
    ) -> None:
        visit = self._visits.now
        before = self.records[-1] if self.records else None
        # `padding_mode` of a Conv2d: two calls inside the module, and one layer
        if before and before.visit is visit and isinstance(self._originals.get(visit.path), nn.Conv2d):
            whole = padded(layer, before.layer, before.inputs[0], before.output)
            if whole is not None:
                layer, sources, inputs = whole, before.sources, before.inputs
                self.records.pop()
                visit.own -= 1
        visit.own += 1
        self.records.append(Record(layer, sources, inputs, output, origin, visit))

    def _origin(
        self, result: int, made: Tensor, axes: tuple[str, ...], weights: frozenset[str] = frozenset()
    ) -> Origin:
        """Returns the origin of a tensor of the current call."""
        visit = self._visits.now
        return Origin(visit.path, visit.nth, *self._call, result, axes, tuple(made.shape), weights)

    def _put(self, tensor: Tensor, place: Place) -> None:
        """Sets the place of a tensor, which is kept alive, so that its id stays unique."""
        self._alive.append(tensor)
        self._places[id(tensor)] = place

    def _put_indices(self, results: Sequence[Tensor]) -> None:
        """Sets the place of indices, such as those of maxima, to that of the values they belong to."""
        for made in results:
            if _are_indices(results, made):
                self._put(made, self._places[id(results[0])])

    def _activations(self, given: Sequence[Tensor] | Iterator[Tensor]) -> list[tuple[Tensor, Place]]:
        return [(tensor, self._places[id(tensor)]) for tensor in given if id(tensor) in self._places]

    def _read_by(self, given: Sequence[Tensor]) -> frozenset[str]:
        """Returns the names of the parameters among the arguments of a call."""
        return frozenset[str]().union(*(self._weights.get(id(tensor), frozenset()) for tensor in given))


def _are_indices(results: Sequence[Tensor], made: Tensor) -> bool:
    """Whether a result is the positions of the first result's values, and so no row of its own."""
    first = results[0]
    return made is not first and first.is_floating_point() and not made.is_floating_point()


def _values(activations: list[tuple[Tensor, Place]]) -> list[tuple[Tensor, Place]]:
    """Returns the activations without indices whose values are among them."""
    sources = {place.source for tensor, place in activations if tensor.is_floating_point()}
    return [pair for pair in activations if pair[0].is_floating_point() or pair[1].source not in sources]


def _alike(tensor: Tensor, place: Place, out: Tensor) -> bool:
    """Whether a result has the axes of an input; its depth may differ if depth is the last axis."""
    return tensor.shape == out.shape or (place.axes[-1:] == ("c",) and tensor.shape[:-1] == out.shape[:-1])


def _run(func: Any, call: Call) -> Any:
    """Runs a call; for batch normalisation without the check that refuses single values in training."""
    if call.name == "batch_norm" and func is nn.functional.batch_norm:
        given = call.given()
        return torch.batch_norm(
            given["input"],
            given.get("weight"),
            given.get("bias"),
            given.get("running_mean"),
            given.get("running_var"),
            training=bool(given.get("training")) or given.get("running_mean") is None,
            momentum=given.get("momentum") or 0.0,
            eps=given.get("eps", 1e-5),
            cudnn_enabled=False,
        )
    return func(*call.args, **call.words)


def _version(tensor: Tensor | None) -> int:
    """Returns how often a tensor was written to."""
    return 0 if tensor is None or tensor.is_inference() else tensor._version  # noqa: SLF001
