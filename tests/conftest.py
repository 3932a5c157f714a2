"""Fixtures that several test files share."""

import os
import re
import zlib

# Before NumPy is loaded. Its linear algebra uses all processors for sums that are not worth it, and
# where another program has them it waits for its turn, for milliseconds: timed answers would lose.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

# Why a test may be skipped even where everything is installed: there is no GPU, a package that no
# reader needs can't be had, or the parameters name something that does not exist.
MAY_SKIP = re.compile(
    r"GPU|CuPy|CUDA|POSTGRESQL|NPM|npm|no third length|warps work on rows only|can't hold"
)


def _no_skip_hides(report):
    """Where CI is set, a browser, a sandbox or a compiler that is missing is a failure."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        *_, reason = report.longrepr
        if not MAY_SKIP.search(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped, and CI is set, where nothing may be missing. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return _no_skip_hides((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _no_skip_hides((yield))


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
