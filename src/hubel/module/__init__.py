"""Steps to a torch module: `build` makes it, `initialise` sets its parameters, `load_weights` loads them."""

from hubel.module.initialise import RULES, initialise
from hubel.module.network import Heads, Network, build
from hubel.module.weights import Loaded, load_weights

__all__ = ["RULES", "Heads", "Loaded", "Network", "build", "initialise", "load_weights"]
