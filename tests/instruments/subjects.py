"""Networks to look inside, and all that looking could leave changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hubel import parse

BRANCHED = parse(
    "conv(4, 3, pad=1) >> batchnorm >> relu >> (conv(4, 1) | conv(2, 3, pad=1)) >> relu >> "
    "conv(6, 3, pad=1) + identity >> relu >> maxpool(2) >> dropout >> fc(3)"
)


class Foreign(nn.Module):
    """A hand-written module with an activation that works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(4 * 36, 3)

    def forward(self, images: Tensor) -> Tensor:
        flat = self.act(self.conv(images)).flatten(1)
        return torch.sigmoid(self.head(flat))


def state(module: nn.Module) -> list[object]:
    """All of a module and of chance that looking could leave changed."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        [(name, part.training, vars(part).keys()) for name, part in module.named_modules()],
        [[len(getattr(part, kind)) for kind in hooks] for part in module.modules()],
        [
            (name, p.requires_grad, p._version, p.tolist(), None if p.grad is None else p.grad.tolist())
            for name, p in module.named_parameters()
        ],
        [(name, buffer.tolist()) for name, buffer in module.named_buffers()],
        torch.get_rng_state().tolist(),
    ]
