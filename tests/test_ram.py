"""Memory: what the machine has, what is free, and networks that are refused before they are built."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hubel import ram
from hubel.errors import NetworkError
from hubel.instruments.subject import Subject
from hubel.module.network import build
from hubel.module.own import OwnNetwork
from hubel.net.ledger import ledger
from hubel.net.memory import bytes_to_run
from hubel.net.names import adaptiveavgpool, conv, fc, relu
from hubel.net.notation import parse
from hubel.net.trace import trace
from hubel.ram import free_memory, total_memory


def test_free_memory_is_limited_by_the_machine_and_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert free_memory() > 0
    for name in ("_MEMORY", "_LIMIT", "_USED", "_STATISTICS"):
        monkeypatch.setattr(ram, name, tmp_path / name)
    assert free_memory() == 4 * 1024**3
    (tmp_path / "_MEMORY").write_text("MemTotal:  9000 kB\nMemAvailable:    5000 kB\n")
    assert free_memory() == 5000 * 1024
    (tmp_path / "_USED").write_text("1000000\n")
    (tmp_path / "_LIMIT").write_text("max\n")
    assert free_memory() == 5000 * 1024
    (tmp_path / "_STATISTICS").write_text("anon 300000\ninactive_file 600000\nactive_file 100000\n")
    assert free_memory() == 5000 * 1024
    (tmp_path / "_LIMIT").write_text("3000000\n")
    assert free_memory() == 2600000
    assert total_memory() == 3000000


ABSURD = [
    ("fc(1000000000)", "224x224x3"),
    ("conv(8, 3)", "1000000x1000000x3"),
    ("adaptiveavgpool(100000, 100000)", "32x32x3"),
    ("conv(1000000000, 1)", "8x8x3"),
    ("rbf(1000000000)", "64x64x3"),
    ("padshortcut(1000000000)", "64x64x3"),
]


@pytest.mark.parametrize(("text", "volume"), ABSURD)
@pytest.mark.parametrize("force", [False, True])
def test_the_absurd_is_measured_but_never_built(text: str, volume: str, force: bool) -> None:
    assert ledger(parse(text), volume).totals.inference_peak_bytes > 10**9
    with pytest.raises(NetworkError, match=r"needs .* GB .* no setting makes it fit") as raised:
        build(parse(text), volume, force=force)
    assert len(str(raised.value)) <= 300


def test_force_takes_all_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """784*100 + 100 weights and 884 activations in float32 are 317,536 bytes."""
    net = relu >> fc(100)
    needed = bytes_to_run(trace(net, "28x28x1"))
    assert needed == 4 * (78_500 + 884)
    monkeypatch.setattr(ram, "total_memory", lambda: needed)
    monkeypatch.setattr(ram, "free_memory", lambda: needed - 1)
    with pytest.raises(NetworkError, match=r"force=True .*--force"):
        build(net, "28x28x1")
    assert build(net, "28x28x1", force=True)
    monkeypatch.setattr(ram, "total_memory", lambda: needed - 1)
    with pytest.raises(NetworkError, match="no setting"):
        build(net, "28x28x1", force=True)


def test_an_absurd_network_has_a_module_without_values() -> None:
    with torch.device("meta"):
        assert build(conv(8, 3) >> adaptiveavgpool(9, 9), "1000000x1000000x3")


@pytest.mark.parametrize("open_with", [OwnNetwork, Subject.of])
def test_a_module_is_not_run_on_an_absurd_input(open_with: type[OwnNetwork]) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1))
    with pytest.raises(NetworkError, match=r"needs .* GB"):
        open_with(module, (10**6, 10**6, 3))
