"""Steps to a torch module: `build` makes it, `initialise` sets its parameters."""

from hubel.module.initialise import RULES, initialise
from hubel.module.network import Heads, Network, build

__all__ = ["RULES", "Heads", "Network", "build", "initialise"]
