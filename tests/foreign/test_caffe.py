"""Caffe's files: sizes, weights, the same probabilities as OpenCV's reader, an implementation of its own."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hubel
from hubel.errors import ModelError, UsageError
from hubel.foreign.caffe.layers import _windows
from hubel.foreign.caffe.read import read_caffe
from hubel.module.network import build
from hubel.net.sliding import MaxPool
from hubel.net.trace import UnreadError
from hubel.net.untrace import untrace
from hubel.net.volume import Volume

RNG = np.random.default_rng(5)

HEAD = 'name: "test" input: "data" input_shape { dim: 1 dim: 3 dim: 33 dim: 29 }\n'

CONV, POOL = "convolution_param", "pooling_param"
Layers = list[tuple[str, str, str, str, str, list[tuple[int, ...]]]]
LAYERS: Layers = [
    ("conv1", "Convolution", "data", "conv1", f"{CONV} {{ num_output: 8 kernel_size: 5 stride: 2 }}",
     [(8, 3, 5, 5), (8,)]),
    ("relu1", "ReLU", "conv1", "conv1", "", []),
    ("norm1", "LRN", "conv1", "norm1", "lrn_param { local_size: 5 alpha: 0.02 beta: 0.75 }", []),
    ("pool1", "Pooling", "norm1", "pool1", f"{POOL} {{ pool: MAX kernel_size: 3 stride: 2 pad: 1 }}", []),
    ("conv2", "Convolution", "pool1", "conv2",
     f"{CONV} {{ num_output: 8 kernel_size: 3 pad: 1 group: 2 bias_term: false }}", [(8, 4, 3, 3)]),
    ("bn2", "BatchNorm", "conv2", "conv2", "batch_norm_param { use_global_stats: true }", [(8,), (8,), (1,)]),
    ("scale2", "Scale", "conv2", "conv2", "scale_param { bias_term: true }", [(8,), (8,)]),
    ("sum", "Eltwise", "pool1 conv2", "sum", "", []),
    ("a", "Convolution", "sum", "a", f"{CONV} {{ num_output: 4 kernel_size: 1 }}", [(4, 8, 1, 1), (4,)]),
    ("b", "Pooling", "sum", "b", f"{POOL} {{ pool: AVE kernel_size: 3 stride: 1 pad: 1 }}", []),
    ("both", "Concat", "a b", "both", "", []),
    ("pool2", "Pooling", "both", "pool2", f"{POOL} {{ pool: AVE kernel_size: 3 stride: 2 }}", []),
    ("drop", "Dropout", "pool2", "pool2", "", []),
    ("fc", "InnerProduct", "pool2", "fc", "inner_product_param { num_output: 5 }", [(5, 12 * 4 * 3), (5,)]),
    ("prob", "Softmax", "fc", "prob", "", []),
]  # fmt: skip
"""Each layer: name, type, what it reads, what it makes, its parameters, the shapes of its arrays."""

NUMBERED = {"InnerProduct": "INNER_PRODUCT"}
"""Types of the older form that are not the newer word in capitals."""


def varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def field(number: int, content: bytes) -> bytes:
    """A field that has a length, as protobuf writes it."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def array(values: Any, *, old: bool) -> bytes:
    sides = [1] * (4 - values.ndim) + list(values.shape)
    if old:
        shape = b"".join(varint(number << 3) + varint(side) for number, side in enumerate(sides, 1))
    else:
        shape = field(7, field(1, b"".join(map(varint, values.shape))))
    return shape + field(5, struct.pack(f"<{values.size}f", *values.reshape(-1)))


def files(folder: Path, *, old: bool = False, layers: Layers = LAYERS) -> tuple[Path, Path]:
    """The files of a network, with random weights; in the older form its types are numbered."""
    text, model = HEAD, b""
    for name, kind, bottoms, top, given, shapes in layers:
        if old and kind in ("BatchNorm", "Scale"):  # the older form has no such layers
            continue
        arrays = [RNG.standard_normal(shape).astype(np.float32) * 0.3 for shape in shapes]
        if kind in ("BatchNorm", "Scale"):
            arrays[0] += 1
            arrays[1:2] = [np.abs(each) + 0.5 for each in arrays[1:2]]
        if kind == "BatchNorm":
            arrays[2] = np.array([2.0], np.float32)
        spelled = NUMBERED.get(kind, kind.upper()) if old else f'"{kind}"'
        reads = " ".join(f'bottom: "{each}"' for each in bottoms.split())
        text += f'layer{"s" * old} {{ name: "{name}" type: {spelled} {reads} top: "{top}" {given} }}\n'
        own = field(4 if old else 1, name.encode())
        own += b"".join(field(6 if old else 7, array(each, old=old)) for each in arrays)
        model += field(2 if old else 100, own)
    prototxt, caffemodel = folder / "deploy.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text)
    caffemodel.write_bytes(model)
    return prototxt, caffemodel


def theirs(prototxt: Path, caffemodel: Path, images: Any) -> Any:
    """OpenCV's probabilities."""
    cv2 = pytest.importorskip("cv2")
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    net.setInput(images)
    return net.forward()


@pytest.mark.parametrize("old", [False, True])
def test_probabilities_are_those_of_opencv(tmp_path: Path, old: bool) -> None:
    """Colours are blue, green, red in Caffe, and the means of the preprocessing red, green, blue."""
    prototxt, caffemodel = files(tmp_path, old=old)
    found = hubel.import_model(prototxt, caffemodel, out=tmp_path / "m.safetensors")
    model = found.model
    bgr = RNG.integers(0, 256, (2, 3, 33, 29)).astype(np.float32)
    means = np.array([104.0069, 116.6687, 122.6789], np.float32)[:, None, None]
    wanted = theirs(prototxt, caffemodel, bgr - means)
    rgb = torch.from_numpy(bgr[:, ::-1].copy())
    seen = model.preprocessing.normalise(rgb.permute(0, 2, 3, 1).to(torch.uint8))
    with torch.inference_mode():
        ours = model.network(seen).softmax(1)
    np.testing.assert_allclose(ours, wanted, atol=1e-5)
    assert any("means that Caffe's networks subtract" in remark for remark in found.remarks)
    assert "lrn(alpha=0.004, k=1.0)" in repr(model.net)


def agree(prototxt: Path, caffemodel: Path, out: Path) -> None:
    """Compares the scores of prepared images with OpenCV's, to 1e-5 of the largest."""
    model = hubel.import_model(prototxt, caffemodel, mean=0.5, std=0.25, out=out).model
    images = RNG.standard_normal((2, 3, 33, 29)).astype(np.float32)
    with torch.inference_mode():
        ours = model.network(torch.from_numpy(images[:, ::-1].copy())).numpy()
    wanted = theirs(prototxt, caffemodel, images)
    np.testing.assert_allclose(ours, wanted, atol=1e-5 * np.abs(wanted).max())


KINDS: list[tuple[str, str, list[tuple[int, ...]]]] = [
    ("Convolution", f"{CONV} {{ num_output: 6 kernel_size: 3 dilation: 2 pad: 1 group: 3 }}",
     [(6, 1, 3, 3), (6,)]),
    ("Convolution", f"{CONV} {{ num_output: 4 "
     "kernel_h: 5 kernel_w: 2 stride_h: 3 stride_w: 1 pad_h: 2 pad_w: 1 }",
     [(4, 3, 5, 2), (4,)]),
    ("Deconvolution", f"{CONV} {{ num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 3 bias_term: false }}",
     [(3, 2, 4, 4)]),
    ("Pooling", f"{POOL} {{ pool: MAX kernel_size: 3 stride: 4 pad: 1 }}", []),
    ("Pooling", f"{POOL} {{ pool: MAX kernel_size: 2 stride: 2 pad: 1 }}", []),
    ("Pooling", f"{POOL} {{ pool: AVE kernel_size: 2 stride: 2 pad: 1 }}", []),
    ("Pooling", f"{POOL} {{ pool: AVE kernel_size: 4 stride: 3 pad: 2 }}", []),
    ("Pooling", f"{POOL} {{ pool: MAX global_pooling: true }}", []),
    ("LRN", "lrn_param { local_size: 3 alpha: 0.7 beta: 0.6 }", []),
    ("LRN", "lrn_param { local_size: 5 alpha: 0.9 beta: 0.5 norm_region: WITHIN_CHANNEL }", []),
    ("BatchNorm", "batch_norm_param { eps: 0.01 }", [(3,), (3,), (1,)]),
    ("Scale", "scale_param { bias_term: false }", [(3,)]),
    ("ReLU", "relu_param { negative_slope: 0.3 }", []),
    ("PReLU", "", [(3,)]),
    ("ELU", "elu_param { alpha: 0.7 }", []),
    ("Sigmoid", "", []),
    ("TanH", "", []),
    ("Power", "power_param { scale: 0.5 shift: -2 }", []),
]  # fmt: skip
"""Each kind of layer that takes one value: its type, its parameters, the shapes of its arrays.

OpenCV reads neither `round_mode` of pooling nor `k` of response normalisation.
"""


@pytest.mark.parametrize(("kind", "given", "shapes"), KINDS)
def test_each_kind_of_layer_is_that_of_opencv(
    tmp_path: Path, kind: str, given: str, shapes: list[tuple[int, ...]]
) -> None:
    """On values of either sign, and of sides of 33 and 29, which no stride divides."""
    layers: Layers = [
        ("first", "Convolution", "data", "first", f"{CONV} {{ num_output: 3 kernel_size: 1 }}",
         [(3, 3, 1, 1), (3,)]),
        ("own", kind, "first", "own", given, shapes),
        ("fc", "InnerProduct", "own", "fc", "inner_product_param { num_output: 5 }", []),
    ]  # fmt: skip
    prototxt, _ = files(tmp_path, layers=layers)
    values = read_caffe(prototxt).steps[-1].inputs[0].values
    layers[-1][-1].extend([(5, values), (5,)])
    prototxt, caffemodel = files(tmp_path, layers=layers)
    agree(prototxt, caffemodel, tmp_path / "m.safetensors")


@pytest.mark.parametrize("given", ["eltwise_param { operation: PROD }", "eltwise_param { operation: SUM }"])
def test_values_are_joined_as_by_opencv(tmp_path: Path, given: str) -> None:
    conv, fc = (
        f"{CONV} {{ num_output: 2 kernel_size: 16 stride: 16 }}",
        "inner_product_param { num_output: 3 }",
    )
    layers: Layers = [
        ("a", "Convolution", "data", "a", conv, [(2, 3, 16, 16), (2,)]),
        ("b", "Sigmoid", "a", "b", "", []),
        ("join", "Eltwise", "a b", "join", given, []),
        ("fc", "InnerProduct", "join", "fc", fc, [(3, 2 * 2 * 1), (3,)]),
    ]
    prototxt, caffemodel = files(tmp_path, layers=layers)
    agree(prototxt, caffemodel, tmp_path / "m.safetensors")


def test_the_table_needs_no_weights(tmp_path: Path) -> None:
    """Sizes by hand: (33-5)/2+1 = 15, ceil((15+2-3)/2)+1 = 8, ceil((8-3)/2)+1 = 4."""
    prototxt, _ = files(tmp_path)
    ledger = hubel.ledger(prototxt)
    sizes = {row.path: row.output.plane for row in ledger.rows}
    assert sizes["conv1"] == (15, 13)
    assert sizes["pool1"] == (8, 7)
    assert sizes["pool2"] == (4, 3)
    arrays = sum(int(np.prod(shape)) for *_, shapes in LAYERS for shape in shapes)
    assert ledger.totals.params == arrays - 17  # statistics of the normalisation are not trained


def chain(sides: str, *layers: tuple[str, str]) -> str:
    """The text of a chain of layers, each with its type and parameters."""
    text, before = f'input: "data" {" ".join(f"input_dim: {side}" for side in f"1 {sides}".split())}', "data"
    for number, (kind, given) in enumerate(layers):
        text += f'\nlayer {{ name: "l{number}" type: "{kind}" bottom: "{before}" top: "l{number}" {given} }}'
        before = f"l{number}"
    return text


def conv(filters: int, size: int, more: str = "") -> tuple[str, str]:
    return "Convolution", f"{CONV} {{ num_output: {filters} kernel_size: {size} {more} }}"


def pool(size: int) -> tuple[str, str]:
    return "Pooling", f"{POOL} {{ pool: MAX kernel_size: {size} stride: 2 }}"


def fc(units: int) -> tuple[str, str]:
    return "InnerProduct", f"inner_product_param {{ num_output: {units} }}"


@pytest.mark.parametrize(
    ("text", "params"),
    [
        (chain("1 28 28", conv(20, 5), pool(2), conv(50, 5), pool(2), fc(500), fc(10)), 431_080),
        (
            chain(
                "3 227 227",
                *(conv(96, 11, "stride: 4"), pool(3), conv(256, 5, "pad: 2 group: 2"), pool(3)),
                *(conv(384, 3, "pad: 1"), conv(384, 3, "pad: 1 group: 2"), conv(256, 3, "pad: 1 group: 2")),
                *(pool(3), fc(4096), fc(4096), fc(1000)),
            ),
            60_965_224,
        ),
    ],
)
def test_parameters_of_the_networks_of_caffe(tmp_path: Path, text: str, params: int) -> None:
    """Its LeNet and its CaffeNet: the sums of the arrays' sizes, by hand.

    (25+1)·20 + (500+1)·50 + (800+1)·500 + (500+1)·10, and Krizhevsky's 61 million.
    """
    (tmp_path / "net.prototxt").write_text(text)
    assert hubel.ledger(tmp_path / "net.prototxt").totals.params == params


def test_gates_of_senets(tmp_path: Path) -> None:
    """`Axpy` is a · x + y; `Scale` along axis 0 is the same product, of a value with two axes."""
    mean = 'layer { name: "m" type: "Pooling" bottom: "data" top: "m" '
    mean += f"{POOL} {{ pool: AVE global_pooling: true }} }}"
    ways = [
        'layer { name: "e" type: "Axpy" bottom: "m" bottom: "data" bottom: "data" top: "e" }',
        """layer { name: "r" type: "Reshape" bottom: "m" top: "r" reshape_param { shape { dim: 0 dim: -1 } } }
        layer { name: "s" type: "Scale" bottom: "data" bottom: "r" top: "s" scale_param { axis: 0 } }
        layer { name: "e" type: "Eltwise" bottom: "s" bottom: "data" top: "e" }""",
    ]
    images = torch.from_numpy(RNG.standard_normal((2, 3, 33, 29)).astype(np.float32))
    for way in ways:
        prototxt = tmp_path / "net.prototxt"
        prototxt.write_text(f"{HEAD} {mean} {way}")
        found = read_caffe(prototxt)
        network = build(untrace(found.steps, found.end).net, found.volume)
        wanted = images.mean((2, 3), keepdim=True) * images + images
        torch.testing.assert_close(network(images), wanted)


def test_windows_are_counted_as_caffe_does() -> None:
    """Where a window would start beyond the values, Caffe counts it without padding, and hubel refuses it."""
    for inputs in range(1, 12):
        for size in range(1, 5):
            for stride in range(1, 5):
                for pad in range(size // 2 + 1):
                    if inputs + 2 * pad < size:
                        continue
                    count = _windows(inputs, size, stride, pad, down=False)
                    pool = MaxPool(size, stride, pad, ceil=True)
                    ours = pool.output(Volume(inputs, inputs, 1)).height
                    beyond = pad == 0 and (count - 1) * stride >= inputs
                    assert count == ours + beyond


def test_response_normalisation_within_maps(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
    layer { name: "norm" type: "LRN" bottom: "data" top: "norm"
      lrn_param { local_size: 3 alpha: 0.9 beta: 0.5 norm_region: WITHIN_CHANNEL } }
    layer { name: "p" type: "Pooling" bottom: "norm" top: "p"
      pooling_param { pool: AVE global_pooling: true } }
    """
    )
    prototxt, caffemodel = tmp_path / "a.prototxt", tmp_path / "a.caffemodel"
    prototxt.write_text(text)
    caffemodel.write_bytes(b"")
    images = RNG.standard_normal((1, 3, 33, 29)).astype(np.float32)
    found = read_caffe(prototxt)
    assert repr(found.steps[0].layer) == "lrn(size=3, alpha=0.1, beta=0.5, k=1.0, within=True)"
    network = build(untrace(found.steps).net, found.volume)
    ours = network(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(ours.reshape(-1), theirs(prototxt, caffemodel, images).reshape(-1), atol=1e-5)


def test_means_in_the_text_are_the_preprocessing(tmp_path: Path) -> None:
    prototxt = tmp_path / "train_val.prototxt"
    prototxt.write_text("""
    layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
      transform_param { crop_size: 16 mean_value: 10 mean_value: 20 mean_value: 30 scale: 0.5 } }
    layer { name: "data" type: "Data" top: "data" include { phase: TRAIN } transform_param { crop_size: 99 } }
    layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 5 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
    layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" }
    """)
    found = read_caffe(prototxt)
    assert found.volume == Volume(16, 16, 3)
    assert found.entry.known
    assert found.entry.shift.tolist() == [-5, -10, -15]
    assert [repr(step.layer) for step in found.steps] == ["fc(5)", "softmax"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    prototxt, caffemodel = files(tmp_path)
    with pytest.raises(UsageError, match="has no weights"):
        hubel.import_model(prototxt, out=tmp_path / "m.safetensors")
    caffemodel.write_bytes(caffemodel.read_bytes()[:-40])
    with pytest.raises(ModelError, match="cut short"):
        hubel.import_model(prototxt, caffemodel, out=tmp_path / "m.safetensors")
    prototxt.write_text('layer { name: "a" type: "SPP" bottom: "data" top: "a" }' + HEAD)
    with pytest.raises(UnreadError, match=r"layer a \(SPP\) is no layer of hubel: there is no layer for SPP"):
        hubel.ledger(prototxt)
    prototxt.write_text("layer { name: ")
    with pytest.raises(ModelError, match="is not the text of a Caffe network"):
        hubel.ledger(prototxt)
