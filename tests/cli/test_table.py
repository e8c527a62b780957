"""`hubel table` in every form, and its errors."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hubel import Volume, ledger, parse, zoo
from hubel.model.header import Header
from tests.cli.conftest import Hubel

LENET = "conv(6, 5) >> relu >> maxpool(2) >> conv(16, 5) >> relu >> maxpool(2) >> fc(10)"


def test_text(hubel: Hubel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    said = hubel("table", "alexnet")
    assert said.status == 0
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 100
    conv1 = next(line for line in lines if line.startswith("conv1"))
    for part in ("conv(96, 11, stride=4)", "(227-11+2·0)/4+1 = 55", "55x55x96", "34,944", "105,415,200"):
        assert part in conv1
    total = next(line for line in lines if line.startswith("total"))
    assert "60,965,224" in total
    assert any("kept for backward" in line for line in lines)


def test_json_is_the_documented_form(hubel: Hubel) -> None:
    said = hubel("table", LENET, "--input", "32x32x3", "--format", "json")
    found = json.loads(said.out)
    assert found["network"] == LENET
    assert found["input"] == [32, 32, 3]
    assert found["rows"][2] == {
        "path": "maxpool1",
        "layer": "maxpool(2)",
        "formula": "(28-2+2·0)/2+1 = 14",
        "input": [28, 28, 6],
        "output": [14, 14, 6],
        "params": 0,
        "macs": 0,
        "values": 14 * 14 * 6,
        "field": {"size": [6, 6], "jump": [2, 2], "start": [0, 0]},
        "note": "",
        "side": "",
    }
    for name in ("params", "macs", "values"):
        assert found["totals"][name] == sum(row[name] for row in found["rows"])
    assert found["totals"]["params"] == 6 * 76 + 16 * 151 + 10 * 401
    assert {"backward_bytes", "inference_peak_bytes", "flow_values"} <= found["totals"].keys()


def test_csv(hubel: Hubel) -> None:
    said = hubel("table", LENET, "--input", "32x32x3", "--format", "csv", "--columns", "path,params,output")
    rows = list(csv.reader(io.StringIO(said.out)))
    assert rows[0] == ["path", "params", "output"]
    assert rows[1] == ["conv1", "456", "28x28x6"]
    assert len(rows) == 8


def test_markdown(hubel: Hubel) -> None:
    said = hubel("table", "conv(6, 5) | conv(4, 5)", "--input", "32x32x3", "--format", "markdown")
    lines = said.out.splitlines()
    assert lines[0].startswith("| path | layer |")
    assert lines[2].startswith("| conv1 | conv(6, 5) | (32-5+2·0)/1+1 = 28 |")
    assert lines[5].startswith("| **total** |")


def test_markdown_has_the_notes_of_the_text_below_the_table(hubel: Hubel) -> None:
    given = ("table", "maxpool(2) >> fc(10)", "--input", "5x5x3")
    text, markdown = hubel(*given).out, hubel(*given, "--format", "markdown").out
    assert "\n\n- maxpool1: floor: the last 1 row and column unused\n" in markdown
    below = text.splitlines()[text.splitlines().index("maxpool1: floor: the last 1 row and column unused") :]
    assert [line.strip(" -") for line in markdown.splitlines()[-len(below) :]] == [
        line.strip() for line in below
    ]


def test_columns_by_their_headings(hubel: Hubel) -> None:
    said = hubel("table", LENET, "--input", "32x32x3", "--format", "csv", "--columns", "Path,size,MACs,sees")
    assert said.out.splitlines()[:2] == ["path,formula,macs,field", "conv1,(32-5+2·0)/1+1 = 28,352800,5"]


def test_a_name_with_arguments(hubel: Hubel) -> None:
    said = hubel("table", 'resnet34(shortcut="A")', "--format", "json")
    expected = ledger(zoo.resnet34(shortcut="A"), "224x224x3").totals.params
    assert json.loads(said.out)["totals"]["params"] == expected


def test_the_table_ends_before_the_layer_that_does_not_fit(hubel: Hubel) -> None:
    said = hubel("table", "conv(8, 3) >> relu >> conv(8, 99) >> fc(10)", "--input", "32x32x3")
    assert said.status == 1
    assert "conv1" in said.out
    assert "relu1" in said.out
    assert "total" not in said.out
    assert said.err.startswith("error: conv2 does not fit 30x30x8: (30-99+2·0)/1+1 = -68")


def test_strict(hubel: Hubel) -> None:
    said = hubel("table", "conv(96, 11, stride=4)", "--input", "224x224x3", "--strict")
    assert said.status == 1
    assert "(224-11+2·0)/4+1 = 54.25" in said.err
    assert "227x227x3 fits (55)" in said.err
    assert hubel("table", "conv(96, 11, stride=4)", "--input", "227x227x3", "--strict").status == 0


def test_weights_alone_are_no_network(hubel: Hubel, tmp_path: Path) -> None:
    (tmp_path / "w.pth").touch()
    assert f"`hubel import {tmp_path / 'w.pth'} --net NAME`" in hubel("table", str(tmp_path / "w.pth")).err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["vgg61"], 1, "did you mean vgg"),
        (["vgg-16"], 1, "no network and no file 'vgg-16'; did you mean vgg16? `hubel zoo` lists"),
        (["resnet9"], 1, "did you mean resnet18?"),
        (["runs/none"], 1, "there is no file or folder 'runs/none'; give one that exists"),
        (["none.onnx"], 1, "there is no file or folder 'none.onnx'; give one that exists"),
        (["none.pth"], 1, "there is no file or folder 'none.pth'"),
        (
            [__file__.removesuffix("/test_table.py")],
            1,
            "cli is a folder, but not a run's: it has neither",
        ),
        (["/etc/passwd"], 1, "/etc/passwd is not a safetensors file"),
        (["conv(6, 5) >> fast", "--input", "8x8x1"], 1, "as a part, write zoo.fast() in Python"),
        (["named('fast', conv(6))"], 1, "write conv(filters, size"),
        (["lenet5(classes=3) >> softmax"], 1, "stands alone; not"),
        (["conv(6, 5) >> rellu", "--input", "8x8x1"], 1, "did you mean relu?"),
        (["conv(6, 5)"], 2, "--input"),
        (["conv(6, 5)", "--input", "8x8"], 2, "height x width x depth"),
        (["lenet5", "--columns", "path,parms"], 2, "did you mean params?"),
        (["lenet5", "--columns", "path", "--format", "json"], 2, "JSON always has every column"),
        (["none.safetensors"], 1, "does not exist"),
        (["lenet5(klasses=3)"], 1, "classes"),
    ],
)
def test_errors(hubel: Hubel, arguments: list[str], status: int, message: str) -> None:
    said = hubel("table", *arguments)
    assert message in said.err
    assert said.status == status
    assert said.out == ""


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; sys.argv = ['hubel', 'table', 'resnet152', '--format', 'csv'];"
        "from hubel.cli import main; main()"
    )
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}
    assert "hubel.net.ledger" in imported
    assert not {"torch", "numpy"} & imported


def test_a_closed_pipe_is_silent() -> None:
    found = subprocess.run(
        f"{sys.executable} -m hubel table resnet152 --format json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "{\n"
    assert found.stderr == ""


def test_the_saved_notation_is_the_network(hubel: Hubel) -> None:
    network = json.loads(hubel("table", "googlenet", "--format", "json").out)["network"]
    assert parse(network) == zoo.googlenet()


def test_version_and_help(hubel: Hubel) -> None:
    assert hubel("--version").out.startswith("hubel 0.")
    for verb in ("table", "train", "val", "predict"):
        assert hubel(verb, "--help").status == 0


def test_a_network_of_the_zoo_that_does_not_fit(hubel: Hubel) -> None:
    said = hubel("table", "vgg16", "--input", "20x20x3")
    assert said.status == 1
    assert "conv4_3" in said.out
    assert "total" not in said.out
    assert "the smallest square input is 32x32" in said.err


def test_a_name_in_quotes_is_no_network_of_the_zoo(hubel: Hubel) -> None:
    assert "zoo" not in hubel("table", "named('fast', conv(6)) >> relu", "--input", "8x8x1").err


def test_weights_of_another_size_give_a_warning(hubel: Hubel, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    notation = "conv(2, 3) >> fc(4)"
    header = Header(notation, Volume.of("8x8x1"), tuple("abcd"), "", {}, {})
    save_file({"w": np.zeros(1, np.float32)}, path, header.to_metadata())
    assert hubel("table", path).err == hubel("table", path, "--input", "8x8x1").err == ""
    with pytest.warns(UserWarning, match="are for 8x8x1; they do not fit 9x9x1"):
        assert hubel("table", path, "--input", "9x9x1").status == 0
