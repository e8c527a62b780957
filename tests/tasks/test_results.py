"""What the functions behind `table`, `compare`, `diff`, `draw` and `zoo` return."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hubel import zoo
from hubel.errors import UsageError
from hubel.net.names import conv, fc, maxpool, relu
from hubel.net.trace import UnfitError
from hubel.tasks.compare import compare
from hubel.tasks.diff import diff
from hubel.tasks.draw import draw
from hubel.tasks.table import rows_before, table
from hubel.tasks.zoo import zoo as overview
from hubel.zoo import ZOO

NET = conv(4, 3) >> relu >> maxpool(2) >> fc(10)


class TestTable:
    def test_it_prints_as_the_table_of_the_command(self) -> None:
        text = str(table(NET, "8x8x1"))
        assert text.splitlines()[0].split() == ["path", "layer", "size", "output", "params", "MACs", "sees"]
        assert text.splitlines()[-1].startswith("  training state")

    def test_it_folds_to_a_width(self) -> None:
        found = table("googlenet")
        wide, narrow = (str(found.text(width)).splitlines()[:20] for width in (160, 80))
        assert max(map(len, narrow)) <= 80 < max(map(len, wide)) <= 160

    def test_columns_are_a_list_or_one_text(self) -> None:
        first, second = (table(NET, "8x8x1", columns=names) for names in ("path, MACs", ["path", "macs"]))
        assert first.csv() == second.csv() == "path,macs\nconv1,1296\nrelu1,0\nmaxpool1,0\nfc1,360"
        with pytest.raises(UsageError, match="did you mean params"):
            table(NET, "8x8x1", columns="parms")

    def test_its_json_names_the_network(self) -> None:
        assert json.loads(table("lenet5").json())["network"] == repr(zoo.lenet5())

    def test_a_notebook_shows_a_table_with_its_totals(self) -> None:
        shown = table(conv(4, 3) >> fc(10), "8x8x1")._repr_html_()
        root = ElementTree.fromstring(f"<div>{shown}</div>")
        assert [cell.text for cell in root.findall(".//thead//th")][:2] == ["path", "layer"]
        assert [cell.text for cell in root.findall(".//tbody/tr/td[1]")] == ["conv1", "fc1"]
        assert [cell.text for cell in root.findall(".//tfoot//th")][4] == f"{40 + 1450:,}"

    def test_its_repr_is_one_line(self) -> None:
        assert repr(table(NET, "8x8x1")) == "<Table of 4 layers on 8x8x1; print it>"

    def test_rows_before_the_layer_that_does_not_fit(self) -> None:
        with pytest.raises(UnfitError) as broken:
            table(conv(8, 3) >> relu >> conv(8, 99), "32x32x3")
        lines = str(rows_before(broken.value, "path,params")).splitlines()
        assert [line.split()[0] for line in lines[2:]] == ["input", "conv1", "relu1"]


class TestCompare:
    def test_networks_of_any_kind_stand_side_by_side(self) -> None:
        found = compare("alexnet_owt", zoo.vgg16(), volume="224x224x3")
        assert [facts.params for facts in found.facts] == [61_100_840, 138_357_544]
        assert "138,357,544" in str(found)
        assert found._repr_html_().startswith("<pre>")

    def test_one_is_too_few(self) -> None:
        with pytest.raises(UsageError, match="two networks or more"):
            compare("vgg16")

    def test_a_plot(self, tmp_path: Path) -> None:
        compare("alexnet", "vgg16").plot(tmp_path / "plot.svg")
        assert (tmp_path / "plot.svg").read_bytes().startswith(b"<?xml")


class TestDiff:
    def test_it_is_true_where_the_networks_differ(self) -> None:
        found = diff("vgg16_1x1", "vgg16")
        assert found
        assert [change.path for change in found.changes] == ["conv3_3", "conv4_3", "conv5_3"]
        assert not diff(2 * relu, relu >> relu, volume="4x4x1")

    def test_its_json(self) -> None:
        assert json.loads(diff("vgg16_1x1", "vgg16").json())["after"]["network"] == "vgg16"


class TestDraw:
    def test_a_notebook_shows_the_drawing(self) -> None:
        assert ElementTree.fromstring(draw("lenet5")._repr_svg_()).tag == "{http://www.w3.org/2000/svg}svg"

    def test_it_is_saved_by_the_suffix(self, tmp_path: Path) -> None:
        draw("lenet5", out=tmp_path / "net.png")
        draw("lenet5").save(str(tmp_path / "net.pdf"))
        assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "net.pdf").read_bytes().startswith(b"%PDF")
        with pytest.raises(UsageError, match="none of them"):
            draw("lenet5", out=tmp_path / "net.jpg")


def test_the_zoo_lists_every_network() -> None:
    found = overview()
    assert [line.name for line in found.lines] == list(ZOO)
    assert [each["network"] for each in json.loads(found.json())] == list(ZOO)
    assert str(found).startswith("network")
