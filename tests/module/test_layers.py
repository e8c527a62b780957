"""Every layer's module against the plain NumPy reference, on random volumes with many arguments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch

from hubel import (
    Layer,
    Net,
    Volume,
    adaptiveavgpool,
    avgpool,
    batchnorm,
    build,
    conv,
    convtranspose,
    dropout,
    droppath,
    elu,
    fc,
    gate,
    gelu,
    globalavgpool,
    groupnorm,
    hardsigmoid,
    hardswish,
    identity,
    layernorm,
    layerscale,
    leakyrelu,
    lrn,
    maxpool,
    mish,
    padshortcut,
    part,
    prelu,
    rbf,
    relu,
    relu6,
    shuffle,
    sigmoid,
    silu,
    softmax,
    softplus,
    subsample,
    tanh,
    upsample,
)
from hubel.module.layers import MAKERS
from hubel.net.layers import SideHead
from hubel.net.names import LAYERS
from hubel.net.window import Padding, Sides
from hubel.zoo.pages.lenet import C3_TABLE
from tests.module import reference
from tests.module.probes import built, scores_of, to_array, to_tensor
from tests.module.reference import Array, Pair

RNG = np.random.default_rng(7)
ODD, EVEN, WIDE = Volume(7, 7, 4), Volume(6, 8, 4), Volume(5, 9, 4)
VOLUMES = (ODD, EVEN, WIDE)


def drawn(volume: Volume, images: int = 2) -> Array:
    return RNG.normal(size=(images, *volume))


def run(net: Net, images: Array) -> tuple[Array, dict[str, Array]]:
    """The output of the built network, and its parameters and statistics as arrays."""
    module = built(net, Volume(*images.shape[1:]))
    numbers = {key: value.numpy() for key, value in module.state_dict().items()}
    with torch.no_grad():
        return to_array(scores_of(module(to_tensor(images)))), numbers


def agrees(net: Net, volume: Volume, expected: Callable[[Array], Array]) -> None:
    """Compares a network without parameters with a function of one image."""
    images = drawn(volume)
    out, _ = run(net, images)
    assert_close(out, np.array([expected(image) for image in images]))


def assert_close(out: Array, expected: Array) -> None:
    assert out.shape == expected.shape
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)


def both(size: int | Pair) -> Pair:
    return size if isinstance(size, tuple) else (size, size)


# --- convolution ---------------------------------------------------------------------------------


def filters_of(weights: Array, groups: int) -> list[tuple[range, Array]]:
    """Each filter with the maps its group sees, its weights height x width x maps."""
    filters, maps = weights.shape[:2]
    return [
        (
            range(row // (filters // groups) * maps, (row // (filters // groups) + 1) * maps),
            np.moveaxis(weights[row], 0, 2),
        )
        for row in range(filters)
    ]


@pytest.mark.parametrize("volume", [ODD, EVEN], ids=str)
@pytest.mark.parametrize(
    ("size", "dilation", "groups"),
    list(itertools.product([1, 2, 3, (3, 2), (1, 5)], [1, 2, (1, 2)], [1, 2, 4])),
)
def test_conv(volume: Volume, size: int | Pair, dilation: int | Pair, groups: int) -> None:
    places: list[tuple[int | Pair, int | Pair]] = [(1, 0), (2, 1), (3, 0), ((2, 1), (0, 2)), (1, 3)]
    for stride, pad in places:
        reaches = [d * (f - 1) + 1 for f, d in zip(both(size), both(dilation), strict=True)]
        if any(n + 2 * p < r for n, p, r in zip(volume.plane, both(pad), reaches, strict=True)):
            continue
        bias = stride != 2
        net = conv(8, size, stride=stride, pad=pad, groups=groups, bias=bias, dilation=dilation)
        images = drawn(volume, images=1)
        out, numbers = run(net, images)
        biases = numbers["conv1.bias"] if bias else np.zeros(8)
        filters = filters_of(numbers["conv1.weight"], groups)
        expected = reference.conv(
            images[0], filters, list(biases), stride=both(stride), pad=both(pad), dilation=both(dilation)
        )
        assert_close(out, expected[None])
        assert ("conv1.bias" in numbers) == bias


@pytest.mark.parametrize("volume", [ODD, EVEN], ids=str)
@pytest.mark.parametrize("sides", [(0, 1, 2, 0), (2, 0, 0, 1), (1, 1, 2, 2)])
@pytest.mark.parametrize("mode", get_args(Padding))
def test_conv_on_an_image_padded_by_hand(volume: Volume, sides: Sides, mode: Padding) -> None:
    top, bottom, left, right = sides
    names = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}
    images = drawn(volume, images=1)
    out, numbers = run(conv(8, 3, stride=2, pad=sides, pad_mode=mode), images)
    around = np.pad(images[0], ((top, bottom), (left, right), (0, 0)), names[mode])  # type: ignore[call-overload]
    filters = filters_of(numbers["conv1.weight"], 1)
    expected = reference.conv(
        around, filters, list(numbers["conv1.bias"]), stride=(2, 2), pad=(0, 0), dilation=(1, 1)
    )
    assert_close(out, expected[None])


@pytest.mark.parametrize("side", range(5, 12))
@pytest.mark.parametrize(("size", "stride", "pad"), [(3, 4, 0), (2, 3, 1), (5, 2, 2), (1, 3, 0)])
def test_a_conv_that_rounds_up_reads_zeros(side: int, size: int, stride: int, pad: int) -> None:
    """cuda-convnet: 1 + ceil((2·P + N - F)/S) positions; the last window hangs over into zeros."""
    images = drawn(Volume(side, side, 4), images=1)
    out, numbers = run(conv(4, size, stride=stride, pad=pad, ceil=True), images)
    positions = 1 + math.ceil((2 * pad + side - size) / stride)
    far = (positions - 1) * stride + size - side - pad
    around = np.pad(images[0], ((pad, far), (pad, far), (0, 0)))
    filters = filters_of(numbers["conv1.weight"], 1)
    expected = reference.conv(
        around, filters, list(numbers["conv1.bias"]), stride=(stride, stride), pad=(0, 0), dilation=(1, 1)
    )
    assert out.shape == (1, positions, positions, 4)
    assert_close(out, expected[None])


TRANSPOSED: list[tuple[int | Pair, int | Pair, int | Pair, int | Pair, int, int | Pair]] = [
    (2, 2, 0, 0, 1, 1),
    (4, 2, 1, 0, 2, 1),
    (3, (2, 3), (1, 0), (1, 2), 4, 1),
    ((1, 3), 1, 0, 0, 1, (1, 2)),
]


@pytest.mark.parametrize("volume", [ODD, EVEN], ids=str)
@pytest.mark.parametrize(("size", "stride", "pad", "added", "groups", "dilation"), TRANSPOSED)
def test_convtranspose(
    volume: Volume,
    size: int | Pair,
    stride: int | Pair,
    pad: int | Pair,
    added: int | Pair,
    groups: int,
    dilation: int | Pair,
) -> None:
    images = drawn(volume, images=1)
    out, numbers = run(convtranspose(8, size, stride, pad, added, groups, dilation=dilation), images)
    weights, biases = numbers["convtranspose1.weight"], numbers["convtranspose1.bias"]
    geometry = both(stride), both(pad), both(added), groups, both(dilation)
    assert_close(out, reference.convtranspose(images[0], weights, biases, *geometry)[None])


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
@pytest.mark.parametrize("factor", [1, 2, 3, (1, 2), (4, 3)])
def test_upsample(volume: Volume, factor: int | Pair) -> None:
    for mode in ("nearest", "bilinear"):
        agrees(
            upsample(factor, mode),
            volume,
            lambda image, m=mode: reference.upsampled(image, both(factor), linear=m == "bilinear"),  # type: ignore[misc]
        )


def test_the_lectures_filter_is_a_dot_product_by_hand() -> None:
    """A 2x2x2 filter on a 3x3x2 volume; ten lines of sums on paper."""
    image = np.arange(18.0).reshape(3, 3, 2)  # row 0: (0 1) (2 3) (4 5); row 1: (6 7) ...
    module = build(conv(1, 2), (3, 3, 2)).double()
    weights = module.get_parameter("conv1.weight")
    with torch.no_grad():
        weights.copy_(torch.tensor([[[[1, 0], [0, 2]], [[0, -1], [1, 0]]]]))
        module.get_parameter("conv1.bias").fill_(0.5)
        out = to_array(scores_of(module(to_tensor(image[None]))))
    # map 0: 1·x00 + 2·x11; map 1: -1·x01 + 1·x10; at (0, 0): 0 + 2·8 - 3 + 7 + 0.5
    assert out[0, :, :, 0].tolist() == [[20.5, 26.5], [38.5, 44.5]]


@pytest.mark.parametrize(
    ("links", "maps"),
    [(C3_TABLE, 6), (((0,), (1, 2), (2, 0), (3, 1, 0)), 4), (((3, 1, 0), (2,)), 4), (((1,),), 3)],
    ids=["C3", "four", "unsorted", "one map of three"],
)
@pytest.mark.parametrize(("stride", "pad", "dilation"), [(1, 0, 1), (2, (1, 0), (1, 2))])
def test_linked_conv(
    links: tuple[tuple[int, ...], ...],
    maps: int,
    stride: int,
    pad: int | Pair,
    dilation: int | Pair,
) -> None:
    bias = stride == 1
    net = conv(len(links), (3, 2), stride=stride, pad=pad, bias=bias, dilation=dilation, links=links)
    images = drawn(Volume(7, 6, maps))
    out, numbers = run(net, images)
    kernels = iter(numbers["conv1.weight"])
    filters = [(seen, np.stack([next(kernels) for _ in seen], axis=2)) for seen in links]
    biases = list(numbers["conv1.bias"]) if bias else [0.0] * len(links)
    expected = [
        reference.conv(image, filters, biases, stride=both(stride), pad=both(pad), dilation=both(dilation))
        for image in images
    ]
    assert_close(out, np.array(expected))


def test_links_to_every_map_are_a_convolution() -> None:
    every = tuple(tuple(range(3)) for _ in range(5))
    images = drawn(Volume(6, 6, 3))
    linked = built(conv(5, 3, links=every), Volume(6, 6, 3))
    plain = built(conv(5, 3), Volume(6, 6, 3))
    weights = linked.get_parameter("conv1.weight").reshape(5, 3, 3, 3)
    plain.load_state_dict({"conv1.weight": weights, "conv1.bias": linked.get_parameter("conv1.bias")})
    assert_close(
        to_array(scores_of(linked(to_tensor(images)))), to_array(scores_of(plain(to_tensor(images))))
    )


# --- pooling -------------------------------------------------------------------------------------

POOLS: list[tuple[int | Pair, int | Pair | None, int | Pair]] = [
    (1, None, 0),
    (1, 2, 0),
    (2, None, 0),
    (2, 1, 1),
    (2, 3, 1),
    (3, None, 0),
    (3, 2, 1),
    (3, 1, 1),
    (3, 2, (0, 1)),
    ((3, 2), None, 1),
    ((2, 4), (3, 2), (1, 2)),
    (4, 3, 2),
]


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("size", "stride", "pad"), POOLS)
def test_pools(
    volume: Volume, size: int | Pair, stride: int | Pair | None, pad: int | Pair, ceil: bool
) -> None:
    step = both(size if stride is None else stride)
    agrees(
        maxpool(size, stride, pad=pad, ceil=ceil),
        volume,
        lambda image: reference.maxpool(image, both(size), step, both(pad), ceil),
    )
    agrees(
        avgpool(size, stride, pad=pad, ceil=ceil),
        volume,
        lambda image: reference.avgpool(image, both(size), step, both(pad), ceil),
    )
    agrees(
        avgpool(size, stride, pad=pad, ceil=ceil, count_pad=False),
        volume,
        lambda image: reference.avgpool_inside(image, both(size), step, both(pad), ceil),
    )


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
@pytest.mark.parametrize("sides", [(0, 1, 1, 0), (1, 0, 0, 0), (0, 1, 0, 1)])
def test_pools_of_an_image_padded_by_hand(volume: Volume, sides: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = sides
    around = ((top, bottom), (left, right), (0, 0))
    window = ((3, 3), (2, 2), (0, 0), False)
    agrees(
        maxpool(3, 2, pad=sides),
        volume,
        lambda image: reference.maxpool(np.pad(image, around, constant_values=-np.inf), *window),
    )
    agrees(avgpool(3, 2, pad=sides), volume, lambda image: reference.avgpool(np.pad(image, around), *window))
    agrees(
        avgpool(3, 2, pad=sides, count_pad=False),
        volume,
        lambda image: reference.avgpool_inside(np.pad(image, around, constant_values=np.nan), *window),
    )


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, (2, 3)])
def test_subsample(volume: Volume, size: int | Pair) -> None:
    images = drawn(volume)
    out, numbers = run(subsample(size), images)
    coefficients, biases = numbers["subsample1.weight"], numbers["subsample1.bias"]
    expected = [reference.subsample(image, both(size), coefficients, biases) for image in images]
    assert_close(out, np.array(expected))


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
def test_global_and_adaptive_average_pooling(volume: Volume) -> None:
    agrees(globalavgpool, volume, lambda image: image.mean(axis=(0, 1), keepdims=True))
    for height, width in [(1, 1), (2, 2), (3, 4), (5, 7), (6, 8), (9, 11)]:
        agrees(
            adaptiveavgpool(height, width),
            volume,
            lambda image, h=height, w=width: reference.adaptiveavgpool(image, h, w),  # type: ignore[misc]
        )


# --- place by place ------------------------------------------------------------------------------


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (relu, lambda x: np.where(x > 0, x, 0)),
        (relu6, lambda x: np.where(x < 0, 0, np.where(x > 6, 6, x))),
        (relu(0.5), lambda x: np.where(x < 0, 0, np.where(x > 0.5, 0.5, x))),
        (tanh, lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
        (tanh(1.7159, 2 / 3), lambda x: 1.7159 * np.tanh(2 * x / 3)),
        (tanh(2.0), lambda x: 2 * np.tanh(x)),
        (tanh(slope=0.5), lambda x: np.tanh(x / 2)),
        (sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (hardsigmoid, lambda x: np.clip((x + 3) / 6, 0, 1)),
        (gelu, reference.gelu),
        (gelu(tanh=True), lambda x: x / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        (mish, lambda x: x * (1 - 2 / ((1 + np.exp(x)) ** 2 + 1))),
        (softplus, lambda x: np.log(1 + np.exp(x))),
        (silu, lambda x: x / (1 + np.exp(-x))),
        (hardswish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
        (leakyrelu, lambda x: np.where(x > 0, x, 0.01 * x)),
        (leakyrelu(0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
        (elu, lambda x: np.where(x > 0, x, np.exp(x) - 1)),
        (elu(0.5), lambda x: np.where(x > 0, x, (np.exp(x) - 1) / 2)),
        (softmax, reference.softmax),
        (identity, lambda x: x),
        (dropout(0.9), lambda x: x),
        (droppath(0.9), lambda x: x),
    ],
    ids=lambda value: repr(value) if isinstance(value, Layer) else "",
)
def test_activations(layer: Layer, expected: Callable[[Array], Array], volume: Volume) -> None:
    images = 4 * drawn(volume)  # well beyond relu6's limit
    out, _ = run(layer, images)
    assert_close(out, np.array([expected(image) for image in images]))


def test_the_squashing_function_of_lenet_maps_1_to_1() -> None:
    """LeCun et al. 1998, appendix A: f(1) = 1 and f(-1) = -1."""
    module = build(tanh(1.7159, 2 / 3), (1, 2, 1)).double()
    out = scores_of(module(torch.tensor([[[[1.0, -1.0]]]], dtype=torch.double)))
    np.testing.assert_allclose(out.flatten().numpy(), [1, -1], atol=1e-4)


# --- normalisation -------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 4, 7])
@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_lrn_is_the_papers(depth: int, size: int) -> None:
    for alpha, beta, k in [(1e-4, 0.75, 2.0), (0.5, 0.75, 2.0), (0.3, 1.5, 1.0)]:
        agrees(
            lrn(size, alpha, beta, k),
            Volume(3, 4, depth),
            lambda image, a=alpha, b=beta, c=k: reference.lrn(image, size, a, b, c),  # type: ignore[misc]
        )


def test_lrn_of_an_even_size_has_one_map_more_before_than_after() -> None:
    """On ones, 1/(1 + maps): counted by hand for four neighbours of five maps."""
    module = build(lrn(4, 1.0, 1.0, 1.0), (1, 1, 5)).double()
    out = scores_of(module(torch.ones(1, 5, 1, 1, dtype=torch.double)))
    np.testing.assert_allclose(out[0].numpy(), 1 / np.array([3.0, 4, 5, 5, 4]))


@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn_within_maps_is_cuda_convnets(size: int) -> None:
    for alpha, beta, k in [(4e-5, 0.75, 1.0), (0.5, 1.5, 2.0)]:
        agrees(
            lrn(size, alpha, beta, k, within=True),
            EVEN,
            lambda image, a=alpha, b=beta, c=k: reference.lrn_within(image, size, a, b, c),  # type: ignore[misc]
        )


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
def test_layernorm_and_groupnorm(volume: Volume) -> None:
    images = drawn(volume)
    for eps in (1e-6, 0.5):
        out, numbers = run(layernorm(eps), images)
        gamma, beta = numbers["layernorm1.weight"], numbers["layernorm1.bias"]
        assert_close(out, np.array([reference.layernorm(image, gamma, beta, eps) for image in images]))
        for groups in (1, 2, 4):
            out, numbers = run(groupnorm(groups, eps), images)
            gamma, beta = numbers["groupnorm1.weight"], numbers["groupnorm1.bias"]
            expected = [reference.groupnorm(image, groups, gamma, beta, eps) for image in images]
            assert_close(out, np.array(expected))


def test_factors_and_slopes_per_map() -> None:
    images = drawn(ODD)
    out, numbers = run(layerscale, images)
    assert_close(out, images * numbers["layerscale1.weight"])
    for shared in (False, True):
        out, numbers = run(prelu(shared), images)
        slopes = numbers["prelu1.weight"]
        assert slopes.shape == ((1,) if shared else (ODD.depth,))
        assert_close(out, np.where(images > 0, images, slopes * images))


def test_what_no_rule_draws_starts_as_the_papers_say() -> None:
    module = build(layerscale(0.5) >> prelu >> layernorm >> groupnorm(2), ODD)
    starts = {name: sorted(set(value.flatten().tolist())) for name, value in module.state_dict().items()}
    norms = {
        f"{norm}1.{part}": [float(part == "weight")]
        for norm in ("layernorm", "groupnorm")
        for part in ("weight", "bias")
    }
    assert starts == {"layerscale1.weight": [0.5], "prelu1.weight": [0.25], **norms}


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_droppath_in_training_drops_whole_images(p: float) -> None:
    module = build(droppath(p), (2, 2, 3)).train()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        out = scores_of(module(torch.ones(4000, 3, 2, 2)))
    per_image = out.flatten(1)
    assert bool((per_image == per_image[:, :1]).all())
    assert float((per_image[:, 0] == 0).float().mean()) == pytest.approx(
        p, abs=4 * math.sqrt(p * (1 - p) / 4000)
    )
    if p < 1:
        kept = out[out != 0]
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))


# --- maps and gates ------------------------------------------------------------------------------


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
def test_parts_and_shuffles(volume: Volume) -> None:
    """Zhang et al. 2017, figure 1: groups (0 1)(2 3) become 0 2 1 3."""
    agrees(part(1, 2), volume, lambda image: image[:, :, :2])
    agrees(part(2, 2), volume, lambda image: image[:, :, 2:])
    agrees(part(3, 4), volume, lambda image: image[:, :, 2:3])
    agrees(part(2, 4, to=4), volume, lambda image: image[:, :, 1:])
    agrees(shuffle(2), volume, lambda image: image[:, :, [0, 2, 1, 3]])
    agrees(shuffle(4), volume, lambda image: image)
    agrees((part(1, 2) | part(2, 2)) >> shuffle(2), volume, lambda image: image[:, :, [0, 2, 1, 3]])


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
def test_gates(volume: Volume) -> None:
    """A factor per value, per map and per place, each from a branch."""

    def squashed(x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    agrees(gate(sigmoid), volume, lambda image: image * squashed(image))
    agrees(gate(globalavgpool), volume, lambda image: image * image.mean(axis=(0, 1)))
    agrees(gate(part(2, 4) >> sigmoid), volume, lambda image: image * squashed(image[:, :, 1:2]))
    agrees(relu + gate(tanh), volume, lambda image: np.maximum(image, 0) + image * np.tanh(image))


def test_squeeze_and_excitation_by_hand() -> None:
    """Means 2 and 3; one hidden unit 2 - 3 + 2 = 1; sigmoid(ln 3) = 3/4 and sigmoid(-ln 3) = 1/4."""
    module = build(gate(globalavgpool >> conv(1, 1) >> relu >> conv(2, 1) >> sigmoid), (1, 2, 2)).double()
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        parameters["conv1.weight"].copy_(torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1))
        parameters["conv1.bias"].fill_(2)
        parameters["conv2.weight"].copy_(torch.tensor([math.log(3), -math.log(3)]).reshape(2, 1, 1, 1))
        out = scores_of(module(torch.tensor([[[[1.0, 3.0]], [[2.0, 4.0]]]], dtype=torch.double)))
    np.testing.assert_allclose(out[0, :, 0].numpy(), [[0.75, 2.25], [0.5, 1.0]])


@pytest.mark.parametrize("eps", [1e-5, 1e-3, 0.5])
def test_batchnorm_at_inference_uses_the_running_statistics(eps: float) -> None:
    images = drawn(ODD, images=3)
    out, numbers = run(batchnorm(eps=eps), images)
    mean, variance = numbers["batchnorm1.running_mean"], numbers["batchnorm1.running_var"]
    gamma, beta = numbers["batchnorm1.weight"], numbers["batchnorm1.bias"]
    assert_close(out, reference.batchnorm(images, mean, variance, gamma=gamma, beta=beta, eps=eps))


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
def test_batchnorm_in_training_uses_the_batch_and_moves_the_statistics(momentum: float) -> None:
    images = drawn(EVEN, images=3)
    module = built(batchnorm(1e-3, momentum), EVEN)
    before = {key: value.clone().numpy() for key, value in module.state_dict().items()}
    out = to_array(scores_of(module.train()(to_tensor(images))))
    mean, variance = images.mean(axis=(0, 1, 2)), images.var(axis=(0, 1, 2))
    gamma, beta = before["batchnorm1.weight"], before["batchnorm1.bias"]
    assert_close(out, reference.batchnorm(images, mean, variance, gamma=gamma, beta=beta, eps=1e-3))
    after = {key: value.numpy() for key, value in module.state_dict().items()}
    unbiased = images.var(axis=(0, 1, 2), ddof=1)
    for name, batch in [("running_mean", mean), ("running_var", unbiased)]:
        moved = (1 - momentum) * before[f"batchnorm1.{name}"] + momentum * batch
        assert_close(after[f"batchnorm1.{name}"], moved)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_dropout_in_training_zeroes_a_share_and_scales_the_rest(p: float) -> None:
    module = build(dropout(p), (100, 100, 4)).train()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        out = scores_of(module(torch.ones(1, 4, 100, 100)))
    dropped = float((out == 0).float().mean())
    assert dropped == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 40_000))
    if p < 1:
        kept = out[out != 0]
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))


# --- whole volume --------------------------------------------------------------------------------


@pytest.mark.parametrize("volume", [*VOLUMES, Volume(1, 1, 6)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_fc_flattens_map_by_map(volume: Volume, bias: bool) -> None:
    images = drawn(volume)
    out, numbers = run(fc(5, bias), images)
    biases = numbers["fc1.bias"] if bias else np.zeros(5)
    assert_close(out, np.array([reference.fc(image, numbers["fc1.weight"], biases) for image in images]))


@pytest.mark.parametrize(("units", "volume"), [(10, Volume(1, 1, 84)), (3, ODD), (10, Volume(7, 12, 1))])
def test_rbf_is_minus_the_squared_distance_to_each_code(units: int, volume: Volume) -> None:
    images = drawn(volume)
    out, numbers = run(rbf(units), images)
    codes = numbers["rbf1.codes"]
    assert codes.shape == (units, volume.values)
    assert_close(out, np.array([reference.rbf(image, codes) for image in images]))


@pytest.mark.parametrize("volume", VOLUMES, ids=str)
@pytest.mark.parametrize(("filters", "stride"), [(4, 1), (7, 1), (8, 2), (5, (1, 3)), (4, (2, 1))])
def test_padshortcut(volume: Volume, filters: int, stride: int | Pair) -> None:
    agrees(
        padshortcut(filters, stride),
        volume,
        lambda image: reference.padshortcut(image, filters, both(stride)),
    )


def test_every_named_layer_is_tested_and_has_a_module() -> None:
    kinds = {type(layer) if isinstance(layer, Layer) else layer for layer in LAYERS.values()}
    assert kinds <= set(MAKERS)
    assert SideHead not in MAKERS


@pytest.mark.parametrize("last", [True, False])
def test_the_gradient_of_a_padshortcut_has_the_memory_format_of_its_images(last: bool) -> None:
    kind = torch.channels_last if last else torch.contiguous_format
    images = torch.randn(2, 3, 6, 6).to(memory_format=kind).requires_grad_()
    out = build(padshortcut(9, 2), "6x6x3")(images)
    (gradient,) = torch.autograd.grad(out.square().sum(), images)
    assert gradient.is_contiguous(memory_format=kind)
