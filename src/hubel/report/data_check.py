"""The findings of a data check, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len  # Korean letters are two columns wide

from hubel.report.units import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubel.data.check import Check, Finding, Level, Spread

_MOST_CLASSES = 30
_MOST_OF_A_KIND = 20
_MOST_NAMES = 5
_LEVELS: tuple[Level, ...] = ("error", "warning", "notice")
_KINDS = {
    "layout": "not laid out as folders of classes",
    "empty": "empty files",
    "huge": "too many pixels: may be decompression bombs",
    "damaged": "cannot be read",
    "format": "file suffix of another format",
    "ending": "no file suffix",
    "turned": "turned",
    "deep": "more than 8 bits per pixel",
    "conflict": "one image, several classes",
    "leak": "one image, several splits",
    "duplicate": "one image, several times",
    "missing": "a class missing from a split",
    "imbalance": "classes of very different sizes",
}


def check_text(check: Check) -> str:
    """Returns the report; of many findings of one kind, the first and the number of the others."""
    text = "\n".join(
        [
            f"{check.name}: {_many(check.images, 'image')}{_sizes(check)}",
            *_counts(check),
            *(line for level in _LEVELS for line in _level(check, level)),
            "",
            "; ".join(_many(len(check.of_level(level)), level) for level in _LEVELS),
        ]
    )
    return _printable(text)


def check_json(check: Check) -> str:
    """Returns the report as JSON: every finding with every name."""
    found = {f"{level}s": len(check.of_level(level)) for level in _LEVELS}
    content = {"images": check.images, **found, **asdict(check)}
    return _printable(json.dumps(content, indent=2, ensure_ascii=False))


def _printable(text: str) -> str:
    """Escapes file names that are not Unicode, so that the text can be written anywhere."""
    return text.encode("utf-8", "backslashreplace").decode()


def _sizes(check: Check) -> str:
    if check.heights is None or check.widths is None:
        return ""
    return f", {_spread(check.heights, 'high')}, {_spread(check.widths, 'wide')}"


def _spread(of: Spread, way: str) -> str:
    if of.least == of.most:
        return f"{of.least} pixels {way}"
    return f"{of.least} to {of.most} pixels {way} (median {of.median:g})"


def _counts(check: Check) -> Iterator[str]:
    """Yields a table of classes by split; of many classes, the smallest and the largest of each split."""
    classes = list(dict.fromkeys(label for of in check.counts.values() for label in of))
    if len(classes) > _MOST_CLASSES:
        for split, of in check.counts.items():
            least, most = min(of, key=of.__getitem__), max(of, key=of.__getitem__)
            yield (
                f"  {split}: {count(sum(of.values()))} in {count(len(of))} classes, "
                f"from {count(of[least])} ({least}) to {count(of[most])} ({most})"
            )
        return
    width = max(map(cell_len, (*classes, "in all")))
    rows = [(label, [of[label] for of in check.counts.values()]) for label in classes]
    rows.append(("in all", [sum(of.values()) for of in check.counts.values()]))
    yield "  " + " " * width + "".join(f"{split:>10}" for split in check.counts)
    for label, numbers in rows:
        yield f"  {label}{' ' * (width - cell_len(label))}" + "".join(
            f"{count(number):>10}" for number in numbers
        )


def _level(check: Check, level: Level) -> Iterator[str]:
    order = {kind: place for place, kind in enumerate(_KINDS)}
    findings = sorted(check.of_level(level), key=lambda finding: order[finding.kind])
    for kind, group in groupby(findings, key=lambda finding: finding.kind):
        found = list(group)
        yield from ("", f"{level}: {_KINDS[kind]}")
        for finding in found[:_MOST_OF_A_KIND]:
            yield from _finding(finding)
        if len(found) > _MOST_OF_A_KIND:
            yield f"  and {count(len(found) - _MOST_OF_A_KIND)} more; --json lists all"


def _finding(finding: Finding) -> Iterator[str]:
    if len(finding.names) == 1:
        yield f"  {finding.names[0]}: {finding.message}"
        return
    yield f"  {finding.message}" + (f" ({_many(len(finding.names), 'image')})" if finding.names else "")
    for name in finding.names[:_MOST_NAMES]:
        yield f"    {name}"
    if len(finding.names) > _MOST_NAMES:
        yield f"    and {count(len(finding.names) - _MOST_NAMES)} more"


def _many(number: int, what: str) -> str:
    return f"{count(number)} {what}{'' if number == 1 else 's'}"
