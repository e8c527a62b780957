#!/usr/bin/env bash
# Keras 3.15.1: the same layer gives other values by the torch backend, where "same" pads an average pooling unevenly.
#
# AveragePooling2D(3, 2, padding="same") on an even side pads one row at the bottom and one column at the right. By the
# NumPy and JAX backends the mean is over the cells inside the image. By the torch backend the last row and column are
# repeated and counted. Where the padding is even (an odd side) all agree. So Keras on torch is no judge of a network
# with such a layer; a mean by hand, or another backend, is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat > "$folder/pool.py" <<'PYTHON'
import sys

import numpy as np
from keras import layers, ops

for side in (7, 8):
    x = np.random.default_rng(0).random((1, side, side, 1), np.float32)
    pooled = ops.convert_to_numpy(layers.AveragePooling2D(3, 2, padding="same")(x))
    np.save(f"{sys.argv[1]}-{side}.npy", pooled[0, :, :, 0])
PYTHON
cd "$folder"
for backend in torch jax numpy; do KERAS_BACKEND=$backend venv/bin/python pool.py "$backend"; done
venv/bin/python - <<'PYTHON'
import numpy as np


def by_hand(image, before):
    firsts = range(-before, len(image) - 1, 2)
    cut = [slice(max(0, first), first + 3) for first in firsts]
    return np.array([[image[rows, columns].mean() for columns in cut] for rows in cut])


for side, before in ((7, 1), (8, 0)):
    image = np.random.default_rng(0).random((1, side, side, 1), np.float32)[0, :, :, 0]
    inside = by_hand(image, before)
    repeated = by_hand(np.pad(image, ((0, 1), (0, 1)), mode="edge"), before)
    apart = {name: np.abs(np.load(f"{name}-{side}.npy") - inside).max() for name in ("torch", "jax", "numpy")}
    print(f"{side}x{side}, from the mean by hand:", ", ".join(f"{name} {value:.1e}" for name, value in apart.items()))
    assert max(apart["jax"], apart["numpy"]) < 1e-6
    if side == 7:
        assert apart["torch"] < 1e-6
    else:
        assert apart["torch"] > 0.05
        assert np.abs(np.load(f"torch-{side}.npy") - repeated).max() < 1e-6
PYTHON
