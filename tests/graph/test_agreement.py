"""Networks without a framework against PyTorch: as ONNX graphs by two runtimes, and fused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from hubel import zoo
from hubel.data.image.preprocess import Preprocessing
from hubel.engines.torch import FusedNetwork
from hubel.errors import SizeError
from hubel.graph.frozen import Frozen, freeze
from hubel.graph.onnx import Ends, onnx_model
from hubel.model.exported import compiled
from hubel.model.file import Model
from hubel.module.network import Network, build
from hubel.module.views import VIEWS, scores
from hubel.net.algebra import Net, gate
from hubel.net.names import (
    adaptiveavgpool,
    avgpool,
    batchnorm,
    conv,
    convtranspose,
    droppath,
    elu,
    fc,
    gelu,
    globalavgpool,
    groupnorm,
    hardsigmoid,
    hardswish,
    layernorm,
    layerscale,
    leakyrelu,
    lrn,
    maxpool,
    mish,
    padshortcut,
    part,
    prelu,
    relu,
    shuffle,
    sigmoid,
    silu,
    softplus,
    upsample,
)
from hubel.net.trace import trace
from hubel.net.volume import Volume
from tests.strategies import fitting_nets
from tests.zoo.papers import LARGER

NEAR = 2e-5
"""The tolerance, relative to the largest score."""

SIDES = (32, 64, 67, 80, 224, 227, 299)
"""Sides of inputs, one of which is the smallest that a network for larger images fits."""

LARGE = {
    *("resnet1202", "resnet152", "resnet152_v1_5", "plain110", "alexnet_owt", "zfnet_1024"),
    *("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    *("vgg16_1x1", "vgg16_1x1_bn", "vgg16_dense"),
    *LARGER,
}
"""Networks that have nothing which a smaller one of their page has not."""

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def trained(net: Net, volume: Volume) -> Network:
    """A network with statistics as training leaves them, for scores."""
    network = build(net, volume, scores=True)
    generator = torch.Generator().manual_seed(1)
    for each in network.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            assert each.running_mean is not None
            assert each.running_var is not None
            each.running_mean.normal_(0, 0.1, generator=generator)
            each.running_var.uniform_(0.5, 2, generator=generator)
            each.weight.data.uniform_(0.5, 1.5, generator=generator)
            each.bias.data.normal_(0, 0.1, generator=generator)
    return network.eval()


def frozen(network: Network) -> Frozen:
    return freeze(network.net, network.volume, {k: v.numpy() for k, v in network.state_dict().items()})


def pixels(volume: Volume, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, *volume.plane, volume.depth), np.uint8)


def check(network: Network, engine: str, views: str = "one") -> None:
    """An engine's probabilities against the network's own, for one image and for three."""
    volume, depth = network.volume, network.volume.depth
    mean, std = MEAN[:depth], STD[:depth]
    graph = onnx_model(frozen(network), Ends(mean, std, views, 2.0, probabilities=False))
    runs = compiled(graph.SerializeToString(), engine)
    seen = Preprocessing(volume.height, volume.width, depth, mean, std)
    for count in (1, 3):
        images = pixels(volume, count)
        with torch.inference_mode():
            wanted = scores(network, seen.normalise(torch.from_numpy(images)), views).flatten(1).numpy()
        near(runs(images), wanted)


def near(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= NEAR * max(1e-3, np.abs(wanted).max())


@pytest.mark.parametrize("name", sorted(zoo.ZOO.keys() - LARGE))
def test_every_network_of_the_zoo_agrees(name: str) -> None:
    network = trained(*small(name))
    check(network, "onnxruntime")
    seen = network.volume
    images = torch.randn(3, seen.depth, *seen.plane, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        near(FusedNetwork(frozen(network))(images).numpy(), network(images).flatten(1).numpy())


FEW = ["lenet5_1998", "googlenet", "resnet18", "efficientnet_lite0", "fast_tiny"]


@pytest.mark.parametrize("name", FEW)
def test_the_fused_network_needs_no_onednn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is also how it runs on a GPU."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    network = trained(*small(name))
    seen = network.volume
    images = torch.randn(2, seen.depth, *seen.plane, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        near(FusedNetwork(frozen(network))(images).numpy(), network(images).flatten(1).numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="it needs a GPU, and HUBEL_TEST_GPU=1")
@pytest.mark.parametrize(("engine", "off"), [("cuda", 1e-3), ("cuda-fp16", 0.02)])
@pytest.mark.parametrize("name", FEW)
def test_a_gpu_agrees(name: str, engine: str, off: float) -> None:
    """A batch of the same size comes thrice: from the second on its pass is recorded, and replayed."""
    network = trained(*small(name))
    seen = network.volume
    classes = tuple(map(str, range(network.output.values)))
    model = Model(network, classes, Preprocessing.of(seen))
    for count in (4, 4, 4, 1):
        images = pixels(seen, count)
        found = np.asarray(model.by(engine).probabilities_of(images))
        assert np.abs(found - model.probabilities_of(images).numpy()).max() < off


@pytest.mark.parametrize("name", FEW)
def test_openvino_agrees(name: str) -> None:
    check(trained(*small(name)), "openvino")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("views", VIEWS)
def test_views_are_part_of_the_graph(views: str, engine: str) -> None:
    net = conv(4, 3, pad=1) >> relu >> maxpool(2) >> fc(3)
    check(trained(net, Volume(8, 10, 3)), engine, views)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_response_normalisation_of_any_size_agrees(size: int, engine: str) -> None:
    net = conv(6, 3) >> lrn(size, alpha=0.3) >> fc(3)
    check(trained(net, Volume(6, 6, 1)), engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("pool", [maxpool, avgpool])
@pytest.mark.parametrize("side", range(5, 11))
def test_pooling_that_rounds_up_agrees(side: int, pool: Callable[..., Net], engine: str) -> None:
    net = pool(3, 2, pad=1, ceil=True) >> pool(2, 3, ceil=True) >> padshortcut(4) >> globalavgpool >> fc(2)
    check(trained(net, Volume(side, side + 1, 3)), engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("stride", [2, (1, 2), (3, 1)])
@pytest.mark.parametrize("pad", [1, (0, 1), (2, 0)])
def test_a_padded_stride_of_one_pixel_agrees(
    pad: int | tuple[int, int], stride: int | tuple[int, int], engine: str
) -> None:
    net = conv(4, 1) >> conv(4, 1, stride=stride, pad=pad) >> relu >> globalavgpool >> fc(2)
    check(trained(net, Volume(8, 8, 3)), engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("size", "pad", "dilation"), [((2, 1), (0, 2), 1), (1, 3, 1), (2, 5, 2), (3, 3, 1)])
def test_a_kernel_within_the_padding_agrees(
    size: int | tuple[int, int], pad: int | tuple[int, int], dilation: int, engine: str
) -> None:
    net = conv(1, size, pad=pad, bias=False, dilation=dilation) >> batchnorm
    network = trained(net, Volume(4, 4, 1))
    runs = compiled(onnx_model(frozen(network), Ends((), (), raw=True)).SerializeToString(), engine)
    images = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = network(images).flatten(1).numpy()
    for count in (3, 1, 2, 1):
        near(runs(images.numpy()[:count]), wanted[:count])


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("plane", [(1, 3), (3, 3), (3, 2), (4, 5), (7, 7)])
@pytest.mark.parametrize("maps", [1, 3])
def test_uneven_adaptive_pooling_before_a_normalisation_agrees(
    maps: int, plane: tuple[int, int], engine: str
) -> None:
    net = relu >> adaptiveavgpool(*plane) >> batchnorm >> relu
    check(trained(net, Volume(4, 5, maps)), engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    "net",
    [
        relu >> conv(6, 3, pad=(2, 0, 1, 1), pad_mode="reflect") >> batchnorm,
        relu >> conv(6, 3, stride=2, pad=1, pad_mode="replicate"),
        relu >> conv(6, 3, stride=4, ceil=True) + conv(6, 3, stride=4, ceil=True),
        relu >> maxpool(3, 2, pad=(0, 1, 1, 0)) >> avgpool(2, 1, pad=(1, 0, 0, 1)),
        relu
        >> avgpool(3, 2, pad=1, ceil=True, count_pad=False)
        >> avgpool(2, 1, (1, 0, 0, 1), count_pad=False),
        convtranspose(4, (4, 3), (2, 3), (1, 0), (1, 2), groups=2) >> batchnorm >> silu,
        upsample(2) >> upsample((1, 3), "bilinear") >> hardswish,
        gelu(tanh=True) >> mish >> softplus,
        layernorm >> leakyrelu(0.2) >> layerscale(0.5),
        conv(6, 1) >> layerscale(0.5) >> elu(0.7),
        groupnorm(3) >> prelu >> hardsigmoid,
        lrn(3, 0.3, within=True) >> prelu(shared=True),
        (part(1, 2) | part(2, 2) >> conv(3, 1) >> droppath) >> shuffle(2),
        gate(globalavgpool >> conv(2, 1) >> relu >> conv(6, 1) >> sigmoid) >> gate(conv(1, 1)),
        globalavgpool >> fc(4) >> layernorm >> prelu >> layerscale(0.5) >> gate(fc(4) >> silu) >> part(1, 2),
    ],
    ids=repr,
)
def test_every_kind_of_layer_agrees(net: Net, engine: str) -> None:
    check(trained(conv(6, 3) >> net >> fc(3), Volume(11, 9, 3)), engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_threads_share_an_engine(engine: str) -> None:
    network = trained(conv(4, 3) >> relu >> fc(3), Volume(8, 8, 3))
    runs = compiled(onnx_model(frozen(network), Ends(MEAN, STD)).SerializeToString(), engine)
    batches = [pixels(network.volume, count) for count in (1, 2, 3, 4, 4)]
    wanted = [runs(images) for images in batches]

    def answers(_: int) -> None:
        for images, right in [*zip(batches, wanted, strict=True)] * 100:
            near(runs(images), right)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(answers, range(2)))


@given(fitting_nets())
@settings(max_examples=60)
def test_any_network_agrees(drawn: tuple[Net, Volume]) -> None:
    network = trained(*drawn)
    volume = network.volume
    images = torch.randn(2, volume.depth, *volume.plane, generator=torch.Generator().manual_seed(0))
    graph = onnx_model(frozen(network), Ends((), (), raw=True)).SerializeToString()
    with torch.inference_mode():
        wanted = network(images).flatten(1).numpy()
        near(FusedNetwork(frozen(network))(images).numpy(), wanted)
    near(compiled(graph, "onnxruntime")(images.numpy()), wanted)


def small(name: str) -> tuple[Net, Volume]:
    """A network of the zoo on the smallest of a few inputs that it fits."""
    entry = zoo.ZOO[name]
    net: Net = getattr(zoo, name)()
    for side in SIDES:
        volume = Volume(side, side, entry.input.depth) if entry.input.height > 64 else entry.input
        with suppress(SizeError):
            trace(net, volume)
            return net, volume
    raise AssertionError(f"{name} fits none of {SIDES}")
