"""Torch modules become notation: names, weights, the same scores; what does not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hubel
from hubel.errors import ModelError, UsageError
from hubel.module.survey.notated import agreement, notated, with_weights
from hubel.net.names import relu
from hubel.net.trace import UnreadError
from hubel.net.untrace import TangledError
from hubel.net.volume import Volume


class Excited(nn.Module):
    """A block of today: a gate, a skip connection, layer scale, a linear map at every place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.gamma = nn.Parameter(torch.rand(width, 1, 1))
        self.squeeze = nn.Conv2d(width, 2, 1)
        self.excite = nn.Conv2d(2, width, 1)

    def forward(self, images: Tensor) -> Any:
        last = self.norm(images.permute(0, 2, 3, 1))
        body = self.down(nn.functional.gelu(self.up(last))).permute(0, 3, 1, 2)
        says = self.excite(torch.relu(self.squeeze(body.mean((2, 3), keepdim=True)))).sigmoid()
        return images + self.gamma * (body * says)


class Dealt(nn.Module):
    """ShuffleNetV2's unit, as torchvision writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, images: Tensor) -> Any:
        kept, other = images.chunk(2, dim=1)
        both = torch.cat([kept, self.branch(other)], 1)
        count, depth, high, wide = both.shape
        dealt = both.view(count, 2, depth // 2, high, wide).transpose(1, 2).contiguous()
        return dealt.view(count, depth, high, wide)


class Cut(nn.Module):
    """A quarter of the maps goes through a branch, as in FasterNet; then slices, and halves of a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.some, self.other = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(6, 6, 1)

    def forward(self, images: Tensor) -> Any:
        kept, left = images.split((2, 6), 1)  # type: ignore[no-untyped-call]
        joined = torch.cat([self.some(kept), left], 1)
        joined = torch.cat([joined[:, 6:], self.other(joined[:, :-2])], 1)
        return (joined.relu() + 0.25 * joined) / 2


def network() -> nn.Module:
    torch.manual_seed(1)
    pad = nn.ZeroPad2d((0, 2, 1, 0))  # left, right, top, bottom
    stem = nn.Sequential(nn.Sequential(pad, nn.Conv2d(3, 8, 3, stride=2)), nn.BatchNorm2d(8), nn.Hardswish())
    body = nn.Sequential(stem, Excited(8), Dealt(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    with torch.no_grad():
        body(torch.randn(16, 3, 24, 24))  # running statistics that differ from those at the start
    return body


def test_scores_are_the_module_s() -> None:
    module = network()
    found = notated(module, Volume(24, 24, 3))
    made = with_weights(found, module)
    images = torch.randn(3, 3, 24, 24)
    assert agreement(found, module, made, images) < 1e-5
    torch.testing.assert_close(made(images), module.eval()(images))
    text = repr(found.net.net)
    assert "gate(globalavgpool" in text
    assert "shuffle(2)" in text
    assert "conv(8, 3, stride=2, pad=(1, 0, 0, 2))" in text
    assert found.net.paths["0.1"] == "_0._1"
    assert found.weights["_0._1.running_mean"] == "0.1.running_mean"
    assert found.weights["_1.layerscale1.weight"] == "1.gamma"


def test_unequal_parts_and_constant_factors() -> None:
    torch.manual_seed(2)
    module = Cut()
    found = notated(module, Volume(5, 7, 8))
    made = with_weights(found, module)
    images = torch.randn(3, 8, 5, 7)
    torch.testing.assert_close(made(images), module.eval()(images))
    assert agreement(found, module, made, images) < 1e-5
    text = repr(found.net.net)
    assert all(part in text for part in ("part(1, 4)", "part(2, 4, to=4)", "part(4, 4)", "part(1, 4, to=3)"))
    assert "layerscale(initial=0.25)" in text
    assert "layerscale(initial=0.5)" in text


def test_mirrored_and_repeated_edges_are_a_convolution_s_padding() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 5, padding=(1, 2), padding_mode="reflect"),
        nn.ReflectionPad2d((0, 2, 1, 0)),  # left, right, top, bottom
        nn.Conv2d(4, 4, 3),
        nn.ReplicationPad2d(1),
        nn.Conv2d(4, 2, 3, stride=2),
        nn.Conv2d(2, 2, 3, padding="same", padding_mode="replicate"),
    )
    found = notated(module, Volume(9, 8, 3))
    made = with_weights(found, module)
    images = torch.randn(2, 3, 9, 8)
    assert agreement(found, module, made, images) < 1e-5
    assert repr(found.net.net) == (
        'named("_0", conv(4, 5, pad=(1, 2), pad_mode="reflect")) '
        '>> named("_2", conv(4, 3, pad=(1, 0, 0, 2), pad_mode="reflect")) '
        '>> named("_4", conv(2, 3, stride=2, pad=1, pad_mode="replicate")) '
        '>> named("_5", conv(2, 3, pad=1, pad_mode="replicate"))'
    )
    assert [step.path for step in found.survey.ledger.steps] == ["0", "1", "2", "3", "4", "5"]


def test_padding_that_no_convolution_has_is_named() -> None:
    with pytest.raises(UnreadError, match="there is none for pad_circular"):
        notated(nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), Volume(9, 8, 3))
    with pytest.raises(UnreadError, match="there is none for pad_reflect"):
        notated(nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3, padding=1)), Volume(9, 8, 3))


class Odd(nn.Module):
    """What looks like a constant factor or a part of the maps, and is none."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, images: Tensor) -> Any:
        match self.kind:
            case "inverse":
                return 2 / images
            case "negative":
                return images * -0.5
            case "rows":
                return images[:, :, 1:]
            case _:
                return images[:, ::2]


@pytest.mark.parametrize(
    ("kind", "op"), [("inverse", "rdiv"), ("negative", "mul"), ("rows", "getitem"), ("steps", "getitem")]
)
def test_what_only_looks_so(kind: str, op: str) -> None:
    with pytest.raises(UnreadError, match=f"is no layer of hubel: there is none for {op}"):
        notated(Odd(kind), Volume(4, 4, 4))


def test_the_file_of_a_module_is_a_model(tmp_path: Path) -> None:
    module = network()
    made = hubel.notation(module, "24x24x3", out=f"{tmp_path}/m.safetensors", mean=0.5, std=[0.2, 0.3, 0.4])
    again = hubel.load(f"{tmp_path}/m.safetensors")
    assert again.net == made.net
    assert again.preprocessing.std == (0.2, 0.3, 0.4)
    assert repr(made) == again.network.notation
    images = torch.randn(2, 3, 24, 24)
    torch.testing.assert_close(again.network(images), module.eval()(images))
    with pytest.raises(UsageError, match="exists"):
        hubel.notation(module, "24x24x3", out=f"{tmp_path}/m.safetensors")


def test_a_network_has_its_notation_already() -> None:
    assert hubel.notation("lenet5").net == hubel.zoo.lenet5()
    assert hubel.notation(relu, "8x8x3").net == relu
    with pytest.raises(UsageError, match="for a torch module"):
        hubel.notation("lenet5", out="never.safetensors")


def test_what_is_no_layer_is_named() -> None:
    with pytest.raises(UnreadError, match=r"^2 is no layer of hubel: there is none for softsign") as caught:
        notated(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Softsign()), Volume(8, 8, 3))
    assert [step.path for step in caught.value.steps] == ["0", "1"]
    tied = nn.Conv2d(3, 3, 1)
    with pytest.raises(UnreadError, match="shared"):
        notated(nn.Sequential(tied, nn.ReLU(), tied), Volume(8, 8, 3))


class Crossed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, images: Tensor) -> Any:
        first, second = self.a(images), self.b(images)
        return (first + second) + self.c(second)


def test_branches_that_cross_are_refused() -> None:
    with pytest.raises(TangledError, match="branches that read b do not part"):
        notated(Crossed(), Volume(8, 8, 3))


def test_other_scores_are_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    found = notated(module, Volume(1, 1, 3))
    made = with_weights(found, module)
    with torch.no_grad():
        next(module.parameters()).mul_(2)
    with pytest.raises(ModelError, match=r"^0, read as Convolution.*other values than the module"):
        agreement(found, module, made, torch.randn(2, 3, 1, 1))
