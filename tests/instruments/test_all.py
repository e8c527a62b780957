"""Every instrument says the same of a module written by hand as of the network it is, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel import build, parse
from hubel.data.dataset import ArrayImages, numbered
from hubel.data.image.preprocess import Preprocessing
from hubel.instruments.ablate import ablate
from hubel.instruments.ages import State, over_time
from hubel.instruments.attribution import METHODS, attribute, cascade
from hubel.instruments.compare import likeness
from hubel.instruments.deconv import RULES, project
from hubel.instruments.embedding import features
from hubel.instruments.filters import filters
from hubel.instruments.maps import maps, passing
from hubel.instruments.neuron import neuron
from hubel.instruments.patches import cut, maps_of, top_images
from hubel.instruments.stimuli import stimuli
from hubel.instruments.subject import Subject
from hubel.instruments.synthesise import class_unit, synthesise
from hubel.instruments.topography import topography
from hubel.instruments.tuning import Gratings, tune
from hubel.instruments.unit import Unit
from hubel.module.network import Network
from tests.instruments.subjects import state

NET = parse(
    "conv(4, 3, pad=1) >> batchnorm >> relu >> maxpool(3, 2) >> (conv(4, 1) | conv(2, 3, pad=1)) >> relu >> "
    "conv(6, 3, pad=1) + identity >> relu >> fc(5) >> relu >> fc(3)"
)
SIZE = "11x11x3"
SEEN = Preprocessing.of(SIZE)
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 11, 11, 3), np.uint8)
IMAGES = ArrayImages(np.arange(9) % 3, PIXELS, numbered("image", 9))
FILES = SEEN.normalise(torch.from_numpy(PIXELS))
LABELS = torch.from_numpy(IMAGES.labels)


class ByHand(nn.Module):
    """`NET` as one may write it: functions of parameters, work in place, operators, a ReLU used twice."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        made: list[Any] = [network.get_submodule(step.path) for step in network.steps]
        weighted = [part for part in made if any(True for _ in part.parameters())]
        first, norm, left, right, body, hidden, head = weighted
        self.kernel, self.offset = first.weight, first.bias
        self.norm, self.left, self.right, self.body = norm, left, right, body
        self.matrix, self.shift = hidden.weight, hidden.bias
        self.head = head
        self.act = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        x = F.conv2d(images, self.kernel, self.offset, padding=1)
        x = self.norm(x)
        F.relu(x, inplace=True)
        x = F.max_pool2d(x, 3, 2)
        x = self.act(torch.cat([self.left(x), self.right(x)], 1))
        y = self.body(x)
        y += x
        x = self.act(y).flatten(1)
        x = F.relu_(F.linear(x, self.matrix, self.shift))
        scores: Tensor = self.head(x)
        return scores


def network() -> Network:
    made = build(NET, SIZE, seed=3)
    norm = made.get_submodule("batchnorm1")
    torch.manual_seed(0)
    for values in (norm.running_mean, norm.weight, norm.bias):
        nn.init.normal_(values)  # type: ignore[arg-type]
    return made


def subjects() -> tuple[Subject, Subject, dict[str, str]]:
    """The network, the module with its very weights, and what a path of the first is in the second."""
    made = network()
    one, other = Subject.of(made), Subject.of(ByHand(made), SIZE)
    paths = [step.path for step in one.steps if step.layer.kind != "identity"]
    return one, other, dict(zip(paths, (step.path for step in other.steps), strict=True))


At: TypeAlias = Callable[[str], str]
"""The path in a subject of what is at a path of the network."""


def of_maps(subject: Subject, at: At) -> list[Any]:
    found = maps(subject, FILES[0], [at("conv1"), at("relu1"), at("concat1"), at("add1"), at("fc1")])
    assert passing(subject)
    return [found.scores, *(each.values for each in found.layers), *(each.rows for each in found.layers)]


def of_filters(subject: Subject, at: At) -> list[Any]:
    found = [filters(subject, at(path)) for path in ("conv1", "conv3", "fc1", "fc2")]
    return [*(each.weights for each in found), found[0].norm, list(found[0].dead)]


def of_stimuli(subject: Subject, at: At) -> list[Any]:
    found = stimuli(subject, filters(subject, at("conv4")), IMAGES, SEEN, most=4, reads=2)
    assert found.answer == at("conv4")  # an addition reads it, too
    shares = [each.share for inputs in found.inputs.values() for each in inputs]
    return [list(found.inputs), shares, *(each.projection for each in found.stimuli.values())]


def of_patches(subject: Subject, at: At) -> list[Any]:
    paths = [at(path) for path in ("conv1", "relu1", "maxpool1", "relu2", "relu3", "relu4", "fc2")]
    tops = top_images(subject, torch.split(FILES, 4), paths, top=3)
    cuts = cut(subject, tops, maps_of(tops), lambda index: PIXELS[index], IMAGES.name)
    patches = [patch for unit in maps_of(tops) for patch in cuts[unit]]
    return [*(top.scores for top in tops), *(patch.pixels for patch in patches)]


def of_deconv(subject: Subject, at: At) -> list[Any]:
    units = [Unit(at("relu1"), 2), Unit(at("maxpool1"), 1, 2, 2), Unit(at("concat1"), 5), Unit(at("fc2"), 1)]
    return [project(subject, FILES, unit, rule).signals for unit in units for rule in RULES]


def of_synthesise(subject: Subject, at: At) -> list[Any]:
    units = [Unit(at("relu2"), 3), Unit(at("conv4"), 0, 2, 2), class_unit(subject, 2)]
    return [found.history for found in synthesise(subject, units, SEEN, steps=3)]


def of_attribution(subject: Subject, at: At) -> list[Any]:
    layers = {method: at("relu1") if method == "gradcam" else None for method in METHODS}
    return [attribute(subject, FILES[1], 2, method, layer=layers[method]).map for method in METHODS]


def of_sanity(subject: Subject, at: At) -> list[Any]:
    found = list(cascade(subject, lambda other: attribute(other, FILES[1], 2, "gradient")))
    down = ["fc2", "fc1", "conv4", "conv3", "conv2", "conv1"]
    assert [each.path for each in found] == [at(path) for path in down]
    return [each.correlation for each in found]


def of_tuning(subject: Subject, at: At) -> list[Any]:
    gratings = Gratings.over(subject.volume, orientations=4, frequencies=2, phases=4)
    found = tune(subject, [Unit(at("relu1")), Unit(at("add1"), 2)], SEEN.normalise, gratings)
    return [each.responses for each in found]


def of_topography(subject: Subject, at: At) -> list[Any]:
    found = topography(subject, [at("maxpool1"), at("relu3")], SEEN.normalise)
    return [each.rows.answers for each in found] + [each.columns.boxes for each in found]


def of_embedding(subject: Subject, _at: At) -> list[Any]:
    return [features(subject, torch.split(FILES, 4))]


def of_neuron(subject: Subject, at: At) -> list[Any]:
    places = {"conv1": (3, 0, 10), "batchnorm1": (1, 4, 4), "maxpool1": (2, 4, 0), "conv3": (1, 0, 2)}
    places |= {
        "concat1": (5, 3, 1),
        "relu2": (0, 2, 2),
        "add1": (4, 1, 4),
        "fc1": (4, 0, 0),
        "fc2": (2, 0, 0),
    }
    found = [neuron(subject, FILES[0], Unit(at(path), *place)) for path, place in places.items()]
    for each in found:
        assert abs(each.value - each.computed) <= 1e-5 * max(1.0, abs(each.value))
    return [[each.value, *each.parts.values()] for each in found]


def of_ablate(subject: Subject, at: At) -> list[Any]:
    units = [Unit(at("relu1")), Unit(at("concat1"), 5), Unit(at("add1"), 1, 2, 2), Unit(at("relu4"), 0)]
    found = ablate(subject, lambda: [(FILES[:5], LABELS[:5]), (FILES[5:], LABELS[5:])], units, 3)
    return [found.correct, found.without]


def of_likeness(subject: Subject, at: At) -> list[Any]:
    layers = [at(path) for path in ("conv1", "relu2", "fc1")]
    return [likeness(subject, subject, [(FILES, FILES)], (layers, layers)).values]


def of_ages(subject: Subject, at: At) -> list[Any]:
    state = State("only", subject, SEEN)
    found = over_time([state], [Unit(at("conv1"), 1), Unit(at("relu2"), 5)], IMAGES, rule="guided")
    assert found[0].filters is not None
    return [found[0].filters, *(each.projections[0][0] for each in found if each.projections[0])]


INSTRUMENTS: dict[str, Callable[[Subject, At], list[Any]]] = {
    name.removeprefix("of_"): value for name, value in list(globals().items()) if name.startswith("of_")
}


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_a_module_written_by_hand_is_seen_as_the_network_it_is(name: str) -> None:
    one, other, paths = subjects()
    expected = INSTRUMENTS[name](one, lambda path: path)
    found = INSTRUMENTS[name](other, paths.__getitem__)
    assert len(found) == len(expected)
    for each, known in zip(found, expected, strict=True):
        np.testing.assert_allclose(each, known, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by_hand", [False, True], ids=["network", "module"])
@pytest.mark.parametrize("name", INSTRUMENTS)
def test_looking_leaves_the_module_and_chance_as_they_were(name: str, by_hand: bool) -> None:
    one, other, paths = subjects()
    subject = other if by_hand else one
    subject.module.train()
    next(subject.module.parameters()).requires_grad_(False)
    for parameter in list(subject.module.parameters())[1:]:
        parameter.grad = torch.ones_like(parameter)
    before = state(subject.module)
    with torch.enable_grad():
        INSTRUMENTS[name](subject, paths.__getitem__ if by_hand else lambda path: path)
    assert state(subject.module) == before
