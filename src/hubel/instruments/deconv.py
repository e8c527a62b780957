"""Deconv: what of an image drives a unit, projected back to the image's pixels.

Three rules, alike but for what a rectifier does to the signal that goes back through it:

- `deconv`, the deconvnet of Zeiler and Fergus: it lets the positive part of the signal through, whatever
  it passed on the way forwards;
- `gradient`: it lets the signal through where it passed something on the way forwards;
- `guided`, guided backpropagation: it does both.

All else is the same. Convolutions and fully connected layers are transposed: the same weights, stride,
padding, dilation, groups and links, to exactly the size that went in; their biases play no part. Max
pooling puts the signal back at the place each maximum came from (the switches; the first in reading
order of equal ones); where windows overlap, what comes back to one place is summed. Average pooling
spreads it evenly over its window, LeNet's subsampling with its coefficient. Batch normalisation scales it
by gamma / sqrt(var + eps) with the running variance. At an addition every branch gets the whole signal;
at a concatenation each gets its own maps; and where branches part from one volume their signals are
summed. Local response normalisation, which the paper does not speak of, scales it by what its input was
divided by, and that divisor is held fixed. Dropout does nothing. Activations that are not
rectifiers (tanh, sigmoid, GELU, softmax) have no rule in the paper: the signal takes their derivative.

The signal begins as 1 at the unit; the paper begins with the activation, which scales the result.

The image enters a deconvnet by its switches alone: of a network without max pooling, such as a ResNet
for CIFAR, `deconv` shows the same for every image, and `guided` is what tells images apart.

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
    """Units projected back to the pixels of an image each.

    `units` have their row and column; `scores`: float32, n, what came out of each; `signals`: float32,
    n x depth x height x width, in the unit's output per value of the network's input.
    """

    rule: Rule
    units: tuple[Unit, ...]
    scores: npt.NDArray[np.float32]
    signals: npt.NDArray[np.float32]


def project(
    subject: Subject, images: Tensor, units: Unit | Sequence[Unit], rule: Rule = "deconv"
) -> Projections:
    """Projects a unit of each image back to its pixels.

    Images: float32, n x depth x height x width, as the network sees them. One unit for all, or one for
    each image, all of one layer. A map stands for its strongest unit in each image.

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
    """The rule of this name. Raises UsageError: there is none."""
    for known in RULES:
        if known == rule:
            return known
    raise UsageError(f"there is no rule {rule!r}{nearest(rule, RULES)}; choose {', '.join(RULES)}")


def project_patches(
    subject: Subject, images: Tensor, patches: Sequence[Patch], rule: Rule = "deconv"
) -> tuple[npt.NDArray[np.float32], ...]:
    """Projects the unit of each patch, all of one layer, back to the image the patch is of.

    Images: float32, n x depth x height x width, one for each patch. Returns the signals on the part of the
    image the unit sees: float32, depth x h x w.
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

    `pixels` gives an image of the set, uint8, h x w x c at the size of the network's input.
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
    """The rule that tells images apart in a network: `deconv`, or `guided` where nothing is max pooled."""
    return "deconv" if any(isinstance(bare(step.layer), MaxPool) for step in subject.steps) else "guided"


def _path(subject: Subject, images: Tensor, units: Sequence[Unit]) -> str:
    """The one layer the units are of."""
    if not len(images) or len(units) != len(images):
        raise UsageError(f"there are {len(units)} units for {len(images)} images; give one for each")
    for unit in units:
        unit.check(subject.steps)
        if unit.channel is None:
            raise UsageError(f"{unit} is a layer; name one of its maps, such as {unit}[0]")
    paths = {unit.path for unit in units}
    if len(paths) > 1:
        raise UsageError(f"units of one layer go back together, not of {', '.join(sorted(paths))}")
    return paths.pop()


def _located(unit: Unit, values: Tensor) -> Unit:
    """The unit with its row and column; of a map, its strongest unit in values of depth x height x width."""
    if unit.channel is None or unit.row is not None:
        return unit
    row, column = divmod(int(values[unit.channel].flatten().argmax()), values.shape[2])
    return Unit(unit.path, unit.channel, row, column)


def _gradient(scores: Tensor, pixels: Tensor) -> Tensor:
    """What goes back from scores to pixels: nothing where no pixel reaches them."""
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
    """A rectifier whose way back is a rule's: forwards it is `function`, whatever that is."""

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
    """Gives rectifiers and local response normalisation another way back while a network runs.

    Functions are caught as they are called, so that it holds for any module, and leaves nothing on it.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Answers for the functions it knows; all else as ever."""
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
"""Functions that may rectify: each as one that does not work in place, and its arguments' names."""


def _rectifies(function: Callable[..., Tensor], given: dict[str, Any]) -> bool:
    """Whether a call lets through nothing below 0, and what is above as it is."""
    least = {
        F.hardtanh: given.get("min_val", -1.0),
        torch.clamp: given.get("min"),
        torch.clamp_min: given.get("min"),
    }
    low = least.get(function, 0)
    return isinstance(low, (int, float)) and low == 0


def _normalised(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:  # noqa: A002
    """Local response normalisation of n x depth x height x width whose divisor the signal does not change."""
    with torch.no_grad():
        squares = F.pad(input.square()[:, None], (0, 0, 0, 0, size // 2, (size - 1) // 2))
        divisor = (F.avg_pool3d(squares, (size, 1, 1), stride=1)[:, 0] * alpha + k) ** beta
    return input / divisor
