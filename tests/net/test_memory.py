"""Memory: each accounting by hand on small networks, and what torch's autograd really saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from hubel.net.algebra import Net, side
from hubel.net.ledger import Ledger, ledger
from hubel.net.names import avgpool, batchnorm, conv, dropout, fc, globalavgpool, identity, maxpool, relu

if TYPE_CHECKING:
    from collections.abc import Callable

CHAIN = conv(4, 3) >> relu >> maxpool(2) >> fc(10)
SKIP = conv(3, 3, pad=1) + identity >> relu
CONCAT = relu >> (conv(2, 1) | conv(3, 3, pad=1)) >> avgpool(2)


def test_a_chain() -> None:
    """8x8x3 = 192 values; conv 6x6x4 = 144; relu in place; pool 3x3x4 = 36; fc 10."""
    book = ledger(CHAIN, "8x8x3")
    assert [row.values for row in book.rows] == [144, 0, 36, 10]
    totals = book.totals
    assert totals.values == 190
    assert totals.flow_values == 382
    assert totals.params == 482  # 4*(27+1) + 10*(36+1)
    assert totals.param_bytes == 1928
    assert totals.training_state_bytes == 5784
    # kept: conv's input 192, relu's output 144 (pooling keeps the same), fc's input 36; 36 int64 places
    assert totals.backward_bytes == 4 * (192 + 144 + 36) + 8 * 36
    assert totals.inference_peak_bytes == 4 * (192 + 144)  # while conv runs


def test_a_skip() -> None:
    """4x4x3 = 48 values everywhere; the sum is new, the identity and the relu are not."""
    book = ledger(SKIP, "4x4x3")
    assert [(row.path, row.values) for row in book.rows] == [
        ("conv1", 48),
        ("identity1", 0),
        ("add1", 48),
        ("relu1", 0),
    ]
    assert book.totals.flow_values == 144
    assert book.totals.backward_bytes == 4 * (48 + 48)  # conv's input, relu's output
    assert book.totals.inference_peak_bytes == 4 * (48 + 48 + 48)  # input, conv, sum


def test_a_concatenation() -> None:
    """4x4x2 = 32 values; branches 32 and 48, side by side 80, pooled 2x2x5 = 20."""
    book = ledger(CONCAT, "4x4x2")
    assert [row.values for row in book.rows] == [0, 32, 48, 80, 20]
    assert book.totals.flow_values == 32 + 180
    assert book.totals.backward_bytes == 4 * (32 + 80)  # relu's output for both branches, pool's input
    # relu over its input 32; with it the branches 32 + 48; then the branches and their 80
    assert book.totals.inference_peak_bytes == 4 * (32 + 48 + 80)


def test_an_identity_takes_no_memory() -> None:
    """4x4x8 = 128 values read by three branches: 32, then 1024 on the way to 32.

    At the widest 128 + 32 + 1024 + 32 are alive, wherever the identity stands.
    """
    narrow, wide = conv(2, 1), conv(64, 1) >> conv(2, 1)
    for net in (identity | narrow | wide, narrow | identity | wide):
        assert ledger(net, "4x4x8").totals.inference_peak_bytes == 4 * 1216
    assert ledger(identity, "4x4x8").totals.inference_peak_bytes == 4 * 128


def test_in_place_needs_an_input_that_no_other_step_reads() -> None:
    """6x6x1 = 36 values that the sum needs as they were: relu writes 36 more, the sum another 36."""
    book = ledger(relu + identity, "6x6x1")
    assert book.totals.inference_peak_bytes == 4 * (36 + 36 + 36)


def test_side_heads_take_memory_in_training_alone() -> None:
    """6x6x1 = 36 values; the head's 5 scores flow and keep its input, but are gone at inference."""
    trunk = conv(1, 3) >> globalavgpool
    with_head = ledger(side("aux", fc(5)) >> trunk, "6x6x1").totals
    without = ledger(trunk, "6x6x1").totals
    assert with_head.flow_values == without.flow_values + 5
    assert with_head.inference_peak_bytes == without.inference_peak_bytes == 4 * (36 + 16)
    assert with_head.backward_bytes == without.backward_bytes == 4 * 36  # conv and fc keep the same input
    assert ledger(side("aux", fc(5)), "6x6x1").totals.inference_peak_bytes == 4 * 36


def test_a_network_without_steps_takes_no_memory() -> None:
    totals = Ledger.of(ledger(relu, "2x2x1").volume, ()).totals
    assert (totals.backward_bytes, totals.inference_peak_bytes, totals.values) == (0, 0, 0)


# --- and by torch --------------------------------------------------------------------------------


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(self.conv(images) + images)


class Concat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.three = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        seen = torch.relu(images)
        return nn.functional.avg_pool2d(torch.cat([self.one(seen), self.three(seen)], 1), 2)


def chain() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))


def normalised() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Dropout(0.3))


def kept_bytes(module: nn.Module, images: Tensor) -> int:
    """What autograd saves, each storage once, without parameters and buffers."""
    own = {part.data_ptr() for part in [*module.parameters(), *module.buffers()]}
    kept: dict[int, int] = {}
    alive = []  # so that no address comes twice

    def keep(tensor: Tensor) -> Tensor:
        alive.append(tensor)
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        alive.append(module.train()(images))
    return sum(kept.values())


@pytest.mark.parametrize(
    ("net", "volume", "make"),
    [
        (CHAIN, (8, 8, 3), chain),
        (SKIP, (4, 4, 3), Skip),
        (CONCAT, (4, 4, 2), Concat),
        (conv(4, 3) >> batchnorm >> relu >> dropout(0.3), (6, 6, 2), normalised),
    ],
    ids=["chain", "skip", "concat", "normalised"],
)
def test_autograd_saves_what_the_ledger_says(
    net: Net, volume: tuple[int, int, int], make: Callable[[], nn.Module]
) -> None:
    height, width, depth = volume
    images = torch.ones(1, depth, height, width)  # an image needs no gradient
    assert ledger(net, volume).totals.backward_bytes == kept_bytes(make(), images)


def test_what_another_reader_needs_is_not_overwritten() -> None:
    """On 8x8x3 the relu needs 192 new values and the sum 192 more; all three are alive at the peak."""
    totals = ledger(relu + identity, "8x8x3").totals
    assert totals.flow_values == 3 * 192
    assert totals.inference_peak_bytes == 4 * 3 * 192
