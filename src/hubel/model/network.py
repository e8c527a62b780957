"""The network of a model's file: read from its notation, or made by code that the caller allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from torch import nn

from hubel.errors import ModelError, NetworkError
from hubel.model.header import Header
from hubel.module.network import Network
from hubel.module.own import OwnNetwork, Trainable
from hubel.module.user_code import is_python, module_of

Maker: TypeAlias = nn.Module | Callable[[], nn.Module]
"""A module, or a class or function that makes one without arguments."""


class CodeNeededError(ModelError):
    """The network of a model's file is made by code, which was neither given nor allowed."""


def network_of(
    header: Header, path: Path, module: Maker | None, *, allow_code: bool, force: bool
) -> Trainable:
    """Returns the network of a model's file, without its weights.

    A network with a notation needs no code. Of any other the file only names what made it: the caller
    hands over the `module`, or with `allow_code` lets that name be executed.
    With `force` the network may take all of the machine's memory, not only what is free.

    Raises CodeNeededError: the network needs code and neither is given. Raises ModelError: the module is none
    or does not run on the model's input.
    """
    if header.maker is None:
        if module is not None:
            raise ModelError(f"{path} holds its network as a notation; load it without a module")
        return Network(header.net, header.volume, scores=True, force=force)
    if module is None and not allow_code:
        raise CodeNeededError(
            f"{path}: its network is made by the code of {header.maker}, which hubel only executes if asked: "
            "allow_code=True in Python, --allow-code on the command line. Or load it with your module: "
            "hubel.load(path, module=...)"
        )
    if module is None:
        module = module_of(code_at(header.maker, path))
    made = module if isinstance(module, nn.Module) else module()
    if not isinstance(made, nn.Module):
        raise ModelError(f"{path}: a torch.nn.Module is expected, not a {type(made).__name__}")
    try:
        return OwnNetwork(made, header.volume, header.maker)
    except NetworkError as error:
        raise ModelError(
            f"{path}: the module does not fit the model, whose weights are those of {header.maker}: {error}"
        ) from None


def code_at(maker: str, path: Path) -> str:
    """Returns what makes a module; a Python file that is not here is looked for beside the model, `path`."""
    home, _, name = maker.rpartition(":")
    beside = path.parent / home
    return f"{beside}:{name}" if is_python(maker) and not Path(home).is_file() and beside.is_file() else maker
