"""Keras' files: the scores of Keras itself, which `scripts/keras_models.py` wrote beside the models."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hubel
from hubel.errors import ModelError, UsageError
from hubel.foreign.keras.applications import APPLICATIONS, HEADS
from hubel.foreign.keras.read import read_keras
from hubel.module.network import build
from hubel.net.trace import UnreadError
from hubel.net.untrace import untrace

h5py = pytest.importorskip("h5py")

RNG = np.random.default_rng(3)

FORMS = [[".keras"], [".h5"], [".json", ".weights.h5"], [".json", ".h5"]]
"""The files that a model is in."""


FILES = Path(__file__).with_name("keras.zip")
"""What Keras 3.15.1 wrote, with PyTorch 2.13.0 under it."""

with zipfile.ZipFile(FILES) as _archive:
    KNOWN: dict[str, Any] = json.loads(_archive.read("applications.json"))
"""Of networks of `keras.applications`: the configuration, the parameters that are trained, the arrays."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keras")
    with zipfile.ZipFile(FILES) as archive:
        archive.extractall(made)
    return made


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["layered", "sequential", "nested"])
def test_scores_are_those_of_keras(folder: Path, tmp_path: Path, name: str, form: list[str]) -> None:
    files = [folder / f"{name}{end}" for end in form]
    raw: dict[str, Any] = (
        {"mean": 0.0, "std": 1 / 255} if name == "sequential" else {}
    )  # it takes bytes as they are
    model = hubel.import_model(*files, out=tmp_path / "m.safetensors", **raw).model
    wanted = np.load(folder / f"{name}.npz")
    with torch.inference_mode():
        ours = model.network(model.preprocessing.normalise(torch.from_numpy(wanted["images"]))).numpy()
    np.testing.assert_allclose(ours, wanted["scores"], atol=1e-5)


def test_the_table_is_that_of_the_file(folder: Path) -> None:
    """A table needs no weights: a configuration alone has one."""
    for end in (".keras", ".h5", ".json"):
        params = [row.params for row in hubel.ledger(folder / f"sequential{end}").rows if row.params]
        assert params == [4 * (3 * 3 * 1 + 1), 6 * (3 * 2 * 4 + 1), (4 * 3 * 6 + 1) * 7, (7 + 1) * 4]


@pytest.mark.parametrize("name", KNOWN)
def test_networks_of_keras_have_its_parameters(tmp_path: Path, name: str) -> None:
    """The number is Keras' own, of what it trains."""
    file = tmp_path / "model.json"
    file.write_text(json.dumps(KNOWN[name]["config"]))
    assert hubel.ledger(file).totals.params == KNOWN[name]["trained"]


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "efficientnet_b0"])
def test_weights_alone_are_those_of_the_graph(tmp_path: Path, name: str) -> None:
    """The same random weights by the names of layers, in the zoo's network, and by the file's own graph."""
    known = copy.deepcopy(KNOWN[name])
    file, config = tmp_path / "weights.h5", tmp_path / "model.json"
    shape = known["config"]["config"]["layers"][0]["config"]["batch_shape"]
    shape[1:3] = [64, 64]
    config.write_text(json.dumps(known["config"]))
    with h5py.File(file, "w") as h5:
        layers: dict[str, list[str]] = {}
        for layer, array, sides in known["arrays"]:
            seen = sides[:2] if sides[-1:] == [1] else sides[:-1]  # of a depthwise kernel, one map
            values = RNG.normal(0, (2 / np.prod(seen)) ** 0.5 if len(sides) > 1 else 0.1, sides)
            if array in ("gamma", "moving_variance", "variance"):
                values = np.abs(values) + 0.5
            h5[f"{layer}/{layer}/{array}:0"] = np.asarray(values, np.float32)
            layers.setdefault(layer, []).append(f"{layer}/{array}:0")
        h5.attrs["layer_names"] = list(layers)
        for layer, arrays in layers.items():
            h5[layer].attrs["weight_names"] = arrays
    by_graph = hubel.import_model(config, file, out=tmp_path / "graph.safetensors").model
    by_name = hubel.import_model(file, net=name, volume="64x64x3", out=tmp_path / "name.safetensors").model
    images = torch.from_numpy(RNG.standard_normal((2, 3, 64, 64)).astype(np.float32))
    with torch.inference_mode():
        wanted = by_graph.network(images)
        found = by_name.network(images)
    torch.testing.assert_close(found, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=0)


def test_names_of_networks_say_how_images_are_prepared(tmp_path: Path) -> None:
    """VGG's weights came from Caffe: filters are turned, and the means are those of `preprocess_input`."""
    conv = {"name": "block1_conv1", "filters": 64, "kernel_size": 3, "padding": "same"}
    pool = {"name": "pool", "pool_size": [8, 8]}
    known = model(("Conv2D", conv), ("MaxPooling2D", pool), name="vgg16")
    config, file = tmp_path / "model.json", tmp_path / "w.h5"
    config.write_text(json.dumps(known))
    kernel = RNG.standard_normal((3, 3, 3, 64)).astype(np.float32)
    with h5py.File(file, "w") as h5:
        h5["layers/conv2d/vars/0"], h5["layers/conv2d/vars/1"] = kernel, np.zeros(64, np.float32)
    found = hubel.import_model(config, file, out=tmp_path / "m.safetensors")
    white = found.model.preprocessing.normalise(torch.full((1, 8, 8, 3), 255, dtype=torch.uint8))
    np.testing.assert_allclose(white[0, :, 0, 0], [255 - 123.68, 255 - 116.779, 255 - 103.939], rtol=1e-5)
    first = next(iter(found.model.network.state_dict().values()))
    np.testing.assert_array_equal(first, kernel[:, :, ::-1].transpose(3, 2, 0, 1))
    assert any("--preprocessing keras_caffe" in remark for remark in found.remarks)
    plain = hubel.import_model(config, file, out=tmp_path / "p.safetensors", mean=0.5, std=0.5).model
    first = next(iter(plain.network.state_dict().values()))
    np.testing.assert_array_equal(first, kernel.transpose(3, 2, 0, 1))


def model(
    *layers: tuple[str, dict[str, Any]], sides: Any = (None, 8, 8, 3), name: str = "chain"
) -> dict[str, Any]:
    """The configuration of a chain of layers."""
    given = [{"class_name": "InputLayer", "config": {"batch_shape": list(sides)}}]
    given += [{"class_name": kind, "config": config} for kind, config in layers]
    return {"class_name": "Sequential", "config": {"name": name, "layers": given}}


@pytest.mark.parametrize(
    ("layer", "config", "why"),
    [
        ("Lambda", {"function": "4wEAAA=="}, "it is a program, and nothing in a file is executed"),
        ("Attention", {}, "there is no layer for Attention"),
        ("ReLU", {"threshold": 1.0}, "it begins at 1.0"),
        ("Activation", {"activation": "selu"}, "there is no layer for its activation 'selu'"),
        ("Reshape", {"target_shape": [4, 2, 8, 3]}, "mixes maps"),
        ("Conv2D", {"filters": 2}, "its kernel_size is None, not two whole numbers"),
        ("Conv2D", {"filters": 10**12, "kernel_size": 1}, "filters"),
        ("BatchNormalization", {"axis": 1}, "is not the depth"),
    ],
)
def test_what_is_no_layer_is_said(tmp_path: Path, layer: str, config: dict[str, Any], why: str) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps(model(("ReLU", {}), (layer, config))))
    with pytest.raises(UnreadError, match=why) as raised:
        hubel.ledger(file)
    assert len(raised.value.steps) == 1


def test_zeros_before_max_pooling_count_where_values_are_below_0(tmp_path: Path) -> None:
    pad, pool = ("ZeroPadding2D", {"padding": 1}), ("MaxPooling2D", {"pool_size": 3, "strides": 2})
    file = tmp_path / "model.json"
    file.write_text(json.dumps(model(("ReLU", {}), pad, pool)))
    assert repr(hubel.ledger(file).rows[-1].layer) == "maxpool(3, stride=2, pad=1)"
    file.write_text(json.dumps(model(("LeakyReLU", {}), pad, pool)))
    with pytest.raises(UnreadError, match="the zeros before it count as values"):
        hubel.ledger(file)


def test_an_average_counts_zeros_of_a_layer_and_none_of_its_own(tmp_path: Path) -> None:
    """As by Keras' NumPy and JAX; its torch repeats the edge where the padding is uneven."""
    pool: dict[str, Any] = {"pool_size": 3, "strides": 2}
    file = tmp_path / "model.json"
    file.write_text(json.dumps(model(("AveragePooling2D", pool | {"padding": "same"}))))
    assert repr(hubel.ledger(file).rows[-1].layer) == (
        "avgpool(3, stride=2, pad=(0, 1, 0, 1), count_pad=False)"
    )
    file.write_text(json.dumps(model(("ZeroPadding2D", {"padding": 1}), ("AveragePooling2D", pool))))
    assert repr(hubel.ledger(file).rows[-1].layer) == "avgpool(3, stride=2, pad=1)"


def test_a_model_of_keras_2(tmp_path: Path) -> None:
    """Its configuration names calls in lists, and its arrays have endings; hard_sigmoid was x/5 + 1/2."""
    layers: list[tuple[str, dict[str, Any], list[Any]]] = [
        ("InputLayer", {"name": "in", "batch_input_shape": [None, 6, 5, 2]}, []),
        ("SeparableConv2D", {"name": "sep", "filters": 3, "kernel_size": [2, 2]}, [[["in", 0, 0, {}]]]),
        ("Activation", {"name": "act", "activation": "hard_sigmoid"}, [[["sep", 0, 0, {}]]]),
        ("Add", {"name": "add"}, [[["sep", 0, 0, {}], ["act", 0, 0, {}]]]),
        ("GlobalMaxPooling2D", {"name": "max"}, [[["add", 0, 0, {}]]]),
    ]
    listed = [
        {"class_name": kind, "config": config, "name": config["name"], "inbound_nodes": calls}
        for kind, config, calls in layers
    ]
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["max", 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "old", "layers": listed, **ends}}
    across, mix, bias = (RNG.standard_normal(shape) for shape in ((2, 2, 2, 1), (1, 1, 2, 3), (3,)))
    file = tmp_path / "old.h5"
    with h5py.File(file, "w") as h5:
        h5.attrs["model_config"], h5.attrs["keras_version"] = json.dumps(config), b"2.11.0"
        group = h5.create_group("model_weights/sep")
        names = ["sep/depthwise_kernel:0", "sep/pointwise_kernel:0", "sep/bias:0"]
        for name, values in zip(names, (across, mix, bias), strict=True):
            group[name] = values.astype(np.float32)
        group.attrs["weight_names"] = [name.encode() for name in names]
        h5["model_weights"].attrs["layer_names"] = [b"sep"]
    found = read_keras(file)
    made = untrace(found.steps, found.end)
    network = build(made.net, found.volume)
    state = network.state_dict()
    for path, own in found.weights.items():
        for name, value in own.items():
            state[f"{made.paths[path]}.{name}"].copy_(torch.from_numpy(value.copy()))
    images = RNG.standard_normal((6, 5, 2))
    convolved = np.array(
        [
            [np.einsum("ijc,ijc->c", images[y : y + 2, x : x + 2], across[..., 0]) for x in range(4)]
            for y in range(5)
        ]
    )
    mixed = convolved @ mix[0, 0] + bias
    wanted = (mixed + np.clip(mixed / 5 + 0.5, 0, 1)).max((0, 1))
    network.eval()
    with torch.inference_mode():
        seen = torch.from_numpy(images.transpose(2, 0, 1)[None].astype(np.float32))
        np.testing.assert_allclose(network(seen).reshape(-1), wanted, atol=1e-5)


def test_arrays_are_in_the_file_itself(folder: Path, tmp_path: Path) -> None:
    """A link to another file, or an array that lies in one, is not followed."""
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as h5:
        h5["array"] = np.ones((4,), np.float32)
    weights = tmp_path / "w.weights.h5"
    weights.write_bytes((folder / "sequential.weights.h5").read_bytes())
    with h5py.File(weights, "a") as h5:
        del h5["layers/conv2d/vars/1"]
        h5["layers/conv2d/vars/1"] = h5py.ExternalLink(str(secret), "array")
    with pytest.raises(UnreadError, match="no array layers/conv2d/vars/1"):
        read_keras(folder / "sequential.json", weights)
    with h5py.File(weights, "a") as h5:
        del h5["layers/conv2d/vars/1"]
        h5.create_dataset("layers/conv2d/vars/1", (4,), "f4", external=[(str(secret), 0, 16)])
    with pytest.raises(UnreadError, match="is no array of the file itself"):
        read_keras(folder / "sequential.json", weights)


def test_an_array_is_not_read_before_its_size_is_known(folder: Path, tmp_path: Path) -> None:
    """A terabyte that was never written takes a few bytes of a file."""
    weights = tmp_path / "w.weights.h5"
    weights.write_bytes((folder / "sequential.weights.h5").read_bytes())
    with h5py.File(weights, "a") as h5:
        del h5["layers/dense/vars/0"]
        h5.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 18), "f4", chunks=(1024, 1024))
    with pytest.raises(UnreadError, match=r"\[1048576, 262144\] of float32, not \[72, 7\] numbers"):
        read_keras(folder / "sequential.json", weights)


def test_what_cannot_be_read_is_said(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    with pytest.raises(ModelError, match="has no weights; give them, too: hubel import"):
        hubel.import_model(folder / "sequential.json", out=out)
    with pytest.raises(ModelError, match="has weights without their network: name that, --net vgg16"):
        hubel.import_model(folder / "sequential.weights.h5", out=out)
    with pytest.raises(UsageError, match="weights of Keras alone are read for resnet50, vgg16"):
        hubel.import_model(folder / "sequential.weights.h5", net="alexnet", out=out)
    with pytest.raises(ModelError, match="has not the weights of Keras' vgg16: no layer is called"):
        hubel.import_model(folder / "sequential.weights.h5", net="vgg16", out=out)
    with pytest.raises(UsageError, match="takes images of 12x9x1, not 8x8x1"):
        hubel.ledger(folder / "sequential.keras", "8x8x1")
    broken = tmp_path / "broken.keras"
    broken.write_bytes((folder / "sequential.keras").read_bytes()[:-300])
    with pytest.raises(ModelError, match="is not a model of Keras, or is cut short"):
        hubel.ledger(broken)
    code = tmp_path / "model.json"
    for content, why in (
        ("[]", "is no object"),
        ("{", "is not a model of Keras"),
        ('{"class_name": "Net", "config": {}}', "a class of its own, Net, which is code"),
        ('{"class_name": "Sequential", "config": {"layers": [3]}}', "configuration cannot be read"),
        ("[" * 100_000, "is not a model of Keras"),
    ):
        code.write_text(content)
        with pytest.raises(ModelError, match=why):
            hubel.ledger(code)
    code.write_text(json.dumps(model(sides=(None, None, None, 3))))
    with pytest.raises(UsageError, match=r"takes images of \?x\?x3; give their size"):
        hubel.ledger(code)


@pytest.mark.parametrize("name", KNOWN)
def test_layers_are_called_as_keras_calls_them(name: str) -> None:
    theirs = {layer for layer, *_ in KNOWN[name]["arrays"]} - {"normalization", *HEADS}
    ours = [layer for layer in APPLICATIONS[name].layers() if layer not in HEADS]
    assert sorted(ours) == sorted(theirs)
