"""Damaged and odd model files: each is refused with a ModelError, or gives the same answers as before.

In the suite about a hundred of each kind; with `HUBEL_FUZZ=1` 10,000 of each kind.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError
from hubel.model.file import Model, load
from hubel.model.header import read_header
from hubel.report.prediction import as_json

LONG = "HUBEL_FUZZ" in os.environ
CASES = 10_000 if LONG else 120
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
NET = "conv(4, 3) >> batchnorm >> relu >> fc(3)"

ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 3.5, 1e-320, 1e308, float("nan"), float("inf"), 2**70, 10**30),
    *("", " ", "8x8x3", "nan", "\\ud800", "\\0", "abc", "x" * 100_000),
    *([], {}, [[]], [None], ["a", "b", "c"], ["a", "a", "b"], {"a": {"b": []}}, [1, 2, 3]),
)
"""Values of a kind that none expects."""

Spoil: TypeAlias = Callable[[bytes, random.Random], bytes]


@pytest.fixture(scope="module")
def model() -> Model:
    network = build(parse(NET), "8x8x3", seed=3, scores=True)
    summary = {"data": "/photos", "val_top1": 0.5, "epoch": 2, "val": 0.2, "seed": 0}
    preprocessing = Preprocessing(8, 8, 3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
    return Model(network.eval(), ("cat", "dog", "owl"), preprocessing, summary, seen=frozenset({b"abcdef"}))


def flipped(content: bytes, rng: random.Random) -> bytes:
    """One to three bits flipped, the header's as often as the weights'."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(rng.choice((8, 2000, len(content))))
        changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    """A part left out, doubled, or zeroed."""
    begin, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:begin] + rng.choice((b"", bytes(end - begin), 2 * content[begin:end])) + content[end:]


def odd(content: bytes, rng: random.Random) -> bytes:
    """An odd value somewhere in the metadata, and no checksum, as in a file that another program wrote."""
    tensors, metadata = parts(content)
    key = rng.choice([*sorted(metadata), "untrained", "maker"])
    value = rng.choice(ODD)
    inner = json.loads(metadata[key]) if metadata.get(key, "")[:1] in ("{", "[") else None
    if inner and rng.random() < 0.7:
        place = rng.choice([*inner] if isinstance(inner, dict) else range(len(inner)))
        inner[place] = value
        value = inner
    text = value if isinstance(value, str) else json.dumps(value)
    return safetensors.torch.save(tensors, metadata | {key: text.encode(errors="replace").decode()})


def odd_weights(content: bytes, rng: random.Random) -> bytes:
    """A tensor of odd numbers, type, shape or name."""
    tensors, metadata = parts(content)
    name = rng.choice(sorted(tensors))
    value = tensors.pop(name)
    changes: list[Callable[[Tensor], Tensor]] = [
        lambda each: each.double(),
        lambda each: each.to(torch.int8),
        lambda each: each.flatten()[:0],
        lambda each: each[None],
        lambda each: torch.full_like(each, 3),
        lambda each: each * float("inf"),
        lambda each: each * 1e30,
        lambda each: each - 10**6,
    ]
    if rng.random() < 0.9:
        tensors[rng.choice((name, name, name, "", "../x", "a" * 300))] = rng.choice(changes)(value)
    return safetensors.torch.save(tensors, metadata)


def parts(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a file, without its checksum."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = {key: text for key, text in header["__metadata__"].items() if key != "sha256"}
    return safetensors.torch.load(content), metadata


def check_length(error: ModelError, path: Path) -> None:
    """A message is short, whatever it quotes."""
    assert len(str(error)) < 500 + len(str(path))


@pytest.mark.parametrize("spoil", [flipped, cut])
def test_a_damaged_file_is_refused_or_gives_the_same_answers(
    spoil: Spoil, model: Model, tmp_path: Path
) -> None:
    path, rng = tmp_path / "model.safetensors", random.Random(spoil.__name__)
    model.save(path)
    content, expected = path.read_bytes(), model.predict(PIXELS).classes
    for _ in range(CASES):
        path.write_bytes(spoil(content, rng))
        try:
            found = load(path)
        except ModelError as error:
            check_length(error, path)
        else:
            assert found.predict(PIXELS).classes == expected


@pytest.mark.parametrize("spoil", [odd, odd_weights])
def test_a_file_of_odd_values_is_refused_or_predicts(spoil: Spoil, model: Model, tmp_path: Path) -> None:
    path, rng = tmp_path / "model.safetensors", random.Random(spoil.__name__)
    model.save(path)
    content = path.read_bytes()
    for _ in range(CASES):
        path.write_bytes(spoil(content, rng))
        try:
            read_header(path)
            found = load(path)
            assert repr(found)
            answer = json.loads(as_json([found.predict(PIXELS)]), parse_constant=pytest.fail)
        except ModelError as error:
            check_length(error, path)
        else:
            assert len(answer[0]["classes"]) == 3
