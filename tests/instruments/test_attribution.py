"""Attribution: linear networks worked by hand, captum's own methods, and whether the weights matter."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam, Occlusion, Saliency
from scipy.stats import spearmanr
from torch import Tensor, nn

from hubel import build, conv, fc, globalavgpool, parse, relu, softmax
from hubel.errors import UsageError
from hubel.instruments.attribution import (
    METHODS,
    Attribution,
    attribute,
    cascade,
    class_scores,
    last_maps,
    occlude,
    rank_correlation,
)
from hubel.instruments.subject import Subject
from hubel.module.network import Network
from tests.instruments.subjects import BRANCHED, Foreign, state


def linear(depth: int = 2) -> tuple[Network, Tensor]:
    """A network that is a weighted sum of its input, one for each of three classes: 3 x depth x 4 x 5."""
    network = build(fc(3), (4, 5, depth), seed=2).eval()
    weights = network.fc1.weight.detach().reshape(3, depth, 4, 5)  # type: ignore[union-attr, operator]
    return network, weights


def noise(depth: int, height: int, width: int) -> Tensor:
    return torch.randn(depth, height, width, generator=torch.Generator().manual_seed(7))


def deep() -> Network:
    return build(BRANCHED, "8x8x2", seed=5).eval()


def test_of_a_linear_network_the_gradient_is_its_weights() -> None:
    network, weights = linear()
    image = noise(2, 4, 5)
    found = attribute(Subject.of(network), image, 1, "gradient")
    assert found.cells == pytest.approx(weights[1].numpy())
    assert found.map == pytest.approx(weights[1].abs().amax(0).numpy())
    assert found.score == pytest.approx(float(network(image[None]).detach()[0, 1]), abs=1e-5)
    assert not found.signed


def test_of_a_linear_network_the_integrated_gradient_is_each_product() -> None:
    network, weights = linear()
    image, baseline = noise(2, 4, 5), torch.full((2, 4, 5), 0.5)
    found = attribute(Subject.of(network), image, 2, "integrated", baseline=baseline)
    assert found.cells == pytest.approx((weights[2] * (image - baseline)).numpy(), abs=1e-6)
    assert found.map == pytest.approx(found.cells.sum(0))
    assert found.signed


def test_the_integrated_gradient_sums_to_the_difference_of_the_scores() -> None:
    network = deep()
    image, baseline = noise(2, 8, 8), -torch.ones(2, 8, 8)
    found = attribute(Subject.of(network), image, 0, "integrated", baseline=baseline, steps=400)
    ends = network(torch.stack([baseline, image])).detach()[:, 0]
    difference = float(ends[1] - ends[0])
    assert found.map.sum() == pytest.approx(difference, rel=0.01, abs=0.01)
    assert found.rest == pytest.approx(difference - found.map.sum(), abs=1e-4)


@pytest.mark.parametrize("path", ["relu1", "concat1", "relu3"])
def test_grad_cam_is_captums(path: str) -> None:
    network, image = deep(), noise(2, 8, 8)
    found = attribute(Subject.of(network), image, 1, layer=path)
    wanted = LayerGradCam(network, network.get_submodule(path)).attribute(
        image[None], target=1, relu_attributions=True
    )
    assert found.cells == pytest.approx(wanted[0, 0].detach().numpy(), abs=1e-5)
    assert found.map.shape == (8, 8)
    assert found.layer == path


def test_grad_cam_by_hand() -> None:
    network = build(conv(2, 1, bias=False) >> globalavgpool >> fc(2, bias=False), "2x2x1").eval()
    with torch.no_grad():
        network.conv1.weight.copy_(torch.tensor([[[[1.0]]], [[[-2.0]]]]))  # type: ignore[union-attr, operator]
        network.fc1.weight.copy_(torch.tensor([[4.0, 1.0], [0.0, 1.0]]))  # type: ignore[union-attr, operator]
    image = torch.tensor([[[1.0, 2.0], [-3.0, 0.0]]])
    found = attribute(Subject.of(network), image, 0, layer="conv1")
    # a map's mean gradient is its weight / 4, as the mean is over 4 places: (4·x + 1·(-2x)) / 4 = x / 2
    assert found.cells == pytest.approx(np.array([[0.5, 1.0], [0.0, 0.0]]))
    assert attribute(Subject.of(network), image, 1, layer="conv1").cells == pytest.approx(
        np.array([[0.0, 0.0], [1.5, 0.0]])
    )


def test_the_gradient_is_captums() -> None:
    network, image = deep(), noise(2, 8, 8)
    wanted = Saliency(network).attribute(image[None].clone().requires_grad_(), target=2, abs=False)
    assert attribute(Subject.of(network), image, 2, "gradient").cells == pytest.approx(
        wanted[0].numpy(), abs=1e-6
    )


def test_occlusion_is_captums() -> None:
    network, image = deep(), noise(2, 8, 8)
    found = occlude(Subject.of(network), image, square=3, stride=1)
    assert found.scores.shape == (6, 6, 3)
    wanted = Occlusion(network).attribute(image[None], (2, 3, 3), strides=(2, 1, 1), target=1)
    assert found.drop(1, (8, 8)) == pytest.approx(wanted[0, 0].detach().numpy(), abs=1e-5)


def test_of_a_linear_network_a_square_takes_what_is_under_it() -> None:
    network, weights = linear(1)
    image, ground = noise(1, 4, 5), torch.full((1, 4, 5), 2.0)
    found = occlude(Subject.of(network), image, square=2, stride=2, fill=ground)
    assert found.rows.tolist() == [0, 2]
    assert found.columns.tolist() == [0, 2, 3]  # the last one at the edge
    parts = (weights * (image - ground)).numpy()
    assert found.whole - found.scores[1, 2] == pytest.approx(parts[:, 0, 2:4, 3:5].sum((1, 2)), abs=1e-5)
    assert found.probabilities.sum(-1) == pytest.approx(np.ones((2, 3)))
    covered = found.drop(0, (4, 5))
    assert covered[0, 0] == pytest.approx(parts[0, 0, :2, :2].sum(), abs=1e-5)


def test_the_most_probable_class_changes_where_its_evidence_is_covered() -> None:
    network = build(fc(2, bias=False), "4x4x1").eval()
    with torch.no_grad():
        network.fc1.weight.zero_()  # type: ignore[union-attr, operator]
        network.fc1.weight[0, 0] = 2  # type: ignore[union-attr, operator]
        network.fc1.weight[1, 15] = 1  # type: ignore[union-attr, operator]
    found = occlude(Subject.of(network), torch.ones(1, 4, 4), square=2, stride=2)
    assert found.best.tolist() == [[1, 0], [0, 0]]
    assert found.probabilities[1, 1, 0] == pytest.approx(1 / (1 + np.exp(-2)))


@pytest.mark.parametrize("method", METHODS)
def test_random_weights_change_every_map(method: str) -> None:
    """Source: Adebayo et al. 2018, section 3.1."""
    network = build(
        parse("conv(6, 3, pad=1) >> relu >> conv(8, 3, pad=1) >> relu >> fc(4)"), "12x12x1", seed=1
    )
    image = noise(1, 12, 12)

    def look(subject: Subject) -> Attribution:
        return attribute(subject, image, 1, method)  # type: ignore[arg-type]

    before = state(network)
    found = list(cascade(Subject.of(network), look))
    assert state(network) == before
    assert [each.path for each in found] == ["fc1", "conv2", "conv1"]
    assert not found[-1].correlation > 0.6  # NaN, a map without any difference, is another one too


def test_a_lone_weight_is_drawn_anew_too() -> None:
    """A single value has no deviation; what it is stays of a size with what it was."""
    network, drawn = build(conv(1, 1, bias=False) >> relu >> fc(2), "6x6x1"), []

    def look(subject: Subject) -> Attribution:
        drawn.append(float(next(subject.module.parameters()).detach().flatten()))
        return attribute(subject, noise(1, 6, 6), 1, "gradient")

    list(cascade(Subject.of(network), look))
    trained, _, anew = drawn
    standard = torch.Generator().manual_seed(0)
    torch.randn(2, 36, generator=standard)  # those of fc1, drawn first
    assert anew == pytest.approx(float(torch.randn((), generator=standard)) * abs(trained), rel=1e-5)


def test_a_map_that_does_not_look_at_the_weights_is_found_out() -> None:
    image = noise(1, 6, 6)
    edges = image[0].abs().numpy()
    subject = Subject.of(build(conv(2, 3) >> relu >> fc(2), "6x6x1"))
    found = cascade(subject, lambda _: Attribution("gradient", 0, 0, edges, edges, signed=False))
    assert [each.correlation for each in found] == pytest.approx([1, 1])


def test_rank_correlation_is_scipys() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 6, (2, 9, 9))  # many ties
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    assert np.isnan(rank_correlation(one, np.ones_like(one)))


def test_a_class_scores_before_its_softmax() -> None:
    net = conv(2, 3) >> relu >> fc(3) >> softmax
    image = noise(1, 6, 6)
    network = build(net, "6x6x1").eval()
    plain = class_scores(Subject.of(build(net, "6x6x1", scores=True)), image[None])
    torch.testing.assert_close(class_scores(Subject.of(network), image[None]), plain)
    torch.testing.assert_close(network(image[None]), plain.softmax(1))
    for method in ("gradient", "gradcam"):
        found = attribute(Subject.of(network), image, 1, method)
        assert found.score == pytest.approx(float(plain[0, 1]), abs=1e-5)


def test_grad_cam_looks_at_the_last_maps_before_pooling() -> None:
    assert last_maps(Subject.of(deep())) == "relu3"
    lenet = parse("conv(6, 5) >> relu >> maxpool(2) >> conv(8, 3) >> relu >> maxpool(2) >> dropout >> fc(3)")
    assert last_maps(Subject.of(build(lenet, "20x20x1"))) == "relu2"
    assert last_maps(Subject.of(Foreign(), "8x8x2")) == "act"
    with pytest.raises(UsageError, match="no layer has more than one position"):
        last_maps(Subject.of(build(fc(3), "4x4x1")))


@pytest.mark.parametrize("module", [build(BRANCHED, "8x8x2"), Foreign()])
@pytest.mark.parametrize("method", METHODS)
def test_the_module_is_left_as_it_was(module: nn.Module, method: str) -> None:
    module.train()
    next(module.parameters()).requires_grad_(False)
    before = state(module)
    found = attribute(Subject.of(module, "8x8x2"), noise(2, 8, 8), 1, method)  # type: ignore[arg-type]
    assert state(module) == before
    assert found.map.shape == (8, 8)
    assert np.isfinite(found.map).all()


class Cut(nn.Module):
    """Nothing of its scores can be traced back to the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2, 3)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.conv(images).detach().relu().mean((2, 3)))
        return scores


@pytest.mark.parametrize("method", ["integrated", "gradient"])
def test_a_image_that_does_not_reach_the_score_is_said_to(method: str) -> None:
    with pytest.raises(UsageError, match="the score of the class does not depend on input"):
        attribute(Subject.of(Cut(), "6x6x1"), noise(1, 6, 6), 0, method)  # type: ignore[arg-type]


def test_works_where_gradients_are_off() -> None:
    subject, image = Subject.of(deep()), noise(2, 8, 8)
    with torch.inference_mode():
        found = attribute(subject, image, 1)
    assert found.map.max() > 0


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, image = Subject.of(deep()), noise(2, 8, 8)
    with pytest.raises(UsageError, match="did you mean gradcam"):
        attribute(subject, image, 0, "gradcan")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3 classes, numbered 0 to 2, not 3"):
        attribute(subject, image, 3)
    with pytest.raises(UsageError, match="a layer is for gradcam"):
        attribute(subject, image, 0, "gradient", layer="relu1")
    with pytest.raises(UsageError, match="a square is for occlusion"):
        attribute(subject, image, 0, square=2)
    with pytest.raises(UsageError, match="the network sees 8x8x2"):
        attribute(subject, image[:1], 0)
    with pytest.raises(UsageError, match="did you mean relu3"):
        attribute(subject, image, 0, layer="relu4")
    with pytest.raises(
        UsageError, match="fc1 has a single position per map, Grad-CAM needs several; use relu3"
    ):
        attribute(subject, image, 0, layer="fc1")
    with pytest.raises(UsageError, match="a side of 1 to 8, not 9"):
        occlude(subject, image, square=9)
    with pytest.raises(UsageError, match="by at least 1 pixel"):
        occlude(subject, image, stride=0)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(UsageError, match=r'pip install "hubel\[look\]"'):
        attribute(subject, image, 0, "integrated")
