"""Embedding: features against a forward hook, neighbours against brute force, thumbnails with room."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hubel import build, conv, fc, globalavgpool, parse, rbf, relu, softmax, tanh
from hubel.errors import UsageError
from hubel.instruments.embedding import (
    METHODS,
    features,
    last_weighted,
    neighbours,
    place,
    spread,
)
from hubel.instruments.subject import Subject
from tests.instruments.subjects import BRANCHED, Foreign, state


def images(count: int, depth: int = 2, side: int = 8) -> Tensor:
    return torch.randn(count, depth, side, side, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("module", "head"),
    [
        (build(BRANCHED, "8x8x2"), "fc1"),
        (build(parse("conv(4, 3) >> relu >> fc(6) >> tanh >> fc(3) >> softmax"), "8x8x2"), "fc2"),
        (Foreign(), "head"),
    ],
)
def test_features_are_what_goes_in_to_the_last_weighted_layer(module: nn.Module, head: str) -> None:
    subject = Subject.of(module.eval(), "8x8x2")
    assert last_weighted(subject).path == head
    batch = images(5)
    seen: list[Tensor] = []
    handle = module.get_submodule(head).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        module(batch)
    handle.remove()
    found = features(subject, [batch[:2], batch[2:]])
    assert found.dtype == np.float32
    assert found == pytest.approx(seen[0].flatten(1).numpy(), abs=1e-5)


def test_of_a_last_convolution_a_map_counts_by_its_mean() -> None:
    subject = Subject.of(build(conv(4, 3) >> relu >> conv(3, 1) >> globalavgpool >> softmax, "8x8x2"))
    found = features(subject, [images(3)])
    assert found == pytest.approx(subject.values(images(3), ["relu1"])["relu1"].mean((2, 3)).numpy())


def test_the_last_layer_with_weights() -> None:
    codes = build(conv(4, 3) >> tanh >> fc(9) >> tanh >> rbf(5), "8x8x2")
    assert last_weighted(Subject.of(codes)).path == "rbf1"
    normalised = build(parse("conv(4, 3) >> fc(3) >> batchnorm"), "8x8x2")
    assert last_weighted(Subject.of(normalised)).path == "fc1"
    assert features(Subject.of(build(fc(3), "8x8x2")), [images(2)]) == pytest.approx(
        images(2).flatten(1).numpy()
    )
    with pytest.raises(UsageError, match="no layer with weights"):
        last_weighted(Subject.of(build(relu, "8x8x2")))


@pytest.mark.parametrize("module", [build(BRANCHED, "8x8x2"), Foreign()])
def test_the_module_is_left_as_it_was(module: nn.Module) -> None:
    module.train()
    before = state(module)
    features(Subject.of(module, "8x8x2"), [images(3)])
    assert state(module) == before
    assert not any(part._forward_pre_hooks for part in module.modules())


def test_neighbours_by_brute_force() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(40, 7)).astype(np.float32)
    values[11] = 3 * values[5]  # the same angle, so the one before comes first
    values[20] = 0
    found = neighbours(values, values[5], 40)

    def cosine(one: list[float], other: list[float]) -> float:
        length = math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
        return sum(a * b for a, b in zip(one, other, strict=True)) / length if length else 0.0

    wanted = [cosine(value, values[5].tolist()) for value in values.tolist()]
    assert found.cosines == pytest.approx(sorted(wanted, reverse=True), abs=1e-5)
    assert set(found.places[:2].tolist()) == {5, 11}
    assert [wanted[place] for place in found.places] == pytest.approx(found.cosines, abs=1e-5)
    assert len(neighbours(values, values[0], 3).places) == 3


@pytest.mark.filterwarnings("ignore")  # numba's and UMAP's own
@pytest.mark.parametrize("method", METHODS)
def test_groups_stay_together_in_the_plane(method: str) -> None:
    if method == "umap":
        pytest.importorskip("umap.umap_")
    generator = np.random.default_rng(2)
    centres = 20 * np.eye(3, 10)
    values = (np.repeat(centres, 15, 0) + generator.normal(size=(45, 10))).astype(np.float32)
    points = place(values, method, seed=1)
    assert points.shape == (45, 2)
    assert (points.min(), points.max()) == (0, 1)
    labels = np.repeat(np.arange(3), 15)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(45)
    assert (labels[distances.argmin(1)] == labels).all()
    assert place(values, method, seed=1) == pytest.approx(points)


def test_thumbnails_do_not_lie_on_each_other() -> None:
    points = np.random.default_rng(0).random((300, 2)).astype(np.float32)
    for overlap in (0.0, 0.25):
        kept = spread(points, 0.1, overlap=overlap)
        assert kept[0] == 0
        shared = np.maximum(0, 0.1 - np.abs(points[kept][:, None] - points[kept][None])).prod(2)
        np.fill_diagonal(shared, 0)
        assert shared.max() <= overlap * 0.01 + 1e-9
        left = sorted(set(range(300)) - set(kept.tolist()))
        for at in left:  # none had room
            before = points[kept[kept < at]]
            assert np.maximum(0, 0.1 - np.abs(before - points[at])).prod(1).max() > overlap * 0.01
    assert len(spread(points, 0.1, overlap=0.25)) > len(spread(points, 0.1, overlap=0))


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.eye(6, 4, dtype=np.float32)
    with pytest.raises(UsageError, match="did you mean tsne"):
        place(values, "tsn")
    with pytest.raises(UsageError, match="at least 5 images, not 4"):
        place(values[:4])
    with pytest.raises(UsageError, match="cannot be compared"):
        neighbours(values, values[0, :3])
    with pytest.raises(UsageError, match="at least 1 neighbour"):
        neighbours(values, values[0], 0)
    with pytest.raises(UsageError, match="no images"):
        features(Subject.of(Foreign(), "8x8x2"), [])
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UsageError, match=r'pip install "hubel\[look\]"'):
        place(values)
    with pytest.raises(UsageError, match="pip install umap-learn"):
        place(values, "umap")
