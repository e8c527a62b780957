"""Trains the model that the explorer shows where none is given, and writes it with the digits held out.

    python -m scripts.explorer_digits

It takes some seconds. The model is LeNet-5, which sees the digits of scikit-learn enlarged to 32x32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import hubel
from hubel.evaluation.splits import images_of

PLACE = Path("src/hubel/service/explorer/digits")


def main() -> None:
    """Writes `lenet5.safetensors` and `held_out.npz`."""
    PLACE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = hubel.train("digits", net="lenet5", seed=0, out=Path(folder, "run"))
        run.model.save(PLACE / "lenet5.safetensors")
        images = images_of("digits", "val", run.model).images
        found = run.evaluation
    pixels = np.stack([np.asarray(images.image(at), np.uint8)[..., None] for at in range(len(images))])
    np.savez_compressed(PLACE / "held_out.npz", pixels=pixels, labels=images.labels.astype(np.uint8))
    assert found is not None
    print(f"{found.correct} of {len(pixels)} held-out digits are correct")


if __name__ == "__main__":
    main()
