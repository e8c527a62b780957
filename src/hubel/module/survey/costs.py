"""The costs of an operation, from its aten calls: MACs, and what is saved for the backward pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hubel.net.layer import Keeps

_MULTIPLY = {"mv", "dot", "vdot", "addmv", "addr"}
"""Products that `torch.utils.flop_counter` does not count."""

_POINTWISE = {"hardswish", "hardsigmoid", "hardtanh", "softplus", "leaky_relu", "elu"}
"""Elementwise functions that PyTorch does not mark as such."""

_STEMS = tuple(
    re.findall(
        r"\w+",
        """
        _fused_rms_norm _linalg_check _native_batch_norm _prelu _reshape _safe_softmax _softmax
        _to_copy _unsafe_ _weight_norm adaptive alias all amax amin any arange arg as_strided avg_pool
        bernoulli bincount broadcast bucketize cat channel_shuffle clone col2im constant_pad
        contiguous copy count_nonzero cudnn_batch_norm cummax cumsum detach diag embedding empty
        expand exponential eye feature_dropout fill flip fractional_max_pool full gather glu
        grid_sampler im2col index is_ item lift linalg_vector_norm linspace log_softmax logsumexp
        masked max max_unpool mean median meshgrid min native_batch_norm native_channel_shuffle
        native_dropout native_group_norm native_layer_norm new_ nonzero norm normal one_hot ones pad
        pixel_ prod rand reflection_pad repeat replication_pad resize rms_norm roll rot90
        scalar_tensor scatter select_scatter slice_scatter softmax sort stack std sum topk trace tril
        triu unfold uniform unsafe_ unique upsample var weight_norm where zero
        """,
    )
)
"""The first letters of operations without MACs: sums, copies, pooling, normalisation, random numbers."""


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the aten calls within its context.

    `macs` are their multiply-adds, `unknown` the calls whose MACs are not known, and `local` says whether all
    calls are elementwise.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0
        self.unknown: dict[str, None] = {}
        self.local = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an aten call and counts it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func._overloadpacket  # noqa: SLF001
        name = packet.__name__
        if packet in flop_registry:
            self.macs += int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2
            self.local = False
        elif func.namespace == "aten" and name.rstrip("_") in _MULTIPLY:
            self.macs += max(arg.numel() for arg in (*args, out) if isinstance(arg, Tensor))
            self.local = False
        elif not (torch.Tag.pointwise in func.tags or func.is_view or name.rstrip("_") in _POINTWISE):
            self.local = False
            if func.namespace not in ("aten", "prims") or not _begins(name):
                self.unknown[f"{func.namespace}.{name}"] = None
        return out


def _begins(name: str) -> bool:
    return name.startswith(_STEMS)


class Saved:
    """What autograd saves of the operations within `watching()`."""

    def __init__(self) -> None:
        self.tensors: dict[int, Tensor] = {}

    def watching(self) -> AbstractContextManager[None]:
        """Returns a context that collects every tensor saved for the backward pass."""
        return torch.autograd.graph.saved_tensors_hooks(self._pack, lambda kept: kept)

    def _pack(self, tensor: Tensor) -> Tensor:
        self.tensors.setdefault(storage(tensor), tensor)
        return tensor

    def keeps(self, inputs: Sequence[Tensor], made: Tensor | None, free: Sequence[Tensor]) -> Keeps:
        """Returns what was saved: inputs, output, other bytes. `free` are the weights, left out."""
        left = dict(self.tensors)
        for tensor in free:
            left.pop(storage(tensor), None)
        flags = [left.pop(storage(tensor), None) is not None for tensor in inputs]
        output = made is not None and left.pop(storage(made), None) is not None
        more = sum(tensor.numel() * tensor.element_size() for tensor in left.values())
        return Keeps(input=flags[0], output=output, more=more, others=any(flags[1:]))


def storage(tensor: Tensor) -> int:
    """Returns the identity of a tensor's storage, on the meta device too."""
    place: int = tensor.untyped_storage()._cdata  # noqa: SLF001
    return place
