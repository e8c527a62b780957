"""Files that exporters write: PyTorch's, and hubel's own; logits, names, notation."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from onnx import helper
from torch import nn

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError
from hubel.foreign.onnx.file import open_onnx
from hubel.model.file import Model
from hubel.model.import_own import check_own, own_model
from hubel.module.network import build
from hubel.net.algebra import Net
from hubel.net.volume import Volume
from hubel.tasks.notation import notation
from tests.foreign.graphs import head, imported, written
from tests.strategies import fitting_nets


def exported(path: Path, module: nn.Module, volume: Volume, **options: Any) -> Path:
    """The file that PyTorch's exporter writes."""
    image = torch.randn(1, volume.depth, *volume.plane)
    usual: dict[str, Any] = {"opset_version": 17, "input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the older exporter, the one that needs no other package
        export: Any = torch.onnx.export
        export(module.eval(), (image,), str(path), dynamo=False, **(usual | options))
    return path


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()

    def forward(self, images: torch.Tensor) -> Any:
        return self.relu(self.bn1(self.conv1(images)) + images)


class Small(nn.Module):
    """What published networks have: numbered blocks, response normalisation, dropout, a flattened end."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2),
            nn.ReLU(),
            nn.LocalResponseNorm(5, 1e-3, 0.75, 2.0),
            nn.MaxPool2d(3, 2),
        )
        self.layer1 = nn.Sequential(Block(), Block())
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(8 * 6 * 6, 5))

    def forward(self, images: torch.Tensor) -> Any:
        return self.classifier(torch.flatten(self.layer1(self.features(images)), 1))


@pytest.mark.parametrize("opset", [9, 11, 13, 17, 20])
def test_pytorch_s_exporter(tmp_path: Path, opset: int) -> None:
    torch.manual_seed(0)
    made, agreement = imported(exported(tmp_path / "m.onnx", Small(), Volume(29, 29, 3), opset_version=opset))
    assert agreement.agrees
    assert "lrn(alpha=0.0002)" in repr(made.model.net)
    assert {"features._0", "layer1._0.conv1", "layer1._1.relu", "classifier._1"} <= set(made.paths.values())


class Called(nn.Module):
    """Functions between the layers, and one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(8, 8, 1) for _ in range(3))

    def forward(self, images: torch.Tensor) -> Any:
        says = self.b(nn.functional.silu(self.a(nn.functional.hardswish(images)))).sigmoid()
        return nn.functional.silu(self.c(images * says))


class Named(nn.Module):
    """What exporters and the survey could call differently: parts called twice, gates, groups, a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.SiLU())
        self.layer1 = nn.Sequential(Block(), Called(), Block())
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.SiLU(), nn.Sigmoid())
        self.pool, self.act = nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.ReLU()
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(8, 5), nn.LogSoftmax(1)
        )

    def forward(self, images: torch.Tensor) -> Any:
        maps = self.act(self.norm(self.act(self.layer1(self.stem(images)))))
        maps = self.pool(maps * self.gate(maps))
        return self.head(maps)


def test_a_module_and_its_file_have_one_notation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    made, agreement = imported(exported(tmp_path / "m.onnx", Named(), Volume(21, 21, 3), **kept))
    assert agreement.agrees
    assert made.model.net == notation(Named(), "21x21x3").net
    assert {"layer1._2.bn1", "layer1._1.b", "gate._2", "act_2"} <= set(made.paths.values())


def test_names_that_the_newer_exporter_notes(tmp_path: Path) -> None:
    """Calls of `act`, two in the forward of `block` itself, and one of `last` that makes two nodes."""
    scopes = (
        ("Relu", "a", ["x"], "block.act", "relu", "torch.nn.modules.activation.ReLU"),
        ("Add", "b", ["a", "x"], "block", "add", "__main__.Block"),
        ("Relu", "c", ["b"], "block", "relu_1", "__main__.Block"),
        ("Relu", "d", ["c"], "block.act", "relu_2", "torch.nn.modules.activation.ReLU"),
        ("Sigmoid", "e", ["d"], "last", "silu", "torch.nn.modules.activation.SiLU"),
        ("Mul", "f", ["d", "e"], "last", "silu", "torch.nn.modules.activation.SiLU"),
    )
    nodes = []
    for op, out, inputs, path, call, kind in scopes:
        nodes.append(helper.make_node(op, inputs, [out], name=f"node_{out}"))
        for key, text in (("name_scopes", ["", path, call]), ("class_hierarchy", ["Net", kind, "aten"])):
            nodes[-1].metadata_props.add(key=f"pkg.torch.onnx.{key}", value=str(text))
    tail, more = head("f", 3)
    made, agreement = imported(written(tmp_path / "m.onnx", [*nodes, *tail], more))
    assert agreement.agrees
    assert repr(made.model.net) == (
        'named("block", named("act", relu) + identity >> relu >> named("act_2", relu)) >> named("last", silu)'
        ' >> globalavgpool >> named("head", fc(3))'
    )


def test_batch_norm_stays_where_the_exporter_leaves_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Small()
    module(torch.randn(8, 3, 29, 29))  # running statistics that differ from those at the start
    path = exported(
        tmp_path / "m.onnx", module, Volume(29, 29, 3), do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    made, agreement = imported(path)
    assert agreement.agrees
    state = made.model.network.state_dict()
    own = module.state_dict()
    for name in ("weight", "running_mean", "running_var"):
        np.testing.assert_array_equal(state[f"layer1._0.bn1.{name}"], own[f"layer1.0.bn1.{name}"])


@given(fitting_nets())
@settings(max_examples=15, suppress_health_check=[HealthCheck.filter_too_much])
def test_what_hubel_exports_comes_back(drawn: tuple[Net, Volume]) -> None:
    """The same notation, class names, preprocessing; the same probabilities, whatever was folded."""
    import tempfile

    net, volume = drawn
    assume(volume.depth in (1, 3))
    network = build(net, volume, scores=True, seed=3).eval()
    assume(network.output.plane == (1, 1) and network.output.depth > 1)
    classes = tuple(f"class {number}" for number in range(network.output.values))
    seen = Preprocessing.of(volume)
    model = Model(network, classes, seen, {"note": 1}, temperature=1.5, views="mirror")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        model.export(path)
        file = open_onnx(path)
        again = own_model(file)
        images = np.random.default_rng(0).integers(0, 256, (2, *volume.plane, volume.depth), np.uint8)
        agreement = check_own(file, again, images)
    assert agreement.difference <= 1e-4
    assert again.net == net
    assert (again.classes, again.preprocessing, again.views) == (classes, seen, "mirror")
    np.testing.assert_allclose(
        again.probabilities_of(images), model.probabilities_of(images), rtol=1e-4, atol=1e-5
    )


def test_a_graph_that_answers_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first node that differs is named: here the second convolution, whose weights are changed."""
    from hubel.foreign.onnx import read as reading

    torch.manual_seed(0)
    path = exported(tmp_path / "m.onnx", Small(), Volume(29, 29, 3), do_constant_folding=False)
    whole = reading.read_onnx

    def changed(*given: Any) -> Any:
        read = whole(*given)
        own = read.found.weights["layer1.0.conv1"]
        own["weight"] = own["weight"] * np.float32(1.01)
        return read

    monkeypatch.setattr("tests.foreign.graphs.read_onnx", changed)
    with pytest.raises(
        ModelError, match=r"node /layer1/layer1.0/conv1/Conv \(Conv\), read as layer1.0.conv1"
    ):
        imported(path)
