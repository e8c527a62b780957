"""The output codes of LeNet-5: a stylised 7x12 image of each digit, ink +1 and paper -1.

Source: LeCun et al. 1998, section II.B and figure 3: images of the characters give similar codes to similar
characters. The images here are drawn anew.
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
    """Returns the codes of the classes, +1 and -1: float32, classes x length.

    For ten classes and 84 values these are the images of the digits. Any other numbers get random codes, the
    paper's alternative: all different, and always the same ones.
    """
    if (classes, length) == (10, WIDTH * HEIGHT):
        rows = [line.split() for line in _DIGITS.split("\n") if line]
        images = ["".join(row[digit] for row in rows) for digit in range(10)]
        return torch.tensor([[1.0 if point == "#" else -1.0 for point in image] for image in images])
    generator = torch.Generator().manual_seed(0)
    chosen: dict[tuple[float, ...], None] = {}
    while len(chosen) < classes:  # short random codes may be equal
        code = torch.randint(0, 2, (length,), generator=generator) * 2.0 - 1.0
        chosen[tuple(code.tolist())] = None
    return torch.tensor(list(chosen))
