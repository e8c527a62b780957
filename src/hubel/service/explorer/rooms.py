"""The models that can be explored; each is opened when it is first asked for, and PyTorch with it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hubel.errors import nearest
from hubel.service.refusals import RefusedError

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.service.explorer.exhibit import Exhibit
    from hubel.service.explorer.looks import Looks
    from hubel.service.explorer.seen import Seen
    from hubel.service.shelf import Served, Shelf


@dataclass(frozen=True, slots=True)
class Room:
    """One exhibit, the images it was shown, and what its maps look for."""

    exhibit: Exhibit
    seen: Seen
    looks: Looks

    @classmethod
    def of(cls, exhibit: Exhibit) -> Room:
        """Returns the room of an exhibit, in which nothing has been looked at yet."""
        from hubel.service.explorer.looks import Looks
        from hubel.service.explorer.seen import Seen

        return cls(exhibit, Seen(exhibit), Looks(exhibit))

    def weights(self, path: str | None) -> dict[str, npt.NDArray[Any]]:
        """Returns the weights of all layers, or of one. Raises UsageError: no such layer, or too many."""
        from hubel.service.explorer.weights import weights_of

        return weights_of(self.exhibit, path)


class Rooms(Protocol):
    """The models that can be explored."""

    def names(self) -> list[str]:
        """Their names, in order."""

    def room(self, name: str) -> Room:
        """Returns the room of a model. Raises RefusedError: there is none of this name."""


class Exhibits:
    """Exhibits by name."""

    def __init__(self, exhibits: Mapping[str, Exhibit]) -> None:
        self._rooms = {name: Room.of(each) for name, each in exhibits.items()}

    def names(self) -> list[str]:
        """Their names, in order."""
        return list(self._rooms)

    def room(self, name: str) -> Room:
        """Returns the room of a model. Raises RefusedError: there is none of this name."""
        if name not in self._rooms:
            raise unknown(name, self.names())
        return self._rooms[name]


@dataclass(slots=True)
class Shelved:
    """The models that a service serves; one whose file has changed is opened anew."""

    shelf: Shelf
    _open: dict[str, tuple[Served, Room]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> list[str]:
        """Their names, in order."""
        return [served.name for served in self.shelf]

    def room(self, name: str) -> Room:
        """Returns the room of a model. Raises RefusedError: there is none of this name.

        Raises ModelError: an exported file, which has no layers to look at.
        """
        served = next((each for each in self.shelf if each.name == name), None)
        if served is None:
            raise unknown(name, self.names())
        with self._lock:
            known = self._open.get(name)
            if known is None or known[0] is not served:
                known = self._open[name] = served, self._room(served)
            return known[1]

    def _room(self, served: Served) -> Room:
        from hubel.model.open import open_model
        from hubel.service.explorer.exhibit import Exhibit

        exhibit = Exhibit.of(served.name, open_model(served.where))
        exhibit.find_atlas(served.where)
        return Room.of(exhibit)


def unknown(name: str, names: list[str]) -> RefusedError:
    """The error of a name that no model has."""
    there = f"; there are {', '.join(names)}" if names else "; there are none"
    return RefusedError(404, f"there is no model {name[:100]!r}{nearest(name, names) or there}")
