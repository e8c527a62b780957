"""Property tests draw the same examples every time; `HYPOTHESIS_PROFILE=search` draws new, and more.

Tests are of the CPU, which gives the same numbers again; `HUBEL_TEST_GPU=1` lets them see a GPU.
"""

from __future__ import annotations

import os
import tempfile

from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # the workers share the cores
if "HUBEL_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HUBEL_CACHE"] = tempfile.mkdtemp(prefix="hubel-tests-")  # never the user's own

SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "same", deadline=None, derandomize=True, database=None, suppress_health_check=SLOW_IS_FINE
)
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
