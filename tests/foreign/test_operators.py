"""Each operator of ONNX in the forms of its opsets: the layer it becomes, and ONNX Runtime's scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from hubel.errors import ModelError
from hubel.foreign.onnx.file import open_onnx
from hubel.net.notation import parse
from hubel.net.trace import UnreadError
from tests.foreign.graphs import head, imported, weights, written

node: Any = helper.make_node


def of(path: Path, nodes: list[NodeProto], constants: dict[str, Any], depth: int, **options: Any) -> str:
    """The notation of some nodes from `x` to `end`, with a head behind; its scores are ONNX Runtime's."""
    tail, more = head("end", depth)
    if options.get("opset") == 6:  # Gemm's bias is broadcast by default since opset 7
        tail[-1].attribute.append(helper.make_attribute("broadcast", 1))
    made, agreement = imported(written(path / "m.onnx", [*nodes, *tail], constants | more, **options))
    assert agreement.agrees
    text = repr(made.model.net)
    assert parse(text) == made.model.net
    assert text.endswith(' >> globalavgpool >> named("head", fc(3))')
    return text.removesuffix(' >> globalavgpool >> named("head", fc(3))')


CONVS: list[tuple[dict[str, Any], tuple[int, ...], str]] = [
    ({}, (4, 3, 3, 3), "conv(4, 3)"),
    ({"pads": [1, 1, 1, 1], "strides": [2, 2]}, (4, 3, 3, 3), "conv(4, 3, stride=2, pad=1)"),
    ({"group": 3, "dilations": [2, 1]}, (6, 1, 3, 2), "conv(6, (3, 2), groups=3, dilation=(2, 1))"),
    ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (4, 3, 3, 3), 'conv(4, 3, stride=2, pad="same")'),
    ({"auto_pad": "SAME_UPPER"}, (4, 3, 3, 3), "conv(4, 3, pad=1)"),
    ({"auto_pad": "SAME_LOWER"}, (4, 3, 5, 3), "conv(4, (5, 3), pad=(2, 1))"),
    ({"auto_pad": "VALID"}, (4, 3, 3, 3), "conv(4, 3)"),
]


@pytest.mark.parametrize(("attributes", "shape", "notation"), CONVS)
def test_convolution(
    tmp_path: Path, attributes: dict[str, Any], shape: tuple[int, ...], notation: str
) -> None:
    nodes = [node("Conv", ["x", "w", "b"], ["end"], **attributes)]
    assert of(tmp_path, nodes, {"w": weights(*shape), "b": weights(shape[0])}, shape[0]) == notation


def test_zeros_before_a_convolution_are_its_padding(tmp_path: Path) -> None:
    every = [0, 0, 1, 2, 0, 0, 1, 2]
    constants = {"every": np.array(every), "plane": np.array([1, 2, 1, 2]), "axes": np.array([2, 3])}
    for opset, pad in (
        (10, node("Pad", ["x"], ["p"], pads=every)),
        (17, node("Pad", ["x", "every"], ["p"])),
        (18, node("Pad", ["x", "plane", "", "axes"], ["p"])),
    ):
        conv = node("Conv", ["p", "w"], ["end"])
        assert of(tmp_path, [pad, conv], constants | {"w": weights(4, 3, 3, 5)}, 4, opset=opset) == (
            "conv(4, (3, 5), pad=(1, 2), bias=False)"
        )


TWO, THREE = {"kernel_shape": [2, 2]}, {"kernel_shape": [3, 3], "strides": [2, 2]}
AROUND = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
POOLS: list[tuple[str, dict[str, Any], str]] = [
    ("MaxPool", THREE, "maxpool(3, stride=2)"),
    ("MaxPool", THREE | {"ceil_mode": 1}, "maxpool(3, stride=2, ceil=True)"),
    ("MaxPool", {"kernel_shape": [3, 2], "pads": [1, 0, 1, 0]}, "maxpool((3, 2), stride=1, pad=(1, 0))"),
    ("MaxPool", TWO | {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, "maxpool(2)"),
    ("MaxPool", THREE | {"pads": [0, 0, 1, 1]}, "maxpool(3, stride=2, ceil=True)"),
    ("AveragePool", TWO | {"strides": [2, 2]}, "avgpool(2)"),
    ("AveragePool", AROUND | {"count_include_pad": 1}, "avgpool(3, stride=1, pad=1)"),
    ("AveragePool", AROUND, "avgpool(3, stride=1, pad=1, count_pad=False)"),
    (
        "AveragePool",
        THREE | {"auto_pad": "SAME_UPPER"},
        "avgpool(3, stride=2, pad=(0, 1, 0, 1), count_pad=False)",
    ),
    ("AveragePool", THREE | {"ceil_mode": 1}, "avgpool(3, stride=2, ceil=True)"),
    ("GlobalMaxPool", {}, "maxpool((12, 10))"),
]


@pytest.mark.parametrize(("op", "attributes", "notation"), POOLS)
def test_pooling(tmp_path: Path, op: str, attributes: dict[str, Any], notation: str) -> None:
    assert of(tmp_path, [node(op, ["x"], ["end"], **attributes)], {}, 3) == notation


def test_activations(tmp_path: Path) -> None:
    six = {"low": np.float32(0), "high": np.float32(6)}
    for opset, op, inputs, attributes, constants, notation in (
        (6, "Relu", ["x"], {}, {}, "relu"),
        (7, "Clip", ["x"], {"min": 0.0, "max": 6.0}, {}, "relu(limit=6.0)"),
        (13, "Clip", ["x", "low", "high"], {}, six, "relu(limit=6.0)"),
        (13, "Clip", ["x", "low"], {}, six, "relu"),
        (13, "Max", ["x", "low"], {}, six, "relu"),
        (6, "Sigmoid", ["x"], {}, {}, "sigmoid"),
        (6, "Tanh", ["x"], {}, {}, "tanh"),
        (20, "Gelu", ["x"], {}, {}, "gelu"),
        (20, "Gelu", ["x"], {"approximate": "tanh"}, {}, "gelu(tanh=True)"),
        (18, "Mish", ["x"], {}, {}, "mish"),
        (7, "Softplus", ["x"], {}, {}, "softplus"),
        (24, "Identity", ["x"], {}, {}, ""),
    ):
        nodes = [node(op, inputs, ["a"], **attributes), node("Relu", ["a"], ["end"])]
        assert of(tmp_path, nodes, constants, 3, opset=opset) == f"{notation} >> relu".removeprefix(" >> ")


def test_normalisation(tmp_path: Path) -> None:
    """ONNX divides alpha by the size, as the paper does not: 0.0001 over 5 maps is the paper's 0.00002."""
    lrn = node("LRN", ["x"], ["end"], size=5, alpha=1e-4, beta=0.75, bias=2.0)
    assert of(tmp_path, [lrn], {}, 3) == "lrn(alpha=2e-05)"
    statistics = {name: np.abs(weights(3)) + 0.5 for name in ("s", "b", "m", "v")}
    norm = node("BatchNormalization", ["x", "s", "b", "m", "v"], ["end"], epsilon=1e-3, momentum=0.99)
    assert of(tmp_path, [norm], statistics, 3) == "batchnorm(eps=0.001, momentum=0.01)"


def test_gelu_of_older_opsets_is_one_layer(tmp_path: Path) -> None:
    constants = {"r": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}
    start = [
        node("Relu", ["x"], ["a"]),
        node("Div", ["a", "r"], ["b"]),
        node("Erf", ["b"], ["c"]),
        node("Add", ["c", "one"], ["d"]),
    ]
    ways = (
        [node("Mul", ["a", "d"], ["e"]), node("Mul", ["half", "e"], ["end"])],
        [node("Mul", ["d", "half"], ["e"]), node("Mul", ["e", "a"], ["end"])],
        [node("Mul", ["a", "half"], ["e"]), node("Mul", ["e", "d"], ["end"])],
    )
    for way in ways:
        assert of(tmp_path, [*start, *way], constants, 3) == "relu >> gelu"


def test_gelu_by_tanh_and_mish_that_are_written_out(tmp_path: Path) -> None:
    constants = {
        "three": np.float32(3),
        "c": np.float32(0.044715),
        "root": np.float32((2 / np.pi) ** 0.5),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    power = [node("Pow", ["a", "three"], ["cube"])]
    product = [node("Mul", ["a", "a"], ["square"]), node("Mul", ["square", "a"], ["cube"])]
    rest = [
        node("Mul", ["c", "cube"], ["d"]),
        node("Add", ["a", "d"], ["e"]),
        node("Mul", ["e", "root"], ["f"]),
        node("Tanh", ["f"], ["g"]),
        node("Add", ["g", "one"], ["h"]),
        node("Mul", ["a", "half"], ["i"]),
        node("Mul", ["i", "h"], ["end"]),
    ]
    relu = node("Relu", ["x"], ["a"])
    for cube in (power, product):
        assert of(tmp_path, [relu, *cube, *rest], constants, 3) == "relu >> gelu(tanh=True)"
    nodes = [node("Softplus", ["a"], ["s"]), node("Tanh", ["s"], ["t"]), node("Mul", ["a", "t"], ["end"])]
    assert of(tmp_path, [relu, *nodes], constants, 3) == "relu >> mish"


def test_softplus_that_is_a_line_from_20_on(tmp_path: Path) -> None:
    """As PyTorch's newer exporter writes it; with another threshold it is something else."""
    nodes = [
        node("Softplus", ["x"], ["s"]),
        node("Greater", ["x", "from"], ["g"]),
        node("Where", ["g", "x", "s"], ["line"]),
    ]
    plus, mish = node("Relu", ["line"], ["end"]), [node("Tanh", ["line"], ["t"])]
    mish.append(node("Mul", ["x", "t"], ["end"]))
    assert of(tmp_path, [*nodes, plus], {"from": np.float32(20)}, 3) == "softplus >> relu"
    assert of(tmp_path, [*nodes, *mish], {"from": np.float32(20)}, 3) == "mish"
    with pytest.raises(UnreadError, match="there is no layer for Where"):
        of(tmp_path, [*nodes, plus], {"from": np.float32(1)}, 3)


def test_factors_and_summands_go_into_the_layer_before(tmp_path: Path) -> None:
    constants = {"w": weights(4, 3, 3, 3), "s": weights(4, 1, 1) + 2, "b": weights(1, 4, 1, 1)}
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Mul", ["a", "s"], ["b1"]),
        node("Add", ["b", "b1"], ["c"]),
        node("Sub", ["c", "b"], ["end"]),
    ]
    assert of(tmp_path, nodes, constants, 4) == "conv(4, 3)"


def test_factors_and_summands_after_no_layer_with_weights(tmp_path: Path) -> None:
    factor = node("Div", ["a", "s"], ["end"])
    summand = node("Add", ["a", "s"], ["end"])
    for operation, layer in ((factor, "layerscale"), (summand, "batchnorm(eps=0.0)")):
        nodes = [node("Relu", ["x"], ["a"]), operation]
        constants = {"s": np.abs(weights(3, 1, 1)) + 1}
        assert of(tmp_path, nodes, constants, 3) == f"relu >> {layer}"


def test_activations_that_are_written_out(tmp_path: Path) -> None:
    """As exporters write them for opsets that lack them."""
    constants = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)}
    relu = node("Relu", ["x"], ["a"])
    cut = [relu, node("Add", ["a", "three"], ["b"]), node("Clip", ["b", "zero", "six"], ["c"])]
    hard = node("HardSigmoid", ["a"], ["b"], alpha=1 / 6)
    for nodes, layer in (
        ([*cut, node("Div", ["c", "six"], ["end"])], "hardsigmoid"),
        ([*cut, node("Div", ["c", "six"], ["d"]), node("Mul", ["a", "d"], ["end"])], "hardswish"),
        ([*cut, node("Mul", ["c", "a"], ["d"]), node("Div", ["d", "six"], ["end"])], "hardswish"),
        ([relu, hard, node("Mul", ["a", "b"], ["end"])], "hardswish"),
        ([relu, node("HardSigmoid", ["a"], ["end"])], "batchnorm(eps=0.0) >> relu(limit=1.0)"),
        ([relu, node("Sigmoid", ["a"], ["b"]), node("Mul", ["b", "a"], ["end"])], "silu"),
    ):
        assert of(tmp_path, nodes, constants, 3) == f"relu >> {layer}"


def test_a_product_with_a_branch_is_a_gate(tmp_path: Path) -> None:
    constants = {"w": weights(3, 3, 1, 1)}
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("GlobalAveragePool", ["a"], ["b"]),
        node("Conv", ["b", "w"], ["c"]),
        node("Sigmoid", ["c"], ["d"]),
        node("Mul", ["d", "a"], ["end"]),
    ]
    gate = "gate(globalavgpool >> conv(3, 1, bias=False) >> sigmoid)"
    assert of(tmp_path, nodes, constants, 3) == f"relu >> {gate}"


def test_parts_of_the_maps_and_their_shuffle(tmp_path: Path) -> None:
    """ShuffleNetV2's unit."""
    constants = {"w": weights(4, 3, 1, 1), "v": weights(2, 2, 1, 1), "cut": np.array([0, 2, 2, 12, 10])}
    constants |= {"back": np.array([0, 4, 12, 10])}
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Split", ["a"], ["b", "c"], axis=1),
        node("Conv", ["c", "v"], ["d"]),
        node("Concat", ["b", "d"], ["e"], axis=1),
        node("Reshape", ["e", "cut"], ["f"]),
        node("Transpose", ["f"], ["g"], perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["g", "back"], ["end"]),
    ]
    unit = "(part(1, 2) | part(2, 2) >> conv(2, 1, bias=False)) >> shuffle(2)"
    assert of(tmp_path, nodes, constants, 4) == f"conv(4, 1, bias=False) >> {unit}"


def test_growing_and_padding_by_other_values(tmp_path: Path) -> None:
    constants = {
        "w": weights(3, 4, 4, 4),
        "twice": np.array([1, 1, 2, 2], np.float32),
        "c": weights(4, 3, 3, 3),
        "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "s": np.array([0.1, 0.2, 0.3], np.float32).reshape(3, 1, 1),
    }
    spread = node("ConvTranspose", ["a", "w"], ["end"], strides=[2, 2], pads=[1, 1, 1, 1])
    mirrored = [node("Pad", ["a", "p"], ["b"], mode="reflect"), node("Conv", ["b", "c"], ["end"])]
    sides = node("Conv", ["a", "c"], ["end"], pads=[0, 1, 2, 0])
    for nodes, layer, depth in (
        ([spread], "convtranspose(4, 4, stride=2, pad=1, bias=False)", 4),
        ([node("Resize", ["a", "", "twice"], ["end"], mode="linear")], 'upsample(2, mode="bilinear")', 3),
        (mirrored, 'conv(4, 3, pad=1, bias=False, pad_mode="reflect")', 4),
        ([sides], "conv(4, 3, pad=(0, 2, 1, 0), bias=False)", 4),
        ([node("PRelu", ["a", "s"], ["end"])], "prelu", 3),
        ([node("LeakyRelu", ["a"], ["end"], alpha=0.2)], "leakyrelu(slope=0.2)", 3),
        ([node("Elu", ["a"], ["end"])], "elu", 3),
        ([node("HardSwish", ["a"], ["end"])], "hardswish", 3),
    ):
        assert of(tmp_path, [node("Tanh", ["x"], ["a"]), *nodes], constants, depth) == f"tanh >> {layer}"


def test_layer_normalisation_over_the_maps(tmp_path: Path) -> None:
    """ConvNeXt's: channels last, normalised, expanded by a linear map, channels first again."""
    constants = {"s": weights(3) + 1, "b": weights(3), "w": weights(3, 3)}
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 2, 3, 1]),
        node("LayerNormalization", ["a", "s", "b"], ["c"], epsilon=1e-6),
        node("MatMul", ["c", "w"], ["d"]),
        node("Add", ["d", "b"], ["e"]),
        node("Transpose", ["e"], ["end"], perm=[0, 3, 1, 2]),
    ]
    assert of(tmp_path, nodes, constants, 3) == "layernorm(eps=1e-06) >> conv(3, 1)"


def test_group_and_instance_normalisation(tmp_path: Path) -> None:
    """Of opset 18 with a number per group, of 21 with one per map; and of older opsets by reshapes."""
    conv, constants = node("Conv", ["x", "w"], ["c"]), {"w": weights(6, 3, 1, 1)}
    for opset, size in ((18, 2), (21, 6)):
        own = {"s": weights(size), "b": weights(size)}
        norm = node("GroupNormalization", ["c", "s", "b"], ["end"], num_groups=2, epsilon=1e-3)
        found = of(tmp_path, [conv, norm], constants | own, 6, opset=opset)
        assert found == "conv(6, 1, bias=False) >> groupnorm(2, eps=0.001)"
    own = {"s": weights(6), "b": weights(6)}
    norm = node("InstanceNormalization", ["c", "s", "b"], ["end"])
    assert of(tmp_path, [conv, norm], constants | own, 6) == "conv(6, 1, bias=False) >> groupnorm(6)"
    own = {"s": weights(2), "b": weights(2), "g": np.array([0, 2, -1]), "m": weights(6, 1, 1)}
    nodes = [
        conv,
        node("Reshape", ["c", "g"], ["r"]),
        node("InstanceNormalization", ["r", "s", "b"], ["i"], epsilon=1e-5),
        node("Shape", ["c"], ["shape"]),
        node("Reshape", ["i", "shape"], ["o"]),
        node("Mul", ["o", "m"], ["p"]),
        node("Add", ["p", "m"], ["end"]),
    ]
    assert of(tmp_path, nodes, constants | own, 6) == "conv(6, 1, bias=False) >> groupnorm(2)"


def test_zeros_before_max_pooling_are_its_padding_after_relu(tmp_path: Path) -> None:
    pads = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    pool = node("MaxPool", ["z"], ["end"], kernel_shape=[3, 3], strides=[2, 2])
    nodes = [node("Relu", ["x"], ["r"]), node("Pad", ["r", "p"], ["z"]), pool]
    assert of(tmp_path, nodes, pads, 3) == "relu >> maxpool(3, stride=2, pad=1)"
    nodes = [node("LeakyRelu", ["x"], ["r"]), node("Pad", ["r", "p"], ["z"]), pool]
    with pytest.raises(UnreadError, match="no value is below them, such as after relu"):
        of(tmp_path, nodes, pads, 3)


def test_scores_are_those_before_a_log_softmax_at_the_end(tmp_path: Path) -> None:
    tail, more = head("x", 3)
    tail[-1].output[:] = ["scores"]
    nodes = [*tail, node("LogSoftmax", ["scores"], ["y"], axis=-1)]
    made, agreement = imported(written(tmp_path / "m.onnx", nodes, more))
    assert agreement.agrees
    assert repr(made.model.net) == 'globalavgpool >> named("head", fc(3)) >> softmax'
    assert any("log-softmax" in remark for remark in made.remarks)


def test_of_several_outputs_the_first_is_taken_and_said(tmp_path: Path) -> None:
    tail, more = head("x", 3)
    path = written(tmp_path / "m.onnx", [*tail, node("Sigmoid", ["x"], ["boxes"])], more)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("boxes", TensorProto.FLOAT, None))
    onnx.save(model, path)
    made, agreement = imported(path)
    assert agreement.agrees
    assert any(remark.startswith("of the outputs y, boxes the first") for remark in made.remarks)


def test_what_exporters_compute_with_sizes(tmp_path: Path) -> None:
    """As for `x.view(x.shape[0], 3, -1)`: the same numbers as ONNX's own reference gives."""
    from onnx.reference import ReferenceEvaluator

    from hubel.foreign.onnx.reading import fold

    whole = np.arange(24).reshape(2, 3, 4)
    cases: tuple[tuple[str, tuple[Any, ...], dict[str, Any]], ...] = (
        ("Concat", (whole, whole), {"axis": 1}),
        ("Gather", (whole, np.array([[2, 0], [-1, 1]])), {"axis": 2}),
        ("Gather", (np.array([5, 6, 7]), np.array(1)), {}),
        ("Slice", (whole, np.array([1]), np.array([2**31]), np.array([-1])), {}),
        (
            "Slice",
            (whole, np.array([-1, 0]), np.array([-(2**63), 2]), np.array([2, 1]), np.array([-2, 1])),
            {},
        ),
        ("Slice", (whole, np.array([0, 1]), np.array([1, 2])), {}),
        ("Unsqueeze", (whole, np.array([0, -1])), {}),
    )
    for op, inputs, attributes in cases:
        names = [f"i{at}" for at in range(len(inputs))]
        one = node(op, names, ["y"], **attributes)
        given = dict(zip(names, inputs, strict=True))
        wanted: Any = ReferenceEvaluator(one).run(None, given)
        np.testing.assert_array_equal(fold(one, inputs, 17)[0], wanted[0])


def test_branches(tmp_path: Path) -> None:
    constants = {"w": weights(3, 3, 1, 1), "v": weights(3, 3, 1, 1)}
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Conv", ["r", "w"], ["a"]),
        node("Conv", ["r", "v"], ["b"]),
        node("Add", ["a", "r"], ["s"]),
        node("Concat", ["s", "b"], ["end"], axis=1),
    ]
    conv = "conv(3, 1, bias=False)"
    assert of(tmp_path, nodes, constants, 6) == f"relu >> ({conv} + identity | {conv})"


@pytest.mark.parametrize("opset", [6, 9, 12, 13, 18, 21, 24])
def test_reshape_flatten_and_matmul_to_fc(tmp_path: Path, opset: int) -> None:
    """The batch is taken from the shape, as PyTorch's exporter writes it; MatMul and Add are one layer."""
    squeeze = {"axes": [0]} if opset < 13 else {}
    constants = {
        "zero": np.array(0),
        "rest": np.array([-1]),
        "axes": np.array([0]),
        "w": weights(3 * 12 * 10, 3),
        "b": weights(3),
    }
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Unsqueeze", ["n"] + ["axes"] * (opset >= 13), ["n1"], **squeeze),
        node("Concat", ["n1", "rest"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["flat"]),
        node("MatMul", ["flat", "w"], ["product"]),
        node("Add", ["product", "b"], ["scores"]),
        node("Softmax", ["scores"], ["y"], axis=1),
    ]
    made, agreement = imported(written(tmp_path / "m.onnx", nodes, constants, opset=opset))
    assert repr(made.model.net) == "fc(3) >> softmax"
    assert agreement.agrees


def test_channels_last_is_turned_into_channels_first(tmp_path: Path) -> None:
    """TensorFlow's order: images n x h x w x c, and values flattened in the order h, w, c."""
    constants = {"w": weights(4, 3, 3, 3), "v": weights(10 * 8 * 4, 3), "shape": np.array([-1, 320])}
    nodes = [
        node("Transpose", ["x"], ["maps"], perm=[0, 3, 1, 2]),
        node("Conv", ["maps", "w"], ["a"]),
        node("Transpose", ["a"], ["last"], perm=[0, 2, 3, 1]),
        node("Reshape", ["last", "shape"], ["flat"]),
        node("Gemm", ["flat", "v"], ["y"]),
    ]
    made, agreement = imported(written(tmp_path / "m.onnx", nodes, constants, shape=("n", 12, 10, 3)))
    assert repr(made.model.net) == "conv(4, 3, bias=False) >> fc(3, bias=False)"
    assert agreement.agrees


def test_the_mean_over_height_and_width_is_global_pooling(tmp_path: Path) -> None:
    for opset, inputs, attributes in (
        (17, ["x"], {"axes": [2, 3], "keepdims": 0}),
        (18, ["x", "axes"], {"keepdims": 0}),
    ):
        nodes = [node("ReduceMean", inputs, ["a"], **attributes), node("Gemm", ["a", "w"], ["y"], alpha=0.5)]
        constants = {"w": weights(3, 3), "axes": np.array([-1, -2])}
        made, agreement = imported(written(tmp_path / "m.onnx", nodes, constants, opset=opset))
        assert repr(made.model.net) == "globalavgpool >> fc(3, bias=False)"
        assert agreement.agrees


def test_preprocessing_in_the_graph_becomes_the_model_s(tmp_path: Path) -> None:
    """(x / 255 - mean) / std of bytes, n x h x w x c; by hand, mean 0.5, 0.4, 0.3 and std 0.2, 0.25, 0.5."""
    constants = {
        "white": np.float32(255),
        "mean": np.array([0.5, 0.4, 0.3], np.float32),
        "std": np.array([0.2, 0.25, 0.5], np.float32),
        "w": weights(4, 3, 3, 3),
    }
    nodes = [
        node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        node("Div", ["f", "white"], ["a"]),
        node("Sub", ["a", "mean"], ["b"]),
        node("Div", ["b", "std"], ["c"]),
        node("Transpose", ["c"], ["d"], perm=[0, 3, 1, 2]),
        node("Conv", ["d", "w"], ["end"]),
    ]
    tail, more = head("end", 4)
    path = written(
        tmp_path / "m.onnx", [*nodes, *tail], constants | more, shape=("n", 12, 10, 3), kind=TensorProto.UINT8
    )
    made, agreement = imported(path)
    seen = made.model.preprocessing
    assert agreement.agrees
    assert made.white == 255
    assert seen.mean == pytest.approx((0.5, 0.4, 0.3), rel=1e-6)
    assert seen.std == pytest.approx((0.2, 0.25, 0.5), rel=1e-6)


def test_a_quantised_graph_is_read_back_to_float(tmp_path: Path) -> None:
    whole = RNG_BYTES.integers(-127, 128, (4, 3, 3, 3), np.int8)
    constants = {
        "w": whole,
        "ws": np.array([0.01, 0.02, 0.03, 0.04], np.float32),
        "wz": np.zeros(4, np.int8),
        "s": np.float32(0.02),
        "z": np.uint8(128),
    }
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        node("Conv", ["d", "wd"], ["end"]),
    ]
    tail, more = head("end", 4)
    made, agreement = imported(written(tmp_path / "m.onnx", [*nodes, *tail], constants | more))
    assert agreement.agrees
    assert any("quantised" in remark for remark in made.remarks)
    weight = made.model.network.state_dict()["conv1.weight"].numpy()
    scales = np.array([0.01, 0.02, 0.03, 0.04], np.float32)[:, None, None, None]
    np.testing.assert_array_equal(weight, whole.astype(np.float32) * scales)


RNG_BYTES = np.random.default_rng(3)

AROUND_ALL = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
UNREAD: list[tuple[list[NodeProto], dict[str, Any], str]] = [
    ([node("Sin", ["x"], ["end"], name="wave")], {}, r"node wave \(Sin\).*no layer for Sin"),
    ([node("LRN", ["x"], ["end"], size=4)], {}, "even number of maps"),
    ([node("MaxPool", ["x"], ["end"], dilations=[2, 2], **TWO)], {}, "no dilation"),
    ([node("Add", ["x", "c"], ["end"])], {"c": weights(12, 10)}, "one number per map"),
    ([node("Pad", ["x", "p"], ["end"], mode="wrap")], AROUND_ALL, "pads by wrap"),
    (
        [node("Pad", ["x", "p"], ["a"], mode="reflect"), node("MaxPool", ["a"], ["end"], **TWO)],
        AROUND_ALL,
        "counts as values",
    ),
    (
        [node("Pad", ["x", "p"], ["a"], mode="edge"), node("AveragePool", ["a"], ["end"], **TWO)],
        AROUND_ALL,
        "padding of two kinds",
    ),
    (
        [
            node("Pad", ["x", "p"], ["a"], mode="reflect"),
            node("Conv", ["a", "w"], ["end"], pads=[1, 1, 1, 1]),
        ],
        AROUND_ALL | {"w": weights(3, 3, 3, 3)},
        "padding of two kinds",
    ),
    ([node("LogSoftmax", ["x"], ["end"], axis=1)], {}, "where the scores end"),
    (
        [
            node("Reshape", ["x", "cut"], ["a"]),
            node("InstanceNormalization", ["a", "one", "one"], ["b"]),
            node("Reshape", ["b", "back"], ["end"]),
        ],
        {"cut": np.array([0, 2, -1]), "back": np.array([-1, 3, 12, 10]), "one": weights(2)},
        "no groups of maps",
    ),
    ([node("Sub", ["x", "x"], ["end"])], {}, "a difference of values"),
    ([node("Clip", ["x"], ["end"], min=-1.0, max=1.0)], {}, "relu begins at 0"),
    (
        [node("Transpose", ["x"], ["a"], perm=[0, 2, 1, 3]), node("MaxPool", ["a"], ["end"], **TWO)],
        {},
        "not n x depth",
    ),
]


@pytest.mark.parametrize(("nodes", "constants", "message"), UNREAD)
def test_what_is_no_layer_is_named(
    tmp_path: Path, nodes: list[NodeProto], constants: dict[str, Any], message: str
) -> None:
    """The steps before are there to be shown."""
    tail, more = head("end", 3)
    inner = [rename(each, "x", "first") for each in nodes]
    path = tmp_path / "m.onnx"
    opset = 10 if any(each.op_type == "Clip" for each in nodes) else 17
    written(path, [node("Relu", ["x"], ["first"]), *inner, *tail], constants | more, opset=opset)
    with pytest.raises(UnreadError, match=message) as caught:
        imported(path)
    assert [step.path for step in caught.value.steps] == ["relu1"]


def rename(proto: NodeProto, old: str, new: str) -> NodeProto:
    """A node that reads another value."""
    made = NodeProto()
    made.CopyFrom(proto)
    made.input[:] = [new if name == old else name for name in proto.input]
    return made


def test_a_node_without_a_name_is_named_by_what_is_before_it(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["a"], name="first"), node("Sin", ["a"], ["end"])]
    why = r"node end \(Sin\) behind first \(Relu\) is no layer.*replace it in the source"
    with pytest.raises(UnreadError, match=why):
        of(tmp_path, nodes, {}, 3)


def test_empty_files_and_texts_are_no_networks(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for content, why in (("", "m.onnx is empty"), ("some text\n", "is not an ONNX model, or is cut short;")):
        path.write_text(content)
        with pytest.raises(ModelError, match=why):
            open_onnx(path)
