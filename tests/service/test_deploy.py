"""What is deployed: the packages of the container are those that a service loads, and its options exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

from hubel.cli import VERBS
from hubel.cli.loading import loaded
from tests.service.conftest import encoded

DEPLOY = Path(__file__).parent.parent.parent / "deploy"

OPTIONAL = {"packaging"}
"""What OpenVINO's reader of TensorFlow loads if it is there, and does without."""

PROGRAM = """
import sys
from fastapi.testclient import TestClient
before = {name.partition(".")[0] for name in sys.modules}
from hubel.service.app import app
from hubel.service import server
import hubel.cli.serve
with TestClient(app(sys.argv[1])) as client:
    assert client.post("/v1/predict", content=open(sys.argv[2], "rb").read()).status_code == 200
    files = [("a", ("a", b"x"))] * 2
    assert client.post("/v1/predict", files=files).status_code == 200
    assert client.get("/docs").status_code == client.get("/metrics").status_code == 200
print(*{name.partition(".")[0] for name in sys.modules} - before)
"""


def named(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def with_all_they_need(packages: set[str]) -> set[str]:
    """The packages, and those that they need, and so on."""
    found: set[str] = set()
    waiting = list(packages)
    while waiting:
        package = named(waiting.pop())
        if package in found:
            continue
        found.add(package)
        try:
            needed = map(Requirement, requires(package) or ())
        except PackageNotFoundError:  # of another system
            continue
        wanted = (each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""}))
        waiting += [each.name for each in wanted]
    return found


def test_the_container_has_what_a_service_loads_and_no_torch(saved: Path, tmp_path: Path) -> None:
    lines = (DEPLOY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    there = with_all_they_need({line for line in lines if line and not line.startswith("#")})
    assert "torch" not in there
    (tmp_path / "image").write_bytes(encoded())
    run = [sys.executable, "-c", PROGRAM, str(saved), str(tmp_path / "image")]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    owners = packages_distributions()
    for module in done.stdout.split():
        packages = {named(each) for each in owners.get(module, ())}  # none: of Python itself
        assert packages <= {"hubel", *OPTIONAL} or packages & there, module


def test_the_container_is_not_run_as_root() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    user = next(at for at, line in enumerate(lines) if line.startswith("USER "))
    assert lines[user].split()[1] not in {"0", "root"}
    assert any(line.startswith("ENTRYPOINT") for line in lines[user:])


def test_the_options_that_are_deployed_exist() -> None:
    options = {
        option
        for each in loaded("serve", VERBS["serve"]).params
        for option in (*each.opts, *each.secondary_opts)
    }
    unit = (DEPLOY / "hubel.service").read_text(encoding="utf-8")
    container = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    (entry,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", container, re.MULTILINE)
    used = {word for word in (*shlex.split(start), *re.findall(r'"(.*?)"', entry)) if word.startswith("--")}
    assert {"--host", "--port", "--grace"} <= used <= options
    bound = float(re.findall(r"--grace (\S+)", start)[0])
    assert float(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0]) > bound
