"""The page: its files as the service sends them, and as one file that needs no server."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from hubel.service.explorer.describe import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of the served page: nothing comes from elsewhere, nothing runs inline."""

SAVED_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:; "
    "media-src blob:; base-uri 'none'; form-action 'none'"
)
"""That of a saved page, whose scripts and styles are inside it."""

TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
"""The media types of the page's files, by their ending."""

_IMPORT = re.compile(r'(?<=\bfrom ")(\.{1,2}/[^"]+)(?=";)')


@cache
def assets() -> dict[str, bytes]:
    """Returns the page's files by their path below `page/`, such as `view/network.js`."""
    return dict(_walk(files("hubel.service") / "page", ""))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _walk(each, f"{prefix}{each.name}/")
        elif each.name.endswith(tuple(TYPES)):
            yield f"{prefix}{each.name}", each.read_bytes()


def scripts() -> list[str]:
    """Returns the paths of the page's modules."""
    return [path for path in assets() if path.endswith(".js")]


def served() -> str:
    """Returns the page as the service sends it: its modules are fetched together, not one after another."""
    text = assets()["index.html"].decode()
    links = "".join(f'<link rel="modulepreload" href="assets/{path}">\n' for path in scripts())
    return text.replace("<!-- modules -->", links)


def saved(content: Json) -> str:
    """Returns the page as one file with everything in it; `content` is what it shows."""
    text = assets()["index.html"].decode()
    names = {path: f"hubel/{path}" for path in scripts()}
    imports = {name: _data(_bare(path), "text/javascript") for path, name in names.items()}
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{SAVED_POLICY}">\n'
        f'<script type="importmap">{_inert({"imports": imports})}</script>\n'
        f'<script type="application/json" id="saved">{_inert(content)}</script>\n'
    )
    style = f"<style>\n{assets()['style.css'].decode()}</style>"
    text = text.replace("<!-- modules -->", head)
    text = text.replace('<link rel="stylesheet" href="assets/style.css">', style)
    start = '<script type="module">import "hubel/main.js";</script>'
    return text.replace('<script type="module" src="assets/main.js"></script>', start)


def _bare(path: str) -> bytes:
    """A module whose imports name modules, not files: `./dom.js` becomes `hubel/dom.js`."""
    return _IMPORT.sub(lambda found: f"hubel/{_resolved(path, found[1])}", assets()[path].decode()).encode()


def _resolved(path: str, relative: str) -> str:
    """The path that a module at `path` means by a relative one."""
    parts = path.split("/")[:-1]
    for part in relative.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def _inert(content: object) -> str:
    """JSON that cannot end the element that it is in."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
