"""Foreign state_dicts: names and shapes as their libraries print them, with numbers of our own."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from hubel import zoo
from hubel.module.network import Network
from hubel.net.volume import VolumeLike

HERE = Path(__file__).parent

NETWORKS: dict[str, str] = {
    "torchvision alexnet": "alexnet_owt",
    **{f"torchvision vgg{n}": f"vgg{n}" for n in (11, 13, 16, 19)},
    **{f"torchvision vgg{n}_bn": f"vgg{n}_bn" for n in (11, 13, 16, 19)},
    "torchvision googlenet": "googlenet_bn",
    "torchvision googlenet without aux": "googlenet_bn",
    "torchvision resnet18": "resnet18",
    "torchvision resnet34": "resnet34",
    **{f"torchvision resnet{n}": f"resnet{n}_v1_5" for n in (50, 101, 152)},
    **{f"timm {name}": name for name in ("vgg11", "vgg16", "vgg19", "vgg16_bn")},
    "package efficientnet_lite0": "efficientnet_lite0",
}
"""The network of the zoo for every fixture."""


@cache
def _fixtures() -> dict[str, dict[str, str]]:
    networks: dict[str, dict[str, str]] = json.loads((HERE / "names.json").read_text())["networks"]
    return networks


def shapes(fixture: str) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a state_dict, in its order."""
    found: dict[str, tuple[int, ...]] = {}
    for path, text in _fixtures()[fixture].items():
        kind, _, sides = text.rpartition(" ")
        weight = tuple(map(int, sides.split("x")))
        found[f"{path}.weight"] = weight
        if kind:
            found[f"{path}.bias"] = weight[:1]
        if kind == "bn":
            found |= {f"{path}.{name}": weight for name in ("running_mean", "running_var")}
            found[f"{path}.num_batches_tracked"] = ()
    return found


def flat(fixture: str) -> dict[str, Tensor]:
    """A state_dict of the fixture's shapes that takes no memory: every tensor is one number, repeated."""
    return {
        name: torch.zeros((), dtype=torch.long) if not shape else torch.zeros(1).expand(shape)
        for name, shape in shapes(fixture).items()
    }


def seeded(fixture: str, seed: int = 0) -> dict[str, Tensor]:
    """A state_dict of random numbers that keep the values of a deep network in bounds.

    The largest weights repeat their first 64 rows, which is quicker to draw.
    """
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in shapes(fixture).items():
        leaf = name.rpartition(".")[2]
        if not shape:
            state[name] = torch.tensor(7)
        elif leaf == "weight" and len(shape) > 1:
            rows = 64 if math.prod(shape) > 10**7 and shape[0] % 64 == 0 else shape[0]
            drawn = torch.randn(rows, *shape[1:], generator=generator)
            drawn *= math.sqrt(2 / math.prod(shape[1:]))
            state[name] = drawn.repeat(shape[0] // rows, *([1] * (len(shape) - 1)))
        elif leaf == "running_var":
            state[name] = torch.rand(shape, generator=generator) + 0.5
        elif leaf == "weight":  # of a batch norm; below 1, or the sums of a ResNet grow and grow
            state[name] = torch.rand(shape, generator=generator) * 0.5 + 0.2
        else:
            state[name] = torch.randn(shape, generator=generator) * 0.1
    return state


def network(text: str, volume: VolumeLike | None = None) -> Network:
    """A network of the zoo whose numbers are not set."""
    net, seen = zoo.at(text, volume)
    return Network(net, zoo.check_input(net, seen), scores=True).eval()
