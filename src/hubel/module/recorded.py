"""Passes recorded on a GPU and replayed: Python cannot launch the kernels of a small network fast enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Run: TypeAlias = Callable[..., tuple[Tensor, ...]]

Pool: TypeAlias = Any
"""torch's handle of a part of a GPU's memory."""

Shapes: TypeAlias = tuple[tuple[torch.Size, torch.dtype], ...]


class Recorded:
    """A computation on a device; a GPU records it the second time that its inputs have the same shapes.

    From then on the recording is replayed. It may change tensors in place that keep their addresses, such as
    parameters and their gradients. It must not wait for the GPU, nor depend on anything else that changes.
    What it returns is valid until it runs again. A CPU records nothing, nor does a GPU after a failure.
    """

    def __init__(self, run: Run, device: torch.device) -> None:
        self._run = run
        self._records = device.type == "cuda"
        self._seen: set[Shapes] = set()
        self._recordings: dict[Shapes, Recording] = {}
        self._pool: Pool = None
        self._failed = ""

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        shapes = tuple((each.shape, each.dtype) for each in inputs)
        if self._records and shapes in self._seen and shapes not in self._recordings:
            self._record(shapes, inputs)
        self._seen.add(shapes)
        return self._recordings.get(shapes, self._run)(*inputs)

    def forget(self) -> bool:
        """Frees the recordings and stops recording; returns whether there were any."""
        there = bool(self._recordings)
        self._records, self._recordings = False, {}
        return there

    def failure(self) -> str:
        """Why recording failed, returned once; empty if it did not."""
        why, self._failed = self._failed, ""
        return why

    def _record(self, shapes: Shapes, inputs: tuple[Tensor, ...]) -> None:
        try:
            recording = Recording(self._run, inputs, self._pool)
        except RuntimeError as error:
            self.forget()
            self._failed = str(error.__context__ or error).strip().splitlines()[0]
            return
        self._recordings[shapes], self._pool = recording, recording.pool


class Recording:
    """The kernels of one run on a GPU; those of several share a pool of memory, since one runs at a time."""

    def __init__(self, run: Run, inputs: tuple[Tensor, ...], pool: Pool) -> None:
        self._inputs = [each.clone() for each in inputs]
        self._graph = torch.cuda.CUDAGraph()
        # The outer context restores the current stream if recording fails. Other threads, such as the one
        # that makes the batches, may use the GPU meanwhile.
        stream = torch.cuda.stream(torch.cuda.current_stream())
        with stream, torch.cuda.graph(self._graph, pool, capture_error_mode="thread_local"):
            self._outputs = run(*self._inputs)
        self.pool = self._graph.pool()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._outputs


def clear_gradients(network: nn.Module) -> None:
    """Clears all gradients; on a GPU they are set to zero in place, since recordings add to them there."""
    staying = [each.grad for each in network.parameters() if each.grad is not None and each.is_cuda]
    if staying:
        torch._foreach_zero_(staying)
    else:
        network.zero_grad()
