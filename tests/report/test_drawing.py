"""The drawing of a network: its content, its layout, and that it is always the same bytes."""

from __future__ import annotations

import io
from collections import Counter
from itertools import combinations, pairwise
from math import dist, sqrt
from typing import TypeAlias
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.path import Path as Outline
from PIL import Image

from hubel import parse, zoo
from hubel.net.trace import Step, trace
from hubel.report.drawing.layout import WIDEST, layout
from hubel.report.drawing.paint import PLUS, Box, Drawing, Solid, Text, draw, painted
from hubel.report.drawing.pen import width_of

SVG = "{http://www.w3.org/2000/svg}"
SHOWN = ("lenet5", "alexnet", "vgg16", "googlenet", "resnet18", "resnet50")
UNFOLDED = ("lenet5_1998", "lenet5", "alexnet", "zfnet", "vgg16_bn", "googlenet", "resnet18")

DENSE = "(identity | (batchnorm >> relu >> conv(12, 3, pad=1)))"
BEFORE = "((batchnorm >> relu >> conv(2, 3, pad=1) >> relu >> conv(2, 3, pad=1)) + identity)"
WITHIN = "(conv(8, 1) | (conv(8, 1) + conv(8, 3, pad=1)))"

ODD = {
    "densely connected": f"conv(16, 3, pad=1) >> 3 * {DENSE} >> fc(10)",
    "before the activation": f"3 * {BEFORE}",
    "branches in branches": f"conv(16, 1) >> conv(16, 1) + identity + conv(16, 3, pad=1) >> {WITHIN}",
    "nothing but itself": "identity + identity",
    "one in place": "relu",
    "a side head only": 'side("a", fc(3))',
    "a side head in a branch": '(conv(8, 1) >> side("a", fc(3)) >> conv(4, 1)) | conv(8, 1)',
    "a side head in a side head": 'conv(8, 3) >> side("a", conv(4, 3) >> side("b", fc(2)) >> fc(3)) >> fc(5)',
    "groups": "conv(12, 1) >> conv(12, 3, groups=3) >> maxpool(2) >> conv(24, 3, groups=4) >> fc(3)",
    "without an end": "9 * (conv(8, 3, pad=1) >> relu >> maxpool(3, stride=1, pad=1) >> conv(16, 1) >> lrn)",
}

Rectangle: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def steps_of(name: str) -> tuple[Step, ...]:
    if name in ODD:
        return trace(parse(ODD[name]), "16x16x2")
    return trace(*zoo.at(name))


def drawing_of(name: str) -> Drawing:
    return layout(steps_of(name))


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def rectangle(text: Text) -> Rectangle:
    """The place of a text, by the layout's own estimate of its width."""
    width = width_of(text.text, text.size)
    left = text.x - {"left": 0.0, "center": 0.5, "right": 1.0}[text.align] * width
    return left, text.y, left + width, text.y + 0.73 * text.size


def outline(solid: Solid) -> Outline:
    """The silhouette of a solid."""
    left, bottom, right, top = solid.front
    dx, dy = solid.across
    back = [(right + dx, bottom + dy), (right + dx, top + dy), (left + dx, top + dy)]
    return Outline([(left, bottom), (right, bottom), *back, (left, top)])


def by_path(drawing: Drawing) -> dict[str, Box]:
    return {"input": drawing.boxes[0]} | {path: box for box in drawing.boxes for path in box.paths}


@pytest.mark.parametrize("name", [*zoo.ZOO, *ODD])
def test_every_step_is_in_one_box(name: str) -> None:
    steps, drawing = steps_of(name), drawing_of(name)
    assert Counter(path for box in drawing.boxes for path in box.paths) == Counter(
        step.path for step in steps
    )
    homes = by_path(drawing)
    assert all(homes[step.path].volume == step.output for step in steps)
    assert [box.kind for box in drawing.boxes].count("input") == 1


@pytest.mark.parametrize("name", [*UNFOLDED, *(name for name in ODD if name != "without an end")])
def test_arrows_follow_the_sources(name: str) -> None:
    drawing = drawing_of(name)
    homes = by_path(drawing)
    pairs = {
        (homes[source].name, homes[step.path].name) for step in steps_of(name) for source in step.sources
    }
    joins = {box.name for box in drawing.boxes if box.kind in ("add", "concat")}
    wanted = {(one, other) for one, other in pairs if one != other or one in joins}
    assert {(arrow.source, arrow.target) for arrow in drawing.arrows} == {
        pair for pair in wanted if pair[0] != pair[1]
    }


@pytest.mark.parametrize("name", ["resnet50", "resnet152", "plain110", "efficientnet_lite0"])
def test_folded_blocks_have_no_invented_arrows(name: str) -> None:
    drawing = drawing_of(name)
    homes = by_path(drawing)
    pairs = {
        (homes[source].name, homes[step.path].name) for step in steps_of(name) for source in step.sources
    }
    assert {(arrow.source, arrow.target) for arrow in drawing.arrows} <= pairs
    assert {box.name for box in drawing.boxes[1:]} <= {arrow.target for arrow in drawing.arrows}


@pytest.mark.parametrize("name", [*SHOWN, "resnet152", "groups"])
def test_arrows_begin_and_end_at_their_boxes(name: str) -> None:
    drawing = drawing_of(name)
    boxes = {box.name: box for box in drawing.boxes}
    for arrow in drawing.arrows:
        if not arrow.points:
            continue
        target = boxes[arrow.target]
        if target.solids:
            fronts = [solid.front for solid in target.solids]
            assert any(abs(arrow.points[-1][0] - front[0]) < 0.01 for front in fronts)
            assert any(front[1] <= arrow.points[-1][1] <= front[3] for front in fronts)
        else:
            assert dist(arrow.points[-1], (target.x, target.y)) == pytest.approx(PLUS)


@pytest.mark.parametrize("name", [*zoo.ZOO, *ODD])
def test_sizes_are_to_scale(name: str) -> None:
    drawing = drawing_of(name)
    solids = [(box.volume, len(box.solids), solid) for box in drawing.boxes for solid in box.solids]
    heights = {solid.height / sqrt(volume.height) for volume, _, solid in solids}
    assert max(heights) == pytest.approx(min(heights))
    for volume, towers, solid in solids:
        assert sum(length for _, length in solid.bands) == pytest.approx(solid.length)
        assert solid.across[0] / solids[0][2].across[0] == pytest.approx(
            sqrt(volume.width / solids[0][0].width)
        )
        assert volume.depth % towers == 0
    depths = sorted((volume.depth / towers, solid.length) for volume, towers, solid in solids)
    for (one, short), (other, long) in pairwise(depths):
        assert short < long or (one == other and short == long) or long == pytest.approx(1.2)


@pytest.mark.parametrize("name", [*zoo.ZOO, *(name for name in ODD if "head" not in name)])
def test_nothing_overlaps(name: str) -> None:
    drawing = drawing_of(name)
    texts = [(text, rectangle(text)) for text in drawing.texts]
    for (one, place), (other, second) in combinations(texts, 2):
        assert not overlap(place, second), (one.text, other.text)
    solids = [solid for box in (*drawing.boxes, *drawing.legend) for solid in box.solids]
    for one_solid, other_solid in combinations(solids, 2):
        assert not overlap(one_solid.front, other_solid.front)
    for solid in solids:
        shape = outline(solid)
        for text, (left, bottom, right, top) in texts:
            around = [(left, bottom), (left, top), (right, top), (right, bottom), ((left + right) / 2, top)]
            assert not shape.contains_points(around).any(), text.text
    for _, (left, bottom, right, top) in texts:
        assert 0 <= left < right <= drawing.width
        assert 0 <= bottom < top <= drawing.height


@pytest.mark.parametrize("name", SHOWN)
def test_texts_as_painted_do_not_overlap(name: str) -> None:
    figure = painted(drawing_of(name))
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    places = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert not any(one.overlaps(other) for one, other in combinations(places, 2))
    assert all(place.x0 >= 0 and place.x1 <= figure.bbox.x1 for place in places)


LONG = ("densenet", "efficientnet", "regnet_y_8gf_wide", "convnext", "inception_v3")
"""Networks of dozens of blocks of which few are alike, and so drawn once; they are as wide as a page."""


@pytest.mark.parametrize("name", list(zoo.ZOO))
def test_fits_a_page(name: str) -> None:
    drawing = drawing_of(name)
    assert drawing.width < WIDEST + 60
    assert drawing.height < (4.5 if name.startswith(LONG) else 1.4) * WIDEST


class TestContent:
    def test_vgg16_shows_every_size(self) -> None:
        texts = {text.text for text in drawing_of("vgg16").texts}
        assert {"224×224×3", "224×224×64", "112×112×64", "7×7×512", "1×1×4096", "1×1×1000"} <= texts
        assert {"conv1_1–2", "conv5_1–3", "max 2×2/2", "fc6", "convolution", "pooling"} <= texts

    def test_alexnet_has_two_towers(self) -> None:
        towers = {box.name: len(box.solids) for box in drawing_of("alexnet").boxes}
        assert {name for name, number in towers.items() if number == 2} == {
            "conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5",
        }  # fmt: skip
        assert {len(box.solids) for box in drawing_of("alexnet_one_tower").boxes} == {1}

    def test_alexnets_towers_meet_in_conv3_only(self) -> None:
        wires = Counter((arrow.source, arrow.target) for arrow in drawing_of("alexnet").arrows)
        assert wires["pool1", "conv2"] == 2
        assert wires["pool2", "conv3"] == 4
        assert wires["conv3", "conv4"] == 2

    def test_a_skip_connection_goes_over_its_block(self) -> None:
        drawing = drawing_of("resnet18")
        boxes = {box.name: box for box in drawing.boxes}
        skip = next(
            arrow
            for arrow in drawing.arrows
            if (arrow.source, arrow.target) == ("pool1", "conv2_x.block1.add1")
        )
        high = max(y for _, y in skip.points)
        for number in (1, 2):
            (solid,) = boxes[f"conv2_x.block1.conv{number}"].solids
            assert high > solid.front[3] + solid.across[1]
            assert skip.points[0][0] < solid.front[0] < skip.points[-1][0]

    def test_a_concatenation_is_made_of_what_is_joined(self) -> None:
        boxes = {box.name: box for box in drawing_of("googlenet").boxes}
        (slab,) = boxes["inception_3a.concat1"].solids
        assert [length / slab.length for _, length in slab.bands] == pytest.approx(
            [64 / 256, 128 / 256, 32 / 256, 32 / 256]
        )

    def test_side_heads_hang_below_on_a_dashed_wire(self) -> None:
        drawing = drawing_of("googlenet")
        boxes = {box.name: box for box in drawing.boxes}
        dashed = {(arrow.source, arrow.target) for arrow in drawing.arrows if arrow.dashed}
        assert dashed == {("inception_4a.concat1", "aux1.pool"), ("inception_4d.concat1", "aux2.pool")}
        assert all(boxes[head].y < boxes[start].y for start, head in dashed)
        assert {"aux1, loss × 0.3", "aux2, loss × 0.3"} <= {text.text for text in drawing.texts}

    @pytest.mark.parametrize(
        ("name", "times"),
        [
            ("resnet152", [2, 7, 35, 2]),
            ("resnet1202", [200, 199, 199]),
            ("plain110", [36, 35, 35]),
            ("resnet18", []),
        ],
    )
    def test_equal_blocks_are_folded(self, name: str, times: list[int]) -> None:
        drawing = drawing_of(name)
        assert [text.text for text in drawing.texts if text.text[:2] == "× "] == [f"× {n}" for n in times] + (
            ["× n: n such blocks in a row"] if times else []
        )
        assert len(drawing.boxes) < 50
        assert [frame.tone for frame in drawing.frames] == ["repeat"] * len(times)

    def test_consecutive_names_are_joined(self) -> None:
        found = layout(trace(parse("9 * conv(4, 1) >> 2 * conv(8, 1)"), "8x8x4"))
        assert {"conv1–9", "conv10–11"} <= {text.text for text in found.texts}


class TestDraw:
    def test_svg_is_well_formed_with_text_as_text(self) -> None:
        for name in ("vgg16", "googlenet", "resnet18"):
            content = draw(drawing_of(name), "svg")
            assert len(content) < 300_000
            found = {"".join(text.itertext()) for text in ElementTree.fromstring(content).iter(f"{SVG}text")}
            assert "224×224×3" in found

    @pytest.mark.parametrize("form", ["svg", "png", "pdf"])
    def test_always_the_same_bytes_whatever_the_settings(self, form: str) -> None:
        first = draw(drawing_of("resnet18"), form)
        with mpl.rc_context(
            {"font.size": 30, "svg.fonttype": "path", "savefig.bbox": "tight", "patch.linewidth": 9}
        ):
            before = dict(mpl.rcParams)
            assert draw(drawing_of("resnet18"), form) == first
            assert dict(mpl.rcParams) == before
        assert b"CreationDate" not in first
        assert b"dc:date" not in first

    def test_png_and_pdf(self) -> None:
        drawing = drawing_of("lenet5")
        image = Image.open(io.BytesIO(draw(drawing, "png")))
        assert image.width / image.height == pytest.approx(drawing.width / drawing.height, rel=0.01)
        assert draw(drawing, "pdf").startswith(b"%PDF")

    def test_any_name_is_drawn(self) -> None:
        steps = trace(parse('named("層", conv(4, 1)) >> named("été", fc(2))'), "8x8x1")
        assert "層" in draw(layout(steps), "svg").decode()
        assert draw(layout(steps), "png")


@pytest.mark.parametrize(
    "text",
    ['side("a", side("b", fc(3))) >> fc(2)', "conv(3, 1) >> (dropout | relu | lrn)"],
)
def test_a_layer_without_a_colour_of_its_own_may_make_a_volume(text: str) -> None:
    assert draw(layout(trace(parse(text), "8x8x3")), "svg").startswith(b"<?xml")
