"""CKA against its published formula, and units through the states of a network."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from hubel import build, parse
from hubel.errors import UsageError
from hubel.instruments.compare import Likeness, cka, likeness
from hubel.instruments.subject import Subject
from hubel.report.instruments.compare import likeness_figure
from tests.instruments.subjects import BRANCHED

Floats = npt.NDArray[np.float64]


def hsic1(k: Floats, other: Floats) -> float:
    """Song et al. 2012, equation 5, word for word."""
    n = len(k)
    k, other, one = k.copy(), other.copy(), np.ones(n)
    np.fill_diagonal(k, 0)
    np.fill_diagonal(other, 0)
    first = np.trace(k @ other)
    second = (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ other @ one)
    return float((first + second - third) / (n * (n - 3)))


def published(x: Floats, y: Floats) -> float:
    k, other = x @ x.T, y @ y.T
    return float(hsic1(k, other) / np.sqrt(hsic1(k, k) * hsic1(other, other)))


def pair(n: int = 30) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(n, 8)
    return x, torch.cat([x[:, :5] @ torch.randn(5, 6) + 0.5, torch.randn(n, 3)], 1)


def test_cka_is_the_published_formula() -> None:
    x, y = pair()
    wanted = published(x.double().numpy(), y.double().numpy())
    assert cka(x, y) == pytest.approx(wanted, abs=1e-5)
    assert 0.3 < wanted < 0.95


def test_hsic_is_near_the_biased_form_for_many_images() -> None:
    """Kornblith et al. 2019, equation 5: |Y'X|^2 / (|X'X| |Y'Y|) of centred columns."""
    x, y = pair(4000)
    a, b = (each - each.mean(0) for each in (x, y))
    plain = (b.T @ a).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())
    assert cka(x, y) == pytest.approx(float(plain), abs=0.01)


def test_cka_knows_no_rotation_scale_or_shift() -> None:
    x, y = pair()
    turn, _ = torch.linalg.qr(torch.randn(8, 8))
    assert cka(x, x) == pytest.approx(1, abs=1e-6)
    assert cka(x, 3 * x @ turn - 7) == pytest.approx(1, abs=1e-5)
    assert cka(0.01 * x @ turn, y) == pytest.approx(cka(x, y), abs=1e-5)
    assert cka(x, y) == pytest.approx(cka(y, x), abs=1e-6)
    stretched = x * torch.linspace(0.1, 10, 8)  # linear, but no rotation: that it does feel
    assert cka(x, stretched) < 0.9
    unrelated = [cka(torch.randn(20, 50), torch.randn(20, 50)) for _ in range(200)]
    assert np.mean(unrelated) == pytest.approx(0, abs=0.03)


def test_equal_networks_are_alike_layer_by_layer() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2"))
    paths = [step.path for step in subject.steps]
    batches = [(images, images) for images in torch.split(torch.randn(50, 2, 8, 8), 16)]
    shown: list[int] = []
    found = likeness(subject, subject, batches, (paths, paths), progress=shown.append)
    assert np.diag(found.values) == pytest.approx(np.ones(len(paths)), abs=1e-6)
    assert found.values == pytest.approx(found.values.T)
    assert found.images == shown[-1] == 48  # the two left over are too few
    assert found.nearest["conv1"] == "conv1"


def test_batches_are_averaged_before_they_are_divided() -> None:
    one, other = Subject.of(build(BRANCHED, "8x8x2")), Subject.of(build(BRANCHED, "8x8x2", seed=1))
    images = torch.randn(24, 2, 8, 8)
    found = likeness(
        one, other, [(part, part) for part in torch.split(images, 12)], (["relu2"], ["fc1", "relu1"])
    )
    grams: list[list[Floats]] = []
    for subject, path in ((one, "relu2"), (other, "fc1")):
        flat = subject.values(images, [path])[path].flatten(1).double().numpy()
        grams.append([part @ part.T for part in (flat[:12], flat[12:])])
    mean = [
        np.mean([hsic1(k, m) for k, m in zip(grams[a], grams[b], strict=True)])
        for a, b in ((0, 1), (0, 0), (1, 1))
    ]
    assert found.values[0, 0] == pytest.approx(mean[0] / np.sqrt(mean[1] * mean[2]), abs=1e-5)
    assert found.values.shape == (1, 2)


def test_a_constant_layer_is_like_nothing() -> None:
    network = build(parse("conv(2, 3) >> relu >> fc(2)"), "5x5x1")
    for parameter in network.get_submodule("conv1").parameters():
        nn.init.constant_(parameter, -0.0)
    subject = Subject.of(network)
    images = torch.randn(8, 1, 5, 5)
    other = Subject.of(build(parse("fc(3)"), "5x5x1"))
    found = likeness(subject, other, [(images, images)], (["relu1", "fc1"], ["fc1"]))
    assert np.isnan(found.values).all()


def test_the_matrix_is_dark_where_layers_are_alike() -> None:
    paths = tuple(f"relu{at}" for at in range(20))
    found = Likeness(paths, paths, np.eye(20), 10)
    pixels = np.asarray(Image.open(BytesIO(likeness_figure([found], "a", ["b"]))).convert("RGB"), int)
    dark = np.argwhere((pixels == (90, 36, 8)).all(2))
    rows, columns = (dark - dark.min(0)).T
    diagonal = rows // (rows.max() / 20 + 0.01) == columns // (rows.max() / 20 + 0.01)
    assert diagonal.mean() > 0.8  # the rest is the scale beside it


def test_errors() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2"))
    images = torch.randn(3, 2, 8, 8)
    with pytest.raises(UsageError, match="at least 4"):
        cka(images, images)
    with pytest.raises(UsageError, match="batches of at least 4"):
        likeness(subject, subject, [(images, images)], (["conv1"], ["conv1"]))
    with pytest.raises(UsageError, match="name the layers"):
        likeness(subject, subject, [], ([], ["conv1"]))
    with pytest.raises(UsageError, match="see the same images"):
        likeness(subject, subject, [(images, images[:2])], (["conv1"], ["conv1"]))
