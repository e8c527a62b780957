"""A first layer that need not be learned: filters that whiten the patches of the training images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hubel.errors import NetworkError
from hubel.module.own import Trainable
from hubel.net.sliding import Conv

EPS = 5e-4
"""Added to every eigenvalue: directions in which patches hardly differ are not blown up."""


def whitening_filters(images: Tensor, kernel: tuple[int, int], count: int) -> Tensor:
    """The `count` strongest filters under which patches have the identity as their covariance.

    Images are n x depth x height x width; filters are `count` x depth x kernel height x kernel width: half as
    many eigenvectors of the patches' covariance, the strongest first, each divided by the root of its
    eigenvalue, then their negatives. Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", section 3.2,
    after Page 2018; leaving out the weakest is ours.
    """
    height, width = kernel
    patches = images.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
    rows = patches.reshape(-1, images.shape[1] * height * width).double()
    values, vectors = torch.linalg.eigh(torch.cov(rows.T))
    scaled = (vectors / (values + EPS).sqrt()).T.flip(0)[: count // 2]
    filters = scaled.view(-1, images.shape[1], height, width).float()
    return torch.cat((filters, -filters))


@torch.no_grad()
def whiten(network: Trainable, images: Tensor) -> None:
    """Sets the filters of the network's first layer, for good, from a batch of training images.

    Its bias stays too, if it has one: nothing has to go back through the layer then.

    Raises NetworkError: the first layer is no plain convolution with an even number of filters, from as many
    to twice as many as a patch of its window has values.
    """
    step = network.steps[0]
    bank = network.root.get_submodule(step.path)
    if not isinstance(step.layer, Conv) or not isinstance(bank, nn.Conv2d) or bank.groups > 1:
        raise NetworkError(f"whiten: the first layer, {step.path}, is no plain convolution; set whiten=false")
    height, width = bank.weight.shape[2:]
    count, values = len(bank.weight), bank.weight[0].numel()
    if count % 2 or not values <= count <= 2 * values:
        raise NetworkError(
            f"whiten: {step.path} has {count} filters, but patches of {network.volume.depth}x{height}x"
            f"{width} have {values} values; give it an even number from {values} to {2 * values}, or set "
            "whiten=false"
        )
    bank.weight.copy_(whitening_filters(images.cpu(), (height, width), count))
    bank.requires_grad_(False)
