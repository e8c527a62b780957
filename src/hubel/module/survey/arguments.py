"""A call of one of PyTorch's functions: its arguments, and what holds whatever it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hubel.errors import SizeError
from hubel.module.survey.places import Place
from hubel.net.volume import Volume


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function: its name, its arguments, and the activations among them.

    `activations` are the tensors that depend on the image, with their places.
    """

    name: str
    args: tuple[Any, ...]
    words: dict[str, Any]
    activations: list[tuple[Tensor, Place]]

    @property
    def seen(self) -> Tensor:
        """The first activation."""
        return self.activations[0][0]

    @property
    def place(self) -> Place:
        """The place of the first activation."""
        return self.activations[0][1]

    def given(self, names: str = "") -> dict[str, Any]:
        """Returns the arguments by name; the names are those of `ARGUMENTS` by default."""
        return named(names or ARGUMENTS[self.name], self.args, self.words)


ARGUMENTS = {
    "conv2d": "input weight bias stride padding dilation groups",
    "conv_transpose2d": "input weight bias stride padding output_padding groups dilation",
    "linear": "input weight bias",
    "batch_norm": "input running_mean running_var weight bias training momentum eps",
    "avg_pool2d": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
}
"""The names of the arguments, in order, of the functions with weights or several modes."""


def named(names: str, args: Sequence[Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments by name, from names in order and the positional and keyword arguments."""
    return dict(zip(names.split(), args, strict=False)) | dict(words)


def image(call: Call) -> Volume | None:
    """Returns the volume of a tensor 1 x depth x height x width, None for other shapes."""
    shape = call.seen.shape
    return Volume(shape[2], shape[3], shape[1]) if len(shape) == 4 and shape[0] == 1 else None


def check_depth(call: Call) -> None:
    """Raises SizeError: the filters of a convolution take another depth than its input has."""
    seen = image(call)
    if call.name not in ("conv2d", "conv_transpose2d") or seen is None:
        return
    given = call.given()
    shape = given["weight"].shape
    takes = shape[0] if call.name == "conv_transpose2d" else shape[1] * given.get("groups", 1)
    if takes != seen.depth:
        fits = Volume(*seen.plane, takes)
        raise SizeError(f"its filters take depth {takes}, not {seen.depth}; {fits} would fit")


def per_depth(call: Call) -> bool:
    """Whether the second axis of the tensor is depth, as batch normalisation requires."""
    return call.place.axes[1] == "c" and call.seen.shape[1] == call.place.volume.depth


def factor_of(call: Call) -> float | None:
    """Returns the number that a call multiplies every value by; None if it does something else."""
    if call.name not in ("mul", "div") or len(call.args) != 2 or call.words or len(call.activations) != 1:
        return None
    number = call.args[1] if call.args[0] is call.seen else call.args[0] if call.name == "mul" else None
    if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
        return None
    return float(number) if call.name == "mul" else 1 / number
