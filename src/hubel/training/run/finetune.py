"""Fine-tuning: a run starts from the weights of a trained model, with a new head for its own classes.

The head is trained first, alone, on features computed once, which takes seconds. A random head would
send gradients through the network that undo what it has learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel.data.dataset import DataSet
from hubel.data.feed.batches import Batches
from hubel.data.image.modes import COLOUR
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, UsageError
from hubel.evaluation.metrics import Evaluation, evaluate_together
from hubel.instruments.subject import Subject
from hubel.model.file import Model
from hubel.model.network import CodeNeededError
from hubel.model.open import open_model
from hubel.model.pretrained import PRETRAINED, is_installed
from hubel.module.own import Trainable
from hubel.module.weights import Loaded, load_weights
from hubel.net.algebra import Net
from hubel.net.layers import Fc
from hubel.net.ledger import Row, ledger
from hubel.net.trace import Step
from hubel.net.volume import Volume
from hubel.training.run.diagnose import DUPLICATES
from hubel.world import ALONE

DECAY = 1e-3
"""The weight decay of a head that is trained alone: features are many, images few."""

ITERATIONS = 100
"""The most steps of L-BFGS, which has converged long before."""

PHOTO = 64
"""The least median side, in pixels, of colour images that are taken for photographs."""


FINE = 8
"""How many pixels of a side a value of early parts stands for, at most."""

LEAST_EARLY, MOST_EARLY = 0.2, 0.5
"""The least and the largest share of a network's multiply-adds that its early parts have."""


@dataclass(frozen=True, slots=True)
class Start:
    """The trained model whose weights a network starts from.

    `loaded`: which weights were taken. `preprocessing`: the model's. `seen`: the marks of the images that it
    was trained on, empty where unknown or of another size.
    """

    name: str
    loaded: Loaded
    preprocessing: Preprocessing
    seen: frozenset[bytes] = frozenset()

    @classmethod
    def at(cls, text: str, network: Trainable, classes: Sequence[str]) -> Start:
        """Gives a network the weights of the model at `text`; a head of other `classes` is not loaded.

        Raises ModelError, UsageError: no such model, one of another network, or a module of the user's own.
        """
        if network.maker is not None:
            raise UsageError(
                f"a module of your own starts from the weights it has; load those of {text} into it before, "
                "and leave start (--from) out"
            )
        model = starting_model(text)
        other = model.untrained or model.classes != tuple(classes)
        try:
            loaded = load_weights(network, model.network.state_dict(), other_classes=other)
        except ModelError as error:
            raise ModelError(
                f"the weights of {text} do not fit the network that was asked for; leave out --net and "
                f"--input to use its own: {error}"
            ) from None
        seen = model.seen if model.network.volume == network.volume else None
        return cls(text, loaded, model.preprocessing.at(network.volume), seen or frozenset())

    def knows(self, held_out: Sequence[bytes]) -> str | None:
        """Returns a warning if it was trained on validation images, which are given by their marks."""
        known = sum(mark in self.seen for mark in held_out)
        if not known or known < DUPLICATES * len(held_out):
            return None
        return (
            f"{self.name} was trained on {known:,} of the {len(held_out):,} validation images, so "
            "results are too good; hold out the same images again, with the --val and --seed of its training"
        )


def starting_model(text: str) -> Model:
    """Opens the model that a run starts from.

    Raises ModelError, UsageError: there is no such model, or code makes its network.
    """
    try:
        return open_model(text)
    except CodeNeededError:
        raise ModelError(
            f"{text} is a model of your own module, from which --from cannot start: it gives its weights to "
            "networks with a notation. In Python hubel.train(data, net=module, volume=...) starts from the "
            "weights that your module has"
        ) from None


def pretrained_installed() -> str | None:
    """The best network of the zoo whose trained weights are installed, None without any."""
    return next(filter(is_installed, PRETRAINED), None)


def is_of_photos(data: DataSet) -> bool:
    """Whether a set looks like photographs: in colour, and large enough to show more than a thumbnail.

    Raises DataError: no image of a sample can be read.
    """
    return data.depth == COLOUR and min(data.size) >= PHOTO


def early_parts(net: Net, volume: Volume) -> tuple[str, ...]:
    """The first parts of a network, at its top level, whose maps are still large; none if they cost little.

    They see edges, colours and textures, nearly the same in all photographs: early layers are general, late
    ones specific (Yosinski et al. 2014, section 4). They are at most half of the network by its
    multiply-adds. Parts without parameters are left out.
    """
    parts = dict[str, list[Row]]()
    for row in ledger(net, volume).rows:
        if not row.side:
            parts.setdefault(row.path.partition(".")[0], []).append(row)
    macs = {name: sum(row.macs for row in rows) for name, rows in parts.items()}
    total, done, found = sum(macs.values()), 0, list[str]()
    for name, rows in parts.items():
        large = min(rows[-1].output.plane) >= min(volume.plane) // FINE
        if not large or done + macs[name] > MOST_EARLY * total:
            break
        done += macs[name]
        if any(row.params for row in rows):
            found.append(name)
    return tuple(found) if done >= LEAST_EARLY * total else ()


def head_of(network: Trainable) -> Step | None:
    """The fully connected layer that gives the scores, None where the network ends otherwise."""
    last = next(step for step in reversed(network.steps) if not step.side)
    return last if isinstance(last.layer, Fc) else None


def train_head(
    network: Trainable, train: Batches, val: Batches, weights: Tensor | None = None
) -> Evaluation | None:
    """Trains the head alone on the features of every training image, and evaluates the result.

    The processes of the batches' world share the images; together. `weights` weigh the classes. None where
    the network has no fully connected head: it is left as it is.
    """
    head = head_of(network)
    if head is None:
        return None
    layer = network.root.get_submodule(head.path)
    assert isinstance(layer, nn.Linear), "a fully connected layer"
    world, count = train.world, len(train.labels)
    plain = replace(train, shuffle=False, augmentation=None, balanced=False, world=ALONE)
    own = features(network, head, plain.epoch(0, among=world.part(torch.arange(count))))
    seen, labels = (world.whole(each, count) for each in own)
    fit_head(layer, seen, labels, weights)
    return evaluate_together(network, val, world)


@torch.no_grad()
def features(
    network: Trainable, head: Step, batches: Iterator[tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """What the head sees of every image, and the labels: float32, n x values; int64, n."""
    subject, seen, labels = Subject.of(network), [], []
    for images, truth in batches:
        source = subject.step(head.path).sources[0]
        seen.append(subject.values(images, [source])[source].flatten(1).float())
        labels.append(truth)
    return torch.cat(seen), torch.cat(labels)


def fit_head(layer: nn.Linear, seen: Tensor, labels: Tensor, weights: Tensor | None = None) -> None:
    """Trains a head alone by multinomial regression: L-BFGS from zero weights.

    `seen` are its inputs, float32, n x values; `labels` int64, n; `weights` weigh the classes.
    """
    scale = seen.square().mean().sqrt().clamp(min=1e-12)  # so that one decay suits all features
    weight = torch.zeros_like(layer.weight).requires_grad_()
    bias = torch.zeros(len(weight), device=seen.device).requires_grad_(layer.bias is not None)
    learning = [weight, bias] if bias.requires_grad else [weight]
    optimizer = torch.optim.LBFGS(learning, max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(seen / scale, weight, bias), labels, weights)
        loss = loss + DECAY * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(weight / scale)
        if layer.bias is not None:
            layer.bias.copy_(bias)
