"""The ledger of any module: hubel's networks agree with their values, other modules with PyTorch."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import example, given, settings
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import hubel
from hubel import Ledger, Net, Volume, build, ledger, parse, zoo
from hubel.errors import NetworkError, SizeError
from hubel.module.network import Network
from hubel.module.survey.follow import survey
from hubel.net.names import LAYERS
from hubel.net.trace import UnfitError
from tests.module.probes import kept_for_backward
from tests.module.strangers import Attention, Branches, ChannelsLast, Gate, Shuffle, UpAndDown
from tests.strategies import fitting_nets

SEEN = Volume(32, 32, 3)
STRANGERS = [Branches, UpAndDown, Attention, ChannelsLast, Shuffle]


def same(found: Ledger, net: Net, volume: Volume) -> None:
    """The rows and totals are those of the network's value; identities and weights of losses have no row."""
    expected = ledger(net, volume)
    rows = [row for row in expected.rows if row.layer.kind not in ("identity", "sidehead")]
    assert [row.path for row in found.rows] == [row.path for row in rows]
    for name in ("output", "params", "macs", "values", "field", "note", "formula"):
        assert [getattr(row, name) for row in found.rows] == [getattr(row, name) for row in rows]
    assert [row.side.partition(".")[0] for row in found.rows] == [row.side.partition(".")[0] for row in rows]
    assert found.totals == expected.totals


def row(found: Ledger, path: str) -> Any:
    return next(each for each in found.rows if each.path == path)


# --- hubel's own networks ------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(fitting_nets())
@example((parse("(dropout >> conv(1, 1)) + relu"), Volume(4, 4, 1)))  # dropout passes its input on
def test_a_built_network_has_the_ledger_of_its_value(drawn: tuple[Net, Volume]) -> None:
    net, volume = drawn
    found, expected = survey(build(net, volume), volume).totals, ledger(net, volume).totals
    assert found == expected


@pytest.mark.parametrize(
    "name", ["resnet18", "googlenet_bn", "efficientnet_lite0", "vgg16", "alexnet", "zfnet"]
)
def test_the_zoo_on_the_meta_device(name: str) -> None:
    net, volume = zoo.find(name)
    with torch.device("meta"):
        module = Network(net, volume)
    same(survey(module, volume), net, volume)


def test_lenet_with_its_links() -> None:
    net, volume = zoo.find("lenet5_1998")
    same(survey(build(net, volume), volume), net, volume)


# --- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", STRANGERS)
def test_params_and_macs_are_pytorchs(make: type[nn.Module]) -> None:
    module = make().eval()
    found = ledger(module, SEEN)
    assert found.totals.params == sum(parameter.numel() for parameter in module.parameters())
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        out = module(torch.zeros(1, 3, 32, 32))
    assert found.totals.flops == counter.get_total_flops()
    assert found.rows[-1].output.values == out.numel()
    assert not found.unaccounted


@pytest.mark.parametrize("make", [Branches, UpAndDown, ChannelsLast, Shuffle])
def test_bytes_saved_for_backward_are_autograds(make: type[nn.Module]) -> None:
    module = make()
    if isinstance(module, Branches):
        module.gate = nn.Identity()  # type: ignore[assignment]
    kept = kept_for_backward(module, torch.zeros(1, 3, 32, 32))
    assert ledger(module, SEEN).totals.backward_bytes == kept


def test_names_and_sharing() -> None:
    found = ledger(Branches(), SEEN)
    paths = [each.path for each in found.rows]
    assert paths == [
        *("stem", "bn", "relu1", "body.0", "body.1", "body.0#2", "add1", "relu2", "left", "right", "relu3"),
        *("concat1", "gate.globalavgpool1", "gate.reduce", "gate.relu1", "gate.expand", "gate.sigmoid1"),
        *("gate.multiply1", "maxpool1", "adaptiveavgpool1", "head"),
    ]
    assert repr(row(found, "body.0").layer) == "conv(8, 3, pad=1, groups=4)"
    first, second = row(found, "body.0"), row(found, "body.0#2")
    assert (first.params, second.params, first.macs) == (8 * 2 * 9 + 8, 0, second.macs)
    assert second.note == "shared: its parameters are counted in body.0"
    assert row(found, "right").field.size == (3 + 2 * (2 + 2 + 4), 3 + 2 * (2 + 2 + 4))
    assert row(found, "head").formula == "1·1·10 = 10 inputs"


def dealt() -> nn.Module:
    """Pixel unshuffle and pixel shuffle."""
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 12, 3), nn.PixelShuffle(2))


@pytest.mark.parametrize("make", [UpAndDown, Shuffle, ChannelsLast, dealt])
def test_the_field_of_a_unit_holds_its_gradient(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    module = make().double().eval()
    found = ledger(module, SEEN)
    image = torch.randn(1, 3, 32, 32, dtype=torch.double, requires_grad=True)
    out = module(image)
    for y, x in {(0, 0), (out.shape[2] // 2, out.shape[3] // 3), (out.shape[2] - 1, out.shape[3] - 1)}:
        (gradient,) = torch.autograd.grad(out[0, :, y, x].sum(), image, retain_graph=True)
        rows, columns = gradient[0].abs().sum(0).nonzero(as_tuple=True)
        box = found.field(found.rows[-1].path, y, x, clipped=True)
        seen = (int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max()))
        assert seen == (box.top, box.left, box.bottom, box.right)


UP = nn.Upsample(scale_factor=2)
GROWING: list[nn.Sequential] = [
    nn.Sequential(UP),
    nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(4, 4, 3)),
    nn.Sequential(
        nn.ConvTranspose2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 5, padding=2), nn.ConvTranspose2d(4, 4, 4, 2)
    ),
    nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), UP, nn.Conv2d(4, 4, 3, padding=1)),
    nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.MaxPool2d(3, 2)),
    nn.Sequential(nn.Upsample(scale_factor=3), nn.Conv2d(3, 4, 3, stride=2), UP),
    nn.Sequential(UP, nn.AdaptiveAvgPool2d(1)),
    nn.Sequential(UP, nn.AdaptiveAvgPool2d(5), nn.Conv2d(3, 4, 3, padding=1)),
    nn.Sequential(nn.Conv2d(3, 4, 3), UP, nn.Flatten(), nn.Linear(4 * 36, 5)),
    nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(12, 12, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(3, 4, 3)
    ),
    nn.Sequential(nn.Conv2d(3, 8, 3), nn.PixelShuffle(2)),
]


@pytest.mark.parametrize("module", GROWING, ids=str)
def test_after_upsampling_a_row_has_the_largest_field_of_its_units(
    module: nn.Sequential,
) -> None:
    size = 5 if any(isinstance(part, nn.Flatten) for part in module) else 20
    found = ledger(module, Volume(size, size, 3))
    for line in found.rows:
        boxes = [found.field(line.path, unit, unit) for unit in range(line.output.height)]
        assert line.field.size[0] == max(box.size[0] for box in boxes)
        assert line.field.start[0] == boxes[0].top
        if len(boxes) > 12:  # after 12 units the fields of all these modules repeat
            assert boxes[12].top - boxes[0].top == 12 * line.field.jump[0]


def test_filters_of_another_depth_say_what_they_take() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(5, 2, 2))
    with pytest.raises(
        UnfitError, match=r"^1 fails on 6x6x4: its filters take depth 5, not 4; 6x6x5 would fit$"
    ) as at:
        ledger(module, Volume(8, 8, 3))
    assert [step.path for step in at.value.steps] == ["0"]
    with pytest.raises(SizeError, match="its filters take depth 4, not 3"):
        ledger(nn.Conv2d(4, 8, 3, groups=2), Volume(8, 8, 3))


def test_an_unknown_window_is_noted_once() -> None:
    class Cubic(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.interpolate(F.interpolate(x, scale_factor=2, mode="bicubic"), scale_factor=1.5)

    found = ledger(Cubic(), Volume(8, 8, 3))
    assert [each.note for each in found.rows] == ["its window is unknown: at most the whole input", ""]
    assert [each.field.size for each in found.rows] == [(8, 8), (8, 8)]


def test_a_gate_sees_the_whole_input() -> None:
    found = ledger(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), Gate(4, 2)), Volume(17, 17, 3))
    end = row(found, "1.multiply1")
    assert (end.field.size, end.field.jump) == ((17, 17), (0, 0))  # all units see all pixels
    box = found.field("1.multiply1", 7, 7)
    assert (box.top, box.left, box.bottom, box.right) == (0, 0, 16, 16)


class Both(nn.Module):
    """An operation with unknown MACs, a part that nothing reads, a weight computed from others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 1, bias=False))
        self.narrow = nn.Parameter(torch.ones(6, 2))
        self.wide = nn.Parameter(torch.ones(2, 4))
        self.spare = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fft.fft2(self.conv(x)).real
        return F.linear(x.mean((2, 3)), self.narrow @ self.wide)


def test_unknown_operations_are_noted() -> None:
    module = Both()
    found = ledger(module, SEEN)
    assert found.totals.params == sum(parameter.numel() for parameter in module.parameters())
    assert row(found, "conv").params == 4 * 3 + 4
    assert row(found, "conv").note == "16 parameters in place of 12"
    assert found.unaccounted == ("fft_fft2_1",)
    assert "not accounted: aten._fft" in row(found, "fft_fft2_1").note
    assert row(found, "fc1").macs == 6 * 4 + 6 * 2 * 4
    assert row(found, "spare").note == "41 parameters that nothing reads"


def test_side_heads_are_those_of_training() -> None:
    class Aux(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head, self.aux = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), nn.Linear(4, 5)

        def forward(self, x: Tensor) -> Any:
            x = self.stem(x).mean((2, 3))
            return (self.head(x), self.aux(x)) if self.training else self.head(x)

    for module in (Aux(), Aux().eval()):
        found = ledger(module, SEEN)
        assert [(each.path, each.side) for each in found.rows if each.side] == [("aux", "aux")]
        assert (found.totals.side_params, found.totals.side_macs) == (25, 20)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "vit_tiny_patch16_224"])
def test_timm(name: str) -> None:
    """The counter does not know the CPU's fused attention: it counts the matrix products it stands for."""
    timm = pytest.importorskip("timm", exc_type=ImportError)
    module = timm.create_model(name).eval()
    found = ledger(module, "224x224x3")
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter, torch.no_grad():
        module(torch.zeros(1, 3, 224, 224))
    assert found.totals.flops == counter.get_total_flops()
    assert not found.unaccounted


def test_a_vision_transformer_by_hand() -> None:
    """ViT-Ti/16 of 224 pixels: 12 blocks of 192 values for each of 197 tokens, in 3 heads of 64."""
    timm = pytest.importorskip("timm", exc_type=ImportError)
    tokens, width = 197, 192
    linear = tokens * (width * 3 * width + width * width + 2 * width * 4 * width)
    attention = 2 * 3 * tokens * tokens * 64
    macs = 196 * width * 3 * 16 * 16 + 12 * (linear + attention) + width * 1000
    found = ledger(timm.create_model("vit_tiny_patch16_224").eval(), "224x224x3")
    assert found.totals.flops == 2 * macs == 2_507_366_400


# --- the module stays as it was ------------------------------------------------------------------


def test_the_module_is_not_changed() -> None:
    module = Branches()
    module.left.eval()
    calls: list[str] = []
    module.stem.register_forward_hook(lambda *_: calls.append("hook"))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    addresses = {name: value.data_ptr() for name, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    torch.manual_seed(3)
    random.seed(3)
    chance, other = torch.get_rng_state(), random.getstate()
    ledger(module, SEEN)
    after = module.state_dict()
    assert {name: value.data_ptr() for name, value in after.items()} == addresses
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [part.training for part in module.modules()] == modes
    assert torch.equal(torch.get_rng_state(), chance)
    assert random.getstate() == other
    assert calls == []
    assert len(module.stem._forward_hooks) == 1
    assert not module.bn._forward_hooks
    assert all(parameter.grad is None for parameter in module.parameters())


def test_no_memory_is_taken() -> None:
    """Every tensor made on the way lies on the meta device; the weights alone would be 553 MB."""
    net, volume = zoo.find("vgg16")
    with torch.device("meta"):
        module = Network(net, volume)
    with torch.profiler.profile(profile_memory=True) as measured:
        ledger(module, volume)
    taken = sum(
        event.self_cpu_memory_usage for event in measured.key_averages() if event.self_cpu_memory_usage > 0
    )
    assert taken < 1_000_000


def test_weights_are_not_copied() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2000))
    with torch.profiler.profile(profile_memory=True) as measured:
        ledger(module, SEEN)
    taken = sum(
        event.self_cpu_memory_usage for event in measured.key_averages() if event.self_cpu_memory_usage > 0
    )
    assert taken < 100_000 < 4 * 3072 * 2000


# --- errors --------------------------------------------------------------------------------------


def test_a_module_that_does_not_fit_says_where() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(5, 4, 3))
    with pytest.raises(UnfitError, match=r"^2 fails on 30x30x4: its filters take depth 5") as raised:
        ledger(module, SEEN)
    assert [step.path for step in raised.value.steps] == ["0", "1"]


def test_control_flow_that_depends_on_values_is_refused() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(NetworkError, match=r"depends on the values .*test_survey.py, line \d+: return x if"):
        ledger(Picky(), SEEN)


def test_torchscript_is_refused() -> None:
    script = torch.jit.ScriptModule()
    with pytest.raises(NetworkError, match="1 is TorchScript"):
        ledger(nn.Sequential(nn.ReLU(), script), SEEN)


def test_several_results_count_once() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTM(3, 5, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.cell(x.flatten(2).transpose(1, 2))[0]
            return scores

    found = ledger(Recurrent(), "4x4x3")
    assert found.totals.params == 4 * 5 * (3 + 5 + 2)
    assert found.totals.macs == 16 * 4 * 5 * (3 + 5)
    assert [each.params > 0 for each in found.rows] == [True, False, False]


def test_strict() -> None:
    with pytest.raises(SizeError, match=r"0 does not fit 32x32x3: \(32-3\+2·0\)/2\+1 = 15.5"):
        ledger(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2)), SEEN, strict=True)


def test_a_value_that_is_neither_network_nor_module_is_refused() -> None:
    with pytest.raises(NetworkError, match="a network is expected"):
        ledger(3.5, SEEN)  # type: ignore[arg-type]  # which is what is tested


def test_all_names_of_layers_are_in_hubel() -> None:
    assert set(LAYERS) <= set(vars(hubel)["__all__"])
    assert all(getattr(hubel, name) is layer for name, layer in LAYERS.items())


def test_strict_holds_for_a_layer_with_a_remark() -> None:
    """A weight-normed convolution of 2x2 at stride 2 leaves the last row and column of 9x9 unused."""

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 2, stride=2))

        def forward(self, images: Tensor) -> Tensor:
            answers: Tensor = self.conv(images)
            return answers

    assert ledger(Normed(), "8x8x3", strict=True).rows
    with pytest.raises(SizeError, match=r"\(9-2\+2·0\)/2\+1 = 4\.5"):
        ledger(Normed(), "9x9x3", strict=True)
