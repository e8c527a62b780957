"""One step of training: gradients, in parts where memory is short, and the move along them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.errors import TrainingError
from hubel.module.own import Trainable
from hubel.module.recorded import Recorded, clear_gradients
from hubel.training.step.ema import Average
from hubel.training.step.loss import Criterion, loss_of
from hubel.training.step.memory import SMALLEST_PART, free_memory, out_of_memory
from hubel.training.step.optimizer import bound_filters, set_rates
from hubel.training.step.shared import shared
from hubel.world import ALONE, World


class NotFiniteError(TrainingError):
    """The loss of a batch is infinite or NaN; `images` are those of the part it came from."""

    def __init__(self, loss: float, images: Tensor) -> None:
        super().__init__(f"the loss is {loss}")
        self.loss, self.images = loss, images


@dataclass(slots=True)
class Stepper:
    """A network and all that moves its weights.

    `weights`, float32, one per class or None, are those of the criterion. At most `micro` images pass
    through at once. `clip` is the largest norm of the gradient, `filter_bound` the largest
    root mean square of a filter, 0 for no limit. The processes of `world`
    share each step, and all end it with the same weights; `sync_batchnorm`: batch norm's statistics are those
    of all. `warnings` collects what the user should know of
    the steps so far.
    """

    network: Trainable
    optimizers: list[Optimizer]
    criterion: Criterion
    precision: str
    micro: int
    weights: Tensor | None = None
    clip: float = 0.0
    filter_bound: float = 0.0
    average: Average | None = None
    world: World = ALONE
    sync_batchnorm: bool = True
    warnings: list[str] = field(default_factory=list)
    _call: nn.Module = field(init=False)
    _backward: Recorded = field(init=False)
    _move: Recorded = field(init=False)

    def __post_init__(self) -> None:
        device = next(self.network.parameters()).device
        self._call = shared(self.network, self.world, statistics=self.sync_batchnorm)
        self._backward, self._move = Recorded(self._backwards, device), Recorded(self._moved, device)
        if self.world.size > 1:
            self.release()  # what is sent while a step runs cannot be recorded

    @property
    def model(self) -> Trainable:
        """The network to keep: the moving average of the weights where there is one."""
        return self.average.network if self.average else self.network

    def step(
        self,
        images: Tensor,
        targets: Tensor,
        share: float,
        apart: Mapping[str, float] = MappingProxyType({}),
    ) -> tuple[float, Tensor]:
        """Takes one step at a share of the peak learning rates; together.

        `images` are this process's part of the batch. Returns the loss of the whole batch and the scores of
        the part. A batch that does not fit in memory passes through in parts. Raises NotFiniteError: no
        weight has moved then.
        """
        while True:
            try:
                loss, scores = self._gradients(images, targets)
                break
            except RuntimeError as error:
                self.warnings.append(self._mended(error, images))
        set_rates(self.optimizers, share, apart)
        self._move()
        if self.average:
            self.average.update(self.network)
        for part in (self._backward, self._move):
            if why := part.failure():
                self.warnings.append(f"continuing without CUDA graphs: {why}")
        return loss, scores

    def release(self) -> bool:
        """Gives back the memory of recorded steps and records no more; tells whether there were any."""
        return any([self._backward.forget(), self._move.forget()])

    def _gradients(self, images: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Leaves the gradients of a batch in the parameters; returns its loss and scores."""
        clear_gradients(self.network)  # those that no optimizer moves as well: clipping counts them
        total, scores, wrong = 0.0, [], None
        whole = self.world.added(self._weight(targets))
        count = min(math.ceil(len(images) / self.micro), max(1, len(images) // SMALLEST_PART))
        for part, truth in zip(images.tensor_split(count), targets.tensor_split(count), strict=True):
            share = self._weight(truth) / whole
            loss, out = self._backward(part, truth, torch.full((), share, device=part.device))
            total += loss.item()
            scores.append(out.clone())
            if not math.isfinite(total):
                wrong = part
                break
        total = self.world.added(total)
        if not math.isfinite(total):
            raise NotFiniteError(total, images if wrong is None else wrong)
        return total, torch.cat(scores)

    def _backwards(self, images: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the gradients of a part of a batch, weighed by its share; returns its loss and scores."""
        loss, scores = loss_of(
            self.network,
            images,
            targets,
            precision=self.precision,
            criterion=self.criterion,
            call=self._call,
        )
        loss = loss * share
        (loss * self.world.size).backward()  # type: ignore[no-untyped-call]
        return loss.detach(), scores

    def _weight(self, targets: Tensor) -> float:
        """The divisor of the mean over images with these targets: torch's rule for weighted classes."""
        if self.weights is None or targets.is_floating_point():
            return len(targets)
        return self.weights[targets].sum().item()

    def _moved(self) -> tuple[()]:
        """Moves the weights along their gradients."""
        if self.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        if self.filter_bound:
            bound_filters(self.network, self.filter_bound)
        return ()

    def _mended(self, error: RuntimeError, images: Tensor) -> str:
        """Makes room after a step that ran out of memory and returns a warning; no weight has moved.

        Raises the error again where memory is not the cause, or no more room can be made.
        """
        if not out_of_memory(error):
            raise error
        if self.world.size > 1:  # the others are in the middle of the same step
            raise TrainingError(
                f"{len(images)} images do not fit in the memory of process {self.world.rank}; take a smaller "
                "--batch, a smaller --input, or more processes"
            ) from error
        if self.release():
            free_memory(images.device)
            return "memory is full: continuing without CUDA graphs"
        if self.micro <= SMALLEST_PART:
            raise error
        self.micro = max(SMALLEST_PART, min(self.micro, len(images)) // 2)
        free_memory(images.device)
        return f"a batch of {len(images)} does not fit in memory; it passes through in parts of {self.micro}"
