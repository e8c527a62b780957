"""The output codes of LeNet-5: for each digit a stylised image of 7 x 12 points, ink +1, paper -1.

Source: LeCun et al. 1998, section II.B and figure 3, which asks for images of the characters so
that characters that look alike have codes that are alike. The images here are drawn anew.
"""

from __future__ import annotations

import torch
from torch import Tensor

WIDTH, HEIGHT = 7, 12

_DIGITS = """
.#####. ...#... .#####. .#####. .....#. ####### .#####. ####### .#####. .#####.
##...## ..##... ##...## ##...## ....##. ##..... ##...## ##...## ##...## ##...##
##...## .###... .....## .....## ...###. ##..... ##..... .....## ##...## ##...##
##...## ...#... .....## .....## ..#.##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... ....##. ....##. ..#.##. ######. ######. ....##. .#####. ##...##
##...## ...#... ...##.. ..###.. .#..##. ##...## ##...## ...##.. .#####. .######
##...## ...#... ..##... ....##. .#..##. .....## ##...## ...##.. ##...## .....##
##...## ...#... .##.... .....## #...##. .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... .....## ....##. .....## ##...## .##.... ##...## .....##
##...## ...#... ##..... ##...## ....##. ##...## ##...## .##.... ##...## ##...##
.#####. .#####. ####### .#####. ....##. .#####. .#####. .##.... .#####. .#####.
"""


def codes(classes: int, length: int) -> Tensor:
    """The codes of +1 and -1 for the classes: float32, classes x length.

    Ten classes of 84 values are the digits' images; any other number gets random codes that differ,
    always the same ones, which the paper names as the other choice.
    """
    if (classes, length) == (10, WIDTH * HEIGHT):
        rows = [line.split() for line in _DIGITS.split("\n") if line]
        images = ["".join(row[digit] for row in rows) for digit in range(10)]
        return torch.tensor([[1.0 if point == "#" else -1.0 for point in image] for image in images])
    generator = torch.Generator().manual_seed(0)
    chosen: dict[tuple[float, ...], None] = {}
    while len(chosen) < classes:  # short codes coincide by chance
        code = torch.randint(0, 2, (length,), generator=generator) * 2.0 - 1.0
        chosen[tuple(code.tolist())] = None
    return torch.tensor(list(chosen))
