"""Initialisation by name: the rules of the papers, with their constants and a random seed.

A rule sets the weights. Biases are 0 unless the paper says otherwise, normalisation starts as the identity,
trained slopes and factors per map as their papers say, and LeNet's subsampling as the mean.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Generator, Tensor, nn

from hubel.errors import UsageError, nearest
from hubel.module.layers import LinkedConv, Subsample
from hubel.module.norms import LayerScale

Draw: TypeAlias = "Callable[[Tensor, int, int, Generator], None]"
"""Fills a weight in place, given its fan-in and fan-out."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How weights are drawn, and which biases start at 1.

    `ones_in_convs` are the numbers of convolutions, from 1: that of the name, as in `tower2.conv3`, else the
    place. `ones_in_hidden_fcs` means all fully connected layers but the last. `others` are the convolutions
    whose weights are drawn otherwise, by number.
    """

    draw: Draw
    ones_in_convs: tuple[int, ...] = ()
    ones_in_hidden_fcs: bool = False
    others: Mapping[int, Draw] = field(default_factory=dict)


def he(weight: Tensor, fan_in: int, _fan_out: int, generator: Generator) -> None:
    """Normal with variance 2/fan_in. Source: He et al. 2015 (Delving deep into rectifiers), equation 10."""
    weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)


def glorot(weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
    """Uniform within sqrt(6/(fan_in + fan_out)). Source: Glorot and Bengio 2010, equation 16."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    weight.uniform_(-bound, bound, generator=generator)


def lecun(weight: Tensor, fan_in: int, _fan_out: int, generator: Generator) -> None:
    """Uniform within 2.4/fan_in. Source: LeCun et al. 1998, appendix A."""
    weight.uniform_(-2.4 / fan_in, 2.4 / fan_in, generator=generator)


def identity(weight: Tensor, fan_in: int, _fan_out: int, generator: Generator) -> None:
    """Filters that each pass one input map on unchanged; all further filters, and fc, are small.

    As many filters as there are input maps are such identities. The others are uniform within 1/sqrt(fan_in),
    and the weights of fc are normal with standard deviation 1/fan_in.
    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", section 3.3.
    """
    if weight.ndim < 4:
        weight.normal_(0, 1 / fan_in, generator=generator)
        return
    weight.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)
    nn.init.dirac_(weight[: weight.shape[1]])


def gaussian(std: float) -> Draw:
    """Returns the rule that draws from a normal distribution with this standard deviation in all layers."""

    def draw(weight: Tensor, _fan_in: int, _fan_out: int, generator: Generator) -> None:
        weight.normal_(0, std, generator=generator)

    return draw


RULES: dict[str, Rule] = {
    "he": Rule(he),
    "glorot": Rule(glorot),
    "lecun": Rule(lecun),
    "identity": Rule(identity),
    "gaussian": Rule(gaussian(0.01)),
    # Krizhevsky et al. 2012, section 5.
    "alexnet": Rule(gaussian(0.01), ones_in_convs=(2, 4, 5), ones_in_hidden_fcs=True),
    # computerhistory/AlexNet-Source-Code, layers/layers-145.cfg; layers-146-2012-2011.cfg for conv6.
    "alexnet_code": Rule(
        gaussian(0.01),
        ones_in_convs=(2, 4, 5, 6),
        ones_in_hidden_fcs=True,
        others=dict.fromkeys((3, 4, 5, 6), gaussian(0.03)),
    ),
    # Simonyan and Zisserman 2014, section 3.1: variance 0.01.
    "vgg": Rule(gaussian(0.1)),
}
"""Every rule by its name."""


@torch.no_grad()
def initialise(module: nn.Module, rule: str = "he", seed: int = 0) -> None:
    """Sets the parameters of a module's layers, in place, by a rule of `RULES`.

    Numbers are drawn on the CPU in float32, so that a seed gives the same numbers on every device. The global
    random state is unchanged. Raises UsageError: there is no such rule.
    """
    if rule not in RULES:
        raise UsageError(
            f"there is no initialisation {rule!r}{nearest(rule, RULES)}; choose {', '.join(RULES)}"
        )
    chosen = RULES[rule]
    generator = Generator().manual_seed(seed)
    convs = _numbered(module)
    fcs = [part for part in module.modules() if isinstance(part, nn.Linear)]
    otherwise: dict[nn.Module, Draw] = {
        part: chosen.others[number] for part, number in convs.items() if number in chosen.others
    }
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            drawn = torch.empty(part.weight.shape)
            otherwise.get(part, chosen.draw)(drawn, *_fans(part), generator)
            part.weight.copy_(drawn)
        elif isinstance(part, LinkedConv):
            part.weight.copy_(_drawn_links(part, chosen.draw, generator))
        else:
            _start(part)
        if isinstance(part, nn.ConvTranspose2d):
            _fill(part.bias, one=False)
    for conv, number in convs.items():
        _fill(conv.bias, number in chosen.ones_in_convs)
    for number, fc in enumerate(fcs, 1):
        _fill(fc.bias, chosen.ones_in_hidden_fcs and number < len(fcs))


def _numbered(module: nn.Module) -> dict[nn.Conv2d | LinkedConv, int]:
    """The convolutions with their numbers: that of the name, else the place, from 1."""
    found: dict[nn.Conv2d | LinkedConv, int] = {}
    for path, part in module.named_modules():
        if isinstance(part, (nn.Conv2d, LinkedConv)):
            named = re.fullmatch(r"conv(\d+)", path.rpartition(".")[2])
            found[part] = int(named[1]) if named else len(found) + 1
    return found


def _start(part: nn.Module) -> None:
    """Sets the parameters that no rule draws: they start alike everywhere."""
    if isinstance(part, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
        part.reset_parameters()
    elif isinstance(part, nn.PReLU):
        part.weight.fill_(part.init)
    elif isinstance(part, LayerScale):
        part.weight.fill_(part.initial)
    elif isinstance(part, Subsample):
        part.weight.fill_(1 / math.prod(part.size))
        part.bias.zero_()


def _fans(part: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> tuple[int, int]:
    """Returns the fan-in and fan-out: how many inputs an output sees, and how many outputs see an input.

    With a stride, the output of a transposed convolution sees so many times fewer; at least one per map.
    """
    if isinstance(part, nn.Linear):
        return part.in_features, part.out_features
    area = math.prod(part.kernel_size)
    seen = max(1, area // math.prod(part.stride)) if isinstance(part, nn.ConvTranspose2d) else area
    return part.in_channels // part.groups * seen, part.out_channels // part.groups * area


def _fill(bias: Tensor | None, one: bool) -> None:
    if bias is not None:
        bias.fill_(1.0 if one else 0.0)


def _drawn_links(part: LinkedConv, draw: Draw, generator: Generator) -> Tensor:
    """Returns a kernel for each link, links x height x width.

    The fan-in counts the maps that the link's filter sees, the fan-out the filters that see its map.
    """
    drawn = torch.empty(part.weight.shape)
    area = drawn[0].numel()
    maps_of, filters_of = (Counter(ends) for ends in zip(*part.links, strict=True))
    for kernel, (row, index) in zip(drawn, part.links, strict=True):
        draw(kernel, maps_of[row] * area, filters_of[index] * area, generator)
    return drawn
