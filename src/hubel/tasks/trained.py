"""The module of the user's own that a config names, given again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError
from hubel.module.own import OwnNetwork
from hubel.module.user_code import is_python
from hubel.net.algebra import Net
from hubel.tasks.network import given

if TYPE_CHECKING:
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
    found = given(net, config.input).trainable()
    assert isinstance(found, OwnNetwork), "neither a value nor a text"
    return found
