"""The GPU's tests without a GPU: rows.cu is compiled for the CPU, and the rest of CuPy is NumPy."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or not shutil.which("g++"),
    reason="needs g++ 12 or later on x86-64 Linux",
)
def test_rows_cu_does_on_the_cpu_what_it_should_do_on_the_gpu():
    path = os.pathsep.join([str(TESTS / "cuda_on_cpu"), os.environ.get("PYTHONPATH", "")])
    tests = [str(TESTS / name) for name in ("test_rows_cupy.py", "test_applications_cupy.py")]
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *tests, "-k", "not captured and not unasked"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stdout[-5000:] + finished.stderr[-2000:]
