"""The page of a network as one file: its weights, some images, and what its maps look for are inside it."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from typing import TYPE_CHECKING

import safetensors.numpy

from hubel.errors import UsageError
from hubel.net.ledger import ledger
from hubel.service.explorer.describe import Json, network_json
from hubel.service.explorer.page import saved
from hubel.service.explorer.seen import Seen
from hubel.service.explorer.weights import weights_of
from hubel.zoo import lookup

if TYPE_CHECKING:
    from hubel.service.explorer.exhibit import Exhibit
    from hubel.service.explorer.training import Follower

STUDIES = (
    "lenet5",
    "alexnet",
    "zfnet",
    "vgg16",
    "googlenet",
    "resnet18",
    "resnet50",
    "squeezenet1_0",
    "densenet121",
    "mobilenet_v2",
    "convnext_tiny",
)
"""The networks of the papers that a saved page shows beside its own; it reads no notation."""


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
        "studies": b64encode(gzip.compress(json.dumps(_studies()).encode(), mtime=0)).decode(),
    }
    if exhibit.data is not None or exhibit.atlas is not None:
        from hubel.service.explorer.looks import Looks, every_layer

        looks = Looks(exhibit)
        content |= {"looks": every_layer(looks), "looked": looks.state()}
    if follower is not None:
        content["training"] = follower.state() | {"filters": _filters(follower)}
    return saved(content)


def _studies() -> Json:
    """The networks of the papers by name: notation, steps, ledger and drawing."""
    found = {name: lookup.find(name) for name in STUDIES}
    return {
        name: {"notation": repr(net), "network": network_json(ledger(net, volume))}
        for name, (net, volume) in found.items()
    }


def _filters(follower: Follower) -> str:
    """The first filters of a run as a safetensors file in base64; nothing where it has none."""
    try:
        return b64encode(safetensors.numpy.save({"filters": follower.filters()})).decode()
    except UsageError:  # no convolution, or no model yet
        return ""
