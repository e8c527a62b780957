"""Views: the variants of an image whose scores are averaged at inference (test-time augmentation)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubel.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

VIEWS = {"one": 1, "mirror": 2, "mirror-shift": 6}
"""The number of views: the image itself; also its mirror image; also both, shifted by a pixel."""


def scores(network: nn.Module, images: Tensor, views: str = "one") -> Tensor:
    """Returns the scores of a network in evaluation mode, averaged over views: float32, n x classes.

    `images` are n x depth x height x width, at least 2 pixels high and wide for `mirror-shift`. An image and
    its mirror image have the same weight. In `mirror-shift` the pair that is not shifted has a weight of a
    half; the pairs shifted by one pixel up and left, and down and right, with reflected edges, a quarter
    each. Source: Jordan 2024 (airbench), `infer_mirror_translate`.

    Raises UsageError: there are no such views.
    """
    import torch  # the names of the views need none
    import torch.nn.functional as F  # noqa: N812

    shown = [(1.0, images)]
    if views == "mirror-shift":
        padded = F.pad(images, (1, 1, 1, 1), "reflect")
        shown = [(0.5, images), (0.25, padded[..., 2:, 2:]), (0.25, padded[..., :-2, :-2])]
    elif views not in VIEWS:
        raise UsageError(f"there are no views {views!r}{nearest(views, VIEWS)}; choose {', '.join(VIEWS)}")
    if views != "one":
        shown = [(weight / 2, view) for weight, image in shown for view in (image, image.flip(-1))]
    return torch.stack([weight * network(view).float() for weight, view in shown]).sum(0)
