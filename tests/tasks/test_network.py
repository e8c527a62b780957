"""What a network may be given as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch import nn

from hubel import zoo
from hubel.data.sources import open_data
from hubel.errors import HubelError, NetworkError, UsageError
from hubel.module import network as built
from hubel.module.own import OwnNetwork
from hubel.net.algebra import Net
from hubel.net.names import conv, fc, relu
from hubel.net.volume import Volume, VolumeLike
from hubel.tasks.network import NetLike, build, given, ledger

BEST = "best.safetensors"
NET = conv(2, 3) >> relu >> fc(4)
SEEN = Volume(8, 8, 1)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    from hubel.model.header import Header

    header = Header(repr(NET), SEEN, tuple("abcd"), "", {}, {})
    save_file({"w": np.zeros(1, np.float32)}, tmp_path / BEST, header.to_metadata())
    return tmp_path


def seen_as(net: NetLike, volume: VolumeLike | None = None) -> tuple[Net | nn.Module, Volume]:
    """What is given, and its input."""
    found = given(net, volume)
    return found.net, found.volume


def test_a_text_is_taken_as_on_the_command_line() -> None:
    assert seen_as("vgg16") == (zoo.vgg16(), Volume(224, 224, 3))
    assert seen_as("vgg16(classes=7)", "64x64x3") == (zoo.vgg16(classes=7), Volume(64, 64, 3))
    assert seen_as("conv(2, 3) >> relu >> fc(4)", (8, 8, 1)) == (NET, SEEN)


def test_a_model_file_and_a_run_are_taken_as_text_and_as_path(run: Path) -> None:
    for where in (run, str(run), run / BEST, str(run / BEST)):
        assert seen_as(where) == (NET, SEEN)
    with pytest.warns(UserWarning, match="are for 8x8x1; they do not fit 9x9x1"):
        assert seen_as(run, "9x9x1") == (NET, Volume(9, 9, 1))


def test_a_net_a_module_and_a_built_network_are_taken_as_they_are() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4))
    assert seen_as(NET, "8x8x1") == (NET, SEEN)
    assert seen_as(module, SEEN) == (module, SEEN)
    assert seen_as(built.build(NET, SEEN)) == (NET, SEEN)
    own = OwnNetwork(module, SEEN)
    assert seen_as(own) == (own, SEEN)
    assert ledger(own).totals.params == ledger(module, SEEN).totals.params == 20 + 292


def test_a_module_of_a_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from torch import nn\n\n\ndef make():\n    return nn.Conv2d(3, 4, 3)\n")
    made, seen = seen_as(f"{file}:make", "8x8x3")
    assert (type(made), seen) == (nn.Conv2d, Volume(8, 8, 3))


def test_build_and_ledger_take_the_networks_own_input() -> None:
    assert ledger("lenet5").totals.params == 61_706
    assert build("lenet5").volume == Volume(32, 32, 1)
    assert sum(each.numel() for each in build(NET, SEEN).parameters()) == ledger(NET, SEEN).totals.params


@pytest.mark.parametrize(
    ("net", "volume", "error", "message"),
    [
        (NET, None, UsageError, r"a network does not state its input.*volume=\(224, 224, 3\)"),
        (nn.ReLU(), None, UsageError, "a module does not state its input"),
        ("relu", None, UsageError, "a notation does not state its input"),
        ("lenet5", "8x8", UsageError, "height x width x depth"),
        ("vgg61", None, HubelError, "did you mean vgg"),
        (7, None, NetworkError, "such as 'resnet18'.*; not 7"),
        (Path("none.safetensors"), None, HubelError, "does not exist"),
    ],
)
def test_what_is_no_network(net: object, volume: str | None, error: type[HubelError], message: str) -> None:
    with pytest.raises(error, match=message):
        given(net, volume)  # type: ignore[arg-type]  # 7 is there to be refused


def test_a_module_is_not_built_again() -> None:
    with pytest.raises(NetworkError, match="ReLU is a torch module: it is built already"):
        build(nn.ReLU(), SEEN)


def test_names() -> None:
    assert given("vgg16").name == given("vgg16").short == "vgg16"
    assert given(NET, SEEN).name == repr(NET)
    assert given(NET, SEEN).short == given(repr(NET), SEEN).short == "net"
    assert given(nn.ReLU(), SEEN).name == given(nn.ReLU, SEEN).name == "ReLU"


def test_a_saved_network_is_called_by_its_path_and_in_short_by_its_stem(run: Path) -> None:
    found = given(run / BEST)
    assert (found.name, found.short) == (str(run / BEST), "best")


def test_what_has_a_path_is_taken_as_a_path(run: Path) -> None:
    class Run:
        def __fspath__(self) -> str:
            return str(run)

    assert seen_as(Run()) == (NET, SEEN)


def test_a_function_that_makes_a_module_is_called() -> None:
    def broken() -> nn.Module:
        raise ValueError("no such size")

    def nothing() -> None: ...

    found = given(lambda: nn.Conv2d(1, 2, 3), SEEN)
    assert isinstance(found.net, nn.Conv2d)
    assert isinstance(found.trainable(), OwnNetwork)
    with pytest.raises(NetworkError, match=r"broken fails: .*no such size"):
        given(broken, SEEN)
    with pytest.raises(UsageError, match="nothing makes a NoneType"):
        given(nothing, SEEN)  # type: ignore[arg-type]  # to be refused
    with pytest.raises(UsageError, match="a module does not state its input"):
        given(nn.ReLU)


def test_a_network_to_train_gets_what_it_lacks_from_the_set() -> None:
    data = open_data((np.zeros((4, 8, 8, 1), np.uint8), [0, 1, 0, 1]), val=0)
    assert given("lenet5", None, data).net == zoo.lenet5(classes=2)
    for net in (NET, repr(NET)):
        found = given(net, None, data)
        assert (found.short, found.trainable(), found.volume) == ("net", NET, SEEN)
    module = built.build(NET, (9, 9, 1))
    made = given(module, None, data)
    kept = made.trainable()
    assert (made.net, made.volume) == (NET, Volume(9, 9, 1))
    assert isinstance(kept, OwnNetwork)
    assert kept.root is module  # with its weights
    with pytest.raises(NetworkError, match="not 5"):
        given(5, None, data)  # type: ignore[arg-type]  # to be refused
    own = OwnNetwork(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), SEEN, "mine.py:make")
    trained = given(own, None, data).trainable()
    assert isinstance(trained, OwnNetwork)
    assert (trained.root, trained.maker) == (own.root, "mine.py:make")
