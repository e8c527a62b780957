"""Writes the scores of torchvision's and timm's modules that `modern.json` has, with the numbers of `drawn`.

python -m tests.weights.peer timm convnext_tiny      # in an environment that has both libraries
"""

from __future__ import annotations

import sys

import torch

from tests.weights.drawn import drawn, images


def main(maker: str, name: str) -> None:
    """Prints the first six scores of the first image."""
    if maker == "timm":
        import timm  # type: ignore[import-not-found]

        module = timm.create_model(name)
    else:
        import torchvision  # type: ignore[import-not-found]

        module = torchvision.models.get_model(name, weights=None)
    state = {key: drawn(key, tuple(value.shape)) for key, value in module.state_dict().items()}
    module.load_state_dict(state)
    with torch.inference_mode():
        print([round(value, 5) for value in module.eval()(images())[0, :6].tolist()])


if __name__ == "__main__":
    main(*sys.argv[1:3])
