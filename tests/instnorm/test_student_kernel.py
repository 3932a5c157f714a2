"""The kernel that students may write for a GPU, and what it is given."""

import re
from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from test_cuda_source import compile_log, nvrtc  # noqa: F401 (a fixture)

from instnorm import instance_norm
from instnorm_lab import gpu

SOLUTION = Path(__file__).parents[2] / "solutions/fast-kernels/fast-kernels.md"


def test_the_kernel_of_the_solution_compiles(nvrtc):  # noqa: F811
    source = re.search(r'return r"""(.*?)"""', SOLUTION.read_text(), re.DOTALL)[1]
    log, _ = compile_log(nvrtc, source, ["standardise"])
    assert "Compiling entry function 'standardise'" in log


@pytest.mark.skipif(not gpu.missing(), reason="this machine has a GPU")
def test_without_a_gpu_nothing_pretends_to_run_on_one():
    with pytest.raises(RuntimeError, match=r"A GPU is needed here\. CuPy "):
        gpu.kernel_on_planes("")


@pytest.mark.skipif(bool(gpu.missing()), reason=f"needs a GPU: {gpu.missing()}")
def test_the_kernel_of_the_solution_is_right(rng):
    source = re.search(r'return r"""(.*?)"""', SOLUTION.read_text(), re.DOTALL)[1]
    x = rng.standard_normal((2, 3, 40, 50))
    y = gpu.kernel_on_planes(source)(x)
    assert_allclose(y, instance_norm(x), rtol=1e-10, atol=1e-12)
