"""Fixtures that several test files share."""

import os
import zlib

# Before NumPy is loaded. Its linear algebra uses all processors for sums that are not worth it, and
# where another program has them it waits for its turn, for milliseconds: timed answers would lose.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    """A random generator of the test's own: the same numbers on every run, whatever runs before."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def cp():
    """CuPy, on a machine with a GPU; elsewhere the test is skipped, and says why."""
    cupy = pytest.importorskip(
        "cupy",
        reason="CuPy is missing: where there is a GPU, pip install -r requirements-gpu.txt",
    )
    if not cupy.cuda.is_available():
        pytest.skip("CuPy finds no CUDA GPU here")
    return cupy
