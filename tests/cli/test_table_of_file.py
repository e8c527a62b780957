"""`hubel table file.py:name`: a user's own module, and the errors of a user's own file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Hubel

FILE = """\
import torch
from torch import nn
from neighbour import WIDTH

class Odd(nn.Module):
    def forward(self, x):
        return torch.fft.fft2(x).real

class Wrong(nn.Module):
    def forward(self, x):
        y = torch.relu(x)
        return y @ torch.ones(3, 4)

def make_model():
    return nn.Sequential(nn.Conv2d(3, WIDTH, 3), nn.ReLU(), nn.Flatten(), nn.Linear(WIDTH * 36, 10))

def raises():
    return [][1]

module = make_model()
text = "no module"
grows = nn.Upsample(scale_factor=2)
grey = nn.Sequential(nn.Sequential(nn.Conv2d(1, WIDTH, 3), nn.BatchNorm2d(5)))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", ["make_model", "module"])
def test_a_module_has_its_table(hubel: Hubel, file: Path, name: str) -> None:
    said = hubel("table", f"{file}:{name}", "--input", "8x8x3", "--format", "json")
    assert said.status == 0
    assert said.err == f"note: this executes {file}\n"
    found = json.loads(said.out)
    assert [row["path"] for row in found["rows"]] == ["0", "1", "3"]
    assert found["totals"]["params"] == 4 * 28 + 10 * 145
    assert found["network"] == f"{file}:{name}"


def test_a_function_may_import_a_neighbour_of_its_file(hubel: Hubel, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("WIDTH = 4\n")
    (tmp_path / "other").mkdir()
    path = tmp_path / "lazy.py"
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'other')!r})\n"
        "from torch import nn\n"
        "def make():\n    from late import WIDTH\n    return nn.Conv2d(3, WIDTH, 3)\n"
    )
    before = sys.path.copy()
    said = hubel("table", f"{path}:make", "--input", "8x8x3")
    assert said.status == 0, said.err
    assert sys.path == before


def test_unknown_macs_are_not_zero(hubel: Hubel, file: Path) -> None:
    said = hubel("table", f"{file}:Odd", "--input", "8x8x3")
    assert "MACs unknown, left out of the totals: fft_fft2_1" in said.out
    assert "fft_fft2_1: not accounted" in said.out
    row = next(line for line in said.out.splitlines() if line.startswith("fft_fft2_1 "))
    assert " ? " in row
    data = json.loads(hubel("table", f"{file}:Odd", "--input", "8x8x3", "--format", "json").out)
    assert data["rows"][0]["macs"] is None


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        (":raises", 1, "mine.py, line 18: return [][1])"),
        (":Wrong", 1, "mine.py, line 12: return y @ torch.ones(3, 4))"),
        (":grey", 1, "error: 0.0 fails on 8x8x3: its filters take depth 1, not 3; 8x8x1 would fit"),
        (":text", 1, "makes a str; a torch.nn.Module is expected"),
        (":make_modle", 2, "did you mean make_model?"),
        ("", 2, "mine.py:make_model"),
    ],
)
def test_errors_name_the_line(hubel: Hubel, file: Path, name: str, status: int, message: str) -> None:
    said = hubel("table", f"{file}{name}", "--input", "8x8x3")
    assert said.status == status
    assert message in said.err
    assert "Traceback" not in said.err


def test_a_file_that_is_not_python(hubel: Hubel, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def make(:\n")
    said = hubel("table", f"{path}:make", "--input", "8x8x3")
    assert said.status == 1
    assert "broken.py, line 1)" in said.err
    said = hubel("table", f"{tmp_path}/none.py:make", "--input", "8x8x3")
    assert (said.status, "does not exist" in said.err) == (1, True)
    assert hubel("table", f"{path}:make").status == 2
    assert hubel("table", f"{path}:make", "--input", "8x8").status == 2


def test_the_table_ends_before_the_layer_that_fails(hubel: Hubel, file: Path) -> None:
    said = hubel("table", f"{file}:Wrong", "--input", "8x8x3")
    assert "relu1" in said.out
    assert "total" not in said.out


def test_a_jump_of_half_a_pixel(hubel: Hubel, file: Path) -> None:
    given = ("table", f"{file}:grows", "--input", "8x8x3")
    [row] = json.loads(hubel(*given, "--format", "json").out)["rows"]
    assert row["field"] == {"size": [1, 1], "jump": [0.5, 0.5], "start": [0, 0]}
    assert hubel(*given, "--format", "csv", "--columns", "jump").out == "jump\n1/2\n"


def test_a_module_is_compared_and_drawn_as_a_network_is(hubel: Hubel, file: Path) -> None:
    module, size = f"{file}:make_model", ("--input", "8x8x3")
    notation = "conv(4, 3) >> relu >> fc(10)"
    mine, same = json.loads(hubel("compare", module, notation, *size, "--json").out)
    for name in ("depth", "params", "macs", "last_conv_field", "flow_values", "backward_bytes"):
        assert mine[name] == same[name]
    assert hubel("diff", module, module, *size).status == 0
    assert hubel("diff", module, f"{file}:Odd", *size).status == 1
    out = file.with_suffix(".svg")
    assert hubel("draw", module, *size, "-o", out).status == 0
    assert "conv" in out.read_text()
    hubel("draw", f"{file}:grows", *size, "-o", out)
    assert ">up 2×2<" in out.read_text()


def test_comparisons_name_the_layers_with_unknown_macs(hubel: Hubel, file: Path) -> None:
    nets = (f"{file}:Odd", f"{file}:make_model", "--input", "8x8x3")
    for verb in ("compare", "diff"):
        assert hubel(verb, *nets).out.count("MACs unknown, left out of the totals: fft_fft2_1") == 1


def test_training_a_module_needs_its_input(hubel: Hubel, file: Path, tmp_path: Path) -> None:
    said = hubel("train", "digits", "--net", f"{file}:make_model", "--out", tmp_path / "run")
    assert (said.status, "a module does not state its input; add --input HxWxD" in said.err) == (2, True)
