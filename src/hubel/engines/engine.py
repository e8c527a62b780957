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

AUTO, TORCH, CUDA = "auto", "torch", "cuda"

NEEDS = {
    TORCH: ("torch",),
    "torch-fused": ("torch",),
    "torch-bf16": ("torch",),
    "cuda": ("torch",),
    "cuda-fp16": ("torch",),
    "openvino": ("openvino", "onnx"),
    "openvino-bf16": ("openvino", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
}
"""Every engine, with the packages it needs.

`torch` is the network as it was trained, `torch-fused` has batch norm folded and layers fused; `cuda` runs
that on an NVIDIA GPU. `-bf16` computes in bfloat16, `-fp16` in half precision, the others in float32.
"""

REDUCED = ("-bf16", "-fp16")
"""What the name of an engine ends with that computes in less than float32."""

PREFERRED = ("openvino", "onnxruntime", "torch-fused")
"""What `auto` takes where nothing was measured: the first that is installed."""

NVIDIA = Path("/proc/driver/nvidia/version")


class Engine(Protocol):
    """Runs a graph: its input in, its output out; see `hubel.graph.onnx.onnx_model`."""

    def __call__(self, images: npt.NDArray[Any]) -> Floats:
        """Returns float32, n x classes, for n images."""


def installed() -> tuple[str, ...]:
    """The engines whose packages are installed, and whose device is there."""
    gpu = has_gpu()
    there = (name for name, packages in NEEDS.items() if all(map(find_spec, packages)))
    return tuple(name for name in there if gpu or not name.startswith(CUDA))


def needs_torch(name: str) -> bool:
    """Whether PyTorch runs an engine."""
    return NEEDS[name] == (TORCH,)


def check_engine(name: str) -> None:
    """Raises UsageError: there is no such engine, or it is not installed."""
    if name == AUTO:
        return
    if name not in NEEDS:
        raise UsageError(
            f"engine is one of auto, {', '.join(NEEDS)}, not {name!r}{nearest(name, (AUTO, *NEEDS))}"
        )
    if name.startswith(CUDA) and not has_gpu():
        raise UsageError(f"the engine {name} needs an NVIDIA GPU that PyTorch can use; there is none")
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
