"""The stand-in for other array libraries, and what students' GPU kernels are given."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_cuda_source import compile_log, nvrtc  # noqa: F401 (a fixture)

from instnorm_lab import gpu
from instnorm_lab.standard_arrays import NAMESPACE, StandardArray, standard_only

SOLUTION = Path(__file__).parents[2] / "solutions/fast-kernels/fast-kernels.md"


def instance_norm(x):
    xp = x.__array_namespace__()
    centred = x - xp.mean(x, axis=(2, 3), keepdims=True)
    return centred / xp.sqrt(xp.mean(centred**2, axis=(2, 3), keepdims=True) + 1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_code_for_the_standard_runs(dtype, rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype(dtype)
    y = standard_only(instance_norm)(x)
    assert type(y) is np.ndarray
    assert y.dtype == dtype
    mean, var = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)
    assert_array_equal(y, standard_only(standard_only(instance_norm))(x))


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (lambda x, xp: x.mean((2, 3)), AttributeError, "no x.mean; write xp.mean(x, ...)"),
        (lambda x, xp: x.reshape(-1), AttributeError, "no x.reshape; write xp.reshape(x, shape)"),
        (lambda x, xp: xp.einsum("nchw->nc", x), AttributeError, "no xp.einsum; write a product"),
        (lambda x, xp: xp.mean(x, (2, 3)), TypeError, "the rest goes by keyword"),
        (lambda x, xp: xp.var(x, ddof=1), TypeError, "no 'ddof'; it has axis, keepdims, correct"),
        (lambda x, xp: xp.sqrt(2.0), TypeError, "takes an array; got float"),
        (lambda x, xp: xp.mean(xp.astype(x, xp.int64)), TypeError, "floating-point arrays alone"),
        (lambda x, xp: xp.astype(x, xp.int64) + x, TypeError, "does not mix int64 with float64"),
        (lambda x, xp: xp.astype(x, xp.int64) + 0.5, TypeError, "does not mix int64 with a float"),
        (lambda x, xp: np.mean(x), TypeError, "np.mean can't work on this array"),
        (lambda x, xp: np.sqrt(x), TypeError, "np.sqrt can't work on this array"),
        (lambda x, xp: np.asarray(x), TypeError, "NumPy can't have this array"),
        (lambda x, xp: x + np.float64(1), TypeError, "can't be combined with numpy.float64"),
        (lambda x, xp: np.ones(5) * x, TypeError, "np.multiply can't work on this array"),
        (lambda x, xp: xp.sum(np.ones(5)), TypeError, "takes an array; got ndarray"),
        (lambda x, xp: x[[0, 1]], IndexError, "whole numbers, slices, ... and None"),
    ],
)
def test_what_only_numpy_can_do_is_refused(code, error, says, rng):
    x = rng.standard_normal((2, 3, 4, 5))
    with pytest.raises(error, match=re.escape(says)):
        standard_only(lambda x: code(x, x.__array_namespace__()))(x)


def test_operators_and_indices_are_numpys(rng):
    x = rng.standard_normal((3, 4))

    def code(x):
        y = 2 * x[:, None, 1:] - x[0, 1:] / 3
        y[..., 0] = 7.0
        y += 1
        return -abs(y)

    expected = 2 * x[:, None, 1:] - x[0, 1:] / 3
    expected[..., 0] = 7
    assert_array_equal(standard_only(code)(x), -abs(expected + 1))


def test_changes_are_seen_outside(rng):
    def code(x):
        x *= 2

    x = rng.standard_normal(4)
    before = x.copy()
    standard_only(code)(x)
    assert_array_equal(x, 2 * before)


def test_the_namespace_is_smaller_than_numpy():
    names = set(vars(NAMESPACE)) - {"asarray", "isdtype", "finfo", "result_type"}
    assert all(hasattr(np, name) for name in names)
    assert not names & {"average", "nanmean", "einsum", "ptp", "median", "float16"}
    assert repr(StandardArray(np.ones(2))) == "StandardArray([1. 1.])"


# --- The kernel for a GPU -------------------------------------------------------------------------


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
    assert_allclose(y, standard_only(instance_norm)(x), rtol=1e-10, atol=1e-12)
