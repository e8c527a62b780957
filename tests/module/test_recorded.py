"""What is recorded on a GPU and when, with a recording that needs none; on a GPU, that it trains the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hubel import build, parse
from hubel.errors import TrainingError
from hubel.evaluation.metrics import evaluate_together
from hubel.module.recorded import Pool, Recorded, clear_gradients
from hubel.training.events import BatchDone, RoundDone, Warned
from hubel.training.settings.config import Config
from hubel.training.step.memory import tried
from hubel.training.trainer import Trainer
from tests.training.small import batches, config, trainer

CPU, GPU = torch.device("cpu"), torch.device("cuda")
FULL = "DefaultCPUAllocator: can't allocate memory"
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="it needs a GPU, and HUBEL_TEST_GPU=1")
Run = Callable[..., tuple[Tensor, ...]]


class Tape:
    """A recording that runs anew, but as a GPU's reads and writes the same memory every time.

    `made` are the shapes of all of them.
    """

    made: list[tuple[torch.Size, ...]]

    def __init__(self, run: Run, inputs: tuple[Tensor, ...], pool: Pool) -> None:
        self.made.append(tuple(each.shape for each in inputs))
        self.pool = pool
        self._run, self._inputs = run, [each.clone() for each in inputs]
        self._outputs: tuple[Tensor, ...] | None = None

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        found = self._run(*self._inputs)
        if self._outputs is None:
            self._outputs = tuple(each.clone() for each in found)
        for kept, new in zip(self._outputs, found, strict=True):
            kept.copy_(new)
        return self._outputs


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Size, ...]]:
    """The shapes of what is recorded from now on, on a device that passes for a GPU."""
    monkeypatch.setattr("hubel.module.recorded.Recording", Tape)
    monkeypatch.setattr(Tape, "made", [], raising=False)
    return Tape.made


def double(value: Tensor) -> tuple[Tensor]:
    return (2 * value,)


def record_on(ours: Trainer, device: torch.device) -> None:
    """Lets a trainer's steps run as on a device."""
    stepper = ours.stepper
    stepper._backward, stepper._move = Recorded(stepper._backwards, device), Recorded(stepper._moved, device)


def recording(asked: Config) -> Trainer:
    """A trainer that takes the CPU for a GPU."""
    ours = trainer(asked)
    record_on(ours, GPU)
    return ours


def test_what_comes_again_in_a_shape_is_recorded_once(made: list[tuple[torch.Size, ...]]) -> None:
    recorded = Recorded(double, GPU)
    for size in (3, 4, 3, 3, 4):
        assert recorded(torch.full((size,), size))[0].tolist() == [2 * size] * size
    assert made == [(torch.Size([3]),), (torch.Size([4]),)]
    assert recorded.forget()
    assert not recorded.forget()
    assert recorded(torch.ones(3))[0].tolist() == [2, 2, 2]
    assert len(made) == 2


def test_a_cpu_records_nothing(made: list[tuple[torch.Size, ...]]) -> None:
    recorded = Recorded(double, CPU)
    for _ in range(3):
        assert recorded(torch.ones(1))[0].item() == 2
    assert not made


@pytest.mark.parametrize("micro", [1000, 9])
def test_replayed_steps_train_the_same_network(micro: int, made: list[tuple[torch.Size, ...]]) -> None:
    """Whole batches, and such that go in two parts; their losses and scores are those of the plain loop."""
    asked = config("conv(4, 3) >> batchnorm >> relu >> dropout >> fc(2)", epochs=3)
    told = []
    for ours in (trainer(asked), recording(asked)):
        ours.stepper.micro = micro
        events = list(ours.run(*batches(asked)))
        losses = [event.loss for event in events if isinstance(event, BatchDone)]
        rounds = [event for event in events if isinstance(event, RoundDone)]
        shares = [(each.train_top1, each.val.top1, each.lr) for each in rounds]
        told.append((losses, shares, ours.network.state_dict()))
    assert len(made) == 2  # the gradients of 16 or 8 images, and the optimizers
    (losses, shares, weights), (replayed, shares_replayed, found) = told
    assert replayed == losses
    assert shares_replayed == shares
    for name, value in weights.items():
        torch.testing.assert_close(found[name], value)


def test_what_cannot_be_recorded_is_computed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_run: Run, _inputs: tuple[Tensor, ...], _pool: Pool) -> Tape:
        try:
            raise ValueError("operation not permitted when stream is capturing\nmore")
        except ValueError:
            raise RuntimeError("operation failed due to a previous error during capture")  # noqa: B904

    monkeypatch.setattr("hubel.module.recorded.Recording", broken)
    asked = config(epochs=2)
    ours = trainer(asked)
    ours.stepper._backward = Recorded(ours.stepper._backwards, GPU)
    events = list(ours.run(*batches(asked)))
    told = [event.text for event in events if isinstance(event, Warned)]
    assert told == ["continuing without CUDA graphs: operation not permitted when stream is capturing"]


@pytest.mark.usefixtures("made")
def test_recordings_make_room_before_batches_go_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory holds no step beside a recording, nor more than 8 images: the third step finds it full."""
    asked = config(epochs=1, batch=16)
    ours = recording(asked)
    backwards = ours.stepper._backward

    def full(*inputs: Tensor) -> tuple[Tensor, ...]:
        if ours.batch == 2 and (backwards._recordings or len(inputs[0]) > 8):
            raise RuntimeError(FULL)
        return backwards(*inputs)

    full.forget, full.failure = backwards.forget, backwards.failure  # type: ignore[attr-defined]
    monkeypatch.setattr(ours.stepper, "_backward", full)
    told = [event.text for event in ours.run(*batches(asked)) if isinstance(event, Warned)]
    assert told == [
        "memory is full: continuing without CUDA graphs",
        "a batch of 16 does not fit in memory; it passes through in parts of 8",
    ]


@pytest.mark.usefixtures("made")
def test_recordings_make_room_for_validating(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = config(epochs=2)
    ours = recording(asked)

    def full(*given: Any) -> Any:
        if ours.stepper._backward._recordings:
            raise RuntimeError(FULL)
        return evaluate_together(*given)

    monkeypatch.setattr("hubel.training.trainer.evaluate_together", full)
    assert sum(isinstance(event, RoundDone) for event in ours.run(*batches(asked))) == 2


def test_nothing_stays_recorded_after_a_run(made: list[tuple[torch.Size, ...]]) -> None:
    asked = config(epochs=2)
    ours = recording(asked)
    list(ours.run(*batches(asked)))
    assert made
    assert not ours.stepper._backward._recordings


@pytest.mark.parametrize(("device", "counts"), [(GPU, [40, 20, 10, 5, 2]), (CPU, [8, 4, 2])])
def test_a_trial_is_of_as_many_images_as_fit(device: torch.device, counts: list[int]) -> None:
    seen: list[int] = []

    def trial(count: int) -> str:
        seen.append(count)
        if count > 2:
            raise RuntimeError(FULL)
        return "done"

    assert tried(40, 8, device, trial) == "done"
    assert seen == counts


def test_a_trial_that_fails_otherwise_fails() -> None:
    def trial(_count: int) -> None:
        raise RuntimeError("no kernel image")

    with pytest.raises(RuntimeError, match="no kernel image"):
        tried(40, 8, CPU, trial)


def on_gpu(asked: Config, *, record: bool) -> Trainer:
    """A trainer after a run on a GPU."""
    train, val = (replace(part, device=GPU) for part in batches(asked))
    ours = Trainer.of(trainer(asked).network.to(GPU), asked, train)
    if not record:
        record_on(ours, CPU)
    assert not [event for event in ours.run(train, val) if isinstance(event, Warned)]
    return ours


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_recorded_steps_train_the_same_network(optimizer: str, precision: str) -> None:
    net = "conv(4, 3, bias=False) >> batchnorm >> relu >> conv(8, 3) >> relu >> globalavgpool >> fc(2)"
    changes = {"optimizer": optimizer, "batch": 24, "clip": 1.0, "smallest": 0.5, "grown": 0.5}
    asked = config(net, epochs=8, average=0.9, precision=precision, **changes)
    plain, ours = (on_gpu(asked, record=record) for record in (False, True))
    tolerance = 1e-3 if precision == "float32" else 0.1
    for name, value in plain.network.state_dict().items():
        torch.testing.assert_close(ours.network.state_dict()[name], value, rtol=tolerance, atol=tolerance)


@needs_gpu
def test_a_recorded_loss_that_is_not_finite_moves_nothing() -> None:
    asked = config("conv(4, 3) >> relu >> globalavgpool >> fc(2)", epochs=2)
    train, _ = (replace(part, device=GPU) for part in batches(asked))
    ours = Trainer.of(trainer(asked).network.to(GPU), asked, train)
    images, targets = train.first()
    for _ in range(3):
        ours.stepper.step(images, targets, 0.5)
    assert ours.stepper._backward._recordings
    before = {name: value.clone() for name, value in ours.network.state_dict().items()}
    with pytest.raises(TrainingError, match="the loss is nan"):
        ours.stepper._gradients(torch.full_like(images, float("nan")), targets)
    for name, value in ours.network.state_dict().items():
        torch.testing.assert_close(value, before[name])


@needs_gpu
def test_training_goes_on_after_a_recording_that_fails() -> None:
    """A layer that waits for the GPU cannot be recorded; dropout draws from what recording holds on to."""

    class Waits(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images * bool(images.isfinite().all())

    asked = config("conv(4, 3) >> relu >> dropout >> fc(2)", epochs=3)
    train, val = (replace(part, device=GPU) for part in batches(asked))
    network = build(parse(asked.net), asked.input).to(GPU)
    network.relu1 = Waits()
    ours = Trainer.of(network, asked, train)
    events = list(ours.run(train, val))
    assert sum(isinstance(event, RoundDone) for event in events) == 3
    assert [event.text.partition(":")[0] for event in events if isinstance(event, Warned)] == [
        "continuing without CUDA graphs"
    ]


@needs_gpu
def test_gradients_on_a_gpu_become_zeros_where_they_are() -> None:
    layer = nn.Linear(2, 1, device=GPU)
    layer(torch.ones(1, 2, device=GPU)).sum().backward()
    assert layer.weight.grad is not None
    place = layer.weight.grad.data_ptr()
    clear_gradients(layer)
    assert layer.weight.grad.data_ptr() == place
    assert not layer.weight.grad.any()
