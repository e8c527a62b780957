"""What is recorded on a GPU and when, with a recording that needs none; on a GPU, that it trains the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from hubel.errors import TrainingError
from hubel.train.config import Config
from hubel.train.events import Warned
from hubel.train.loop import Trainer
from hubel.train.record import Recorded, clear_gradients
from tests.train.test_loop import batches, config, trainer

GPU = torch.device("cuda")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
Run = Callable[..., tuple[Tensor, ...]]


class Tape:
    """A recording that runs anew; `made` are the shapes of all of them."""

    made: list[tuple[torch.Size, ...]]

    def __init__(self, run: Run, inputs: tuple[Tensor, ...]) -> None:
        self.made.append(tuple(each.shape for each in inputs))
        self._run = run

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self._run(*inputs)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Size, ...]]:
    """The shapes of what is recorded from now on, on a device that passes for a GPU."""
    monkeypatch.setattr(sys.modules["hubel.train.record"], "Recording", Tape)
    monkeypatch.setattr(Tape, "made", [], raising=False)
    return Tape.made


def double(value: Tensor) -> tuple[Tensor]:
    return (2 * value,)


def test_what_comes_again_in_a_shape_is_recorded_once(made: list[tuple[torch.Size, ...]]) -> None:
    recorded = Recorded(double, GPU)
    for size in (3, 4, 3, 3, 4):
        assert recorded(torch.ones(size))[0].tolist() == [2.0] * size
    assert made == [(torch.Size([3]),), (torch.Size([4]),)]
    recorded.forget()
    recorded(torch.ones(3))
    assert len(made) == 3


def test_a_cpu_records_nothing(made: list[tuple[torch.Size, ...]]) -> None:
    recorded = Recorded(double, torch.device("cpu"))
    for _ in range(3):
        assert recorded(torch.ones(1))[0].item() == 2
    assert not made


def test_what_cannot_be_recorded_is_computed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_run: Run, _inputs: tuple[Tensor, ...]) -> Tape:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(sys.modules["hubel.train.record"], "Recording", broken)
    asked = config(epochs=2)
    ours = trainer(asked)
    ours._backward = Recorded(ours._backwards, GPU)
    events = list(ours.run(*batches(asked)))
    told = [event.text for event in events if isinstance(event, Warned)]
    assert told == [
        "steps go on without being recorded on the GPU: operation not permitted when stream is capturing"
    ]


def test_gradients_start_at_zero() -> None:
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    clear_gradients(layer)
    assert layer.weight.grad is None


def on_gpu(asked: Config, *, record: bool) -> Trainer:
    """A trainer after a run on a GPU."""
    train, val = (replace(part, device=GPU) for part in batches(asked))
    ours = Trainer.of(trainer(asked).network.to(GPU), asked, train)
    if not record:
        cpu = torch.device("cpu")
        ours._backward, ours._move = Recorded(ours._backwards, cpu), Recorded(ours._moved, cpu)
    assert not [event for event in ours.run(train, val) if isinstance(event, Warned)]
    return ours


@needs_gpu
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_recorded_steps_train_the_same_network(optimizer: str) -> None:
    net = "conv(4, 3, bias=False) >> batchnorm >> relu >> conv(8, 3) >> relu >> globalavgpool >> fc(2)"
    asked = config(net, epochs=4, optimizer=optimizer, batch=24, clip=1.0)
    plain, ours = (on_gpu(asked, record=record) for record in (False, True))
    assert len(ours._backward._recordings) == 2  # 64 pictures are two batches of 24 and one of 16
    for name, value in plain.network.state_dict().items():
        torch.testing.assert_close(ours.network.state_dict()[name], value, rtol=1e-3, atol=1e-3)


@needs_gpu
def test_a_recorded_loss_that_is_not_finite_moves_nothing() -> None:
    ours = on_gpu(config("conv(4, 3) >> relu >> globalavgpool >> fc(2)", epochs=2), record=True)
    before = {name: value.clone() for name, value in ours.network.state_dict().items()}
    images = torch.full((16, 1, 8, 8), float("nan"), device=GPU).to(memory_format=torch.channels_last)
    with pytest.raises(TrainingError, match="the loss is nan"):
        ours._gradients(images, torch.zeros(16, dtype=torch.int64, device=GPU))
    for name, value in ours.network.state_dict().items():
        torch.testing.assert_close(value, before[name])
