"""The page's own arithmetic: every layer kind of the zoo's small networks against PyTorch, and every unit."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.instruments.neuron import neuron
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.net.ledger import Ledger, ledger
from hubel.net.volume import Volume
from hubel.report.instruments.neuron import as_json
from hubel.service.explorer.describe import BROWSER, MOST_PARAMS, network_json
from hubel.zoo import lookup
from hubel.zoo.registry import ZOO

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from hubel.net.algebra import Net

AGREES = 1e-4

OLDER = (
    "conv(8, 3, stride=2, pad=(1, 2), dilation=(2, 1)) >> lrn >> maxpool(3, stride=2, pad=1, ceil=True)"
    ' >> conv(8, 3, groups=4, pad="same", stride=2) >> gelu'
    " >> (avgpool(2, stride=1, pad=1, ceil=True) | conv(4, 2, pad=1)) >> sigmoid >> adaptiveavgpool(3, 2)"
    " >> lrn(size=4) >> padshortcut(14, 2) >> relu6 >> globalavgpool >> dropout >> fc(5, bias=False)"
    " >> softmax"
)
NEWER = (
    'conv(8, 3, pad=1, pad_mode="reflect") >> groupnorm(2) >> silu >> mish >> gelu(True) >> softplus'
    ' >> conv(8, 3, pad=(2, 1, 0, 2), pad_mode="replicate", stride=2) >> layernorm >> hardswish'
    " >> convtranspose(8, 3, stride=2, pad=1, output_pad=1, groups=2) >> leakyrelu(0.1) >> upsample(2) >> elu"
    " >> conv(8, 3, stride=3, ceil=True) >> prelu"
    " >> (part(1, 2) | part(2, 2) >> conv(4, 1) >> prelu(shared=True)) >> shuffle(2)"
    " >> gate(globalavgpool >> fc(8) >> hardsigmoid)"
    " >> (lrn(size=3, within=True) >> layerscale(0.5) >> droppath(0.2)) + identity"
    ' >> maxpool(2, pad=(0, 1, 0, 1)) >> upsample((2, 3), mode="bilinear")'
    " >> avgpool(3, stride=1, pad=(1, 0, 1, 1), count_pad=False) >> tanh >> fc(3)"
)
MIXED = {"older": (OLDER, Volume(19, 23, 4)), "newer": (NEWER, Volume(11, 13, 3))}
"""The layers and arguments that none of the zoo's small networks has."""

BEGIN = """async ([network, weights, image, units]) => {
  const { forward } = await import('/assets/engine/forward.js');
  const { neuron } = await import('/assets/engine/neuron.js');
  const { readTensors } = await import('/assets/engine/safetensors.js');
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const tensors = readTensors(bytes(weights)).tensors;
  const values = forward(network, tensors, new Float32Array(bytes(image)));"""

RUN = (
    BEGIN
    + """
  const letters = (array) => Array.from(new Uint8Array(array.buffer), (byte) => String.fromCharCode(byte));
  const text = (array) => btoa(letters(array).join(''));
  return {
    values: Object.fromEntries([...values].map(([path, array]) => [path, text(array)])),
    neurons: units.map((unit) => neuron(network, tensors, values, unit)),
  };
}"""
)


SMALL = (
    "lenet5_1998",
    "lenet5",
    "nin",
    "resnet20",
    "plain20",
    "fast_tiny",
    "fast_mini",
    "lecture_demo",
    "pattern",
)
"""The networks of the zoo that a page computes itself; of a family of residual networks the smallest."""


def test_no_small_network_of_the_zoo_is_left_out() -> None:
    """ImageNet's networks all have more parameters."""
    found = [name for name, entry in ZOO.items() if entry.input.height == 32 and "1202" not in name]
    small = [name for name in found if ledger(ZOO[name].make(), ZOO[name].input).totals.params < MOST_PARAMS]
    assert {re.sub(r"^(resnet|plain)\d+", r"\g<1>20", name) for name in small} == set(SMALL)


def lively(net: Net, volume: Volume) -> Subject:
    """A network with biases and statistics that are not 0 and 1."""
    network = build(net, volume, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, each in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith(("bias", "running_mean")):
                each.normal_(0, 0.2, generator=generator)
            elif name.endswith("running_var"):
                each.uniform_(0.5, 1.5, generator=generator)
    return Subject.of(network)


def a_unit_of_each_kind(subject: Subject) -> list[Unit]:
    """Of the first layer of each kind the last unit of the first map, and one in the middle of the last."""
    units = []
    for kind in {step.layer.kind: step for step in reversed(subject.steps)}.values():
        depth, (high, wide) = kind.output.depth, kind.output.plane
        units += [Unit(kind.path, 0, high - 1, wide - 1), Unit(kind.path, depth - 1, high // 2, wide // 2)]
    return units


@pytest.mark.parametrize("name", [*SMALL, *MIXED])
def test_the_browser_computes_what_pytorch_computes(page: Page, address: str, name: str) -> None:
    net, volume = _network(name)
    subject = lively(net, volume)
    image = torch.randn(volume.depth, *volume.plane, generator=torch.Generator().manual_seed(5))
    units = a_unit_of_each_kind(subject)
    with torch.no_grad():
        wanted = subject.values(image[None], [step.path for step in subject.steps])
        neurons = [json.loads(as_json(neuron(subject, image, unit))) for unit in units]
    page.goto(address)
    state = {key: value.contiguous() for key, value in subject.module.state_dict().items()}
    found = page.evaluate(
        RUN,
        [
            network_json(Ledger.of(volume, subject.steps)),
            b64encode(save(state)).decode(),
            b64encode(image.contiguous().numpy().tobytes()).decode(),
            [asdict(unit) for unit in units],
        ],
    )
    for step in subject.steps:
        values = np.frombuffer(_bytes(found["values"][step.path]), np.float32)
        expected = wanted[step.path][0].numpy().ravel()
        np.testing.assert_allclose(values, expected, rtol=AGREES, atol=AGREES, err_msg=step.path)
    for its, expected in zip(found["neurons"], neurons, strict=True):
        check_neuron(its, expected)


def _bytes(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text)


def check_neuron(its: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same unit by the page and by the instrument: what it reads, its numbers, and the pixels it sees."""
    unit = expected["unit"]
    assert (its["unit"], its["layer"], its["box"]) == (unit, expected["layer"], expected["box"])
    assert list(its["parts"]) == list(expected["parts"]), unit
    numbers = [its["value"], its["computed"], *its["parts"].values()]
    wanted = [expected["value"], expected["computed"], *expected["parts"].values()]
    np.testing.assert_allclose(numbers, wanted, rtol=AGREES, atol=AGREES, err_msg=unit)
    assert len(its["taken"]) == len(expected["taken"])
    for taken, other in zip(its["taken"], expected["taken"], strict=True):
        for name in ("source", "maps", "rows", "columns", "inside"):
            assert taken[name] == other[name], (unit, name)
        for name in ("values", "weights", "products"):
            if other[name] is None:
                assert taken[name] is None
            else:
                mine, theirs = (np.array(each[name], np.float64) for each in (taken, other))
                np.testing.assert_allclose(mine, theirs, rtol=AGREES, atol=AGREES, err_msg=f"{unit} {name}")


def _network(name: str) -> tuple[Net, Volume]:
    text, volume = MIXED.get(name, ("", Volume(1, 1, 1)))
    return (parse(text), volume) if text else lookup.at(name)


def test_every_layer_that_the_browser_computes_is_tested() -> None:
    traced = [ledger(*_network(name)).steps for name in (*SMALL, *MIXED)]
    assert {step.layer.kind for steps in traced for step in steps} == BROWSER


WINDOWS = """async (steps) => {
  const { of } = await import('/assets/sliders.js');
  const { positions } = await import('/assets/engine/window.js');
  return steps.map((step) => positions(of(step)).made);
}"""


@pytest.mark.parametrize(
    "name", ["googlenet", "alexnet_2012_code", "mobilenet_v3_small", "squeezenet1_0", *MIXED]
)
def test_the_sliders_count_the_positions_that_layers_have(page: Page, address: str, name: str) -> None:
    """Rounded up or down, padded on one side, dilated: as the ledger has them."""
    net, volume = _network(name)
    steps = network_json(ledger(net, volume))["steps"]
    sliding = [each for each in steps if each["kind"] in ("conv", "maxpool", "avgpool", "subsample")]
    page.goto(address)
    found = page.evaluate(WINDOWS, sliding)
    assert found == [each["output"][0] for each in sliding]


PIXELS = """async (cases) => {
  const { fitted } = await import('/assets/engine/image.js');
  return cases.map(({ height, width, depth, data, to }) =>
    Array.from(fitted({ height, width, depth, data: Uint8Array.from(data) }, to).data));
}"""


def test_the_browser_fits_an_image_as_the_preprocessing_does(page: Page, address: str) -> None:
    generator = np.random.default_rng(0)
    cases, wanted = [], []
    for height, width, depth in [(8, 8, 1), (57, 40, 3), (100, 33, 1), (40, 90, 3)]:
        pixels = generator.integers(0, 256, (height, width, depth), np.uint8)
        for options in ({}, {"fit": "pad"}, {"fit": "squash"}, {"resize": 36}):
            to = Preprocessing.of((32, 28, depth), **options)
            shape = {"height": height, "width": width, "depth": depth}
            cases.append({**shape, "data": pixels.ravel().tolist(), "to": asdict(to)})
            wanted.append(to.pixels(pixels).ravel().astype(int))
    page.goto(address)
    for found, expected in zip(page.evaluate(PIXELS, cases), wanted, strict=True):
        assert np.abs(np.array(found) - expected).max() <= 2  # two roundings, of which each is 1 at most
