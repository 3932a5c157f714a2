"""The GPU's tests without a GPU: rows.cu is compiled for the CPU, and the rest of CuPy is NumPy.

Costs a minute of processor time: a thread of the GPU is a thread here.
"""

import importlib.util
import platform
import shutil
import sys
from pathlib import Path

import pytest
from test_applications_cupy import *  # noqa: F403
from test_rows_cupy import *  # noqa: F403

import instnorm.rows

# What NumPy can't stand in for: a graph of the device, and whether CuPy is there.
del test_a_captured_call_can_be_replayed, test_nobody_imports_cupy_unasked  # noqa: F821

CUPY = Path(__file__).parent / "cuda_on_cpu" / "cupy.py"
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or not shutil.which("g++"),
    reason="needs g++ 12 or later on x86-64 Linux",
)


@pytest.fixture(scope="module")
def cupy_on_cpu():
    """The module that is `cupy` to everybody, as long as the tests of this file run."""
    spec = importlib.util.spec_from_file_location("cupy", CUPY)
    cupy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cupy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", cupy)
        patch.delitem(sys.modules, "instnorm.rows.cupy", raising=False)
        patch.delattr(instnorm.rows, "cupy", raising=False)
        yield cupy
        # Made with this module, and to be made anew by the next who asks.
        sys.modules.pop("instnorm.rows.cupy", None)
        vars(instnorm.rows).pop("cupy", None)


@pytest.fixture
def cp(cupy_on_cpu):
    return cupy_on_cpu
