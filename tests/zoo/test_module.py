"""The third route: every network of the zoo built in torch, against its ledger, integer for integer.

Counting needs shapes alone, so the modules stand on the meta device, where tensors have no memory.
One pass forward and back, on the smallest input that fits, is made on real memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel import zoo
from hubel.module.network import Heads, Network
from hubel.module.wiring import DropPath
from hubel.net.layers import SideHead
from hubel.net.ledger import Ledger
from hubel.net.norms import BatchNorm
from hubel.net.sliding import Conv
from hubel.net.volume import Volume
from tests.module.probes import Count, counted
from tests.zoo.papers import FACTS, LARGER, having, measured

META = torch.device("meta")
CLASSES = 10


PASSED = [name for name in zoo.ZOO if name not in {"resnet1202", *LARGER}]
"""The networks through which a pass is made: the others have more of the same blocks."""

ALONE = [name for name in PASSED if name != "inception_v3"]
"""Those that train on one image: PyTorch does not normalise the single value per map of a side head."""


class Pair(NamedTuple):
    """A network's ledger, and its module for training without memory."""

    ledger: Ledger
    module: Network

    def images(self, number: int) -> Tensor:
        volume = self.ledger.volume
        return torch.empty(number, volume.depth, *volume.plane, device=META)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread: with one image, several threads only wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=zoo.ZOO)
def both(request: pytest.FixtureRequest) -> Pair:
    return on_meta(request.param)


def on_meta(name: str) -> Pair:
    entry = zoo.ZOO[name]
    with META:
        module = Network(entry.make(), entry.input)
    # Convolutions are made uninitialised on the CPU whatever the device; nothing has touched their memory.
    return Pair(measured(name), module.to(META).train())


def test_the_sizes_parameters_and_macs_of_every_step(both: Pair) -> None:
    table, counts = both.ledger, counted(both.module, both.images(2))
    rows = {
        row.path: Count(row.output, row.params, row.macs)
        for row in table.rows
        if not isinstance(row.layer, SideHead)
    }
    assert counts == rows
    assert sum(count.macs for count in counts.values()) == table.totals.macs
    assert sum(parameter.numel() for parameter in both.module.parameters()) == table.totals.params
    sides = {row.path for row in table.rows if isinstance(row.layer, SideHead)}
    assert sides == set(both.module.side_weights)


@pytest.mark.parametrize("both", ALONE, indirect=True)
def test_the_bytes_saved_for_backward(both: Pair) -> None:
    assert kept_for_backward(both.module, both.images(1)) == both.ledger.totals.backward_bytes


@pytest.mark.parametrize("text", having("backward_bytes"))
def test_the_bytes_saved_for_backward_equal_those_measured_elsewhere(text: str) -> None:
    """VGG-16's 73,355,264, and what was measured on modules of other libraries."""
    pair = on_meta(text)
    assert kept_for_backward(pair.module, pair.images(1)) == FACTS[text]["backward_bytes"]


@pytest.mark.parametrize("name", ["lenet5_1998", "alexnet_owt", "googlenet", "resnet20", "pattern"])
def test_the_meta_device_saves_what_real_memory_does(name: str) -> None:
    entry = zoo.ZOO[name]
    module = Network(entry.make(), entry.input).train()
    images = torch.zeros(1, entry.input.depth, *entry.input.plane)
    assert kept_for_backward(module, images) == measured(name).totals.backward_bytes


def kept_for_backward(module: Network, images: Tensor) -> int:
    """The bytes autograd holds on to after a training pass, parameters and buffers apart.

    Storages are told apart by the object that they are, since meta tensors have no address.
    """
    own = {storage_of(tensor) for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if storage_of(tensor) not in own:
            kept[storage_of(tensor)] = tensor  # alive to the end, so that no storage is handed out twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(images)
    total = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    del out
    return total


def storage_of(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


# --- forward and back ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PASSED)
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    """In training, side heads and dropout included; finite, and not zero."""
    entry = zoo.ZOO[name]
    net = entry.make(classes=CLASSES)
    module = Network(net, zoo.smallest_input(net, entry.input.depth)).train()
    fill(module)
    cancelled = cancelled_by_normalisation(module)
    norms = gradient_norms(module)
    assert all(math.isfinite(norm) for norm in norms.values())
    assert {path for path, norm in norms.items() if not norm} <= cancelled
    if cancelled:
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        assert all(0 < norm < math.inf for norm in gradient_norms(module).values())


def fill(module: Network) -> None:
    """Weights as He et al. draw them, but all cut from one strip of a million random numbers.

    Drawing VGG's 138 million one by one takes longer than everything else here together.
    """
    strip = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0))
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            continue
        if isinstance(part, DropPath):
            part.p = 0  # of four images, a branch may lose all
        for parameter in part.parameters(recurse=False):
            flat = parameter.data.view(-1)
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
            scaled = strip * math.sqrt(2 / fan_in)
            for at in range(0, len(flat), len(strip)):
                flat[at : at + len(strip)] = scaled[: len(flat) - at]


def gradient_norms(module: Network) -> dict[str, float]:
    """The norm of every parameter's gradient after one forward and backward pass, by its path."""
    number = 4 if any(isinstance(step.layer, BatchNorm) for step in module.steps) else 1
    volume: Volume = module.volume
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = torch.randn(number, volume.depth, *volume.plane)
        loss_of(module, module(images)).backward()  # type: ignore[no-untyped-call]
    norms = {}
    for path, parameter in module.named_parameters():
        assert parameter.grad is not None, path
        norms[path] = float(torch.linalg.vector_norm(parameter.grad))
        parameter.grad = None
    return norms


def loss_of(module: Network, out: Tensor | Heads) -> Tensor:
    """The cross-entropy of the scores, and of every side head's by its weight."""
    scores, sides = (out.scores, out.sides) if isinstance(out, Heads) else (out, {})
    assert sides.keys() == module.side_weights.keys()
    assert scores.shape[1:] == (CLASSES,)
    labels = torch.arange(len(scores)) % CLASSES
    loss = F.cross_entropy(scores, labels)
    for path, weight in module.side_weights.items():
        loss = loss + weight * F.cross_entropy(sides[path], labels)
    return loss


def cancelled_by_normalisation(module: Network) -> set[str]:
    """Biases before a batch normalisation, which removes them in training, so that they learn nothing."""
    steps = {step.path: step for step in module.steps}
    before = {step.sources[0] for step in module.steps if isinstance(step.layer, BatchNorm)} & steps.keys()
    convs = {path: steps[path].layer for path in before}
    return {f"{path}.bias" for path, layer in convs.items() if isinstance(layer, Conv) and layer.bias}
