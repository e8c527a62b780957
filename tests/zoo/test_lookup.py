"""Texts to networks: names, calls with literals, and the errors for all other texts."""

from __future__ import annotations

import pytest

from hubel import zoo
from hubel.errors import HubelError, NotationError, SizeError
from hubel.net.names import conv, maxpool
from hubel.net.trace import UnfitError
from hubel.net.volume import Volume


def test_a_name_is_a_network_and_its_input() -> None:
    assert zoo.find("vgg16") == (zoo.vgg16(), Volume(224, 224, 3))
    assert zoo.find(" lenet5 ") == (zoo.lenet5(), Volume(32, 32, 1))


@pytest.mark.parametrize(
    "text", ['resnet34(10, "A")', "resnet34(classes=10, shortcut='A')", "resnet34(10, shortcut='A')"]
)
def test_a_call_is_a_network_with_options(text: str) -> None:
    assert zoo.find(text)[0] == zoo.resnet34(classes=10, shortcut="A")


def test_keyword_only_options_are_keywords_in_a_text_too() -> None:
    assert zoo.find("pattern(n=1, m=2, k=0, pool=False)")[0] == zoo.pattern(1, 2, 0, pool=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resnt18", "did you mean resnet18?"),
        ("no_such_thing_at_all", "`hubel zoo` lists"),
        ("resnet18(clases=10)", "takes classes, shortcut, no clases; did you mean classes?"),
        ("vgg16(shortcut='A')", "vgg16 takes classes, no shortcut"),
        ("resnet18(1, 'A', 2)", "takes each of its arguments once: classes, shortcut"),
        ("resnet18(1, classes=2)", "takes each of its arguments once"),
        ("resnet18(classes='10')", "classes is written like 1000, not '10'"),
        ("resnet18(classes=True)", "classes is written like 1000, not True"),
        ("resnet18(shortcut=['A'])", "shortcut is written like 'B'"),
        ("resnet18(classes=int(10))", "is written vgg16, or"),
        ("resnet18(**{'classes': 1})", "is written vgg16, or"),
        ("zoo.resnet18()", "is written vgg16, or"),
        ("conv(6, 5) >> relu", "is written vgg16, or"),
        ("1()", "is written vgg16, or"),
        ("resnet18(", "is written vgg16, or"),
        ("", "is written vgg16, or"),
        ("(" * 2_000 + ")" * 2_000, "is written vgg16, or"),
    ],
)
def test_a_text_that_cannot_be_read_gets_an_example(text: str, said: str) -> None:
    with pytest.raises(NotationError) as caught:
        zoo.find(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resnet18(shortcut='D')", "shortcut is .*, not 'D'"),
        ("resnet18(classes=0)", "units is a whole number of at least 1, not 0"),
        ("pattern(m=0)", "leaves no network; write at least one copy"),
    ],
)
def test_an_option_with_a_bad_value_is_refused(text: str, said: str) -> None:
    with pytest.raises(HubelError, match=said):
        zoo.find(text)


def test_at_returns_the_volume_asked_for() -> None:
    assert zoo.at("resnet18") == (zoo.resnet18(), Volume(224, 224, 3))
    assert zoo.at("resnet18", "64x48x1")[1] == Volume(64, 48, 1)


def test_the_error_of_too_small_an_input_names_the_smallest() -> None:
    with pytest.raises(UnfitError) as caught:
        zoo.at("alexnet_owt", "40x400x3")
    assert "pool5 does not fit" in str(caught.value)
    assert "the smallest square input is 63x63" in str(caught.value)
    assert caught.value.steps[-1].path == "relu5"


def test_errors_that_a_larger_input_does_not_fix_get_no_such_advice() -> None:
    with pytest.raises(SizeError, match="depth 3 cannot be cut") as caught:
        zoo.check_input(conv(4, 3, groups=2), "32x32x3")
    assert "smallest" not in str(caught.value)
    odd_only = maxpool(2) | conv(1, 3, stride=2)
    with pytest.raises(SizeError, match="concat1 does not fit") as caught:
        zoo.check_input(odd_only, "8x8x3")
    assert "smallest" not in str(caught.value)


def test_a_network_that_fits_nothing_says_so() -> None:
    with pytest.raises(SizeError, match="up to 8x8"):
        zoo.smallest_input(zoo.vgg16(), 3, largest=8)


def test_networks_that_depend_on_their_input_take_its_size() -> None:
    seen = Volume(96, 64, 1)
    assert zoo.find("fast", classes=7, volume=seen)[0] == zoo.ZOO["fast"].make(classes=7, depth=1, side=64)
    assert zoo.find("fast(side=32)", volume=seen)[0] == zoo.ZOO["fast"].make(depth=1, side=32)
    assert zoo.at("fast", seen) == (zoo.ZOO["fast"].make(depth=1, side=64), seen)
    assert zoo.find("resnet18", volume=seen)[0] == zoo.resnet18()
