"""Views: the variants of an image over which a network's scores are averaged at inference."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel.errors import UsageError, nearest

VIEWS = {"one": 1, "mirror": 2, "mirror-shift": 6}
"""How many views each has: the image as it is; with its mirror image; both, and both moved by a pixel."""


def scores(network: nn.Module, images: Tensor, views: str = "one") -> Tensor:
    """The scores of a network in evaluation mode, averaged over views: float32, n x classes.

    Images: n x depth x height x width, for `mirror-shift` of at least 2 pixels a side. An image and its
    mirror image count the same. Of `mirror-shift` the pair in its place counts half, and the two pairs that
    are moved up and left, and down and right, by a pixel that the edge reflects, a quarter each.
    Source: Jordan 2024 (airbench), `infer_mirror_translate`.

    Raises UsageError: no such views.
    """
    shown = [(1.0, images)]
    if views == "mirror-shift":
        padded = F.pad(images, (1, 1, 1, 1), "reflect")
        shown = [(0.5, images), (0.25, padded[..., 2:, 2:]), (0.25, padded[..., :-2, :-2])]
    elif views not in VIEWS:
        raise UsageError(f"there are no views {views!r}{nearest(views, VIEWS)}; choose {', '.join(VIEWS)}")
    if views != "one":
        shown = [(weight / 2, view) for weight, image in shown for view in (image, image.flip(-1))]
    return torch.stack([weight * network(view).float() for weight, view in shown]).sum(0)
