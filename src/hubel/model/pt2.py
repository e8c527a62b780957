"""Models as PyTorch's own exported programs, `.pt2`: run by torch without hubel's code."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hubel.errors import ModelError, shortened
from hubel.model.archive import METADATA, read_program
from hubel.module.views import scores

if TYPE_CHECKING:
    from hubel.data.image.preprocess import Preprocessing
    from hubel.engines.engine import Engine
    from hubel.graph.frozen import Floats
    from hubel.model.trained import Trained

EXAMPLE = 2
"""The batch that the program is recorded with: of one image the batch axis could not become dynamic."""


class _Whole(nn.Module):
    """From uint8 n x h x w x c to probabilities n x classes."""

    factor: Tensor
    summand: Tensor

    def __init__(self, model: Trained) -> None:
        super().__init__()
        self.network, self.views, self.temperature = model.network, model.views, model.temperature
        std = torch.tensor(model.preprocessing.std)
        self.register_buffer("factor", 1 / (255 * std))
        self.register_buffer("summand", -torch.tensor(model.preprocessing.mean) / std)

    def forward(self, images: Tensor) -> Tensor:
        """Normalises the images and averages the views."""
        seen = (images.float() * self.factor + self.summand).permute(0, 3, 1, 2)
        return (scores(self.network, seen, self.views) / self.temperature).softmax(1)


class Program:
    """An exported program as an engine."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self._module = _module_of(program)

    @torch.inference_mode()
    def __call__(self, images: Any) -> Floats:
        """Returns float32, n x classes, for n images."""
        found: Floats = self._module(torch.from_numpy(images)).numpy()
        return found


def pt2_program(model: Trained, *, raw: bool = False) -> bytes:
    """Returns a model as a `.pt2` file. Raises ModelError: torch cannot record the module."""
    seen: Preprocessing = model.preprocessing
    plane = (seen.height, seen.width)
    module = model.network if raw else _Whole(model)
    example = (
        torch.zeros(EXAMPLE, seen.depth, *plane)
        if raw
        else torch.zeros(EXAMPLE, *plane, seen.depth, dtype=torch.uint8)
    )
    try:
        program = torch.export.export(
            module.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False
        )
    except Exception as error:  # what torch cannot record, it says by many kinds of error
        why = str(error).strip().partition("\n")[0]
        raise ModelError(f"torch cannot record the network as a program: {why}") from None
    out = io.BytesIO()
    texts = json.dumps(model.header.to_exported(raw=raw))
    torch.export.save(program, out, extra_files={METADATA: texts})
    return out.getvalue()


def _module_of(program: torch.export.ExportedProgram) -> nn.Module:
    """The module of a program, without guards: they are code, and its input has the size of the header."""
    try:
        return program.module(check_guards=False)
    except TypeError:  # torch before 2.9 has none
        return program.module()


def open_pt2(path: Path) -> tuple[Engine, dict[str, str]]:
    """Returns the program of a `.pt2` file, and its metadata.

    Raises ModelError: it cannot be read, was not written by hubel, or would execute what it brings along.
    """
    metadata, pickled = read_program(path)
    if not metadata:
        return _nothing, {}
    try:
        for content in pickled.values():  # torch itself would go on with a pickle of any kind
            torch.load(io.BytesIO(content), weights_only=True)
        program = torch.export.load(path)
        return Program(program), metadata
    except Exception as error:  # a damaged archive raises many kinds of error
        why = shortened(str(error).strip().partition("\n")[0])
        raise ModelError(f"{path} is not a program of PyTorch, or is cut short: {why}") from None


def _nothing(images: Any) -> Floats:
    raise ModelError(f"there is no program for {len(images)} images")
