"""A network that several processes run: gradients and batch norm's statistics of the whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from hubel.module.own import Trainable
from hubel.world import World


def shared(network: Trainable, world: World, *, statistics: bool = True) -> nn.Module:
    """What to call to run a network so that its gradients are means over all processes; together.

    One process gets the network itself. Otherwise it is torch's DistributedDataParallel around it, which
    sends gradients while others are computed, and gives every process the weights of the first. With
    `statistics` its batch normalisation takes those of all processes, as that of one process would: on a GPU
    it becomes torch's SyncBatchNorm, which has no CPU version; there it becomes a `SharedBatchNorm`. Without,
    each process has the statistics of its part, and the running ones are those of the first.
    """
    if world.size == 1:
        return network
    on_gpu = next(network.parameters()).is_cuda
    if statistics and on_gpu:
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    elif statistics:
        _share_statistics(network, world)
    return DistributedDataParallel(
        network,
        device_ids=[torch.cuda.current_device()] if on_gpu else None,
        gradient_as_bucket_view=True,
        find_unused_parameters=network.maker is not None,  # only a module of the user's own may have some
    )


class SharedBatchNorm(_BatchNorm):
    """The batch normalisation `norm`, with its own tensors, by the statistics of all processes' images.

    Images that every process has count as many times: that changes neither mean nor variance of the batch,
    only the running variance, whose estimate divides by their number less one.
    """

    def __init__(self, norm: _BatchNorm, world: World) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=False, track_running_stats=False)
        self.affine, self.track_running_stats = norm.affine, norm.track_running_stats
        self.weight, self.bias = norm.weight, norm.bias
        for name, value in norm.named_buffers(recurse=False):
            setattr(self, name, value)
        self.world = world
        self.train(norm.training)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Takes what the normalisation that it replaces has taken."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        if not self.training:
            return super().forward(input)
        weight = torch.ones(self.num_features) if self.weight is None else self.weight
        bias = torch.zeros(self.num_features) if self.bias is None else self.bias
        output, mean, variance, count = _Normalised.apply(input, weight, bias, self.eps, self.world)  # type: ignore[no-untyped-call]
        if self.running_mean is not None and self.running_var is not None:
            self._follow(mean, variance * count / (count - 1))
        found: Tensor = output
        return found

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Moves the running statistics towards those of a batch."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Normalised(torch.autograd.Function):
    """Batch normalisation over the images of all processes, and its gradients.

    One message adds up the moments of all parts, in float64, another their gradients. Source: Ioffe and
    Szegedy 2015, section 3.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by place
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float, world: World
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # torch's one kernel for the statistics is seven times as fast on a CPU as torch.var_mean
        _, mean, inverse = torch.native_batch_norm(images, weight, bias, None, None, True, 0.0, eps)
        mean, variance = mean.double(), inverse.double().pow(-2) - eps
        count = images.numel() // images.shape[1]
        moments = torch.cat((mean, variance + mean.square(), mean.new_ones(1)))
        first, second, whole = torch.split(world.total(moments * count), [len(mean), len(mean), 1])
        mean, variance = first / whole, second / whole - (first / whole).square()
        mean, variance, whole = mean.float(), variance.float(), whole.float()
        ctx.save_for_backward(images, weight, mean, (variance + eps).rsqrt(), whole)
        ctx.world = world
        ctx.mark_non_differentiable(mean, variance, whole)
        return F.batch_norm(images, mean, variance, weight, bias, eps=eps), mean, variance, whole

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, mean, inverse, whole = ctx.saved_tensors
        _, for_weight, for_bias = torch.ops.aten.native_batch_norm_backward(
            grads[0], images, weight, None, None, mean, inverse, True, 0.0, [False, True, True]
        )
        first, second = (ctx.world.total(torch.cat((for_bias, for_weight))) / whole).chunk(2)
        # weight * inverse * (gradient - first - second * normal), where normal is (images - mean) * inverse
        scale = weight * inverse
        unmoved = F.batch_norm(images, mean, inverse.pow(-2), -scale * second, -scale * first, eps=0.0)
        by_map = (1, -1, *(1 for _ in images.shape[2:]))
        moved = torch.addcmul(unmoved, grads[0], scale.view(by_map).to(images.dtype))
        return moved, for_weight, for_bias, None, None


def _share_statistics(network: nn.Module, world: World) -> None:
    """Lets every batch normalisation of a network take the statistics of all processes."""
    for part in list(network.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(part, name, SharedBatchNorm(child, world))
