"""The training loop. It knows no architecture, prints nothing and writes nothing: it yields events."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.data.feed.batches import Made, Sides, epoch_seed
from hubel.data.feed.source import Source
from hubel.device import use_allowed_cores
from hubel.errors import TrainingError, UsageError, nearest
from hubel.evaluation.metrics import Evaluation, evaluate
from hubel.module.network import Network
from hubel.net.layers import BatchNorm
from hubel.training.clock import Pace, Round
from hubel.training.events import BatchDone, Event, RoundDone, Warned
from hubel.training.run.diagnose import first_non_finite
from hubel.training.settings.config import AUTO, Config
from hubel.training.step.cuda_graph import Recorded, clear_gradients
from hubel.training.step.ema import Average
from hubel.training.step.hardest import Hardest
from hubel.training.step.loss import loss_of
from hubel.training.step.memory import SMALLEST_PART, free_memory, keep_memory, out_of_memory, tried
from hubel.training.step.optimizer import OPTIMIZERS, peaked, set_rates
from hubel.training.step.precision import computing_in, emulates_bfloat16, fastest
from hubel.training.step.schedule import SCHEDULES, side

MEASURED = 16
"""How many images of a batch the precisions are measured on by a CPU."""

STEP = 3.0
"""How many times as long as a forward pass a step of training takes, by its multiply-adds."""

EMULATES = "this machine only emulates bfloat16, many times slower: the run is computed in float32"
"""What is said where a run asks for bfloat16, as one that another machine began."""


@dataclass(slots=True)
class Trainer:
    """A network in training: all that changes, so that a run can stop after any round and go on.

    Each epoch seeds torch's own generator, from which dropout draws.

    `epoch` counts the finished ones, `batch` the finished batches of the one that runs; `seconds` is the
    time they took, `best` the highest top-1 so far. `batches` is how many the one that runs has, which
    `hardest` picks where not all images are in each. A step sees at most `micro` images at once. The
    precision in `config` is settled: never `auto`.
    """

    network: Network
    config: Config
    optimizers: list[Optimizer]
    pace: Pace
    average: Average | None
    hardest: Hardest | None
    micro: int
    weights: Tensor | None = None
    epoch: int = 0
    batch: int = 0
    batches: int = 1
    seconds: float = 0.0
    best: float = -1.0
    validation: float = 0.0
    _told: str = ""
    _rate: float = 0.0
    _backward: Recorded = field(init=False)
    _move: Recorded = field(init=False)

    def __post_init__(self) -> None:
        device = next(self.network.parameters()).device
        self._backward, self._move = Recorded(self._backwards, device), Recorded(self._moved, device)

    @classmethod
    def of(
        cls,
        network: Network,
        config: Config,
        train: Source,
        weights: Tensor | None = None,
    ) -> Trainer:
        """A run that has not begun; where its precision is `auto`, the fastest for these batches.

        It counts epochs until `pace` is given a limit. `weights` weigh the classes in the loss.
        Raises UsageError: `freeze` names no part of the network, or leaves nothing to learn.
        """
        keep_memory()
        use_allowed_cores()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for part in parts(network, config.freeze):
            part.requires_grad_(requires_grad=False)
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise UsageError("the network has nothing to learn: no layer with parameters is free to move")
        told = ""
        if config.precision == AUTO:
            config = replace(config, precision=_fastest(network, train))
        elif config.precision == "bfloat16" and emulates_bfloat16(next(network.parameters()).device):
            config, told = replace(config, precision="float32"), EMULATES
        recipe = config.recipe
        return cls(
            network=network,
            config=config,
            optimizers=peaked(OPTIMIZERS[recipe.optimizer](network, recipe)),
            pace=Pace(recipe.epochs),
            average=Average(network, recipe.average) if recipe.average else None,
            hardest=_hardest(config, train) if recipe.hardest < 1 else None,
            micro=recipe.batch + 1,  # a last single image joins the batch before
            weights=weights,
            _told=told,
        )

    @property
    def model(self) -> Network:
        """The network to keep: the average where there is one."""
        return self.average.network if self.average else self.network

    @property
    def progress(self) -> float:
        """How far the run is, from 0 to 1."""
        return self.pace.progress(self.epoch, self.seconds)

    def run(self, train: Source, val: Source) -> Iterator[Event]:
        """Trains to the end, yielding every batch and every round.

        Raises TrainingError: the loss is no longer finite.
        """
        if self._told:
            yield Warned(self._told)
        began = time.perf_counter() - self.seconds
        batches = self._batches(train)
        try:
            while self.progress < 1:
                round_ = Round(time.perf_counter())
                yield from self._round(round_, batches, began, len(val.labels))
                yield from self._validated(round_, val, began)
        finally:
            self._forget()

    def _round(self, round_: Round, batches: Iterator[Made], began: float, held_out: int) -> Iterator[Event]:
        """Trains until a round is over."""
        self._learn()
        while not self._over(round_):
            places, images, targets = round_.waiting(batches)
            progress = self.pace.progress(self.done, self.seconds)
            loss, scores = yield from self._step(images, targets, progress)
            round_.add(loss, scores, targets)
            if self.hardest:
                self.hardest.saw(places, scores, targets)
            self.batch += 1
            done = BatchDone(self.epoch + 1, self.batch, self.batches, loss, progress)
            if self.batch == self.batches:
                self.epoch, self.batch = self.epoch + 1, 0
            first, self.seconds = not self.seconds, time.perf_counter() - began
            yield done
            if first and self.pace.limit:
                yield from self._late(len(images), held_out)

    @property
    def done(self) -> float:
        """How many epochs are done, with the part of the one that runs."""
        return self.epoch + self.batch / self.batches

    def _batches(self, train: Source) -> Iterator[Made]:
        """The batches from where the run is, epoch after epoch, always the same for one seed."""
        done = self.batch
        for epoch in count(self.epoch):
            if self.hardest and not done:
                self.hardest.pick()
            among = self.hardest.picked if self.hardest else None
            self.batches = train.batches(among)
            torch.manual_seed(epoch_seed(self.config.seed, epoch))  # dropout's masks
            coming = train.epoch(epoch, self._sides(epoch, self.batches), among)
            for images, targets in islice(coming, done, None):
                yield coming.places, images, targets
            done = 0

    def _sides(self, epoch: int, batches: int) -> Sides | None:
        """How large the images of an epoch's batches are; None where they never are smaller than whole.

        By the clock it is asked when a batch is made, and so depends on how fast the machine is.
        """
        recipe, whole = self.config.recipe, min(self.network.volume.plane)
        if recipe.smallest == 1:
            return None
        return lambda batch: side(recipe, self.pace.progress(epoch + batch / batches, self.seconds), whole)

    def _learn(self) -> None:
        """Puts the network in training mode, but for what is frozen and statistics that are to stay."""
        self.network.train()
        staying = parts(self.network, self.config.freeze)
        if self.config.start and self.config.recipe.fixed_statistics:
            normed = (step for step in self.network.steps if isinstance(step.layer, BatchNorm))
            staying += [self.network.get_submodule(step.path) for step in normed if not step.side]
        for part in staying:
            part.eval()

    def _over(self, round_: Round) -> bool:
        """Whether a round is: at the end of an epoch, or when the clock says so."""
        if round_.images == 0:
            return False
        if not self.pace.limit:
            return self.batch == 0
        return self.progress >= 1 or self.pace.due(time.perf_counter() - round_.began, self.validation)

    def _late(self, images: int, held_out: int) -> Iterator[Event]:
        """Warns after the first step, of so many images, if validating and finishing outlast the time.

        Held-out images are seen twice then, at full size, at which the step's may not have been.
        """
        whole = min(self.network.volume.plane)
        larger = (whole / side(self.config.recipe, 0.0, whole)) ** 2
        after = 2 * held_out * larger * self.seconds / images / STEP
        if self.seconds + after > self.pace.limit:
            yield Warned(
                f"the run may end late: a step took {self.seconds:.1f} s, validating and finishing may take "
                f"{after:.0f} s, and {self.pace.limit:.0f} s were left for all; take a smaller network, "
                "see images smaller with --input, hold out fewer with --val, or give more time"
            )

    def _step(
        self, images: Tensor, targets: Tensor, progress: float
    ) -> Generator[Event, None, tuple[float, Tensor]]:
        """One step of the optimizers; what fails is mended if it can be, as a batch too large for memory."""
        recipe = self.config.recipe
        share = SCHEDULES[recipe.schedule](progress, recipe)
        while True:
            try:
                loss, scores = self._gradients(images, targets)
                break
            except RuntimeError as error:
                yield Warned(self._mended(error, images))
        set_rates(self.optimizers, share)
        self._rate = share * recipe.lr
        self._move()
        if self.average:
            self.average.update(self.network)
        for part in (self._backward, self._move):
            if why := part.told():
                yield Warned(f"steps go on without being recorded on the GPU: {why}")
        return loss, scores

    def _moved(self) -> tuple[()]:
        """Moves the weights along their gradients."""
        if self.config.recipe.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        return ()

    def _mended(self, error: RuntimeError, images: Tensor) -> str:
        """Changes what a step may have failed of, so that it can be tried again, and says so.

        No weight has moved. Raises the error where there is nothing to change.
        """
        if not out_of_memory(error):
            raise error
        if self._forget():
            free_memory(images.device)
            return "memory is full: steps go on without being recorded on the GPU"
        if self.micro <= SMALLEST_PART:
            raise error
        self.micro = max(SMALLEST_PART, min(self.micro, len(images)) // 2)
        free_memory(images.device)
        return f"a batch of {len(images)} does not fit in memory: it goes on in parts of {self.micro}"

    def _forget(self) -> bool:
        """Gives back the memory of recorded steps; whether there were any."""
        return any([self._backward.forget(), self._move.forget()])

    def _gradients(self, images: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """The gradients of a batch, its loss and its scores.

        Raises TrainingError: the loss is not finite. No weight has moved then.
        """
        clear_gradients(self.network)  # of parameters that no optimizer moves as well: clipping counts them
        total, scores = 0.0, []
        count = min(math.ceil(len(images) / self.micro), max(1, len(images) // SMALLEST_PART))
        for part, truth in zip(images.tensor_split(count), targets.tensor_split(count), strict=True):
            share = self._weight(truth) / self._weight(targets)
            loss, out = self._backward(part, truth, torch.full((), share, device=part.device))
            total += loss.item()
            if not math.isfinite(total):
                raise self._not_finite(total, part, f"in epoch {self.epoch + 1}")
            scores.append(out.clone())
        return total, torch.cat(scores)

    def _backwards(self, images: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Adds to the gradients those of a part of a batch, which is a share of it; its loss and scores."""
        loss, scores = loss_of(
            self.network,
            images,
            targets,
            precision=self.config.precision,
            smoothing=self.config.recipe.label_smoothing,
            weights=self.weights,
        )
        loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), scores

    def _weight(self, targets: Tensor) -> float:
        """What a mean over images of these targets is divided by: torch's rule for weighted classes."""
        if self.weights is None or targets.is_floating_point():
            return len(targets)
        return self.weights[targets].sum().item()

    def _evaluated(self, val: Source) -> Evaluation:
        """The model on held-out images; where memory is full, without the recorded steps in it."""
        device = next(self.model.parameters()).device
        with computing_in(self.config.precision, device):
            try:
                return evaluate(self.model, val.epoch(0))
            except RuntimeError as error:
                if not out_of_memory(error) or not self._forget():
                    raise
            free_memory(device)
            return evaluate(self.model, val.epoch(0))

    def _validated(self, round_: Round, val: Source, began: float) -> Iterator[Event]:
        """Ends a round: validates the model and tells what was seen."""
        start = time.perf_counter()
        result = self._evaluated(val)
        if not math.isfinite(result.loss):
            raise self._not_finite(result.loss, val.first()[0], f"in validation after epoch {self.done:.4g}")
        self.validation = time.perf_counter() - start
        self.seconds = time.perf_counter() - began
        best, self.best = result.top1 > self.best, max(result.top1, self.best)
        loss = round_.loss / round_.images
        yield RoundDone(
            epoch=self.done,
            progress=self.progress,
            lr=self._rate,
            train_loss=loss,
            train_top1=float(round_.right) / round_.images,
            waited=round_.waited / (start - round_.began),
            val=result,
            seconds=self.seconds,
            best=best,
        )

    def _not_finite(self, loss: float, images: Tensor, when: str) -> TrainingError:
        """What to say of the loss of images that is not finite."""
        where = first_non_finite(self.network, images)
        said = f", and the first values that are not finite come out of {where}" if where else ""
        return TrainingError(
            f"the loss is {loss} {when}{said}: the run cannot go on; "
            f"try a lower learning rate, such as {min(self.config.recipe.lr / 10, 0.01):g}"
        )


def parts(network: nn.Module, paths: Sequence[str]) -> list[nn.Module]:
    """The parts of a network at `paths`. Raises UsageError: there is none of that name."""
    known = [name for name, _ in network.named_modules() if name]
    for path in paths:
        if path not in known:
            there = ", ".join(name for name, _ in network.named_children())
            raise UsageError(f"the network has no part {path!r}{nearest(path, known)}; its parts are {there}")
    return [network.get_submodule(path) for path in paths]


def _hardest(config: Config, train: Source) -> Hardest:
    """Before the first epoch: all images, of which the hardest of all or of each class will be picked."""
    labels = torch.from_numpy(train.labels)
    return Hardest.of(config.recipe.hardest, labels, balanced=config.balance == "sampler")


def _fastest(network: Network, train: Source) -> str:
    """The precision in which a step on these batches takes least."""
    images, targets = train.first()
    network.train()

    def trial(count: int) -> str:
        def step(copy: Network, precision: str) -> Tensor:
            return loss_of(copy, images[:count], targets[:count], precision=precision)[0]

        return fastest(network, step)

    return tried(len(images), MEASURED, images.device, trial)
