"""The weights of Keras' layers, in either of its two orders: by the layers' names, or by their number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hubel.foreign.builder import NoLayerError
from hubel.foreign.found import Array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import h5py

Place = tuple[str, ...]
"""Where a layer is: the names of the models around it and its own, or the groups of these in a file."""


class KerasWeights(Protocol):
    """The weights of a file."""

    def of(self, names: Place, groups: Place, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Returns the arrays of a layer, in 32 bits, by their names.

        `names` and `groups` say where the layer is; `shapes` are those that its arrays have, in order. Raises
        NoLayerError: one is missing, or is no array of numbers in this shape.
        """
        ...

    def places(self) -> Iterator[tuple[Place, Place]]:
        """Yields where the layers of the outermost model are."""
        ...

    def outputs(self, names: Place, groups: Place) -> int:
        """Returns how many outputs a layer has, by its bias. Raises NoLayerError: it has none."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ByOrder:
    """Weights as Keras 3 keeps them: layers by their class and number, arrays by number."""

    file: h5py.Group

    def of(self, names: Place, groups: Place, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        place = "/".join(f"layers/{group}" for group in groups)
        return {
            name: _array(self.file, f"{place}/vars/{number}", shape)
            for number, (name, shape) in enumerate(shapes.items())
        }

    def places(self) -> Iterator[tuple[Place, Place]]:
        for group, layer in self.file["layers"].items():
            name = layer["vars"].attrs.get("name") if "vars" in layer else None
            if name is None:
                raise NoLayerError("the file does not name its layers; Keras 3.15 writes their names")
            yield (str(name),), (group,)

    def outputs(self, names: Place, groups: Place) -> int:
        return int(_dataset(self.file, f"layers/{groups[-1]}/vars/1").size)


@dataclass(frozen=True, slots=True, eq=False)
class ByName:
    """Weights as Keras 1 and 2 kept them: a group for each layer of the outermost model, arrays by name."""

    group: h5py.Group
    arrays: dict[str, dict[tuple[str, str], list[str]]] = field(default_factory=dict)
    """For each group, its arrays by the name of their layer and their own."""

    def of(self, names: Place, groups: Place, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        return {name: _array(self.group, self._path(names, name), shape) for name, shape in shapes.items()}

    def places(self) -> Iterator[tuple[Place, Place]]:
        for name in attribute(self.group, "layer_names"):
            yield (name,), (name,)

    def outputs(self, names: Place, groups: Place) -> int:
        return int(_dataset(self.group, self._path(names, "bias")).size)

    def _path(self, names: Place, name: str) -> str:
        """The path of an array."""
        outer = names[0]
        if outer not in self.arrays:
            self.arrays[outer] = {}
            for layer, own, path in self._listed(outer):
                alone = names[-1] if len(names) == 1 else layer  # however the array calls its layer
                self.arrays[outer].setdefault((alone, own), []).append(path)
        found = self.arrays[outer].get((names[-1], name), [])
        if name == "depthwise_kernel":  # of Keras 3, which calls it so in `SeparableConv2D` alone
            found = found or self.arrays[outer].get((names[-1], "kernel"), [])
        if len(found) > 1:
            found = [path for path in found if "/".join(names[1:]) in path]
        if len(found) != 1:
            raise NoLayerError(f"the file has {len(found) or 'no'} arrays {name} of layer {names[-1]}")
        return found[0]

    def _listed(self, outer: str) -> Iterator[tuple[str, str, str]]:
        """Yields the layer, the name and the path of each array of a group."""
        group = self.group.get(outer)
        for text in [] if group is None else attribute(group, "weight_names"):
            *_, layer, name = ["", *text.split("/")]
            yield layer, re.sub(r"(_\d+)?(:\d+)?$", "", name), f"{outer}/{text}"


def attribute(group: h5py.Group, name: str) -> list[str]:
    """Returns the texts of an attribute; a long one is in parts that are numbered."""
    parts = [group.attrs[name]] if name in group.attrs else []
    while f"{name}{len(parts)}" in group.attrs and name not in group.attrs:
        parts.append(group.attrs[f"{name}{len(parts)}"])
    return [text.decode() if isinstance(text, bytes) else str(text) for part in parts for text in part]


def _dataset(group: h5py.Group, path: str) -> h5py.Dataset:
    """Returns an array that lies in the file itself, unread. Raises NoLayerError: there is none."""
    import h5py

    for part in (path[:at] for at in (*(found.start() for found in re.finditer("/", path)), len(path))):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise NoLayerError(f"the file has no array {path}")
    found = group[path]
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise NoLayerError(f"{path} is no array of the file itself")
    return found


def _array(group: h5py.Group, path: str, shape: tuple[int, ...]) -> Array:
    """Returns the values of an array. Raises NoLayerError: there is none in this shape, or no numbers."""
    found = _dataset(group, path)
    if found.size != math.prod(shape) or found.dtype.kind not in "fVu":
        raise NoLayerError(f"{path} is {list(found.shape)} of {found.dtype}, not {list(shape)} numbers")
    values = found[()]
    if found.attrs.get("dtype") == "bfloat16":  # the upper half of a number of 32 bits
        values = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if values.dtype.kind != "f":
        raise NoLayerError(f"{path} has values of type {values.dtype}")
    return np.asarray(values, np.float32).reshape(shape)
