"""The page of a network as one file: its weights, some images, and what its maps look for are inside it."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import safetensors.numpy

from hubel.errors import UsageError
from hubel.service.explorer.describe import Json
from hubel.service.explorer.page import saved
from hubel.service.explorer.seen import Seen
from hubel.service.explorer.weights import weights_of

if TYPE_CHECKING:
    from hubel.service.explorer.exhibit import Exhibit
    from hubel.service.explorer.training import Follower


def page_of(exhibit: Exhibit, follower: Follower | None = None) -> str:
    """Returns the page. Raises UsageError: the page cannot compute the network by itself."""
    document = exhibit.document()
    if not document["browser"]:
        raise UsageError(
            f"{exhibit.name} is too large for a page without a server, which computes networks of up to a "
            "million parameters and 300 million MACs; leave --out away, and hubel explore shows it"
        )
    content: Json = {
        "model": document,
        "weights": b64encode(safetensors.numpy.save(weights_of(exhibit))).decode(),
        "samples": Seen(exhibit).samples(),
    }
    if exhibit.data is not None or exhibit.atlas is not None:
        from hubel.service.explorer.looks import Looks, every_layer

        looks = Looks(exhibit)
        content |= {"looks": every_layer(looks), "looked": looks.state()}
    if follower is not None:
        content["training"] = follower.state()
    return saved(content)
