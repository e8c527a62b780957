"""The training loop. It knows no architecture, prints nothing and writes nothing: it yields events."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.data.feed.batches import Made, Sides, epoch_seed
from hubel.data.feed.source import Source
from hubel.errors import TrainingError, UsageError
from hubel.evaluation.metrics import Evaluation, evaluate_together
from hubel.module.own import Trainable
from hubel.net.norms import BatchNorm
from hubel.training.clock import Clock
from hubel.training.events import BatchDone, Event, RoundDone, Warned
from hubel.training.parts import left_to_learn, parts
from hubel.training.round import Round
from hubel.training.settings.config import AUTO, Config
from hubel.training.settings.own import Own
from hubel.training.step.ema import Average
from hubel.training.step.hardest import Hardest
from hubel.training.step.loss import cross_entropy, loss_of
from hubel.training.step.memory import free_memory, out_of_memory, tried
from hubel.training.step.optimizer import OPTIMIZERS, peaked
from hubel.training.step.precision import computing_in, emulates_bfloat16, fastest
from hubel.training.step.probes import first_non_finite
from hubel.training.step.stepper import NotFiniteError, Stepper
from hubel.world import ALONE, World

MEASURED = 16
"""How many images of a batch a CPU measures the precisions on."""

STEP = 3.0
"""How many times as long as a forward pass a step of training takes, by its multiply-adds."""

EMULATES = "this machine only emulates bfloat16, many times slower; the run uses float32"
"""The warning of a run that asks for bfloat16, such as one that another machine began."""


_COUNTED = (
    *("epoch", "batch", "batches", "seconds", "best", "best_loss", "validation"),
    *("waited", "stale", "falls"),
)
_TIMED = ("limit", "after", "hurried")
"""What a checkpoint keeps of a trainer's counters and of its clock, by name."""


@dataclass(slots=True)
class Trainer:
    """A network in training: everything that changes, so that a run can stop after any round and resume.

    `epoch` counts the finished epochs, `batch` the finished batches of the running one, which has `batches`.
    `seconds` is the time since the first step, `best` the highest top-1 so far and `best_loss` the lowest
    validation loss with it, `validation` the seconds that the last validation took. `waited` counts the
    rounds since the best one, `stale` those since that or since the learning rate last fell at a plateau,
    `falls` how often it fell. Where not every image is
    in each epoch, `hardest` picks them. The precision in `config` is settled: never `auto`. Each epoch seeds
    torch's own generator, from which dropout draws. The processes of `world` train together: each on its part
    of every batch, all by the clock of the first.
    """

    config: Config
    stepper: Stepper
    clock: Clock
    hardest: Hardest | None
    world: World = ALONE
    epoch: int = 0
    batch: int = 0
    batches: int = 1
    seconds: float = 0.0
    best: float = -1.0
    best_loss: float = math.inf
    validation: float = 0.0
    waited: int = 0
    stale: int = 0
    falls: int = 0
    _rate: float = field(default=0.0, init=False)

    @classmethod
    def of(
        cls,
        network: Trainable,
        config: Config,
        train: Source,
        weights: Tensor | None = None,
        own: Own | None = None,
        *,
        world: World = ALONE,
    ) -> Trainer:
        """A run that has not begun; a precision of `auto` becomes the fastest for these batches.

        It counts epochs until `start_clock`. `weights` weigh the classes in the loss. `own` are the
        user's own loss and optimizer. Raises UsageError: `freeze` names no part of the network, or leaves
        nothing to learn.
        """
        own = own or Own()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form torch does not type
        learning = left_to_learn(network, config.freeze)
        warnings = []
        if config.precision == AUTO:
            fastest_ = world.first(_fastest(network, train, config))
            config = replace(config, precision=fastest_)
        elif config.precision == "bfloat16" and emulates_bfloat16(learning[0].device):
            config, warnings = replace(config, precision="float32"), [EMULATES]
        recipe = config.recipe
        stepper = Stepper(
            network=network,
            optimizers=peaked(_optimizers(network, learning, config, own)),
            criterion=own.loss or cross_entropy(recipe.label_smoothing, weights),
            precision=config.precision,
            micro=recipe.batch + 1,  # a last single image joins the batch before
            weights=weights,
            clip=recipe.clip,
            filter_bound=recipe.filter_bound,
            average=Average(network, recipe.average) if recipe.average else None,
            world=world,
            sync_batchnorm=config.sync_batchnorm,
            warnings=warnings,
        )
        hardest = None
        if (
            recipe.hardest < 1
        ):  # before the first epoch: all images; later the hardest of all, or of each class
            labels = torch.from_numpy(train.labels)
            hardest = Hardest.of(recipe.hardest, labels, balanced=config.balance == "sampler")
        return cls(config, stepper, Clock(recipe.epochs), hardest, world)

    @property
    def network(self) -> Trainable:
        """The network that is trained."""
        return self.stepper.network

    @property
    def model(self) -> Trainable:
        """The network to keep: the moving average of the weights where there is one."""
        return self.stepper.model

    @property
    def progress(self) -> float:
        """The progress of the run, from 0 to 1."""
        return self.clock.progress(self.epoch, self.seconds)

    @property
    def done(self) -> float:
        """How many epochs are done, the finished part of the running one included."""
        return self.epoch + self.batch / self.batches

    @property
    def reached(self) -> bool:
        """Whether a round has reached the target."""
        return self.seconds > 0 and 0 < self.config.target <= self.best

    @property
    def settled(self) -> bool:
        """Whether patience is at an end, or a plateau at which the learning rate falls no further."""
        recipe = self.config.recipe
        level = recipe.schedule == "plateau" and self.falls == recipe.falls and self.stale >= recipe.plateau
        return level or 0 < self.config.patience <= self.waited

    def counters(self) -> dict[str, Any]:
        """The counters and the clock, as a checkpoint keeps them."""
        return {name: getattr(self, name) for name in _COUNTED} | {
            name: getattr(self.clock, name) for name in _TIMED
        }

    def set_counters(self, kept: Mapping[str, Any]) -> None:
        """Brings the counters and the clock back to those of a checkpoint."""
        # of versions that kept the first of equal accuracies, and that had no patience
        earlier = {"best_loss": -math.inf, "waited": 0, "stale": 0, "falls": 0}
        for name in _COUNTED:
            setattr(self, name, {**earlier, **kept}[name])
        for name in _TIMED:
            setattr(self.clock, name, kept[name])

    def improves(self, top1: float, loss: float) -> bool:
        """Takes a validation in; whether it is the best so far: of equal accuracies, by a lower loss."""
        better = (top1, -loss) > (self.best, -self.best_loss)
        if better:
            self.best, self.best_loss = top1, loss
        return better

    def _wait(self, *, better: bool) -> None:
        """Counts a round for patience; at a plateau the learning rate falls."""
        recipe = self.config.recipe
        self.waited, self.stale = (0, 0) if better else (self.waited + 1, self.stale + 1)
        if recipe.schedule == "plateau" and self.stale >= recipe.plateau and self.falls < recipe.falls:
            self.falls, self.stale = self.falls + 1, 0

    def start_clock(self, seconds: float) -> None:
        """Limits the run to this many seconds from its first step on; 0 counts epochs."""
        self.clock.limit = seconds

    def run(self, train: Source, val: Source) -> Iterator[Event]:
        """Trains to the end, to the target or out of patience; yields all batches and rounds; together.

        Raises TrainingError: the loss is no longer finite.
        """
        yield from self._warned()
        began = time.perf_counter() - self.seconds
        batches = self._batches(train)
        try:
            while self._goes_on():
                round_ = Round(time.perf_counter(), self.seconds)
                yield from self._round(round_, batches, began, len(val.labels))
                yield self._validated(round_, val, began)
        finally:
            self.stepper.release()

    def _goes_on(self) -> bool:
        """Whether there is more to train."""
        self._agree()
        return self.progress < 1 and not self.reached and not self.settled

    def _agree(self) -> None:
        """Takes the counters and the clock of the first process, which no other may judge for itself."""
        self.set_counters(self.world.first(self.counters()))

    def _round(
        self, round_: Round, batches: Iterator[Made], began: float, validating: int
    ) -> Iterator[Event]:
        """Trains until a round is over; there are `validating` validation images."""
        set_modes(self.network, self.config)
        while not self._over(round_):
            places, images, targets = round_.waiting(batches)
            progress = self.clock.progress(self.done, self.seconds)
            loss, scores = self._step(images, targets, progress)
            yield from self._warned()
            truth = targets.argmax(1) if targets.is_floating_point() else targets
            round_.add(loss, self.world.whole(scores.argmax(1) == truth, len(places)))
            if self.hardest:
                scores, targets = (self.world.whole(part, len(places)) for part in (scores, targets))
                self.hardest.saw(places, scores, targets)
            self.batch += 1
            done = BatchDone(self.epoch + 1, self.batch, self.batches, loss, progress)
            if self.batch == self.batches:
                self.epoch, self.batch = self.epoch + 1, 0
            first, self.seconds = not self.seconds, time.perf_counter() - began
            if self.clock.limit:
                self._agree()
            yield done
            if first and self.clock.limit:
                yield from self._late(len(places), validating)

    def _step(self, images: Tensor, targets: Tensor, progress: float) -> tuple[float, Tensor]:
        """One step; returns its batch's loss and its part's scores. Raises TrainingError: no finite loss."""
        recipe, fallen = self.config.recipe, 0.1**self.falls
        share = recipe.rate(progress) * fallen
        self._rate = share * recipe.lr
        try:
            return self.stepper.step(images, targets, share, recipe.rates_apart(progress, fallen))
        except NotFiniteError as error:
            raise self._not_finite(error.loss, error.images, f"in epoch {self.epoch + 1}") from None

    def _warned(self) -> Iterator[Event]:
        """The stepper's warnings since they were last asked for."""
        while self.stepper.warnings:
            yield Warned(self.stepper.warnings.pop(0))

    def _batches(self, train: Source) -> Iterator[Made]:
        """The batches from where the run is, epoch after epoch, always the same for one seed."""
        done = self.batch
        for epoch in count(self.epoch):
            if self.hardest and not done:
                self.hardest.pick()
            among = self.hardest.picked if self.hardest else None
            self.batches = train.batches(among)
            torch.manual_seed(epoch_seed(self.config.draws, epoch) ^ self.world.rank)  # dropout's masks
            coming = train.epoch(epoch, self._sides(epoch, self.batches), among)
            for images, targets in islice(coming, done, None):
                yield coming.places, images, targets
            done = 0

    def _sides(self, epoch: int, batches: int) -> Sides | None:
        """The side of the images of each batch of an epoch; None where images do not grow.

        In a timed run it is asked for when a batch is made, and so depends on the speed of the machine.
        """
        recipe, whole = self.config.recipe, min(self.network.volume.plane)
        if recipe.smallest == 1:
            return None
        return lambda batch: recipe.side(self.clock.progress(epoch + batch / batches, self.seconds), whole)

    def _over(self, round_: Round) -> bool:
        """Whether a round is over: at the end of an epoch, or when the clock says so."""
        if round_.images == 0:
            return False
        if not self.clock.limit:
            return self.batch == 0
        return self.progress >= 1 or self.clock.due(self.seconds - round_.since, self.validation)

    def _late(self, images: int, validating: int) -> Iterator[Event]:
        """Warns after the first step, of so many images, if validating and finishing outlast the time.

        All processes see the validation images then, and after that the first alone, at full size, which may
        be larger than the step's.
        """
        whole = min(self.network.volume.plane)
        larger = (whole / self.config.recipe.side(0.0, whole)) ** 2
        after = (1 + self.world.size) * validating * larger * self.seconds / images / STEP
        if self.seconds + after > self.clock.limit:
            yield Warned(
                f"the run may end late: a step took {self.seconds:.1f} s, validating and finishing may take "
                f"{after:.0f} s, and {self.clock.limit:.0f} s were left for everything; take a smaller "
                "network, a smaller --input, hold out fewer images with --val, or give more time"
            )

    def _validated(self, round_: Round, val: Source, began: float) -> RoundDone:
        """Ends a round: validates the model and reports what was seen."""
        start = time.perf_counter()
        result = self._evaluated(val)
        if not math.isfinite(result.loss):
            raise self._not_finite(result.loss, val.first()[0], f"in validation after epoch {self.done:.4g}")
        self.validation = time.perf_counter() - start
        self.seconds = time.perf_counter() - began
        better = self.improves(result.top1, result.loss)
        self._wait(better=better)
        return RoundDone(
            epoch=self.done,
            progress=self.progress,
            lr=self._rate,
            train_loss=round_.loss / round_.images,
            train_top1=float(round_.correct) / round_.images,
            waited=round_.waited / (start - round_.began),
            val=result,
            seconds=self.seconds,
            best=better,
        )

    def _evaluated(self, val: Source) -> Evaluation:
        """The model on the validation images; where memory is full, recorded steps make room."""
        device = next(self.model.parameters()).device
        self.world.copy_first(self.model.buffers())
        with computing_in(self.config.precision, device):
            try:
                return evaluate_together(self.model, val, self.world)
            except RuntimeError as error:
                if not out_of_memory(error) or not self.stepper.release():
                    raise
            free_memory(device)
            return evaluate_together(self.model, val, self.world)

    def _not_finite(self, loss: float, images: Tensor, when: str) -> TrainingError:
        """The error of a loss that is not finite, with the layer where it begins."""
        where = first_non_finite(self.network, images)
        source = f"; the first values that are not finite are those of {where}" if where else ""
        return TrainingError(
            f"the loss is {loss} {when}{source}. The run cannot continue; "
            f"try a lower learning rate, such as {min(self.config.recipe.lr / 10, 0.01):g}"
        )


def _optimizers(
    network: Trainable, learning: list[nn.Parameter], config: Config, own: Own
) -> list[Optimizer]:
    """The recipe's optimizers, or the user's own. Raises UsageError: that is not one."""
    if own.optimizer is None:
        return OPTIMIZERS[config.recipe.optimizer](network, config.recipe.rates)
    made = own.optimizer(learning)
    if not isinstance(made, Optimizer):
        raise UsageError(f"the optimizer function returns {type(made).__name__}, not a torch.optim.Optimizer")
    return [made]


def set_modes(network: Trainable, config: Config) -> None:
    """Puts a network in training mode, except for frozen parts and statistics that are to stay."""
    network.train()
    staying = parts(network.root, config.freeze)
    if config.start and config.recipe.fixed_statistics:
        normed = (step for step in network.steps if isinstance(step.layer, BatchNorm))
        staying += [network.root.get_submodule(step.path) for step in normed if not step.side]
    for part in staying:
        part.eval()


def _fastest(network: Trainable, train: Source, config: Config) -> str:
    """The precision in which a step on these batches is fastest."""
    images, targets = train.first()
    batch = config.recipe.batch
    set_modes(network, config)

    def trial(count: int) -> str:
        def step(copy: Trainable, precision: str) -> Tensor:
            return loss_of(copy, images[:count], targets[:count], precision=precision)[0]

        return fastest(network, batch, step)

    return tried(len(images), MEASURED, images.device, trial)
