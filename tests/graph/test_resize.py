"""The resize inside a graph against Pillow's, by both runtimes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from hubel.data.image.modes import as_image
from hubel.data.image.preprocess import Fit, Preprocessing
from hubel.engines.engine import Engine
from hubel.graph.frozen import Frozen
from hubel.graph.resize import Resize, resized
from hubel.graph.writer import IMAGES, Graph
from hubel.model.exported import compiled
from hubel.net.volume import Volume

RUNTIMES = ("onnxruntime", "openvino")

FEW = 0.02
"""The share of values that may differ by 1: where sides have a simple ratio, many sums are halves."""


SIDES = st.integers(1, 150)


def engine(seen: Preprocessing, runtime: str) -> Engine:
    """The resize alone: uint8 n x h x w x c in, float32 n x c x height x width out."""
    graph = Graph(Frozen(seen.volume, (), {}, {}))
    inside = Resize(seen.fit, seen.resize, seen.interpolation)
    out = resized(graph, inside, (seen.height, seen.width))
    taken = helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ("n", "h", "w", seen.depth))
    given = helper.make_tensor_value_info(out, TensorProto.FLOAT, ("n", seen.depth, seen.height, seen.width))
    proto = helper.make_graph(graph.nodes, "resize", [taken], [given], graph.constants)
    made = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return compiled(made.SerializeToString(), runtime)


def apart(seen: Preprocessing, runs: Engine, images: np.ndarray) -> np.ndarray:
    """How far each value is from what Pillow gives."""
    wanted = np.stack([seen.pixels(as_image(each)) for each in images]).astype(np.float32)
    found = runs(images).transpose(0, 2, 3, 1)
    assert found.shape == wanted.shape
    far: np.ndarray = np.abs(found - wanted)
    return far


def noise(count: int, height: int, width: int, depth: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, depth), np.uint8)


@st.composite
def preprocessings(draw: st.DrawFn) -> Preprocessing:
    high, wide = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    fits: tuple[Fit, ...] = ("crop", "pad", "squash")
    fit = draw(st.sampled_from(fits))
    more = draw(st.none() | st.integers(0, 20)) if fit == "crop" else None
    return Preprocessing.of(
        Volume(high, wide, draw(st.sampled_from((1, 3)))),
        fit=fit,
        resize=None if more is None else max(high, wide) + more,
        interpolation=draw(st.sampled_from(("bilinear", "bicubic"))),
    )


@settings(max_examples=15)
@given(preprocessings(), st.lists(st.tuples(SIDES, SIDES), min_size=3, max_size=3))
def test_any_image_is_within_1_of_pillow(seen: Preprocessing, sizes: list[tuple[int, int]]) -> None:
    for runtime in RUNTIMES:
        runs = engine(seen, runtime)
        for number, size in enumerate(sizes):
            assert apart(seen, runs, noise(1, *size, seen.depth, number)).max() <= 1, (runtime, size)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("options", [{}, {"resize": 73}, {"fit": "pad"}, {"fit": "squash"}], ids=str)
def test_few_values_differ(options: dict[str, object], interpolation: str, runtime: str) -> None:
    seen = Preprocessing.of("64x60x3", interpolation=interpolation, **options)  # type: ignore[arg-type]
    runs = engine(seen, runtime)
    found = [apart(seen, runs, noise(1, *size, 3)) for size in ((333, 500), (375, 500), (41, 67), (90, 60))]
    assert max(each.max() for each in found) <= 1
    assert max(each.mean() for each in found) < FEW


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_an_image_of_the_networks_size_stays_as_it_is(fit: str, runtime: str) -> None:
    seen = Preprocessing.of("20x30x3", fit=fit, interpolation="bicubic")  # type: ignore[arg-type]
    images = noise(3, 20, 30, 3)
    assert (engine(seen, runtime)(images).transpose(0, 2, 3, 1) == images).all()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_images_of_one_size_are_a_batch(runtime: str) -> None:
    seen = Preprocessing.of("20x30x1", fit="pad")
    assert apart(seen, engine(seen, runtime), noise(4, 57, 31, 1)).max() <= 1


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_halving_is_computed_by_hand(runtime: str) -> None:
    """A triangle over four pixels weighs 1, 3, 3, 1; at an edge one is left out and the sum is 7."""
    row = np.array([0, 7, 70, 210, 21, 8], np.uint8)
    wanted = [(3 * 0 + 3 * 7 + 70) / 7, (7 + 3 * 70 + 3 * 210 + 21) / 8, (210 + 3 * 21 + 3 * 8) / 7]
    runs = engine(Preprocessing.of("1x3x1", fit="squash"), runtime)
    assert runs(row.reshape(1, 1, 6, 1)).ravel().tolist() == [np.floor(value + 0.5) for value in wanted]
