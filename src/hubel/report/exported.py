"""What was exported, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.counted import percent

if TYPE_CHECKING:
    from hubel.evaluation.int8 import Int8
    from hubel.model.export import Check

ROLES = {
    ".onnx": "model",
    ".xml": "model",
    ".pt2": "model",
    ".bin": "weights",
    ".py": "example",
    ".md": "card",
}

COSTLIEST = 10
"""How many layers are listed with what they cost."""


def exported_text(files: Sequence[Path], check: Check | None, images: str, int8: Int8 | None) -> str:
    """Returns the files with what each is, and how the model's was checked, on which images."""
    lines = [f"  {ROLES[path.suffix.lower()]:<8}{path}" for path in files]
    if check is not None:
        lines.append(
            f"  checked by {check.engine} on {images}: probabilities differ by at most {check.difference:.1g}"
        )
    lines += [] if int8 is None else _int8_lines(int8)
    return "\n".join(lines)


def _int8_lines(found: Int8) -> Iterator[str]:
    """The ways that were tried, the cost of each layer if that was asked for, and the way that was kept."""
    yield "  int8:   engine       weights  ranges      images/s  loses   at most  layers in float"
    for each in found.tried:
        mark = "*" if each is found.kept else " "
        way = f"{mark} {each.engine:<11}  {each.bits} bits   {each.ranges:<10}"
        loses = f"{each.drop:>5.2f}  {each.at_most:>7.2f}"
        yield f"        {way}  {each.per_second:>8,.0f}  {loses}  {len(each.in_float)}"
    for path, cost in list(found.costs.items())[:COSTLIEST]:
        yield f"          {path} alone moves probabilities by {cost:.2g} on average"
    kept = found.kept
    yield (
        f"  kept *: {percent(found.accuracy - kept.drop / 100)} instead of {percent(found.accuracy)} of "
        f"{kept.images:,} validation images, with 95 % confidence at most {kept.at_most:.2f} points less; "
        f"{found.gain:.1f} times the speed of float32 by {found.fastest_float}, the fastest in float32 here"
    )
    if found.gain < 1:
        yield "  note    int8 is not faster on this processor: export without --int8, unless the size counts"
