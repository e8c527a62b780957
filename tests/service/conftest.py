"""A small trained model, images of many kinds, and a client of an application."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from hubel.data.image.preprocess import Preprocessing
from hubel.model.file import Model
from hubel.module.network import build
from hubel.net.names import batchnorm, conv, fc, maxpool, relu
from hubel.service.app import app
from hubel.service.settings import Settings

CLASSES = ("cat", "개", "fox \udcff")
"""The last as the name of a folder that is not valid Unicode."""

SHOWN = ("cat", "개", "fox ?")
"""The same as JSON has them."""


def write_model(path: Path, seed: int = 0) -> Path:
    net = conv(8, 3) >> batchnorm >> relu >> maxpool(2) >> fc(3)
    network = build(net, "12x12x3", seed=seed, scores=True).eval()
    seen = Preprocessing(12, 12, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    summary = {"data": "photos", "val_top1": 0.5, "val_images": 10}
    Model(network, CLASSES, seen, summary, temperature=0.5).save(path)
    return path


def encoded(kind: str = "PNG", size: tuple[int, int] = (20, 16), seed: int = 0) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("served") / "photos.safetensors")


@pytest.fixture(scope="module")
def client(saved: Path) -> Iterator[TestClient]:
    settings = Settings(max_mb=0.5, max_megapixels=0.1, max_images=9)
    with TestClient(app(saved, settings)) as found:
        yield found
