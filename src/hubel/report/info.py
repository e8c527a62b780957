"""What a model's file says of itself, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hubel.counted import percent
from hubel.errors import shortened
from hubel.report.units import count, memory

if TYPE_CHECKING:
    from hubel.model.facts import Info
    from hubel.model.header import Header

WIDTH = 100


def as_text(found: Info) -> str:
    """Returns a line for each fact."""
    facts = {name: text for name, text in _facts(found).items() if text}
    rows = {name: text if name == "int8" else shortened(text, WIDTH) for name, text in facts.items()}
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows.items())


def as_json(found: Info) -> str:
    """Returns a JSON object; sizes in bytes."""
    header = found.header
    content = {
        "file": str(found.path),
        "kind": found.kind,
        "bytes": found.size,
        "sha256": found.checksum or None,
        "notation": header.notation,
        "maker": header.maker,
        "input": str(header.volume),
        "params": found.params,
        "classes": list(header.classes),
        "preprocessing": json.loads(header.preprocessing),
        "temperature": header.temperature,
        "views": header.views,
        "untrained": header.untrained,
        "versions": header.versions,
        "summary": header.summary,
        "raw": found.raw,
        "resize": found.resizes,
        "int8": found.int8 or None,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _facts(found: Info) -> dict[str, str]:
    header = found.header
    names = ", ".join(header.classes)
    return {
        "file": f"{found.path}, {memory(found.size)}",
        "kind": found.kind,
        "sha256": found.checksum,
        "network": header.notation or header.maker or "",
        "parameters": "" if found.params is None else count(found.params),
        "input": f"{header.volume}, fit {found.preprocessing.fit}"
        + (f", short side {found.preprocessing.resize}" if found.preprocessing.resize else ""),
        "takes": _taken(found),
        "classes": f"{count(len(header.classes))}: {names}",
        "temperature": f"{header.temperature:.4g}",
        "views": header.views,
        "head": "never trained" if header.untrained else "",
        **_training(header),
        "int8": _int8(found.int8),
        "written by": ", ".join(f"{name} {version}" for name, version in header.versions.items()),
    }


def _taken(found: Info) -> str:
    if found.raw:
        return "normalised images, gives scores"
    return "upright images of 8 bits and any size" if found.resizes else ""


def _training(header: Header) -> dict[str, str]:
    said = header.summary
    return {
        "trained on": str(said.get("data", "")),
        "weights": str(said.get("weights", "")),
        "epoch": f"{said['epoch']:g}" if "epoch" in said else "",
        "accuracy": f"{percent(said['val_top1'])} of the validation images" if "val_top1" in said else "",
    }


def _int8(about: dict[str, Any]) -> str:
    if not about:
        return ""
    return (
        f"{0 - about['drop']:+.2f} points of accuracy on {about['images']:,} images, by {about['engine']} on "
        f"{about['processor']}"
    )
