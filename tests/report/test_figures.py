"""Figures: what is drawn is what was given, always the same, and nothing outside is touched."""

from __future__ import annotations

import base64
import io
import re
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from hubel.evaluation.calibration import Reliability
from hubel.report.figures import confusion, curves, filters, reliability, thumbnail

SVG = "{http://www.w3.org/2000/svg}"


def line(epoch: int, loss: float, top1: float, *, best: bool = False) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "lr": 0.05 / epoch,
        "train_loss": 2 * loss,
        "train_top1": top1 / 2,
        "val_loss": loss,
        "val_top1": top1,
        "seconds": 1.5 * epoch,
        "best": best,
    }


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def pixels(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)))


def cells(svg: str) -> Any:
    """The image of the cells inside a confusion matrix."""
    found = next(ElementTree.fromstring(svg).iter(f"{SVG}image"))
    return pixels(base64.b64decode(found.attrib["href"].partition(",")[2]))


def settings() -> dict[str, Any]:
    """Matplotlib's settings, but the backend, which is chosen when it is first asked for."""
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


class TestCurves:
    LINES = (line(1, 1.0, 0.5, best=True), line(2, 0.8, 0.75, best=True), line(3, 0.9, 0.7))

    def test_each_is_svg_with_its_title_and_the_names_of_its_lines(self) -> None:
        loss, top1, lr = (texts(svg) for svg in curves(self.LINES))
        assert {"Loss", "epoch", "training", "validation"} <= set(loss)
        assert {"Top-1", "epoch", "training", "validation"} <= set(top1)
        assert {"Learning rate", "epoch"} <= set(lr)
        assert any(text.endswith(" %") for text in top1)

    def test_the_names_do_not_stand_on_each_other_where_the_lines_meet(self) -> None:
        same = [line(1, 1.0, 0.5, best=True) | {"train_loss": 1.0}, line(2, 0.5, 0.6) | {"train_loss": 0.5}]
        root = ElementTree.fromstring(curves(same).loss)
        names = {text.text: float(text.attrib["y"]) for text in root.iter(f"{SVG}text")}
        assert names["validation"] - names["training"] > 10 or names["training"] - names["validation"] > 10

    def test_one_epoch_is_a_dot(self) -> None:
        assert all(ElementTree.fromstring(svg) is not None for svg in curves([line(1, 1.0, 0.5, best=True)]))

    def test_losses_that_span_much_stand_on_a_logarithmic_scale(self) -> None:
        ticks = texts(curves([line(1, 100.0, 0.1), line(2, 0.1, 0.9, best=True)]).loss)
        assert {"0.1", "1", "10", "100"} <= set(ticks)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_loss_that_is_not_finite_is_left_out(self, value: float) -> None:
        assert "Loss" in texts(curves([line(1, 1.0, 0.5, best=True), line(2, value, 0.4)]).loss)

    def test_the_same_lines_make_the_same_bytes(self) -> None:
        assert curves(self.LINES) == curves(self.LINES)

    def test_colours_are_variables_of_the_page(self) -> None:
        assert "var(--ink, #" in curves(self.LINES).loss
        assert "#01020" not in "".join(curves(self.LINES))

    def test_nothing_is_left_changed(self) -> None:
        before = settings()
        with mpl.rc_context({"lines.linewidth": 40, "axes.grid": True, "font.size": 50}):
            changed = curves(self.LINES)
        assert changed == curves(self.LINES)
        assert settings() == before


class TestConfusion:
    MATRIX = np.array([[9, 1, 0], [0, 4, 0], [0, 0, 0]])

    def test_classes_and_counts_are_written(self) -> None:
        found = texts(confusion(self.MATRIX, ["cat", "dog", "owl"]))
        assert [found.count(name) for name in ("cat", "dog", "owl")] == [2, 2, 2]
        assert sorted(text for text in found if text.isdigit()) == ["1", "4", "9"]

    def test_colour_follows_the_share_of_the_row(self) -> None:
        drawn = cells(confusion(self.MATRIX, ["cat", "dog", "owl"]))
        assert drawn.shape == (3, 3, 4)
        opacity = drawn[..., 3].astype(int)
        assert opacity[1, 1] == 255  # 4 of 4, though the 9 of 10 are more
        assert 0 < opacity[0, 1] < opacity[0, 0] < 255
        assert (opacity[2] == 0).all()
        assert (drawn[0, 0, :3] != drawn[0, 1, :3]).any()

    @pytest.mark.parametrize("number", [2, 20, 21, 130])
    def test_any_number_of_classes(self, number: int) -> None:
        svg = confusion(np.eye(number, dtype=np.int64) * 7, [f"class {place}" for place in range(number)])
        assert "class 0" in texts(svg)
        assert texts(svg).count("7") == (number if number <= 20 else 0)
        assert cells(svg).shape == (number, number, 4)

    @pytest.mark.parametrize(
        "name", ["$a$b_{c", "<script>", 'x" y="1', "猫", "a\x01\nb", "\udcff", "#010201"]
    )
    def test_any_name_is_text(self, name: str) -> None:
        plain = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
        assert texts(confusion(np.eye(2, dtype=np.int64), [name, "other"])).count(plain) == 2

    def test_a_long_name_is_cut(self) -> None:
        assert "x" * 19 + "…" in texts(confusion(np.eye(2, dtype=np.int64), ["x" * 300, "y"]))

    def test_the_same_matrix_makes_the_same_bytes_without_ids_nobody_refers_to(self) -> None:
        svg = confusion(self.MATRIX, ["cat", "dog", "owl"])
        assert svg == confusion(self.MATRIX, ["cat", "dog", "owl"])
        assert all(f"#{name}" in svg for name in re.findall(r' id="(.*?)"', svg))


class TestFilters:
    def test_one_scale_symmetric_around_zero(self) -> None:
        weights = np.zeros((3, 1, 2, 2), np.float32)
        weights[0, 0, 0, 0], weights[1, 0, 0, 0] = -2.0, 1.0
        drawn = pixels(filters(weights, side=2))
        assert drawn.shape == (2, 3 * 2 + 2 * 2, 4)  # no enlarging, gaps of 2
        assert drawn[0, 0].tolist() == [0, 0, 0, 255]
        assert drawn[0, 4, 0] == 191  # half of the largest magnitude: 127.5 + 63.75
        assert drawn[1, 8, 0] in (127, 128)
        assert drawn[0, 2, 3] == 0  # the gap

    def test_three_deep_are_colours(self) -> None:
        weights = np.array([1.0, 0.0, -1.0], np.float32).reshape(1, 3, 1, 1)
        red, green, blue, _ = pixels(filters(weights))[0, 0]
        assert (red, blue) == (255, 0)
        assert green in (127, 128)

    def test_other_depths_are_their_mean(self) -> None:
        weights = np.array([[3.0, 1.0, 1.0, -1.0], [-1.0, -1.0, 0.0, 0.0]], np.float32).reshape(2, 4, 1, 1)
        drawn = pixels(filters(weights, side=1))
        assert drawn[0, 0].tolist() == [255, 255, 255, 255]  # the mean 1 is the largest
        assert drawn[0, 3, 0] == 64  # the mean -0.5: 127.5 - 63.75

    def test_a_grid_of_whole_enlargements(self) -> None:
        drawn = pixels(filters(np.ones((5, 1, 3, 4), np.float32), side=8, across=3))
        assert drawn.shape == (2 * 6 + 2, 3 * 8 + 2 * 2, 4)
        assert (drawn[-1, -1] == 0).all()  # there is no sixth

    def test_filters_of_nothing_but_zeros_are_grey(self) -> None:
        assert (pixels(filters(np.zeros((1, 3, 5, 5), np.float32)))[..., :3] == 128).all()


class TestThumbnail:
    def test_a_small_image_is_enlarged_without_blur(self) -> None:
        image = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
        drawn = pixels(thumbnail(image, side=52))
        assert np.array_equal(drawn, image.repeat(10, 0).repeat(10, 1))

    def test_a_large_image_becomes_smaller_in_its_shape(self) -> None:
        assert pixels(thumbnail(np.zeros((200, 400, 3), np.uint8), side=100)).shape == (50, 100, 3)

    def test_a_grey_image_stays_grey(self) -> None:
        assert pixels(thumbnail(np.full((4, 4, 1), 9, np.uint8), side=8)).tolist() == [[9] * 8] * 8


class TestReliability:
    SURE = Reliability.of(torch.tensor([0.5, 0.51, 0.9]), torch.tensor([True, False, False]))
    UNSURE = Reliability.of(torch.tensor([0.3, 0.4, 0.5]), torch.tensor([True, False, False]))

    def test_each_has_its_name_and_the_axes_say_what_they_are(self) -> None:
        said = texts(reliability({"before": self.SURE, "after": self.UNSURE}))
        assert {"before", "after", "accuracy", "confidence", "100 %"} <= set(said)

    def test_a_dot_for_each_range_with_images(self) -> None:
        def dots(svg: str) -> int:
            paths = ElementTree.fromstring(svg).iter(f"{SVG}path")
            return sum(path.attrib.get("style", "").startswith("fill: var(--") for path in paths)

        assert dots(reliability({"one": self.SURE})) == 2
        assert dots(reliability({"one": self.SURE, "two": self.UNSURE})) == 5

    def test_the_same_numbers_make_the_same_bytes_in_the_colours_of_the_page(self) -> None:
        svg = reliability({"one": self.SURE})
        assert svg == reliability({"one": self.SURE})
        assert "var(--right, #" in svg
        assert "#01020" not in svg
