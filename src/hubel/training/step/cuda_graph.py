"""Steps recorded on a GPU and replayed: it computes a small network faster than Python can ask it to."""

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
    """A computation on a device; a GPU records it when its inputs have the same shapes again.

    From then on the recording is replayed. So it may change tensors in place that stay where they are, as
    parameters and their gradients, and must neither wait for the GPU nor depend on any other thing that
    changes. What it returns is there until it runs again. A CPU just computes, and so does a GPU after a
    recording that failed.
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
        """Gives back the memory of what was recorded, and records no more; whether something was."""
        there = bool(self._recordings)
        self._records, self._recordings = False, {}
        return there

    def told(self) -> str:
        """Why recording failed, said once; empty if it did not."""
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
        # The outer stream is the one to come back to where recording fails. Other threads, such as that
        # which makes the batches, may go on meanwhile.
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
    """Clears all gradients: on a GPU to zeros where they are, since recordings add to them there."""
    staying = [each.grad for each in network.parameters() if each.grad is not None and each.is_cuda]
    if staying:
        torch._foreach_zero_(staying)
    else:
        network.zero_grad()
