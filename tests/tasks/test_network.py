"""What a network may be given as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch import nn

from hubel import zoo
from hubel.errors import HubelError, NetworkError, UsageError
from hubel.module import network as built
from hubel.module.own import OwnNetwork
from hubel.net.names import conv, fc, relu
from hubel.net.volume import Volume
from hubel.tasks.network import build, ledger, name_of, network

BEST = "best.safetensors"
NET = conv(2, 3) >> relu >> fc(4)
SEEN = Volume(8, 8, 1)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    from hubel.model.header import Header

    header = Header(repr(NET), SEEN, tuple("abcd"), "", {}, {})
    save_file({"w": np.zeros(1, np.float32)}, tmp_path / BEST, header.to_metadata())
    return tmp_path


def test_a_text_is_taken_as_on_the_command_line() -> None:
    assert network("vgg16") == (zoo.vgg16(), Volume(224, 224, 3))
    assert network("vgg16(classes=7)", "64x64x3") == (zoo.vgg16(classes=7), Volume(64, 64, 3))
    assert network("conv(2, 3) >> relu >> fc(4)", (8, 8, 1)) == (NET, SEEN)


def test_a_model_file_and_a_run_are_taken_as_text_and_as_path(run: Path) -> None:
    for where in (run, str(run), run / BEST, str(run / BEST)):
        assert network(where) == (NET, SEEN)
    with pytest.warns(UserWarning, match="are for 8x8x1; they do not fit 9x9x1"):
        assert network(run, "9x9x1") == (NET, Volume(9, 9, 1))


def test_a_net_a_module_and_a_built_network_are_taken_as_they_are() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4))
    assert network(NET, "8x8x1") == (NET, SEEN)
    assert network(module, SEEN) == (module, SEEN)
    assert network(built.build(NET, SEEN)) == (NET, SEEN)
    own = OwnNetwork(module, SEEN)
    assert network(own) == (own, SEEN)
    assert ledger(own).totals.params == ledger(module, SEEN).totals.params == 20 + 292


def test_a_module_of_a_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from torch import nn\n\n\ndef make():\n    return nn.Conv2d(3, 4, 3)\n")
    made, seen = network(f"{file}:make", "8x8x3")
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
        network(net, volume)  # type: ignore[arg-type]  # 7 is there to be refused


def test_a_module_is_not_built_again() -> None:
    with pytest.raises(NetworkError, match="ReLU is a torch module: it is built already"):
        build(nn.ReLU(), SEEN)


def test_names() -> None:
    assert name_of("vgg16") == "vgg16"
    assert name_of(Path("runs/a/best.safetensors")) == "runs/a/best.safetensors"
    assert name_of(NET) == repr(NET)
    assert name_of(nn.ReLU()) == "ReLU"
