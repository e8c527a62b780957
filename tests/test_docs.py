"""Every code block of the README and of docs/ runs, and prints what the page shows.

The blocks of a page run in order, in one process, in a folder of its own that holds the small files of
`world`. An HTML comment on the line before a block says how to treat it:

    <!-- not run: REASON -->   the block is left out, and counted below
    <!-- by shape -->          numbers, bars and spaces may differ from those shown

and one at the head of a page, `<!-- needs: runs/photos -->`, says which finished runs its folder holds. A
line `...` in an output stands for any lines. What a block of Python prints is shown by the `text` block right
after it, and an expression followed by `# NUMBER` has that value.

So that a page takes seconds, a timed run (`--time`, `time=`) becomes one epoch of the smallest network, and
more than two epochs become one; `hubel bench` measures as briefly as it can. So that it prints the same
everywhere, runs are computed in float32. Nothing else is changed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.world import make_world

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = [page for page in PAGES if page.parent.name != "notebooks"]
"""The notebooks have a test of their own."""

NOT_RUN = 22
"""How many blocks are not run, over all pages. Each says why."""

FINDS = ("hubel diff", "hubel data check")
"""Commands whose exit status says what they found."""

BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>\n]*) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```$", re.DOTALL | re.MULTILINE
)
SHOWN = re.compile(r"^\$ (?P<command>(?:[^\n]*\\\n)*[^\n]*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, the note above it, and the `text` block right below it."""

    kind: str
    text: str
    note: str
    below: str | None

    @property
    def runs(self) -> bool:
        return self.kind in {"console", "python"} and not self.note.startswith("not run: ")


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    made = []
    for place, each in enumerate(found):
        after = found[place + 1] if place + 1 < len(found) else None
        near = after is not None and after["kind"] == "text" and not text[each.end() : after.start()].strip()
        below = after["text"] if after is not None and near else None
        made.append(Block(each["kind"], each["text"], each["note"] or "", below))
    return made


@pytest.fixture(scope="module", autouse=True)
def _float32() -> Iterator[None]:
    """Runs are computed in float32, as the pages show them, though bfloat16 may be faster on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hubel.training.trainer._fastest", lambda *_: "float32")
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"), hubel)


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_and_prints_what_it_shows(
    page: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [block for block in blocks(page) if block.runs]
    if not shown:
        return
    needs = re.search(r"<!-- needs: (.*?) -->", page.read_text(encoding="utf-8"))
    wanted = needs[1].split(", ") if needs else []
    place = tmp_path / "world"
    shutil.copytree(
        world, place, ignore=lambda at, names: _unwanted(Path(at).relative_to(world), names, wanted)
    )
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "160")  # as in a pipe, whatever pytest runs in
    monkeypatch.syspath_prepend(place)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    names: dict[str, Any] = {"__name__": page.stem}
    for block in shown:
        if block.kind == "console":
            for command, output in SHOWN.findall(block.text):
                may_fail = "error:" in output or command.startswith(FINDS)
                _check(hubel(shortened(command), may_fail=may_fail), output, block.note, command)
        else:
            printed = _python(shortened_python(block.text), names)
            if block.below is not None:
                _check(printed, block.below, block.note, block.text)


def test_blocks_that_do_not_run_say_why() -> None:
    left_out = [block for page in RUN for block in blocks(page) if block.note.startswith("not run")]
    assert all(len(block.note) > len("not run: ") + 5 for block in left_out)
    assert len(left_out) == NOT_RUN


def test_most_blocks_run() -> None:
    assert sum(block.runs for page in RUN for block in blocks(page)) > 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", prose):
        if not target.startswith(("http", "mailto")) and "reference/" not in target:
            assert (page.parent / target).exists(), target


def test_the_site_lists_every_page() -> None:
    listed = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8")))
    there = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page != ROOT / "README.md"}
    assert {name for name in listed if not name.startswith("reference/")} == there


def _unwanted(at: Path, names: list[str], wanted: list[str]) -> list[str]:
    return [name for name in names if at == Path("runs") and f"runs/{name}" not in wanted]


def shortened(command: str) -> str:
    """A command with its time or its epochs cut down."""
    chosen = "" if re.search(r"--(net|from|config) ", command) else " --net fast_tiny"
    command = re.sub(r"--time \S+", f"--epochs 1{chosen}", command.replace("\\\n", " "))
    if command.startswith("hubel bench"):
        command = re.sub(r"$|(?=  #)", " --seconds 0", command, count=1)
    if command.startswith("hubel train") and not re.search(r"--(epochs|config) ", command):
        command += " --epochs 1"
    return re.sub(r"--epochs ([3-9]|\d\d)", "--epochs 1", command)


def shortened_python(code: str) -> str:
    """The same for Python."""
    chosen = "" if re.search(r"\b(net|start)=", code) else ', net="fast_tiny"'
    code = re.sub(r'\btime="\w+"', f"epochs=1{chosen}", code)
    return re.sub(r"\bepochs=([3-9]|\d\d)", "epochs=1", code)


def hubel(command: str, *, may_fail: bool = False) -> str:
    """Runs a command line in this process and returns what it prints; `hubel ... > FILE` writes a file."""
    from hubel.cli import main

    words = shlex.split(command, comments=True)
    out = io.StringIO()
    file = Path(words[words.index(">") + 1]) if ">" in words else None
    words = words[: words.index(">")] if ">" in words else words
    if words[0] != "hubel":
        return _other(words)
    if words[1] == "bench":  # every runtime at once: in a process of its own, as a person starts it
        return _other(["python", "-m", *words])
    argv, handler, form = sys.argv, signal.getsignal(signal.SIGTERM), warnings.formatwarning
    sys.argv, status = words, 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), warnings.catch_warnings():
            warnings.simplefilter("default")
            main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        sys.argv = argv
        signal.signal(signal.SIGTERM, handler)
        warnings.formatwarning = form
    assert not status or may_fail, f"{command}\n{out.getvalue()}"
    if file is None:
        return out.getvalue()
    file.write_text(out.getvalue(), encoding="utf-8")
    return ""


def _other(words: list[str]) -> str:
    """The few commands of a shell that the pages show."""
    if words[0] == "ls":
        return "".join(f"{name.name}\n" for name in sorted(Path(words[1]).iterdir()))
    if words[0] == "cat":
        return Path(words[1]).read_text(encoding="utf-8")
    if words[0] == "python":
        run = [sys.executable, *words[1:]]
        return subprocess.run(run, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    raise AssertionError(f"mark the block as not run: {' '.join(words)}")


def _python(code: str, names: dict[str, Any]) -> str:
    """Runs Python and returns what it prints; an expression with `# NUMBER` beside it is checked."""
    for line in code.splitlines():
        if match := re.match(r"([\w.]+\(.*?)\s+# (-?[\d.]+)(?:, .*)?$", line):
            code += f"\nassert {match[1]} == {match[2]}, {match[1]}"
    out = io.StringIO()
    ast.parse(code)
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("default")
        exec(compile(code, "page", "exec"), names)
    return out.getvalue()


def _check(printed: str, shown: str, note: str, what: str) -> None:
    """Compares what was printed with what a page shows; where it shows nothing, anything will do."""
    if not shown.strip():
        return
    if shown.startswith("{") and "\n...\n" not in shown:
        assert json.loads(printed) == json.loads(shown), what  # however it is laid out
        return
    lines = [_shape(line) if note == "by shape" else line.rstrip() for line in shown.rstrip().splitlines()]
    there = [_shape(line) if note == "by shape" else line.rstrip() for line in printed.rstrip().splitlines()]
    pattern = "".join(r"(.*\n)*?" if line == "..." else f"{re.escape(line)}\n" for line in lines)
    assert re.fullmatch(pattern, "\n".join(there) + "\n"), f"{what}\n{printed}"


def _shape(line: str) -> str:
    """A line without its numbers, the length of its bars and the width of its spaces."""
    line = re.sub(r"[-+]?[\d,]*\.?\d+([eE]-?\d+)?", "#", line)
    return re.sub(r"\s+", " ", re.sub(r"[─━]+", "─", line)).strip()
