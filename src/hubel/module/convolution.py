"""Convolution by the fastest algorithm on a CPU: oneDNN's, products, Winograd's, images side by side.

The algorithm is chosen from shapes and types, never by timing, so that runs can be repeated.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel.module.direct import Direct, Geometry, Limits, gains
from hubel.module.narrow import images_in_row
from hubel.module.product import Product, is_faster
from hubel.module.winograd import SIZE, Winograd, gain
from hubel.net.window import Pair

HAS_MKL: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
"""Whether PyTorch has Intel's MKL, which multiplies thousands of small matrices fast."""

LEAST_GAIN = 1.05
"""The least estimated speed-up for which a layer is trained by Winograd's filtering."""


class Convolution(nn.Conv2d):
    """`nn.Conv2d` by the fastest algorithm: the same parameters, and the same results.

    In training, results may differ from `nn.Conv2d`'s by rounding. Padding is by zeros.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h' x w'."""
        return self.convolved(images, self.weight, self.bias)

    def convolved(
        self,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        limits: Limits | None = None,
        *,
        folded: bool = False,
    ) -> Tensor:
        """The same by another weight and bias; `limits` are those of a relu behind, which is done as well.

        `folded`: the bias is that of a batch normalisation, whose gradient PyTorch would take long for.
        """
        dtype = self._dtype(images)
        if dtype is None:
            return _limited(self._conv_forward(images, weight, bias), limits)
        stride, padding = cast("Pair", self.stride), cast("Pair", self.padding)
        direct = Geometry(stride, padding, self.groups, limits)
        result: Tensor
        if self.groups == 1:
            if dtype == torch.float32 and self._gains_by_winograd(images, padding):
                result = Winograd.apply(images, weight, bias, padding)  # type: ignore[no-untyped-call]
                return _limited(result, limits)
            learns = torch.is_grad_enabled() and weight.requires_grad
            narrow = learns and images_in_row(images, weight, stride, padding, dtype) > 0
            if narrow or is_faster(images, weight, stride, padding, dtype):
                given = (images.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype))
                with torch.autocast("cpu", enabled=False):
                    if narrow:
                        result = Direct.apply(*given, direct)  # type: ignore[no-untyped-call]
                        return result
                    result = Product.apply(*given, stride, padding)  # type: ignore[no-untyped-call]
                return _limited(result, limits)
        if dtype == torch.float32 and (folded or gains(weight, direct)):
            result = Direct.apply(images, weight, bias, direct)  # type: ignore[no-untyped-call]
            return result
        return _limited(self._conv_forward(images, weight, bias), limits)

    def _dtype(self, images: Tensor) -> torch.dtype | None:
        """Returns the type to compute in where there is a choice of algorithms, else None.

        There is one for batches on a CPU without dilation; in float32 in training alone, so that results at
        inference are PyTorch's to the last digit.
        """
        if is_traced() or images.device.type != "cpu" or images.dim() != 4 or not len(images):
            return None
        if self.dilation != (1, 1) or isinstance(self.padding, str):
            return None
        autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if autocast else images.dtype
        if not autocast and self.weight.dtype != dtype:
            return None
        return dtype if dtype == torch.bfloat16 or (dtype == torch.float32 and self.training) else None

    def _gains_by_winograd(self, images: Tensor, padding: Pair) -> bool:
        if not HAS_MKL or self.kernel_size != (SIZE, SIZE) or self.stride != (1, 1):
            return False
        return gain(images, self.weight, padding) >= LEAST_GAIN


def _limited(result: Tensor, limits: Limits | None) -> Tensor:
    """The activation of these limits, in the place of what it is applied to."""
    return result if limits is None else F.hardtanh_(result, *limits)


def is_traced() -> bool:
    """Whether a compiler or a transform of `torch.func` traces the call: they need PyTorch's operation."""
    transformed: bool = torch._C._are_functorch_transforms_active()  # noqa: SLF001 - there is no public name
    return transformed or torch.compiler.is_compiling()
