"""The report of a run: what it says is right, it escapes what it is given, and it fetches nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import torch

from hubel.data.feed.decoded import Decoded
from hubel.data.image.preprocess import Preprocessing
from hubel.evaluation.metrics import Evaluation
from hubel.model.file import Model
from hubel.module.network import build
from hubel.net.notation import parse
from hubel.report.page import run_page
from hubel.training.settings.config import Config

NET = "conv(2, 3) >> relu >> fc(3)"
CLASSES = ("cat", "dog", "<script>alert(1)</script>")
PROBABILITIES = torch.tensor(
    [
        [0.8, 0.1, 0.1],  # cat, right
        [0.3, 0.6, 0.1],  # cat, taken for dog
        [0.05, 0.9, 0.05],  # cat, taken for dog, surer
        [0.1, 0.7, 0.2],  # dog, right
        [0.2, 0.5, 0.3],  # dog, right
    ]
)
EVALUATION = Evaluation(PROBABILITIES.log(), torch.tensor([0, 0, 0, 1, 1]))
LINES: list[dict[str, Any]] = [
    {
        "epoch": epoch,
        "lr": 0.05,
        "train_loss": 1.0,
        "train_top1": 0.5,
        "val_loss": 0.75,
        "val_top1": 0.6,
        "seconds": 61.2 * epoch,
        "best": epoch == 1,
    }
    for epoch in (1, 2)
]


def model(net: str = NET, classes: tuple[str, ...] = CLASSES, volume: str = "6x6x1") -> Model:
    return Model(build(parse(net), volume, scores=True), classes, Preprocessing.of(volume))


def decoded(*names: str) -> Decoded:
    images = np.arange(5 * 36, dtype=np.uint8).reshape(5, 6, 6, 1)
    return Decoded(
        images, EVALUATION.labels.numpy(), names or tuple(f"set/{place}.png" for place in range(5))
    )


def page(
    evaluation: Evaluation = EVALUATION, of: Model | None = None, validation: Decoded | None = None
) -> str:
    of = of or model()
    config = Config(data="/somewhere/my pets", net=repr(of.network.net), input="6x6x1")
    return run_page(config, LINES, of, evaluation, validation or decoded())


class Reader(HTMLParser):
    """Reads a page: its tags with their attributes, its text, and whether every tag is closed."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_it_is_a_whole_page_for_every_reader() -> None:
    reader = Reader(page())
    assert reader.all("html") == [{"lang": "en"}]
    assert len(reader.all("h1")) == 1
    assert len(reader.all("h2")) >= 5
    assert all(image["alt"] for image in reader.all("img"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in reader.all("svg"))
    assert "prefers-color-scheme: dark" in page()
    assert "@media print" in page()


def test_it_fetches_nothing() -> None:
    text = page()
    assert set(re.findall(r'https?://[^"\s]*', text)) == {"http://www.w3.org/2000/svg"}
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"')
    reader = Reader(text)
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in reader.all("img"))
    assert reader.all("script") == reader.all("link") == reader.all("iframe") == []
    assert "url(" not in re.sub(r"url\(#\w+\)", "", text)


def test_ids_are_unique() -> None:
    ids = re.findall(r' id="(.*?)"', page())
    assert len(ids) == len(set(ids))


def test_the_headline_says_how_well_and_how_dear() -> None:
    text = Reader(page()).text
    assert "60.00 % top-1 on 5 validation images: 3 correct, 2 mistakes." in text
    assert "interval: 23.07 to 88.24 % for images like these; chance is 60.00 %, the largest class." in text
    assert "training time 2 min 02 s" in text
    assert f"parameters {2 * 9 + 2 + 32 * 3 + 3}" in text
    assert "classes 3" in text
    assert "Epoch 1 was chosen" in text


def test_what_a_user_names_is_escaped() -> None:
    names = tuple(f'<b onload="x">/{place}&.png' for place in range(5))
    text = page(validation=decoded(*names))
    assert "<script" not in text
    assert "<b onload" not in text
    reader = Reader(text)
    assert CLASSES[2] in reader.said
    assert names[2] in [tag.get("title") for tag in reader.all("p")]


def test_a_name_that_is_not_unicode_can_be_written() -> None:
    assert r"a\udcff.png" in page(validation=decoded(*["set/a\udcff.png"] * 5)).encode().decode()


def test_the_surest_mistake_comes_first_with_its_name_and_probability() -> None:
    alts = [image["alt"] for image in Reader(page()).all("img")][:2]
    assert alts == ["set/2.png: cat, predicted as dog", "set/1.png: cat, predicted as dog"]
    text = Reader(page()).text
    assert text.index("90.00 %") < text.index("60.00 %", text.index("90.00 %"))


def test_no_more_mistakes_than_fit() -> None:
    wrong = Evaluation(torch.tensor([[0.2, 0.8]]).repeat(50, 1), torch.zeros(50, dtype=torch.int64))
    held_out = Decoded(np.zeros((50, 6, 6, 1), np.uint8), wrong.labels.numpy(), ("x",) * 50)
    reader = Reader(page(wrong, model("conv(2, 3) >> relu >> fc(2)", ("a", "b")), held_out))
    assert sum(str(image["alt"]).endswith("predicted as b") for image in reader.all("img")) == 36
    assert "The 36 most confident of 50" in reader.text


def test_a_run_without_mistakes_says_so() -> None:
    right = replace(EVALUATION, labels=EVALUATION.predicted)
    text = Reader(page(right)).text
    assert "every validation image was classified correctly" in text
    assert "0 mistakes" in text


def test_each_class_with_the_weakest_first() -> None:
    text = Reader(page()).text
    assert "cat 3 1 33.33 % 6.15 to 79.23 % 1 100.00 % 20.65 to 100.00 % 50.00 %" in text
    assert "dog 2 2 100.00 % 34.24 to 100.00 % 4 50.00 % 15.00 to 85.00 % 66.67 %" in text
    assert f"{CLASSES[2]} 0 0 – – 0 – – –" in text
    assert text.index("cat 3 1") < text.index("dog 2 2") < text.index(f"{CLASSES[2]} 0 0")
    assert "validation macro-F1 58.33 %" in text


def test_pairs_that_are_confused_more_than_once() -> None:
    assert "cat dog 2 3" in Reader(page()).text
    once = Evaluation(EVALUATION.scores[[0, 1, 0, 3, 4]], EVALUATION.labels)
    assert "Most often confused" not in Reader(page(once)).text


def test_top5_is_told_where_it_tells_something() -> None:
    assert "top-5" not in Reader(page()).text
    names = tuple("abcdef")
    scores = torch.arange(6.0).repeat(5, 1)
    many = Evaluation(scores, torch.tensor([0, 5, 5, 1, 2]))
    text = Reader(page(many, model("conv(2, 3) >> relu >> fc(6)", names))).text
    assert "validation top-5 80.00 %" in text


def test_how_sure_it_is_as_trained_and_with_its_temperature() -> None:
    trained = Reader(page())
    assert "a temperature of" not in trained.text
    assert trained.text.count("as trained") == 1
    warm = EVALUATION.at(2.5)
    text = Reader(page(warm)).text
    before, after = (f"{100 * each.ece:.2f} %" for each in (EVALUATION, warm))
    assert f"{before} as trained, {after} with scores divided by a temperature of 2.5" in text
    assert f"calibration error {after}" in text
    assert {"as trained", "with its temperature"} <= set(Reader(page(warm)).said)


def test_the_loss_at_the_top_says_what_it_is_where_the_curves_is_another() -> None:
    said = "The loss at the top is that of the model as it is used"
    assert said not in Reader(page()).text
    text = Reader(page(EVALUATION.at(2.5))).text
    assert f"validation loss as used {EVALUATION.at(2.5).loss:.4g} nats" in text
    assert f"{said}, at its temperature of 2.5; the curve's are at temperature 1, in one view." in text
    text = Reader(page(of=replace(model(), views="mirror"))).text
    assert f"{said}, in these views; the curve's" in text


def test_the_network_stands_there_with_its_ledger() -> None:
    text = Reader(page()).text
    assert NET in text
    assert "conv1 conv(2, 3) (6-3+2·0)/1+1 = 4 4x4x2 20 288" in text
    assert "total 119 384" in text


def test_filters_of_the_first_convolution() -> None:
    of = model()
    with torch.no_grad():
        of.network.get_parameter("conv1.weight").fill_(0.25)
    text = Reader(page(of=of)).text
    assert "2 filters of conv1, 3x3x1." in text
    assert "black −0.25, white +0.25" in text


def test_filters_with_links_show_what_is_not_linked_as_zero() -> None:
    of = model("conv(2, 3, links=((0,), (0, 2))) >> relu >> fc(3)", volume="6x6x3")
    pixels = np.zeros((5, 6, 6, 3), np.uint8)
    text = Reader(page(of=of, validation=replace(decoded(), pixels=pixels))).text
    assert "2 filters of conv1, 3x3x3." in text


def test_a_network_without_a_convolution_says_so() -> None:
    text = Reader(page(of=model("fc(8) >> relu >> fc(3)"))).text
    assert "no convolution" in text


def test_settings_versions_and_use() -> None:
    text = Reader(page()).text
    assert "data /somewhere/my pets" in text
    assert "weight_decay 0.0005" in text
    assert "flip none" in text
    assert "views one" in text
    assert f"torch {torch.__version__}" in text
    assert "hubel predict best.safetensors IMAGE" in text


def test_a_loss_that_is_not_finite_is_shown_as_it_is() -> None:
    broken = EVALUATION.scores.clone()
    broken[0] = math.nan
    assert "nan nats" in Reader(page(replace(EVALUATION, scores=broken))).text


def test_the_same_run_makes_the_same_page() -> None:
    of = model()
    assert page(of=of) == page(of=of)
