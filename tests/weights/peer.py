"""Fills `modern.json`: names, scores and preprocessing of torchvision's and timm's own modules.

python -m tests.weights.peer      # in an environment that has both libraries
python -m tests.weights.peer convnext_tiny

An entry needs its key, such as `timm convnext_tiny`, its `network` of the zoo, and a `side` other than 96.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

from tests.weights.drawn import drawn, images

FILE = Path(__file__).parent / "modern.json"


def main(only: str = "") -> None:
    """Writes the facts of every peer whose key has this text."""
    content = json.loads(FILE.read_text())
    for key, facts in content["networks"].items():
        if only in key:
            maker, name = key.split(" ")
            facts.update(facts_of(maker, name, facts.get("side", 96)))
            print(key, facts["logits"], flush=True)
            FILE.write_text(text(content))


def text(content: dict[str, Any]) -> str:
    """The file: a line for each network."""
    lines = (f"  {json.dumps(key)}: {json.dumps(facts)}" for key, facts in content["networks"].items())
    body = ",\n".join(lines)
    return f'{{\n "source": {json.dumps(content["source"])},\n "networks": {{\n{body}\n }}\n}}\n'


def facts_of(maker: str, name: str, side: int) -> dict[str, Any]:
    """The number and a digest of a module's tensors, six scores, and how its images are prepared."""
    module, prepared = (from_timm if maker == "timm" else from_torchvision)(name)
    state = {key: drawn(key, tuple(value.shape)) for key, value in module.state_dict().items()}
    module.load_state_dict(state)
    names = sorted(f"{key} {'x'.join(map(str, value.shape))}" for key, value in state.items())
    with torch.inference_mode():
        scores = module.eval()(images(side))[0, :6].tolist()
    return {
        "tensors": len(state),
        "names_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "logits": [round(value, 5) for value in scores],
        "preprocessing": prepared,
    }


def from_timm(name: str) -> tuple[Any, list[Any]]:
    """A module of timm, and the image, the resize, interpolation, mean and std of its published weights."""
    import timm  # type: ignore[import-not-found]

    cfg = timm.get_pretrained_cfg(name)
    side = cfg.input_size[-1]
    resize = math.floor(side / cfg.crop_pct)
    return timm.create_model(name), [side, resize, cfg.interpolation, list(cfg.mean), list(cfg.std)]


def from_torchvision(name: str) -> tuple[Any, list[Any]]:
    """The same of torchvision and its IMAGENET1K_V1 weights."""
    from torchvision import models  # type: ignore[import-not-found]

    seen = next(iter(models.get_model_weights(name))).transforms()
    how = seen.interpolation.value
    module = models.get_model(name, weights=None)
    return module, [seen.crop_size[0], seen.resize_size[0], how, list(seen.mean), list(seen.std)]


if __name__ == "__main__":
    main(*sys.argv[1:2])
