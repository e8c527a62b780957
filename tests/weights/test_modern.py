"""Weights of the newer networks against torchvision's and timm's own modules: their names, and their scores.

`modern.json` has a digest of the names and shapes of each module, its scores with the numbers of `drawn`, and
how images are prepared for its published weights; `tests/weights/peer.py` writes it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hubel import zoo
from hubel.model.import_weights import LITE_MEAN, LITE_STD, PREPROCESSINGS, USUAL
from hubel.module.network import Network
from hubel.module.state_dict_maps import LAYOUTS, Layout
from hubel.module.weights import load_weights
from hubel.net.layers import Fc
from hubel.net.norms import LayerScale
from hubel.net.volume import Volume
from tests.weights.drawn import drawn, images

PEERS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "modern.json").read_text())["networks"]

SCORED = ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny"]
SCORED += ["densenet121", "seresnet50", "seresnet50_v1_5", "efficientnet_lite1", "regnet_x_400mf"]
SCORED += ["squeezenet1_1", "shufflenet_v2_x0_5", "inception_v3", "mobilenet_v1", "mobilenet_v3_small_timm"]
SCORED += ["mobilenet_v3_small_tf", "efficientnet_b0_tf", "efficientnet_lite0", "efficientnet_lite0_timm"]
"""The networks whose scores are compared here: a small one of each family."""

LINEAR = ("mlp.fc1.weight", "mlp.fc2.weight", "block.3.weight", "block.5.weight")
"""Where the libraries have a linear layer in place of a 1x1 convolution."""


def layout_of(peer: str) -> Layout:
    """The map of a peer's names: the first of its library."""
    maker = peer.partition(" ")[0]
    return next(each for each in LAYOUTS[PEERS[peer]["network"]] if maker in each.maker.split(" or "))


def side(peer: str) -> int:
    """The side of the images that a peer's scores are of."""
    return int(PEERS[peer].get("side", 96))


def network(peer: str) -> Network:
    """The network of the zoo that a peer is."""
    return Network(zoo.ZOO[PEERS[peer]["network"]].make(), Volume(side(peer), side(peer), 3))


def theirs(peer: str, module: Network) -> dict[str, tuple[int, ...]]:
    """The names and shapes that the map says the peer's module has."""
    paths = layout_of(peer).paths()
    kinds = {step.path: step.layer for step in module.steps}
    found = {}
    heads = {step.path for step in module.steps if step.side} if peer == "timm inception_v3" else set()
    for name, value in module.state_dict().items():
        path, _, leaf = name.rpartition(".")
        if path in heads:
            continue
        if isinstance(kinds[path], LayerScale):
            shape = (*value.shape, 1, 1) if peer.startswith("torchvision") else tuple(value.shape)
            found[paths[path]] = shape
            continue
        full = f"{paths[path]}.{leaf}"
        if full == "conv_head.weight" and isinstance(kinds[path], Fc):  # of timm's MobileNetV3
            found[full] = (*value.shape, 1, 1)
            continue
        linear = full.endswith(LINEAR) and "convnext" in peer and not isinstance(kinds[path], Fc)
        found[full] = tuple(value.shape[:2]) if linear else tuple(value.shape)
    return found


@pytest.mark.parametrize("peer", PEERS)
def test_names_and_shapes_are_the_librarys(peer: str) -> None:
    with torch.device("meta"):
        module = network(peer)
    shapes = theirs(peer, module)
    lines = "\n".join(sorted(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()))
    assert len(shapes) == PEERS[peer]["tensors"]
    assert hashlib.sha256(lines.encode()).hexdigest() == PEERS[peer]["names_sha256"]


@pytest.mark.parametrize("peer", [peer for peer, facts in PEERS.items() if facts["network"] in SCORED])
def test_scores_are_the_librarys(peer: str) -> None:
    module = network(peer).eval()
    load_weights(module, {name: drawn(name, shape) for name, shape in theirs(peer, module).items()})
    with torch.inference_mode():
        scores = module(images(side(peer)))
    assert isinstance(scores, torch.Tensor)
    wanted = torch.tensor(PEERS[peer]["logits"])
    torch.testing.assert_close(
        scores[0, : len(wanted)], wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max())
    )


@pytest.mark.parametrize("name", sorted({facts["network"] for facts in PEERS.values()}))
def test_images_are_prepared_as_for_the_published_weights(name: str) -> None:
    """Of torchvision's weights if it has some, else timm's. Its Inception-v3 prepares once more itself."""
    having = sorted((peer for peer in PEERS if PEERS[peer]["network"] == name), reverse=True)
    size, resize, how, mean, std = PEERS[having[0]]["preprocessing"]
    if name == "inception_v3":
        mean = std = [0.5] * 3
    if name == "efficientnet_lite0":  # Google's 127 and 128, in place of timm's 127.5
        mean, std = LITE_MEAN, LITE_STD
    found = PREPROCESSINGS[USUAL.get(name, "torchvision")]
    assert (found.height, found.resize, found.interpolation) == (size, resize, how)
    assert (list(found.mean), list(found.std)) == (list(mean), list(std))
