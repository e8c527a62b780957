"""Notations at random: each is a network whose text, sizes and module agree, or an error that says why.

Texts are drawn from the grammar, from its tokens in any order, and from the zoo's own texts with a few
characters changed. Without `HUBEL_FUZZ` there are 150 of them; with it 10,000.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from hubel import ram, zoo
from hubel.errors import HubelError, NetworkError
from hubel.module.network import build
from hubel.net.ledger import ledger
from hubel.net.memory import bytes_to_run
from hubel.net.names import LAYERS
from hubel.net.notation import parse

CASES = 10_000 if os.environ.get("HUBEL_FUZZ") else 150
SEED = 20_261_128
SLOWEST = 5.0
"""The seconds that a single case may take."""

NUMBERS = ["0", "1", "2", "3", "7", "-1", "1000000000", "10**9", "1e9", "0.5", "nan", "True", "None"]
NUMBERS += ["(3, 1)"]
TOKENS = [*LAYERS, *NUMBERS, *"()[],=*+|", ">>", "named", "side", '"a"', "'", "\\", "pad=", "same", "#"]
TOKENS += ["é", "\n"]
VOLUMES = ["8x8x3", "1x1x1", "224x224x3", "1000000x1000000x3", "5x9x2"]


def grown(dice: random.Random, depth: int = 3) -> str:
    """A text by the grammar, whose numbers may be anything."""
    if depth == 0 or dice.random() < 0.3:
        layer = dice.choice(list(LAYERS))
        values = [dice.choice(NUMBERS) for _ in range(dice.randrange(4))]
        return f"{layer}({', '.join(values)})" if values else layer
    one, other = grown(dice, depth - 1), grown(dice, depth - 1)
    name, number = dice.choice("abc"), dice.choice(NUMBERS)
    joined = [f"{one} >> {other}", f"({one} | {other})", f"({one} + {other})", f"{number} * ({one})"]
    return dice.choice([*joined, f'named("{name}", {one}) >> {other}', f'side("s", {one}) >> {other}'])


def changed(dice: random.Random) -> str:
    """A text of the zoo with a few characters replaced, doubled or left out."""
    text = list(repr(zoo.find(dice.choice(["lenet5", "alexnet", "resnet18", "googlenet"]))[0]))
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(text))
        text[at] = dice.choice(["", text[at] * 2, dice.choice(TOKENS)])
    return "".join(text)


def drawn(dice: random.Random) -> str:
    """A text of any kind."""
    kind = dice.randrange(3)
    if kind == 0:
        return grown(dice)
    return changed(dice) if kind == 1 else " ".join(dice.choice(TOKENS) for _ in range(dice.randrange(1, 30)))


def tried(text: str, volume: str) -> None:
    """Parses, measures and builds; a HubelError is an answer at every stage."""
    try:
        net = parse(text)
        assert parse(repr(net)) == net
        table = ledger(net, volume)
        for row in table.rows:
            box = table.field(row.path, row.output.height - 1, 0)
            assert row.field.size >= (1, 1)
            assert box.size[0] <= row.field.size[0]
        needed = bytes_to_run(table.steps)
        if needed < 10**8:
            module = build(net, volume)
            assert sum(each.numel() for each in module.parameters()) == table.totals.params
        elif needed > ram.total_memory():
            with pytest.raises(NetworkError, match="needs"):
                build(net, volume)
    except HubelError:
        return


@pytest.mark.parametrize("part", range(5))
def test_a_text_is_a_network_or_an_error(part: int) -> None:
    dice = random.Random(SEED + part)
    for case in range(CASES // 5):
        text, volume = drawn(dice), dice.choice(VOLUMES)
        started = time.process_time()
        try:
            tried(text, volume)
        except Exception as error:
            raise AssertionError(f"case {case} of part {part} on {volume}: {text!r}") from error
        assert time.process_time() - started < SLOWEST, (text, volume)
