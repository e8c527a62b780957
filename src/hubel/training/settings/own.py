"""What a run takes from Python that no text can hold: the user's own loss, optimizer and augmentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from hubel.data.augment.policy import Augmentation
from hubel.errors import UsageError

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From scores, float32, n x classes, and labels, int64, n, to the mean loss: a tensor of one number."""

MakeOptimizer: TypeAlias = Callable[[Iterable[nn.Parameter]], Optimizer]
"""From the parameters that learn to a torch optimizer. Its rates are the peaks of the recipe's schedule."""

Augment: TypeAlias = Callable[[Tensor, Generator], Tensor]
"""From images, uint8, n x height x width x depth, to images of the same shape and type.

Random numbers are to come from the generator, so that the same seed gives the same images.
"""


_ARGUMENTS = {"loss": 2, "optimizer": 1, "augmentation": 2}

_FORMS = {
    "loss": "give loss(scores, labels), such as torch.nn.functional.cross_entropy or CrossEntropyLoss()",
    "optimizer": "give optimizer(parameters), such as lambda weights: torch.optim.Adam(weights, lr=1e-3)",
    "augmentation": "give augmentation(images, generator), such as lambda images, generator: images.flip(2)",
}
"""What each function is to be."""


@dataclass(frozen=True, slots=True)
class Own:
    """The callables that a run was given in place of a recipe's names; None where the recipe's is used."""

    loss: Loss | None = None
    optimizer: MakeOptimizer | None = None
    augmentation: Augment | None = None

    @classmethod
    def of(
        cls,
        loss: Loss | None,
        optimizer: str | MakeOptimizer | None,
        augmentation: Augmentation | Augment | None,
    ) -> Own:
        """The functions among what was given; an optimizer's name and an `Augmentation` are settings."""
        return cls(
            loss,
            None if isinstance(optimizer, str) else optimizer,
            None if isinstance(augmentation, Augmentation) else augmentation,
        )

    @property
    def names(self) -> dict[str, str]:
        """What a config keeps of them: an importable name each, such as `losses:focal`, or nothing."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return {f"own_{name}": "" if given is None else name_of(given) for name, given in found.items()}

    @property
    def recorded(self) -> dict[str, str]:
        """The settings by which a config keeps the names of those that were given."""
        return {setting: name for setting, name in self.names.items() if name}

    def __post_init__(self) -> None:
        for item in fields(self):
            given = getattr(self, item.name)
            if given is None:
                continue
            if not callable(given):
                raise UsageError(
                    f"{item.name} is a function, not {type(given).__name__}: {_FORMS[item.name]}"
                )
            if not _takes(given, _ARGUMENTS[item.name]):
                raise UsageError(f"{item.name}: {name_of(given)} takes other arguments; {_FORMS[item.name]}")

    def check(self, recorded: dict[str, str]) -> list[str]:
        """Returns warnings where a function has another name than the config of the run recorded.

        Raises UsageError: the run was made with a function that is not given, or without one that is.
        """
        warnings = []
        for key, name in self.names.items():
            part, before = key.removeprefix("own_"), recorded[key]
            if before and not name:
                raise UsageError(
                    f"this run's {part} is a function of your own, {before}; config.toml keeps only its "
                    f"name: pass it again from Python, {part}=..."
                )
            if name and not before:
                raise UsageError(f"this run was made without a {part} of your own; leave {part} out")
            if name != before:
                warnings.append(f"the {part} was {before} when this run began, and is {name} now")
        return warnings


def _takes(given: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments; one that does not tell can.

    A class of losses is none: it makes a loss.
    """
    if isinstance(given, type) and issubclass(given, nn.Module):
        return False
    try:
        call = given.forward if isinstance(given, nn.Module) else given
        inspect.signature(call).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def name_of(given: Any) -> str:
    """The importable name of a callable, or of the class of an object that is called."""
    kind = given if hasattr(given, "__qualname__") else type(given)
    return f"{kind.__module__}:{kind.__qualname__}"
