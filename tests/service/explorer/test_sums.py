"""Every kind of layer in a small net of its own: the page has PyTorch's values, and its sums add up."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from dataclasses import asdict
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save

from hubel import parse
from hubel.instruments.unit import Unit
from hubel.net.ledger import Ledger
from hubel.net.volume import Volume
from hubel.service.explorer.describe import BROWSER, network_json
from tests.service.explorer.test_arithmetic import AGREES, BEGIN, lively

if TYPE_CHECKING:
    from playwright.sync_api import Page

VOLUME = Volume(6, 7, 4)

KINDS = {
    "conv": "conv(4, 3, stride=2)",
    "conv, grouped": "conv(4, (3, 2), groups=2, bias=False)",
    "conv, linked": "conv(2, 3, links=((0, 2), (1, 2, 3)))",
    "conv, dilated": "conv(4, 2, dilation=2, pad=1)",
    "conv, same": 'conv(4, 3, stride=2, pad="same")',
    "conv, sides": "conv(4, 3, pad=(2, 1, 0, 2))",
    "conv, reflected": 'conv(4, 3, pad=1, pad_mode="reflect")',
    "conv, replicated": 'conv(4, 3, pad=(1, 2, 0, 1), pad_mode="replicate")',
    "conv, ceil": "conv(4, 3, stride=4, ceil=True)",
    "convtranspose": "convtranspose(4, 3, stride=2, pad=1, output_pad=1, groups=2)",
    "fc": "fc(5)",
    "rbf": "fc(84) >> tanh >> rbf(10)",
    "maxpool": "maxpool(2)",
    "maxpool, ceil": "maxpool(3, stride=2, pad=1, ceil=True)",
    "maxpool, sides": "maxpool(2, pad=(0, 1, 0, 1))",
    "avgpool": "avgpool(3, stride=2, pad=1, ceil=True)",
    "avgpool, sides": "avgpool(3, stride=1, pad=(1, 0, 1, 1))",
    "adaptiveavgpool": "adaptiveavgpool(4, 3)",
    "globalavgpool": "globalavgpool",
    "subsample": "subsample",
    "upsample": "upsample(2)",
    "upsample, bilinear": 'upsample((2, 3), mode="bilinear")',
    "batchnorm": "batchnorm",
    "layernorm": "layernorm",
    "groupnorm": "groupnorm(2)",
    "lrn": "lrn(size=3)",
    "lrn, within": "lrn(size=3, within=True)",
    "layerscale": "layerscale(0.5)",
    "relu": "relu",
    "relu, limited": "relu6",
    "leakyrelu": "leakyrelu(0.1)",
    "mish": "mish",
    "softplus": "softplus",
    "prelu": "prelu",
    "prelu, shared": "prelu(shared=True)",
    "elu": "elu(0.5)",
    "gelu": "gelu",
    "gelu, tanh": "gelu(tanh=True)",
    "silu": "silu",
    "sigmoid": "sigmoid",
    "hardsigmoid": "hardsigmoid",
    "hardswish": "hardswish",
    "tanh": "tanh",
    "tanh, scaled": "tanh(amplitude=1.7159, slope=0.667)",
    "softmax": "globalavgpool >> softmax",
    "dropout": "dropout(0.3)",
    "droppath": "droppath(0.2) + conv(4, 1)",
    "identity": "identity >> relu",
    "add": "conv(4, 3, pad=1) + identity",
    "multiply": "gate(globalavgpool >> fc(4) >> sigmoid)",
    "multiply, of maps": "gate(conv(1, 1) >> sigmoid)",
    "concat": "conv(2, 1) | conv(3, 3, pad=1)",
    "part": "part(2, 2)",
    "shuffle": "shuffle(2)",
    "padshortcut": "padshortcut(6, 2)",
}
"""A notation for each kind of layer, and for what its arguments change. The kind comes before the comma."""

RUN = (
    BEGIN
    + """
  const { arithmetic } = await import('/assets/view/sums.js');
  const outputs = network.steps.map((step) => [step.path, step.output]);
  const volumes = new Map([['input', network.volume], ...outputs]);
  const at = (path, channel, row, column) => {
    const [height, width] = volumes.get(path);
    return String(values.get(path)[(channel * height + row) * width + column]);
  };
  const texts = (parent, kind) => [...parent.querySelectorAll(kind)].map((each) => each.textContent);
  const cells = (table) => [...table.querySelectorAll('td')].map((cell) => cell.title);
  return units.map((unit) => {
    const step = network.steps.find((each) => each.path === unit.path);
    const shown = arithmetic(neuron(network, tensors, values, unit), step, 0, () => {}, at);
    const parts = Object.fromEntries([...shown.querySelectorAll('.named')].map((each) =>
      [each.querySelector('small').textContent, each.querySelector('b').textContent]));
    const found = {
      grids: [...shown.querySelectorAll('.product table')].map(cells),
      subtotal: texts(shown, '.subtotal')[0] ?? null,
      depths: texts(shown, '.depth span:last-child'),
      terms: [...shown.querySelectorAll('.terms tbody tr')].map((row) => texts(row, 'td.n')),
      parts,
      value: at(unit.path, unit.channel, unit.row, unit.column),
    };
    const line = shown.querySelector('.total');
    line?.querySelectorAll('small, .total > .quiet').forEach((each) => each.remove());
    line?.querySelectorAll('sup').forEach((each) => each.replaceWith('**' + each.textContent));
    return { ...found, line: line?.textContent ?? '' };
  });
}"""
)

SIGNS = {"−": "-", "·": "*", "√": "sqrt"}
NAMES = {
    "max": max,
    "min": min,
    "exp": math.exp,
    "ln": math.log,
    "tanh": math.tanh,
    "sqrt": math.sqrt,
    "Φ": NormalDist().cdf,
}


def close(value: float) -> Any:
    """What is written out has four decimals, of which a division makes more of an error."""
    return pytest.approx(value, rel=2e-3, abs=2e-3)


@pytest.fixture(scope="module")
def shown(address: str, context: Any) -> Any:
    page = context.new_page()
    page.goto(address)
    yield page
    page.close()


@pytest.mark.parametrize("name", KINDS)
def test_what_is_written_out_adds_up(shown: Page, name: str) -> None:
    subject = lively(parse(KINDS[name]), VOLUME)
    kind = name.split(",", maxsplit=1)[0]
    step = next(each for each in reversed(subject.steps) if each.layer.kind == kind)
    image = torch.randn(VOLUME.depth, *VOLUME.plane, generator=torch.Generator().manual_seed(7))
    depth, (high, wide) = step.output.depth, step.output.plane
    units = [
        Unit(step.path, 0, 0, 0),
        Unit(step.path, depth - 1, high // 2, wide // 2),
        Unit(step.path, depth // 2, high - 1, wide - 1),
    ]
    state = {key: value.contiguous() for key, value in subject.module.state_dict().items()}
    network = network_json(Ledger.of(VOLUME, subject.steps))
    given = [b64encode(each).decode() for each in (save(state), image.numpy().tobytes())]
    with torch.no_grad():
        wanted = subject.values(image[None], [step.path])[step.path][0].numpy()
    for unit, found in zip(
        units, shown.evaluate(RUN, [network, *given, [asdict(each) for each in units]]), strict=True
    ):
        value = float(wanted[unit.channel, unit.row, unit.column])
        assert float(found["value"]) == pytest.approx(value, rel=AGREES, abs=AGREES), unit
        check(found, value, kind)


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def check(found: dict[str, Any], value: float, kind: str) -> None:
    """The numbers on the page lead to the value: window times weights, their sums, and the line below."""
    check_windows(found, kind)
    if not found["line"]:
        assert value == 0  # a map of padding
        return
    sums = [number(each) for each in found["depths"]] or [number(row[-1]) for row in found["terms"]]
    line = re.sub("|".join(SIGNS), lambda sign: SIGNS[sign[0]], found["line"])
    line = re.sub(r"sum of \d+ maps", repr(sum(sums)), line)
    if kind == "maxpool":
        line = line.rsplit(" ", 1)[1]  # the largest value of the window is that of a unit
    members = line.split("=")
    assert len(members) > 1 or kind == "maxpool"
    assert evaluated(members[-1]) == close(value)
    for member, after in pairwise(members):
        assert evaluated(member) == close(evaluated(after.partition(" + bias ")[0]))


def check_windows(found: dict[str, Any], kind: str) -> None:
    """What is written in grids and in tables: products, and their sums."""
    grids = [[number(each) for each in grid if each != "−∞"] for grid in found["grids"]]
    rows = [tuple(map(number, row)) for row in found["terms"] if len(row) == 3]
    rows += zip(*grids, strict=True) if len(grids) == 3 else []
    for one, other, product in rows:
        made = -((one - other) ** 2) if kind == "rbf" else one * other
        assert product == pytest.approx(made, rel=2e-3, abs=2e-4)
    if kind == "maxpool":
        assert max(grids[0]) == close(number(found["subtotal"]))
    elif grids:
        total = found["subtotal"] or found["parts"]["sum"]
        assert sum(grids[-1]) == close(number(total))


def evaluated(text: str) -> float:
    """A term as the page writes it; a bias is added."""
    return float(eval(text.replace(" bias ", " "), {"__builtins__": {}}, NAMES))


def test_every_kind_is_here() -> None:
    assert {name.split(",")[0] for name in KINDS} == BROWSER
