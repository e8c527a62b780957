"""Modules that are not image to scores: several results, other inputs, lazy layers, odd tensors."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from hubel.errors import NetworkError, UsageError
from hubel.instruments.subject import Subject
from hubel.report.table import as_data, as_text
from hubel.tasks.compare import compare
from hubel.tasks.diff import diff
from hubel.tasks.draw import draw
from hubel.tasks.network import ledger
from hubel.tasks.table import table


class Pair(nn.Module):
    """Returns a tuple, with the features before the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return features, self.head(features.mean((2, 3)))

    def forward(self, x: Tensor) -> object:
        return self.both(x)


class Named(Pair):
    """Returns a dict, one of whose values is a tuple."""

    def forward(self, x: Tensor) -> object:
        features, scores = self.both(x)
        return {"features": (features, features.sum(1)), "out": scores}


@pytest.mark.parametrize(("make", "names", "scores"), [(Pair, "0, 1", "1"), (Named, "features.0, ", "out")])
def test_which_result_is_taken_is_said_and_can_be_chosen(make: type[Pair], names: str, scores: str) -> None:
    module = make().eval()
    found = ledger(module, "14x14x3")
    (remark,) = found.remarks
    assert remark.startswith(f"{make.__name__} returns {names}")
    assert remark in str(as_text(found, 100))
    assert as_data(found, "net")["remarks"] == [remark]
    for shows in (compare, diff):
        with pytest.warns(UserWarning, match=rf"{make.__name__} returns {names}.*its scores are the first"):
            shows(module, "fc(2)", volume="14x14x3")
    with pytest.warns(UserWarning, match=rf"{make.__name__} returns {names}.*its scores are the first"):
        draw(module, "14x14x3")
    chosen = table(module, "14x14x3", output=scores)
    assert chosen.ledger.remarks == ()
    with pytest.raises(UsageError, match=rf"{make.__name__} returns no 'nothing'"):
        ledger(module, "14x14x3", output="nothing")
    images = torch.rand(2, 3, 14, 14)
    with pytest.warns(UserWarning, match="its scores are the first: .*output="):
        first = Subject.of(module, "14x14x3")
    assert first.last.path == "features"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subject = Subject.of(module, "14x14x3", output=scores)
    assert subject.last.path == "head"
    with torch.no_grad():
        assert torch.equal(subject.run(images, lambda _path, value: value, []), module.both(images)[1])


class Two(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image * mask


class Masked(nn.Module):
    def forward(self, image: Tensor, *, mask: Tensor) -> Tensor:
        return image * mask


class Batch(nn.Module):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return 2 * batch["image"]


@pytest.mark.parametrize("make", [Two, Masked, Batch])
def test_other_inputs_than_one_image_are_refused(make: type[nn.Module]) -> None:
    with pytest.raises(NetworkError, match="what can be followed takes one image volume") as raised:
        ledger(make(), "8x8x3")
    assert len(str(raised.value)) <= 300


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.LazyLinear(10)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.norm(self.conv(x)).flatten(1))
        return scores


def test_lazy_layers_get_the_sizes_that_the_input_gives() -> None:
    """4*27 + 4 for the convolution, 8 for the normalisation, 10 * (576 + 1) for the head."""
    module = Lazy()
    found = ledger(module, "14x14x3")
    assert [row.params for row in found.rows] == [112, 8, 5770]
    assert isinstance(module.head.weight, nn.UninitializedParameter)  # the module itself is unchanged
    module.eval()
    subject = Subject.of(module, "14x14x3")
    assert subject.run(torch.zeros(1, 3, 14, 14), lambda _path, value: value, []).shape == (1, 10)
    with pytest.raises(NetworkError, match="Lazy fails on 2x2x3"):
        ledger(Lazy(), "2x2x3")


class Doubled(nn.Module):
    """Makes two images of one."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, x + 1))


class Stacked(nn.Module):
    """Makes a short film of an image."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack((x, x + 1), 2)


class Nothing(nn.Module):
    """Takes no map at all."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :0]


def test_what_is_no_volume_is_marked_or_refused() -> None:
    marks = [ledger(make(), "8x6x3").rows[-1].note for make in (Doubled, Stacked)]
    assert "a tensor of 2x3x8x6 is no volume; shown as 48x1x6" in marks[0]
    assert "a tensor of 1x3x2x8x6 is no volume; shown as 48x1x6" in marks[1]
    with pytest.raises(NetworkError, match="makes a tensor of 1x0x8x6, without values"):
        ledger(Nothing(), "8x6x3")
