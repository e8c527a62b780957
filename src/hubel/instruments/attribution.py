"""Attribution: which parts of an image the score of a class rests on.

- `gradient`: the magnitude of the score's gradient by each input value (saliency);
- `integrated`: the gradient averaged on the straight line from a baseline to the image, times the difference
  of the two; the parts sum to the difference of the two scores;
- `gradcam`: the sum of a layer's maps, each weighted by its mean gradient, where that sum is positive;
- `occlusion`: how far the score falls when a grey square covers a part of the image.

A plausible map need not depend on the network: `cascade` randomises the weights layer by layer, from the top
down. A map that depends on them changes.

Sources: Simonyan et al. 2014, section 3; Sundararajan et al. 2017; Selvaraju et al. 2017; Zeiler and
Fergus 2014, section 4.2; Adebayo et al. 2018, section 3.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.errors import UsageError, nearest
from hubel.instruments.subject import Subject
from hubel.net.layers import AdaptiveAvgPool, Dropout, Identity, Softmax
from hubel.net.sliding import AvgPool, MaxPool
from hubel.net.trace import INPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]

Method: TypeAlias = Literal["gradcam", "integrated", "occlusion", "gradient"]
METHODS: tuple[Method, ...] = get_args(Method)

_BATCH = 64
_UNCONNECTED = "the score of the class does not depend on {}"


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """How much each part of an image contributes to the score of a class.

    `map`: float32, height x width in pixels of the network's input, with negative values if `signed`. For
    `gradient` it is the largest magnitude over the channels, in score per input value; for `integrated` the
    sum over the channels, in score; for `gradcam` the `cells`, enlarged bilinearly; for `occlusion` the mean
    fall of the score over the squares that cover a pixel. `cells`: float32, what the method itself computes:
    depth x height x width for the first two, the layer's height x width for `gradcam`, rows x columns of
    squares for `occlusion`. `score` is the class's, before a softmax. `layer` is the layer of `gradcam`.
    `rest` is the difference of the two scores minus the sum of `integrated`.
    """

    method: Method
    label: int
    score: float
    map: Floats
    cells: Floats
    signed: bool
    layer: str = ""
    rest: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Occlusion:
    """The scores of an image with a square on it, for each position of the square.

    `rows`, `columns`: int64, the square's first row and column at each position; `size`, its height and
    width in pixels; `scores`: float32, rows x columns x classes, before a softmax; `whole`: float32,
    classes, the scores of the image without a square.
    """

    rows: Counts
    columns: Counts
    size: tuple[int, int]
    scores: Floats
    whole: Floats

    @property
    def probabilities(self) -> Floats:
        """The probability of each class for each position of the square: rows x columns x classes."""
        return torch.from_numpy(self.scores).softmax(-1).numpy()

    @property
    def best(self) -> Counts:
        """The most probable class for each position of the square: rows x columns."""
        return np.asarray(self.scores.argmax(-1))

    def drop(self, label: int, shape: tuple[int, int]) -> Floats:
        """Returns the fall of a class's score, averaged over the squares that cover a pixel: `shape`."""
        total, count = np.zeros(shape), np.zeros(shape)
        for at, row in enumerate(self.rows):
            for place, column in enumerate(self.columns):
                square = np.s_[row : row + self.size[0], column : column + self.size[1]]
                total[square] += self.whole[label] - self.scores[at, place, label]
                count[square] += 1
        return (total / np.maximum(count, 1)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Randomised:
    """How similar the map is to the trained network's when all layers from the top down to `path` are random.

    `correlation` is Spearman's, of the pixels' ranks; NaN if a map is constant.
    """

    path: str
    correlation: float


def attribute(
    subject: Subject,
    image: Tensor,
    label: int,
    method: Method = "gradcam",
    *,
    layer: str | None = None,
    baseline: Tensor | None = None,
    square: int | None = None,
    steps: int = 64,
) -> Attribution:
    """Attributes the score of a class to the parts of an image by one method.

    Image: float32, depth x height x width, as the network sees it. `layer` is for `gradcam` (default:
    `last_maps`). `baseline`, of the image's shape, is the start of `integrated` and fills the square of
    `occlusion`; the default is zeros, the mean colour if the preprocessing subtracts it. `square` is the side
    of the square of `occlusion` in pixels, by default a fifth of the image's. `steps` is the number of points
    on the line of `integrated`.

    Raises UsageError: no such method, class or layer, an option of another method, a missing library.
    """
    method = checked(method)
    classes = subject.last.output.depth
    if not 0 <= label < classes:
        raise UsageError(f"the network has {classes} classes, numbered 0 to {classes - 1}, not {label}")
    if layer is not None and method != "gradcam":
        raise UsageError(f"a layer is for gradcam, not for {method}")
    if square is not None and method != "occlusion":
        raise UsageError(f"a square is for occlusion, not for {method}")
    if image.shape != (subject.volume.depth, *subject.volume.plane):
        raise UsageError(f"the network sees {subject.volume}, not an image of {tuple(image.shape)}")
    ground = torch.zeros_like(image) if baseline is None else baseline
    with torch.inference_mode(mode=False):
        image, ground = image.detach().clone(), ground.detach().clone()
        match method:
            case "gradcam":
                return _gradcam(subject, image, label, layer or last_maps(subject))
            case "integrated":
                return _integrated(subject, image, label, ground, steps)
            case "occlusion":
                found = occlude(subject, image, square=square, fill=ground)
                return of_occlusion(found, label, subject.volume.plane)
            case "gradient":
                return _saliency(subject, image, label)


def checked(method: str) -> Method:
    """Returns the method of this name. Raises UsageError: there is none."""
    for known in METHODS:
        if known == method:
            return known
    raise UsageError(f"there is no method {method!r}{nearest(method, METHODS)}; choose {', '.join(METHODS)}")


@torch.no_grad()
def occlude(
    subject: Subject,
    image: Tensor,
    *,
    square: int | None = None,
    stride: int | None = None,
    fill: Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Occlusion:
    """Slides a square over an image and computes the scores at each position.

    Image: float32, depth x height x width, as the network sees it. `square` is the side in pixels, by
    default a fifth of the image's shorter side; `stride`, by default a quarter of the square, is how far it
    moves; the last position of a row or column is at the edge. `fill`, of the image's shape, is what the
    square shows; by default zeros, usually the mean colour. `progress` is called with the number of
    positions done and the number of all.

    Raises UsageError: a square larger than the image, or a stride below 1.
    """
    height, width = image.shape[1:]
    side = max(1, round(min(height, width) / 5)) if square is None else square
    step = max(1, side // 4) if stride is None else stride
    if not 1 <= side <= min(height, width):
        raise UsageError(f"a square on {height}x{width} has a side of 1 to {min(height, width)}, not {side}")
    if step < 1:
        raise UsageError(f"a square moves by at least 1 pixel, not {step}")
    ground = torch.zeros_like(image) if fill is None else fill
    rows, columns = _starts(height, side, step), _starts(width, side, step)
    places = [(row, column) for row in rows for column in columns]
    scores = []
    for start in range(0, len(places), _BATCH):
        chosen = places[start : start + _BATCH]
        batch = image.repeat(len(chosen), 1, 1, 1)
        for covered, (row, column) in zip(batch, chosen, strict=True):
            spot = (slice(None), slice(row, row + side), slice(column, column + side))
            covered[spot] = ground[spot]
        scores.append(class_scores(subject, batch).float().cpu())
        if progress is not None:
            progress(start + len(chosen), len(places))
    whole = class_scores(subject, image[None])[0].float().cpu().numpy()
    grid = torch.cat(scores).reshape(len(rows), len(columns), -1).numpy()
    return Occlusion(np.array(rows), np.array(columns), (side, side), grid, whole)


def of_occlusion(found: Occlusion, label: int, shape: tuple[int, int]) -> Attribution:
    """Returns the attribution of a class from the scores with a square, for an image of `shape`."""
    cells = found.whole[label] - found.scores[..., label]
    return Attribution(
        "occlusion", label, float(found.whole[label]), found.drop(label, shape), cells, signed=True
    )


def cascade(
    subject: Subject, look: Callable[[Subject], Attribution], *, seed: int = 0
) -> Iterator[Randomised]:
    """Randomises the weights layer by layer from the top, and yields how similar the map stays.

    `look` returns the attribution of a subject, always for the same image and class. Weights of two or more
    dimensions are drawn from a normal distribution with mean zero and the same root mean square; biases
    become zero. A layer stays random while those below it follow. The subject's own module does not change.

    Source: Adebayo et al. 2018, section 3.1 (cascading randomisation).
    """
    trained = look(subject).map
    stand_in = replace(subject, module=copy.deepcopy(subject.module))
    generator = torch.Generator().manual_seed(seed)
    drawn: set[str] = set()  # weights that several layers share are randomised once
    for step in reversed(subject.steps):
        own = {name: each for name, each in stand_in.learns(step.path).items() if name not in drawn}
        drawn |= own.keys()
        if _redraw(own.values(), generator):
            yield Randomised(step.path, rank_correlation(trained, look(stand_in).map))


def rank_correlation(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Returns Spearman's correlation of two arrays of one shape; equal values share their mean rank.

    NaN if one of them is constant.
    """
    ranks = [_ranks(np.asarray(values)) for values in (one, other)]
    centred = [values - values.mean() for values in ranks]
    norm = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum() / norm) if norm else float("nan")


def class_scores(subject: Subject, images: Tensor) -> Tensor:
    """Returns the scores, n x classes, before a final softmax, averaged over positions."""
    last = subject.last
    if isinstance(last.layer, Softmax) and subject.sees(last.sources[0]):
        scores = subject.values(images, [last.sources[0]])[last.sources[0]]
    else:
        scores = subject.run(images, lambda _path, value: value, [])
    return scores.flatten(2).mean(2) if scores.ndim > 2 else scores


def last_maps(subject: Subject) -> str:
    """Returns the layer that Grad-CAM uses by default: the last with several positions, pooling apart.

    Raises UsageError: there is none.
    """
    for step in reversed(subject.steps):
        if (
            step.output.plane != (1, 1)
            and not isinstance(step.layer, (MaxPool, AvgPool, AdaptiveAvgPool, Dropout, Identity, Softmax))
            and subject.sees(step.path)
        ):
            return step.path
    raise UsageError("no layer has more than one position per map, which Grad-CAM needs; use another method")


def _saliency(subject: Subject, image: Tensor, label: int) -> Attribution:
    with torch.enable_grad():
        pixels = image[None].requires_grad_()
        score = class_scores(subject, pixels)[0, label]
        cells = _slope(score, pixels, INPUT)[0]
    found = cells.float().cpu().numpy()
    return Attribution("gradient", label, float(score.detach()), np.abs(found).max(0), found, signed=False)


def _integrated(subject: Subject, image: Tensor, label: int, baseline: Tensor, steps: int) -> Attribution:
    """Integrated gradients by captum, with Gauss-Legendre points on the line."""
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise UsageError(
            'integrated gradients need captum, which is not installed; run `pip install "hubel[look]"`'
        ) from error
    if steps < 1:
        raise UsageError(f"the line has at least 1 step, not {steps}")

    def score(images: Tensor) -> Tensor:
        found = class_scores(subject, images)[:, label]
        if images.requires_grad and not found.requires_grad:
            raise UsageError(_UNCONNECTED.format(INPUT))
        return found

    method: Any = IntegratedGradients(score, multiply_by_inputs=True)
    parts = method.attribute(image[None], baselines=baseline[None], n_steps=steps, internal_batch_size=_BATCH)
    found = parts[0].detach().float().cpu().numpy()
    with torch.no_grad():
        ends = score(torch.stack([baseline, image])).double()
    rest = float(ends[1] - ends[0]) - float(found.sum(dtype=np.float64))
    return Attribution("integrated", label, float(ends[1]), found.sum(0), found, signed=True, rest=rest)


def _gradcam(subject: Subject, image: Tensor, label: int, layer: str) -> Attribution:
    step = subject.step(layer)
    if step.output.plane == (1, 1):
        raise UsageError(
            f"{layer} has a single position per map, Grad-CAM needs several; use {last_maps(subject)}"
        )
    seen: list[Tensor] = []

    def keep(_path: str, value: Tensor) -> Tensor:
        seen.append(value if value.requires_grad else value.detach().requires_grad_())
        return seen[-1]

    with torch.enable_grad():
        pixels = image[None].requires_grad_()
        score = _watched_scores(subject, pixels, keep, layer)[0, label]
        maps = seen[0]
        slope = _slope(score, maps, layer)
    weights = slope.mean((2, 3), keepdim=True)
    cells = (weights * maps).sum(1, keepdim=True).relu().detach()
    enlarged = F.interpolate(cells, subject.volume.plane, mode="bilinear", align_corners=False)
    assert cells.shape[2:] == step.output.plane
    large, small = (each[0, 0].float().cpu().numpy() for each in (enlarged, cells))
    return Attribution("gradcam", label, float(score.detach()), large, small, signed=False, layer=layer)


def _watched_scores(
    subject: Subject, images: Tensor, keep: Callable[[str, Tensor], Tensor], layer: str
) -> Tensor:
    """The scores of each class before a softmax, n x classes, while `keep` visits a layer."""
    last = subject.last
    before: list[Tensor] = []
    top = last.sources[0] if isinstance(last.layer, Softmax) else ""

    def visit(path: str, value: Tensor) -> Tensor:
        out = keep(path, value) if path == layer else value
        if path == top:
            before.append(out)
        return out

    paths = {layer, top} if top and subject.sees(top) else {layer}
    scores = subject.run(images, visit, paths)
    scores = before[-1] if before else scores
    return scores.flatten(2).mean(2) if scores.ndim > 2 else scores


def _slope(score: Tensor, values: Tensor, name: str) -> Tensor:
    """The gradient of a score by values. Raises UsageError: it does not depend on them."""
    found: Sequence[Tensor | None] = (None,)
    if score.requires_grad:
        found = torch.autograd.grad(score, values, allow_unused=True)
    if found[0] is None:
        raise UsageError(_UNCONNECTED.format(name))
    return found[0]


def _starts(length: int, side: int, step: int) -> list[int]:
    """The first pixels of a square's positions along an axis, the last one at the edge."""
    starts = list(range(0, length - side + 1, step))
    return starts if starts[-1] == length - side else [*starts, length - side]


@torch.no_grad()
def _redraw(own: Collection[torch.nn.Parameter], generator: torch.Generator) -> bool:
    """Randomises a layer's own weights, and returns whether it has any."""
    if not any(parameter.ndim > 1 for parameter in own):
        return False
    for parameter in own:
        if parameter.ndim > 1:
            drawn = torch.randn(parameter.shape, generator=generator) * parameter.square().mean().sqrt().cpu()
            parameter.copy_(drawn.to(parameter))
        else:
            parameter.zero_()
    return True


def _ranks(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[places]
