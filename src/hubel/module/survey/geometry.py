"""The window of an operation for which hubel has no layer: which part of its input it sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from torch import Tensor

from hubel.module.survey.arguments import ARGUMENTS, Call, image
from hubel.net.axes import GlobalAxis, UpsamplingAxis
from hubel.net.volume import Volume
from hubel.net.window import ONE, Axis, UnevenAxis, Window

NORMALISATIONS = ("layer_norm", "group_norm", "instance_norm", "rms_norm", "batch_norm", "normalize")
"""Functions that keep each value in its position; some use statistics of the whole map."""

_LOCAL = {*NORMALISATIONS, "softmax", "log_softmax", "glu", "cat", "stack", "chunk", "split", "prelu"}
_LOCAL |= {"dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu"}
"""Functions that see one position at a time if they work along depth."""

FindWindow: TypeAlias = "Callable[[Call, Tensor, Volume], Window | None]"


def sees(call: Call, made: Tensor, output: Volume, *, local: bool) -> Window:
    """Returns the window of a call; where it is not known, every output sees all inputs.

    `local`: the call consists of elementwise operations alone.
    """
    seen = call.place.volume
    if call.name in _WINDOWS and image(call) == seen:
        window = _WINDOWS[call.name](call, made, output)
        if window is not None:
            return window
    same = output.plane == seen.plane and all(
        side in (1, whole_side)
        for _, place in call.activations
        for side, whole_side in zip(place.volume.plane, seen.plane, strict=True)
    )
    if same and (local or (call.name in _LOCAL and _along_depth(call))):
        return ONE
    alone = len({place.volume.plane for _, place in call.activations}) == 1
    return Window.of(seen.plane) if output.plane == (1, 1) and alone else whole(seen)


def whole(seen: Volume) -> Window:
    """Returns the window of an operation whose every output sees all positions."""
    return Window(GlobalAxis.of(seen.height), GlobalAxis.of(seen.width))


def _along_depth(call: Call) -> bool:
    if call.name in NORMALISATIONS or call.name.endswith(("dropout", "1d", "2d", "3d", "relu")):
        return True
    names = "input split dim" if call.name in ("chunk", "split") else "input dim"
    dim = call.given(names).get("dim", 0)
    return isinstance(dim, int) and call.place.axes[dim] == "c"


def _slices(call: Call, made: Tensor, _output: Volume) -> Window | None:
    """Returns the window of a slice of a map, from its offset and strides."""
    seen = call.seen
    if made.dim() != 4 or not seen.is_contiguous() or call.place.axes != ("1", "c", "h", "w"):
        return None
    _, area, line, one = seen.stride()
    offset = (made.storage_offset() - seen.storage_offset()) % area
    rows = Axis(1, max(1, made.stride(2) // line), -(offset // line))
    return Window(rows, Axis(1, max(1, made.stride(3) // one), -(offset % line)))


def _padded(call: Call, _made: Tensor, _output: Volume) -> Window | None:
    pads = call.given("input pad")["pad"]
    left, top = pads[0], pads[2] if len(pads) > 2 else 0
    return Window(Axis(pad=top), Axis(pad=left))


def _spread(call: Call, _made: Tensor, _output: Volume) -> Window | None:
    """Returns the window of a transposed convolution."""
    given = call.given()
    sides = (_two(given.get(name, of)) for name, of in (("stride", 1), ("padding", 0), ("dilation", 1)))
    size = given["weight"].shape[2:]
    return Window(
        *(
            UpsamplingAxis.of(stride, length * (side - 1) + 1, pad)
            for side, stride, pad, length in zip(size, *sides, strict=True)
        )
    )


def _unpooled(call: Call, _made: Tensor, _output: Volume) -> Window | None:
    """Returns the window of the inverse of max pooling: each value goes back into its own window."""
    given = call.given("input indices kernel_size stride padding")
    sizes, strides = _two(given["kernel_size"]), _two(given.get("stride") or given["kernel_size"])
    sides = zip(sizes, strides, _two(given.get("padding", 0)), strict=True)
    rows, columns = (UpsamplingAxis.of(stride, size, pad) for size, stride, pad in sides)
    return Window(rows, columns)


def _larger(call: Call, _made: Tensor, output: Volume) -> Window | None:
    """Returns the window of upsampling by a whole factor, nearest or bilinear."""
    seen, mode = call.place.volume, call.given("input size scale_factor mode").get("mode", "nearest")
    if output.height % seen.height or output.width % seen.width or mode not in ("nearest", "bilinear"):
        return None
    factors = output.height // seen.height, output.width // seen.width
    linear = mode == "bilinear"
    rows, columns = (
        UpsamplingAxis.of(factor, 2 * factor if linear else factor, factor // 2 if linear else 0)
        if factor > 1
        else Axis()
        for factor in factors
    )
    return Window(rows, columns)


def _shuffled(call: Call, _made: Tensor, output: Volume) -> Window | None:
    """Returns the window of a pixel shuffle: several maps become one larger map."""
    factor = output.height // call.place.volume.height
    return Window(UpsamplingAxis.of(factor, factor, 0), UpsamplingAxis.of(factor, factor, 0))


def _unshuffled(call: Call, _made: Tensor, output: Volume) -> Window | None:
    """Returns the window of a pixel unshuffle: one map becomes several smaller maps."""
    factor = call.place.volume.height // output.height
    return Window.of(factor, factor)


def _pooled(call: Call, _made: Tensor, _output: Volume) -> Window | None:
    given = call.given(
        "" if call.name in ARGUMENTS else "input kernel_size stride padding dilation ceil_mode"
    )
    sizes = _two(given["kernel_size"]), _two(given.get("stride") or given["kernel_size"])
    pad, dilation = _two(given.get("padding", 0)), _two(given.get("dilation", 1))
    return Window.of(*sizes, pad, dilation, ceil=bool(given.get("ceil_mode", False)))


def _adaptive(call: Call, _made: Tensor, output: Volume) -> Window | None:
    seen = call.place.volume
    return Window(UnevenAxis.cut(seen.height, output.height), UnevenAxis.cut(seen.width, output.width))


def _reduced(call: Call, made: Tensor, _output: Volume) -> Window | None:
    """Returns the window of a sum or the like over rows, columns or maps that keeps the axes."""
    if call.place.axes != ("1", "c", "h", "w") or made.dim() != 4 or len(call.activations) > 1:
        return None
    sides = zip(made.shape[2:], call.seen.shape[2:], strict=True)
    rows, columns = (Axis() if kept == side else Axis(side) for kept, side in sides)
    return Window(rows, columns)


def _two(size: Any) -> tuple[int, int]:
    sides: Sequence[int] = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    return int(sides[0]), int(sides[-1])


_REDUCTIONS = ("mean", "sum", "prod", "amax", "amin", "max", "min", "std", "var", "norm", "logsumexp")

_WINDOWS: dict[str, FindWindow] = dict.fromkeys(_REDUCTIONS, _reduced) | {
    "__getitem__": _slices,
    "narrow": _slices,
    "pad": _padded,
    "conv_transpose2d": _spread,
    "interpolate": _larger,
    "max_unpool2d": _unpooled,
    "pixel_shuffle": _shuffled,
    "pixel_unshuffle": _unshuffled,
    "avg_pool2d": _pooled,
    "max_pool2d": _pooled,
    "lp_pool2d": _pooled,
    "adaptive_max_pool2d": _adaptive,
    "adaptive_max_pool2d_with_indices": _adaptive,
}
