"""Convolution by whichever way is faster on a CPU: PyTorch's, by matrix products, or by Winograd's filtering.

Which way is taken depends on shapes and types alone, so that runs can be repeated.
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
"""The gain, as reckoned, from which a layer is trained by Winograd's filtering."""


class Convolution(nn.Conv2d):
    """`nn.Conv2d`, its parameters and its results; padding is of zeros."""

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
        """What is computed in, where there is a choice of ways: on a CPU, of dense windows, not compiled.

        In float32 only in training: at inference the results are PyTorch's, to the last digit.
        """
        if images.device.type != "cpu" or torch.compiler.is_compiling():
            return None
        if self.groups > 1 or self.dilation != (1, 1):
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
