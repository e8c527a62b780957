"""Images side by side have PyTorch's gradients, and are for narrow maps on a CPU with AMX alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from hubel.module import narrow
from hubel.module.convolution import Convolution
from hubel.module.direct import Direct, Geometry
from hubel.module.narrow import images_in_row, side_by_side
from hubel.training.step.precision import computing_in

CPU = torch.device("cpu")
BF16 = torch.bfloat16


@pytest.fixture
def amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "has_amx", lambda: True)


@pytest.mark.parametrize("images", [6, 7, 2])
@pytest.mark.parametrize(
    ("kernel", "padding"), [((3, 3), (1, 1)), ((3, 3), (0, 1)), ((1, 3), (0, 1)), ((2, 5), (1, 2))]
)
def test_gradients_are_those_of_convolution(
    kernel: tuple[int, int], padding: tuple[int, int], images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.module.direct.images_in_row", lambda *_: 3)
    torch.manual_seed(0)
    seen = torch.randn(images, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, *kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    geometry = Geometry((1, 1), padding)
    ours = Direct.apply(seen, weight, bias, geometry)  # type: ignore[no-untyped-call]
    theirs = F.conv2d(seen, weight, bias, padding=padding)
    torch.testing.assert_close(ours, theirs)
    gradient = torch.randn_like(theirs)
    found = torch.autograd.grad(ours, (seen, weight, bias), gradient)
    expected = torch.autograd.grad(theirs, (seen, weight, bias), gradient)
    torch.testing.assert_close(found, expected)


def test_images_side_by_side_have_zeros_between_and_at_the_end() -> None:
    maps = torch.arange(1.0, 7.0).view(3, 1, 1, 2)
    rows = side_by_side(maps, 2, 1)
    assert rows.flatten(1).tolist() == [[1, 2, 0, 3, 4, 0], [5, 6, 0, 0, 0, 0]]
    assert rows.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("amx")
@pytest.mark.parametrize(
    ("width", "count"), [(2, 0), (3, 8), (4, 6), (7, 4), (8, 3), (10, 2), (11, 0), (31, 0)]
)
def test_a_row_is_filled_by_narrow_maps_alone(width: int, count: int) -> None:
    images, weight = torch.zeros(8, 4, 5, width), torch.zeros(4, 4, 3, 3)
    assert images_in_row(images, weight, (1, 1), (1, 1), BF16) == count


@pytest.mark.usefixtures("amx")
def test_other_layers_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    images, weight = torch.zeros(8, 4, 7, 7), torch.zeros(4, 4, 3, 3)
    assert images_in_row(images, weight, (1, 1), (1, 1), BF16) == 4
    assert images_in_row(images, weight, (1, 1), (1, 1), torch.float32) == 0
    assert images_in_row(images, weight, (2, 2), (1, 1), BF16) == 0
    assert images_in_row(images, weight, (1, 1), (0, 0), BF16) == 0
    assert images_in_row(images, weight[..., :1, :1], (1, 1), (0, 0), BF16) == 0
    assert images_in_row(images[:3], weight, (1, 1), (1, 1), BF16) == 0
    monkeypatch.setattr(narrow, "has_amx", lambda: False)
    assert images_in_row(images, weight, (1, 1), (1, 1), BF16) == 0


@pytest.mark.usefixtures("amx")
def test_a_layer_trains_in_bfloat16_as_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []

    def noted(*parts: Any) -> int:
        used.append(images_in_row(*parts))
        return used[-1]

    monkeypatch.setattr("hubel.module.direct.images_in_row", noted)
    torch.manual_seed(0)
    ours, theirs = Convolution(16, 16, 3, padding=1), torch.nn.Conv2d(16, 16, 3, padding=1)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(9, 16, 7, 7)
    for layer in (ours, theirs):
        with computing_in("bfloat16", CPU):
            layer(images).float().square().mean().backward()
    assert used == [4]
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert one.grad.dtype == torch.float32
        torch.testing.assert_close(one.grad, other.grad, rtol=0.02, atol=2e-4)
