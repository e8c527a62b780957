"""Reading, tracing and measuring a network imports no tensor library."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = "hubel.ledger(hubel.parse('conv(6, 5) >> relu >> maxpool(2) >> fc(10)'), '32x32x3')"


@pytest.mark.parametrize("code", ["import hubel", f"import hubel; {MEASURE}"])
def test_no_tensor_library_is_imported(code: str) -> None:
    loaded = f"{code}; import sys; print(sorted({{'torch', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
