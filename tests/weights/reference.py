"""torchvision's forward passes at inference, written out in `torch.nn.functional`, without its modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, cat

State = Mapping[str, Tensor]


def resnet50(images: Tensor, state: State) -> Tensor:
    """Source: torchvision/models/resnet.py, `ResNet._forward_impl` and `Bottleneck.forward`."""
    x = F.relu(norm(F.conv2d(images, state["conv1.weight"], stride=2, padding=3), state, "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for layer, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            x = bottleneck(x, state, f"layer{layer}.{block}", 2 if block == 0 and layer > 1 else 1)
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def bottleneck(x: Tensor, state: State, at: str, stride: int) -> Tensor:
    out = F.relu(norm(F.conv2d(x, state[f"{at}.conv1.weight"]), state, f"{at}.bn1"))
    out = F.conv2d(out, state[f"{at}.conv2.weight"], stride=stride, padding=1)
    out = F.relu(norm(out, state, f"{at}.bn2"))
    out = norm(F.conv2d(out, state[f"{at}.conv3.weight"]), state, f"{at}.bn3")
    if f"{at}.downsample.0.weight" in state:
        x = F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=stride)
        x = norm(x, state, f"{at}.downsample.1")
    return F.relu(out + x)


def resnet18(images: Tensor, state: State) -> Tensor:
    """Source: as `resnet50`, with `BasicBlock.forward`."""
    x = F.relu(norm(F.conv2d(images, state["conv1.weight"], stride=2, padding=3), state, "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for layer in range(1, 5):
        for block in range(2):
            at, stride = f"layer{layer}.{block}", 2 if block == 0 and layer > 1 else 1
            out = F.conv2d(x, state[f"{at}.conv1.weight"], stride=stride, padding=1)
            out = F.relu(norm(out, state, f"{at}.bn1"))
            out = norm(F.conv2d(out, state[f"{at}.conv2.weight"], padding=1), state, f"{at}.bn2")
            if f"{at}.downsample.0.weight" in state:
                x = F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=stride)
                x = norm(x, state, f"{at}.downsample.1")
            x = F.relu(out + x)
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def alexnet(images: Tensor, state: State) -> Tensor:
    """Source: torchvision/models/alexnet.py."""
    x = F.relu(convolved(images, state, "features.0", 4, 2))
    x = F.relu(convolved(F.max_pool2d(x, 3, 2), state, "features.3", 1, 2))
    x = F.relu(convolved(F.max_pool2d(x, 3, 2), state, "features.6", 1, 1))
    x = F.relu(convolved(x, state, "features.8", 1, 1))
    x = F.relu(convolved(x, state, "features.10", 1, 1))
    x = F.adaptive_avg_pool2d(F.max_pool2d(x, 3, 2), (6, 6)).flatten(1)
    for at in ("classifier.1", "classifier.4"):
        x = F.relu(F.linear(x, state[f"{at}.weight"], state[f"{at}.bias"]))
    return F.linear(x, state["classifier.6.weight"], state["classifier.6.bias"])


def vgg11_timm(images: Tensor, state: State) -> Tensor:
    """Source: timm/models/vgg.py, whose first fully connected layers are convolutions (`ConvMlp`)."""
    x = images
    for at, pooled in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True), (16, False)):
        x = F.relu(convolved(x, state, f"features.{at}", 1, 1))
        x = F.max_pool2d(x, 2) if pooled else x
    x = F.max_pool2d(F.relu(convolved(x, state, "features.18", 1, 1)), 2)
    x = F.relu(convolved(x, state, "pre_logits.fc1", 1, 0))
    x = F.relu(convolved(x, state, "pre_logits.fc2", 1, 0))
    return F.linear(x.mean((2, 3)), state["head.fc.weight"], state["head.fc.bias"])


def googlenet(images: Tensor, state: State) -> Tensor:
    """Source: torchvision/models/googlenet.py; as with its weights, `transform_input` comes first."""
    scale = images.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) / 0.5
    shift = (images.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) - 0.5) / 0.5
    x = part(images * scale + shift, state, "conv1", 2, 3)
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    x = part(part(x, state, "conv2", 1, 0), state, "conv3", 1, 1)
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    for name in ("3a", "3b"):
        x = inception(x, state, f"inception{name}")
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    for name in ("4a", "4b", "4c", "4d", "4e"):
        x = inception(x, state, f"inception{name}")
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    for name in ("5a", "5b"):
        x = inception(x, state, f"inception{name}")
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def inception(x: Tensor, state: State, at: str) -> Tensor:
    pooled = F.max_pool2d(x, 3, 1, 1, ceil_mode=True)
    return cat(
        [
            part(x, state, f"{at}.branch1", 1, 0),
            part(part(x, state, f"{at}.branch2.0", 1, 0), state, f"{at}.branch2.1", 1, 1),
            part(part(x, state, f"{at}.branch3.0", 1, 0), state, f"{at}.branch3.1", 1, 1),
            part(pooled, state, f"{at}.branch4.1", 1, 0),
        ],
        1,
    )


def part(x: Tensor, state: State, at: str, stride: int, padding: int) -> Tensor:
    """`BasicConv2d`: its batch norms have an eps of 0.001."""
    x = F.conv2d(x, state[f"{at}.conv.weight"], stride=stride, padding=padding)
    return F.relu(norm(x, state, f"{at}.bn", 0.001))


def convolved(x: Tensor, state: State, at: str, stride: int, padding: int) -> Tensor:
    return F.conv2d(x, state[f"{at}.weight"], state[f"{at}.bias"], stride, padding)


def norm(x: Tensor, state: State, at: str, eps: float = 1e-5) -> Tensor:
    mean, var, weight, bias = (
        state[f"{at}.{name}"].view(1, -1, 1, 1) for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + eps).sqrt() * weight + bias
