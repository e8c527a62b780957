"""The network of a run, from what the user gives: a text, a network, a module, a function that makes one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from hubel.errors import UsageError
from hubel.module.own import OwnNetwork, maker_of
from hubel.module.user_code import is_python, module_of
from hubel.net.algebra import Net
from hubel.net.volume import Volume, VolumeLike
from hubel.tasks.network import network_for

if TYPE_CHECKING:
    from hubel.data.dataset import DataSet
    from hubel.training.settings.config import Config


def own_network(net: Any, config: Config) -> OwnNetwork:
    """The module of the user's own that a config names, given again. Raises UsageError: it is not one."""
    if net is None:
        raise UsageError(
            f"this run trains a module of your own, {config.net}; config.toml keeps only its name: pass it "
            "again, net=..., or on the command line --net file.py:name"
        )
    if isinstance(net, Net) or (isinstance(net, str) and not is_python(net)):
        raise UsageError(f"this run trains a module of your own, {config.net}; {net!r} is another network")
    found = trained_network(net, config.input, None).net
    assert isinstance(found, OwnNetwork), "neither a value nor a text"
    return found


@dataclass(frozen=True, slots=True)
class Trained:
    """A network to train, its short name and the volume of its input."""

    name: str
    net: Net | OwnNetwork
    volume: Volume


def trained_network(net: Any, volume: VolumeLike | None, data: DataSet | None) -> Trained:
    """The network to train on a set.

    A text is read as on the command line: a notation, a network of the zoo, which gets the set's classes and
    depth, a model's file, or `file.py:name`. A module needs the volume of its input.

    Raises UsageError, NotationError, NetworkError: no such network, or a module without an input.
    """
    net = str(net) if isinstance(net, Path) else net
    if isinstance(net, Net):
        assert data is not None, "a value is asked for with a set"
        return Trained("net", net, Volume.of(volume or (*data.size, data.depth)))
    if isinstance(net, str) and not is_python(net):
        assert data is not None, "a text is asked for with a set"
        given = None if volume is None else str(Volume.of(volume))
        return Trained(*network_for(net, given, data))
    maker = net if isinstance(net, str) else maker_of(net)
    if not isinstance(net, str | nn.Module) and not callable(net):
        raise UsageError(
            "net is a network, a text that names one, a torch module or a function that makes one; "
            f"not {net!r}"
        )
    made = module_of(net) if isinstance(net, str) else net if isinstance(net, nn.Module) else net()
    if not isinstance(made, nn.Module):
        raise UsageError(f"{maker} makes a {type(made).__name__}; a torch.nn.Module is expected")
    if volume is None:
        raise UsageError(
            f"{maker} is a module of your own, which does not state its input: add volume=(height, width, "
            "depth), or on the command line --input HxWxD, such as 224x224x3"
        )
    return Trained(maker.rpartition(":")[2], OwnNetwork(made, volume, maker), Volume.of(volume))
