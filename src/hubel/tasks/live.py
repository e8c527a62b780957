"""The page of a running training: a server in a thread of this process, as long as the run goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubel.training.run.events import PageReady

if TYPE_CHECKING:
    from hubel.tasks.follow import Watch

HOST = "127.0.0.1"
"""The page of a training is for this machine alone."""

SEEN_WITHIN = 3.0
"""The longest time, in seconds, that the page of a finished run waits to be asked once more."""


@contextmanager
def live_page(watch: Watch, *, wanted: bool) -> Iterator[None]:
    """Shows a run on a page while it goes, if that is `wanted`, and opens it in a browser.

    Raises UsageError: the extra `serve` is not installed.
    """
    if not wanted:
        yield
        return
    from hubel.tasks.serve import check_installed

    check_installed()
    import webbrowser

    from hubel.service.explorer.app import application
    from hubel.service.explorer.server import beside
    from hubel.service.explorer.training import Live
    from hubel.service.server import bound

    live = Live()
    watch.listeners.append(live)
    with bound(HOST, 0) as place, beside(application({}, live), place) as address:
        watch(PageReady(address))
        webbrowser.open(address)
        yield
        live.wait_until_seen(SEEN_WITHIN)
