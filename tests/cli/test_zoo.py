"""`hubel zoo`."""

from __future__ import annotations

import json
import subprocess
import sys

from hubel.zoo import ZOO
from tests.cli.conftest import Hubel


def test_text(hubel: Hubel) -> None:
    said = hubel("zoo")
    assert said.status == 0
    assert "resnet1202               2015   1202   19,421,274  2.83 G  32x32x3" in said.out


def test_json(hubel: Hubel) -> None:
    assert [each["network"] for each in json.loads(hubel("zoo", "--json").out)] == list(ZOO)


def test_it_answers_without_torch_numpy_and_matplotlib() -> None:
    program = (
        "import sys; sys.argv = ['hubel', 'zoo']\n"
        "from hubel.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
