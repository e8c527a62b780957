"""What an engine is, and which ones there are. Needs neither torch nor a runtime."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hubel.errors import UsageError, nearest

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Floats

AUTO, TORCH = "auto", "torch"

NEEDS = {
    TORCH: ("torch",),
    "torch-fused": ("torch",),
    "torch-bf16": ("torch",),
    "openvino": ("openvino", "onnx"),
    "openvino-bf16": ("openvino", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
}
"""Every engine, with the packages it needs.

`torch` is the network as it was trained, `torch-fused` has batch norm folded and layers fused; `-bf16`
computes in bfloat16, the others in float32.
"""

PREFERRED = ("openvino", "onnxruntime", "torch-fused")
"""What `auto` takes where nothing was measured: the first that is installed."""

NVIDIA = Path("/proc/driver/nvidia/version")


class Engine(Protocol):
    """Runs a graph: its input in, its output out; see `hubel.graph.onnx.onnx_model`."""

    def __call__(self, images: npt.NDArray[Any]) -> Floats:
        """Returns float32, n x classes, for n images."""


def installed() -> tuple[str, ...]:
    """The engines whose packages are installed."""
    return tuple(name for name, packages in NEEDS.items() if all(map(find_spec, packages)))


def check_engine(name: str) -> None:
    """Raises UsageError: there is no such engine, or it is not installed."""
    if name == AUTO:
        return
    if name not in NEEDS:
        raise UsageError(
            f"engine is one of auto, {', '.join(NEEDS)}, not {name!r}{nearest(name, (AUTO, *NEEDS))}"
        )
    if name not in installed():
        extra = name.partition("-")[0]
        raise UsageError(f'the engine {name} is not installed: pip install "hubel[{extra}]"')


def usual_engine() -> str:
    """The engine that `auto` takes where nothing was measured; with a GPU, torch."""
    if has_gpu():
        return TORCH
    there = installed()
    return next(name for name in PREFERRED if name in there)


def has_gpu() -> bool:
    """Whether there is a GPU that torch uses, as far as can be told without loading torch."""
    if TORCH in sys.modules:
        import torch

        return torch.cuda.is_available()
    return NVIDIA.exists()
