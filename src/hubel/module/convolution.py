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

WORTH = 1.1
"""The gain, as reckoned, from which a layer is trained by Winograd's filtering."""


class Convolution(nn.Conv2d):
    """`nn.Conv2d`, its parameters and its results; padding is of zeros."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h' x w'."""
        kind, padding = self._kind(images), cast("Pair", self.padding)
        if kind == torch.bfloat16 and is_faster(images, self.weight, cast("Pair", self.stride), padding):
            return self._by_product(images)
        if kind == torch.float32 and self._is_faster_by_winograd(images, padding):
            found: Tensor = Winograd.apply(images, self.weight, self.bias, padding)  # type: ignore[no-untyped-call]
            return found
        return super().forward(images)

    def _kind(self, images: Tensor) -> torch.dtype | None:
        """What is computed in where there is a choice of ways: on a CPU, of dense windows, not compiled."""
        if images.device.type != "cpu" or torch.compiler.is_compiling():
            return None
        if self.groups > 1 or self.dilation != (1, 1):
            return None
        if torch.is_autocast_enabled("cpu"):
            return torch.get_autocast_dtype("cpu")
        return images.dtype if images.dtype == self.weight.dtype else None

    def _by_product(self, images: Tensor) -> Tensor:
        kind = torch.bfloat16
        bias = None if self.bias is None else self.bias.to(kind)
        with torch.autocast("cpu", enabled=False):
            found: Tensor = Product.apply(  # type: ignore[no-untyped-call]
                images.to(kind), self.weight.to(kind), bias, self.stride, self.padding
            )
        return found

    def _is_faster_by_winograd(self, images: Tensor, padding: Pair) -> bool:
        """Whether to train by it: at inference the results are PyTorch's, to the last digit."""
        if not HAS_MKL or not self.training or self.kernel_size != (SIZE, SIZE) or self.stride != (1, 1):
            return False
        return gain(images, self.weight, padding) >= WORTH
