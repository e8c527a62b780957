"""What is refused before it is read: images for a model for which too many wait already.

Reading and decoding what is refused in the end would take the time of what is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from hubel.service.refusals import RefusedError

if TYPE_CHECKING:
    from hubel.service.exchange import Exchange
    from hubel.service.service import Service

PREDICT = "/v1/predict"
INFER = re.compile(r"/v2/models/([^/]+)(/versions/[^/]+)?/infer")


def check_early(service: Service, exchange: Exchange) -> None:
    """Lets a request pass unless it brings images for a model that has no room for one more.

    What else may be wrong with it, its route says. Raises RefusedError: there is no room.
    """
    scope = exchange.scope
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if scope["method"] != "POST":
        return
    if path == PREDICT:
        exchange.route = PREDICT
        name = parse_qs(scope["query_string"].decode("latin-1")).get("model", [None])[-1]
    elif found := INFER.fullmatch(path):
        exchange.route = f"/v2/models/{{name}}{'/versions/{version}' if found[2] else ''}/infer"
        name = found[1]
    else:
        return
    try:
        served = service.shelf.get(name)
    except RefusedError:  # there is no such model
        return
    service.check_room(served)
