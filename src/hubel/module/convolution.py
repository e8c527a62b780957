"""Convolution by whichever way is faster on a CPU: PyTorch's, by matrix products, or by Winograd's filtering.

Which way is taken is never measured but reckoned from shapes and types, so that runs can be repeated.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from hubel.module.product import Product, is_faster
from hubel.module.winograd import SIZE, Winograd, gain
from hubel.net.window import Pair

HAS_MKL: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
"""Whether PyTorch has Intel's library, which is fast at thousands of products of small matrices."""

WORTH = 1.05
"""The least gain, as reckoned, for which a layer is trained by Winograd's filtering."""


class Convolution(nn.Conv2d):
    """`nn.Conv2d`, its parameters and, in training but for rounding, its results; padding is of zeros."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h' x w'."""
        kind = self._kind(images)
        if kind is None:
            return super().forward(images)
        stride, padding = cast("Pair", self.stride), cast("Pair", self.padding)
        found: Tensor
        if kind == torch.float32 and self._gains_by_winograd(images, padding):
            found = Winograd.apply(images, self.weight, self.bias, padding)  # type: ignore[no-untyped-call]
            return found
        if not is_faster(images, self.weight, stride, padding, kind):
            return super().forward(images)
        bias = None if self.bias is None else self.bias.to(kind)
        with torch.autocast("cpu", enabled=False):
            found = Product.apply(  # type: ignore[no-untyped-call]
                images.to(kind), self.weight.to(kind), bias, stride, padding
            )
        return found

    def _kind(self, images: Tensor) -> torch.dtype | None:
        """What is computed in, where there is a choice of ways: of batches on a CPU, of dense windows.

        In float32 only in training: at inference the results are PyTorch's, to the last digit.
        """
        if _is_followed() or images.device.type != "cpu" or images.dim() != 4 or not len(images):
            return None
        if self.groups > 1 or self.dilation != (1, 1) or isinstance(self.padding, str):
            return None
        autocast = torch.is_autocast_enabled("cpu")
        kind = torch.get_autocast_dtype("cpu") if autocast else images.dtype
        if not autocast and self.weight.dtype != kind:
            return None
        return kind if kind == torch.bfloat16 or (kind == torch.float32 and self.training) else None

    def _gains_by_winograd(self, images: Tensor, padding: Pair) -> bool:
        if not HAS_MKL or self.kernel_size != (SIZE, SIZE) or self.stride != (1, 1):
            return False
        return gain(images, self.weight, padding) >= WORTH


def _is_followed() -> bool:
    """Whether a compiler or a transform of `torch.func` follows the computation: these know PyTorch's way."""
    transformed: bool = torch._C._are_functorch_transforms_active()  # noqa: SLF001 - there is no other name
    return transformed or torch.compiler.is_compiling()
