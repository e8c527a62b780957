"""Modules as people write them by hand, for the tests of the survey."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Gate(nn.Module):
    """Squeeze and excite: each map times a sigmoid of all maps' means."""

    def __init__(self, depth: int, inner: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(depth, inner, 1)
        self.expand = nn.Conv2d(inner, depth, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(means))))


class Branches(nn.Module):
    """Functional ReLUs, a convolution used twice, in-place operations, branches, a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.ReLU(inplace=True))
        self.left = nn.Conv2d(8, 4, 1)
        self.right = nn.Conv2d(8, 6, 3, padding=2, dilation=2)
        self.gate = Gate(10, 2)
        self.head = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.stem(x)))
        y = self.body[0](self.body(x))
        y += x
        y = F.relu_(y)
        y = torch.cat([self.left(y), F.relu_(self.right(y))], dim=1)
        y = F.max_pool2d(self.gate(y), 2)
        scores: Tensor = self.head(torch.flatten(F.adaptive_avg_pool2d(y, 1), 1))
        return scores


class UpAndDown(nn.Module):
    """A small U-Net: transposed convolution, interpolation, a skip joined along depth."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.out = nn.Conv2d(8, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = F.silu(self.down(x))
        joined = torch.cat((first, self.up(F.silu(self.deep(first)))), 1)
        return F.interpolate(self.out(joined), scale_factor=2)


class Attention(nn.Module):
    """Patches, a class token, attention written out, layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 12))
        self.norm = nn.LayerNorm(12)
        self.qkv = nn.Linear(12, 36)
        self.out = nn.Linear(12, 12)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        n, places, depth = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, places, 3, 2, depth // 2).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1) * 6**-0.5).softmax(-1)
        x = x + self.out((scores @ v).transpose(1, 2).reshape(n, places, depth))
        found: Tensor = self.head(x[:, 0])
        return found


class ChannelsLast(nn.Module):
    """A ConvNeXt block: depth comes last between two permutations."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(3, 6, 7, padding=3, groups=3)
        self.norm = nn.LayerNorm(6)
        self.wide = nn.Linear(6, 24)
        self.narrow = nn.Linear(24, 6)
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(x)
        y = self.narrow(F.gelu(self.wide(self.norm(x.permute(0, 2, 3, 1)))))
        moved: Tensor = (y * self.scale).permute(0, 3, 1, 2)
        return x + moved


class Shuffle(nn.Module):
    """ShuffleNet's: split along depth, one half convolved, joined, the groups' maps mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = self.stem(x).chunk(2, dim=1)
        y = torch.cat((kept, F.hardswish(self.conv(changed))), 1)
        n, depth, height, width = y.shape
        scores: Tensor = self.last(y.view(n, 2, depth // 2, height, width).transpose(1, 2).reshape(y.shape))
        return scores
