"""The hardest images: which an epoch sees, by hand, and in the loop."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from hubel.training.events import BatchDone, RoundDone
from hubel.training.step.hardest import Hardest
from tests.training.small import batches, config, trainer


def test_an_epoch_sees_the_images_of_the_highest_loss() -> None:
    hardest = Hardest.of(0.5, torch.zeros(5, dtype=torch.int64))
    hardest.pick()
    assert hardest.picked.tolist() == [0, 1, 2, 3, 4]
    scores = torch.tensor([[0.0, 3.0], [2.0, 1.0], [0.0, 0.0], [5.0, 0.0]])
    hardest.saw(torch.tensor([4, 0, 1, 3]), scores, torch.tensor([0, 0, 0, 0]))
    by_hand = [math.log1p(math.exp(margin)) for margin in (-1, 0, -5, 3)]
    torch.testing.assert_close(hardest.losses[[0, 1, 3, 4]], torch.tensor(by_hand))
    hardest.pick()
    assert hardest.picked.tolist() == [1, 2, 4]  # half of the four, and the one that never came
    hardest.saw(torch.tensor([2, 4]), scores[2:], torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(hardest.losses[[2, 4]], torch.tensor([math.log(2), math.log1p(math.exp(5))]))


@given(st.lists(st.floats(0, 9) | st.just(math.inf), min_size=1), st.floats(0.01, 0.99))
def test_none_left_out_is_harder_than_one_picked(losses: list[float], share: float) -> None:
    hardest = Hardest.of(share, torch.zeros(len(losses), dtype=torch.int64))
    hardest.losses = torch.tensor(losses)
    hardest.pick()
    out = torch.ones(len(losses), dtype=torch.bool)
    out[hardest.picked] = False
    seen = sum(loss < math.inf for loss in losses)
    assert out.sum() == max(0, min(seen - math.ceil(share * seen), len(losses) - 2))
    if out.any():
        assert hardest.losses[out].max() <= hardest.losses[hardest.picked].min()


def test_of_balanced_classes_each_has_its_hardest() -> None:
    hardest = Hardest.of(0.5, torch.tensor([0, 0, 0, 0, 2, 2]), balanced=True)
    hardest.losses = torch.tensor([5.0, 6.0, 7.0, 8.0, 0.1, 0.2])
    hardest.pick()
    assert hardest.picked.tolist() == [2, 3, 5]


def test_the_loop_shows_what_is_hardest_and_counts_its_batches() -> None:
    """64 images in batches of 16: four, then two of the half of them that the first epoch found hardest."""
    asked = config("fc(2)", hardest=0.5, lr=0.001)
    ours, (train, val) = trainer(asked), batches(asked)
    assert ours.hardest is not None
    events = []
    for event in ours.run(train, val):
        events.append(event)
        if isinstance(event, RoundDone) and event.epoch == 1:
            first = ours.hardest.losses.clone()
        if isinstance(event, BatchDone) and (event.epoch, event.batch) == (1, 1):
            epoch = train.epoch(0)
            images, labels = next(epoch)
            before = trainer(asked).network(images)  # the same weights: one seed
            found = ours.hardest.losses[epoch.places]
            torch.testing.assert_close(found, F.cross_entropy(before, labels, reduction="none").detach())
    steps = [(event.epoch, event.batch, event.batches) for event in events if isinstance(event, BatchDone)]
    assert steps == [*((1, batch, 4) for batch in (1, 2, 3, 4)), (2, 1, 2), (2, 2, 2), (3, 1, 2), (3, 2, 2)]
    changed = (ours.hardest.losses != first).nonzero()[:, 0]
    assert set(first.topk(32).indices.tolist()) <= set(changed.tolist())
    assert [event.epoch for event in events if isinstance(event, RoundDone)] == [1, 2, 3]
