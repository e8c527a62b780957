"""Deconv: what in an image drives a unit, projected back to the image's pixels.

The three rules differ only in how the signal passes back through a rectifier:

- `deconv`, the deconvnet of Zeiler and Fergus: the positive part of the signal passes;
- `gradient`: the signal passes where the rectifier passed its input on;
- `guided`, guided backpropagation: the positive part passes where the rectifier passed its input on.

Everything else is the same for all. Convolutions and fully connected layers are transposed, with the same
weights, stride, padding, dilation, groups and links, to exactly the size of their input; biases play no part.
Max pooling returns the signal to the position of each maximum (the switches; of equal values the first in
reading order); where windows overlap, signals add up. Average pooling spreads it evenly over its window,
LeNet's subsampling with its coefficient. Batch normalisation scales it by gamma / sqrt(var + eps) with the
running variance. At an addition every branch gets the whole signal; at a concatenation each branch gets its
own maps; where branches start from one volume their signals add up. Local response normalisation, which the
paper does not mention, divides it by the same divisor as its input; the divisor is held fixed. Dropout does
nothing. For all else (tanh, GELU and other activations, gates, layer and group normalisation, softmax) the
paper has no rule: the signal is multiplied by the derivative.

The signal starts as 1 at the unit; the paper starts with the activation, which scales the result.

A deconvnet depends on the image only by the switches. In a network without max pooling, such as a ResNet for
CIFAR, `deconv` gives the same result for every image; use `guided` there.

Sources: Zeiler and Fergus 2014, section 2.1; Simonyan et al. 2014; Springenberg et al. 2015, section 3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode

from hubel.errors import UsageError, nearest
from hubel.instruments.subject import Subject, bare
from hubel.instruments.unit import Unit
from hubel.net.sliding import MaxPool

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.image.preprocess import Preprocessing
    from hubel.instruments.patches import Patch

    Bytes = npt.NDArray[np.uint8]

Rule: TypeAlias = Literal["deconv", "guided", "gradient"]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, slots=True, eq=False)
class Projections:
    """Units projected back to pixels, one image per unit.

    `units` have their row and column; `scores`: float32, n, their values; `signals`: float32, n x depth x
    height x width, in the unit's value per value of the network's input.
    """

    rule: Rule
    units: tuple[Unit, ...]
    scores: npt.NDArray[np.float32]
    signals: npt.NDArray[np.float32]


def project(
    subject: Subject, images: Tensor, units: Unit | Sequence[Unit], rule: Rule = "deconv"
) -> Projections:
    """Projects a unit of each image back to its pixels.

    Images: float32, n x depth x height x width, as the network sees them. `units` is one unit for all
    images, or one for each, all of one layer. A map stands for its strongest unit in each image.

    Rectifiers are ReLU, ReLU6 and `clamp(min=0)`, as modules or as functions.

    Raises UsageError: no such rule, layer, map or unit, a layer without a map, units of several layers,
    or another number of them than of images.
    """
    rule = checked(rule)
    chosen = [units] * len(images) if isinstance(units, Unit) else list(units)
    path = _path(subject, images, chosen)
    seen: list[Tensor] = []

    def keep(_path: str, value: Tensor) -> Tensor:
        seen.append(value)
        return value

    with torch.inference_mode(mode=False), torch.enable_grad():
        pixels = images.detach().clone().requires_grad_()
        with _Backwards(rule) if rule != "gradient" else nullcontext():
            subject.run(pixels.clone(), keep, [path])
        values = seen[0]
        exact = tuple(_located(unit, values[at].detach()) for at, unit in enumerate(chosen))
        index = torch.tensor([(at, *_place(unit)) for at, unit in enumerate(exact)]).T
        scores = values[tuple(index)]
        signals = _gradient(scores, pixels)
    return Projections(rule, exact, scores.detach().float().cpu().numpy(), signals.float().cpu().numpy())


def checked(rule: str) -> Rule:
    """Returns the rule of this name. Raises UsageError: there is none."""
    for known in RULES:
        if known == rule:
            return known
    raise UsageError(f"there is no rule {rule!r}{nearest(rule, RULES)}; choose {', '.join(RULES)}")


def project_patches(
    subject: Subject, images: Tensor, patches: Sequence[Patch], rule: Rule = "deconv"
) -> tuple[npt.NDArray[np.float32], ...]:
    """Projects the unit of each patch, all of one layer, back to the image of the patch.

    Images: float32, n x depth x height x width, one for each patch. Returns the signals on the part of the
    image that the unit sees: float32, depth x h x w.
    """
    if not patches:
        return ()
    signals = project(subject, images, [patch.unit for patch in patches], rule).signals
    parts = zip(signals, (patch.seen for patch in patches), strict=True)
    return tuple(
        signal[:, seen.top : seen.bottom + 1, seen.left : seen.right + 1].copy() for signal, seen in parts
    )


def project_cuts(
    subject: Subject,
    cuts: Mapping[Unit, Sequence[Patch]],
    preprocessing: Preprocessing,
    pixels: Callable[[int], Bytes],
    rule: Rule = "deconv",
) -> dict[Unit, tuple[npt.NDArray[np.float32], ...]]:
    """Projects the patches of many maps, as `patches.cut` returns them; see `project_patches`.

    `pixels` returns an image of the set, uint8, h x w x c at the size of the network's input.
    """
    signals: dict[Unit, tuple[npt.NDArray[np.float32], ...]] = {}
    for unit, patches in cuts.items():
        if patches:
            seen = np.stack([pixels(patch.image) for patch in patches])
            images = preprocessing.normalise(torch.from_numpy(seen))
            signals[unit] = project_patches(subject, images, patches, rule)
        else:
            signals[unit] = ()
    return signals


def fitting(subject: Subject) -> Rule:
    """Returns the rule that fits a network: `deconv`, or `guided` if it has no max pooling."""
    return "deconv" if any(isinstance(bare(step.layer), MaxPool) for step in subject.steps) else "guided"


def _path(subject: Subject, images: Tensor, units: Sequence[Unit]) -> str:
    """The layer of the units. Raises UsageError: see `project`."""
    if not len(images) or len(units) != len(images):
        raise UsageError(f"there are {len(units)} units for {len(images)} images; give one for each")
    for unit in units:
        unit.check(subject.steps)
        if unit.channel is None:
            raise UsageError(f"{unit} is a layer; name one of its maps, such as {unit}[0]")
    paths = {unit.path for unit in units}
    if len(paths) > 1:
        raise UsageError(f"units projected together are of one layer, not of {', '.join(sorted(paths))}")
    return paths.pop()


def _located(unit: Unit, values: Tensor) -> Unit:
    """The unit with its row and column; of a map, its strongest unit in values of depth x height x width."""
    if unit.channel is None or unit.row is not None:
        return unit
    row, column = divmod(int(values[unit.channel].flatten().argmax()), values.shape[2])
    return Unit(unit.path, unit.channel, row, column)


def _gradient(scores: Tensor, pixels: Tensor) -> Tensor:
    """The gradient of scores by pixels; zero if they do not depend on pixels."""
    if not scores.requires_grad:
        return torch.zeros_like(pixels)
    found: tuple[Tensor | None, ...] = torch.autograd.grad(scores.sum(), pixels, allow_unused=True)
    return torch.zeros_like(pixels) if found[0] is None else found[0]


def _place(unit: Unit) -> tuple[int, int, int]:
    assert unit.channel is not None
    assert unit.row is not None
    assert unit.column is not None
    return unit.channel, unit.row, unit.column


class _Rectifier(torch.autograd.Function):
    """A rectifier with the backward pass of a rule; its forward pass is `function`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, function: Callable[[Tensor], Tensor], rule: Rule) -> Tensor:
        out = function(values)
        ctx.passed = (values > 0) & (out == values) if rule == "guided" else None
        return out

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None, None]:
        positive = signals[0].clamp(min=0)
        return positive if ctx.passed is None else positive * ctx.passed, None, None


class _Backwards(TorchFunctionMode):
    """Replaces the backward pass of rectifiers and local response normalisation while a network runs.

    Functions are intercepted when they are called, so that this works for any module and leaves no trace.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Calls the functions it knows in its own way, and all others as usual."""
        words = dict(kwargs or {})
        if func is F.local_response_norm and self.rule == "deconv":
            return _normalised(*args, **words)
        rectifier = _RECTIFIERS.get(func)
        if rectifier is None:
            return func(*args, **words)
        function, names = rectifier
        given = dict(zip(("input", *names), args, strict=False)) | words
        if not _rectifies(function, given):
            return func(*args, **words)
        values, in_place = given.pop("input"), given.pop("inplace", func.__name__.endswith("_"))
        out: Tensor = _Rectifier.apply(values, partial(function, **given), self.rule)  # type: ignore[no-untyped-call]
        return values.copy_(out) if in_place else out


_RECTIFIERS: dict[Any, tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    F.relu: (F.relu, ("inplace",)),
    F.relu6: (F.relu6, ("inplace",)),
    F.hardtanh: (F.hardtanh, ("min_val", "max_val", "inplace")),
    F.hardtanh_: (F.hardtanh, ("min_val", "max_val")),
    **dict.fromkeys((torch.relu, torch.relu_, F.relu_, Tensor.relu, Tensor.relu_), (torch.relu, ())),
    **dict.fromkeys(
        (torch.clamp, torch.clamp_, Tensor.clamp, Tensor.clamp_, torch.clip, torch.clip_, Tensor.clip),
        (torch.clamp, ("min", "max")),
    ),
    **dict.fromkeys(
        (torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_),
        (torch.clamp_min, ("min",)),
    ),
}
"""Functions that may rectify: each with its version that is not in place, and its arguments' names."""


def _rectifies(function: Callable[..., Tensor], given: dict[str, Any]) -> bool:
    """Whether a call sets negative values to 0 and keeps small positive ones."""
    least = {
        F.hardtanh: given.get("min_val", -1.0),
        torch.clamp: given.get("min"),
        torch.clamp_min: given.get("min"),
    }
    low = least.get(function, 0)
    return isinstance(low, (int, float)) and low == 0


def _normalised(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:  # noqa: A002
    """Local response normalisation, n x depth x height x width, with a divisor that has no gradient."""
    with torch.no_grad():
        squares = F.pad(input.square()[:, None], (0, 0, 0, 0, size // 2, (size - 1) // 2))
        divisor = (F.avg_pool3d(squares, (size, 1, 1), stride=1)[:, 0] * alpha + k) ** beta
    return input / divisor
