"""The tests of all row kernels, on the GPU's, which are compiled for the CPU. Costs two minutes."""

import platform
import shutil
import sys

import pytest
import rows_reference
from test_cuda_on_cpu import cp, cupy_on_cpu  # noqa: F401
from test_rows import *  # noqa: F403

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() != "x86_64" or not shutil.which("g++"),
        reason="needs g++ 12 or later on x86-64 Linux",
    ),
]

# What has nothing to do with the GPU, and is tested where the others are.
del test_where_no_thread_can_be_started_nothing_misses_one  # noqa: F821


@pytest.fixture
def kernel(cp):  # noqa: F811
    """The GPU's kernels, for rows in NumPy arrays."""
    from instnorm.rows import cupy

    return rows_reference.Rows(cupy, cp.asarray, lambda a: a.get())
