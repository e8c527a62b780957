"""`explore`: a network on a page, answering, until the process is told to end; or the page as one file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hubel.errors import DataError, UsageError
from hubel.files import exists, is_file
from hubel.foreign.endings import WEIGHTLESS
from hubel.net.algebra import Net
from hubel.report.form import check_place

if TYPE_CHECKING:
    from hubel.evaluation.splits import SplitImages
    from hubel.model.file import Model
    from hubel.net.volume import VolumeLike
    from hubel.service.explorer.exhibit import Exhibit
    from hubel.service.explorer.training import Follower

Explorable: TypeAlias = "str | os.PathLike[str] | Net | Model"
"""What can be explored: a model, a run or its folder, a file, a network, its notation or its name."""

MOST_SAVED = 64
"""The most MB of a saved page."""


def explore(
    what: Explorable | None = None,
    volume: VolumeLike | None = None,
    *,
    data: Any = None,
    atlas: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8001,
    out: str | Path | None = None,
    open: bool = True,  # noqa: A002 - the option's name
    allow_code: bool = False,
    force: bool = False,
    on_ready: Callable[[str], object] | None = None,
) -> None:
    """Shows a network on a page until SIGINT or SIGTERM, or writes the page to `out`, which needs no server.

    `what` is a model, its file, a run or its folder, the name of a pretrained network, a network, its
    notation or its name in the zoo; by default LeNet-5 trained on digits, which comes with hubel. A network
    that is no model has random weights; `volume` is its input. `data` are images to look at; by default those
    of the run. `atlas` is what `hubel look MODEL atlas` wrote for it, a page or the folder that it is in; one
    beside the model is found. `open` opens the page in a browser; `on_ready` gets its address. `allow_code`
    and `force` are as for `hubel.load`.

    Raises UsageError, ModelError, NotationError, SizeError: there is no such network, or it does not fit.
    Raises DataError: images or an atlas that cannot be read, or an atlas of another model. Raises UsageError:
    the port is in use, the extra `serve` is not installed, or a network that is too large for a page without
    a server.
    """
    if out is not None:
        check_place(Path(out))
        shown = exhibit(what, volume, data=data, atlas=atlas, allow_code=allow_code, force=force)
        save(shown, Path(out), follower_of(what, shown))
        return
    from hubel.tasks.serve import check_installed

    check_installed()
    from hubel.service.explorer.app import application
    from hubel.service.explorer.server import run
    from hubel.service.server import bound

    shown = exhibit(what, volume, data=data, atlas=atlas, allow_code=allow_code, force=force)
    with bound(host, port) as place:
        run(application({shown.name: shown}, follower_of(what, shown)), place, _ready(on_ready, opens=open))


def _ready(on_ready: Callable[[str], object] | None, *, opens: bool) -> Callable[[str], object]:
    def ready(address: str) -> None:
        if on_ready is not None:
            on_ready(address)
        if opens:
            import webbrowser

            webbrowser.open(address)

    return ready


def exhibit(
    what: Explorable | None = None,
    volume: VolumeLike | None = None,
    *,
    data: Any = None,
    atlas: str | Path | None = None,
    allow_code: bool = False,
    force: bool = False,
) -> Exhibit:
    """Returns what the explorer shows; the arguments and errors are those of `explore`."""
    from hubel.service.explorer.exhibit import digits

    if what is None:
        found = digits()
    elif _is_network(what):
        found = _of_network(what, volume, force=force)
    else:
        found = _of_model(what, allow_code=allow_code, force=force)
    if data is not None:
        from hubel.evaluation.splits import images_of

        found.data = images_of(data)
    if atlas is not None:
        found.take_atlas(Path(atlas))
    else:
        found.find_atlas(what)
    return found


def follower_of(what: Explorable | None, shown: Exhibit) -> Follower | None:
    """What follows the run of a run's folder, of which `shown` is the model; None for anything else."""
    from hubel.service.explorer.training import FollowedFolder
    from hubel.training.run.folder import METRICS

    if not isinstance(what, str | os.PathLike) or not is_file(Path(what, METRICS)):
        return None
    return FollowedFolder(Path(what), shown)


def save(shown: Exhibit, out: Path, follower: Follower | None = None) -> None:
    """Writes the page of a network as one file that computes by itself, with the run that it is of.

    Raises UsageError: the network is too large, or has layers that the page does not compute.
    """
    from hubel.files import write_whole
    from hubel.service.explorer.saved import page_of

    text = page_of(shown, follower)
    if len(text) > MOST_SAVED * 10**6:
        raise UsageError(f"the page would have {len(text) / 1e6:.0f} MB, more than {MOST_SAVED}")
    write_whole(out, text)


def _is_network(what: Explorable) -> bool:
    """Whether this is a network without weights: a value, a notation, a name or a file that has none."""
    if isinstance(what, Net):
        return True
    if isinstance(what, str | os.PathLike) and os.fspath(what).lower().endswith(WEIGHTLESS):
        return True
    if not isinstance(what, str) or exists(what):
        return False
    from hubel.model.hub import is_hub
    from hubel.model.pretrained import PRETRAINED
    from hubel.tasks.network import is_model_file

    return what.strip() not in PRETRAINED and not is_model_file(what) and not is_hub(what)


def _of_model(what: Any, *, allow_code: bool, force: bool) -> Exhibit:
    from hubel.model.open import open_model
    from hubel.service.explorer.exhibit import Exhibit

    model = open_model(what, allow_code=allow_code, force=force)
    place = Path(what) if isinstance(what, str | os.PathLike) else None
    name = "model" if place is None else place.stem if place.is_file() else place.name
    return Exhibit.of(name, model, None if place is None else _images_of(place, model))


def _images_of(run: Path, model: Model) -> SplitImages | None:
    """The validation images of a run; None where its data set is no longer there, or was in memory."""
    from hubel.data.sources import is_from_python
    from hubel.evaluation.splits import images_of
    from hubel.training.run.folder import RunFolder

    try:
        where = RunFolder(run).config().data
        return None if is_from_python(where) else images_of(where, "auto", model)
    except (DataError, UsageError):
        return None


def _of_network(what: Any, volume: VolumeLike | None, *, force: bool) -> Exhibit:
    from hubel.service.explorer.exhibit import Exhibit, Opened
    from hubel.tasks.network import given

    found = given(what, volume)
    net = found.net
    if not isinstance(net, Net):
        raise UsageError(f"{found.name} is a torch module; explore takes a network, or a model's file")

    def random() -> Opened:
        from hubel.data.image.preprocess import Preprocessing
        from hubel.instruments.subject import Subject
        from hubel.module.network import build

        subject = Subject.of(build(net, found.volume, force=force))
        classes = tuple(map(str, range(subject.last.output.depth)))
        return Opened(subject, Preprocessing.of(found.volume), classes)

    return Exhibit(found.short, repr(net), found.ledger(), random, trained=False)
