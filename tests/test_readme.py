"""What the README shows is what the commands print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
SHOWN = [
    (command, said.rstrip("\n"))
    for block in BLOCKS
    for command, said in re.findall(r"\$ (hubel [^\n]*)\n((?:(?!\$ ).*\n)+)", block)
]


@pytest.mark.parametrize(("command", "said"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_is_shown(command: str, said: str) -> None:
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "hubel", *arguments], capture_output=True, text=True, check=False
    )
    assert said in done.stdout + done.stderr


def test_commands_are_shown() -> None:
    assert len(SHOWN) >= 2


def test_the_code_runs() -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    for line in code.splitlines():
        if match := re.match(r"(\S.*?)\s+# (\d+),", line):
            code += f"\nassert {match[1]} == {match[2]}"
    exec(compile(code, "README.md", "exec"), {})
