"""The row kernels of all backends against plain sums in extended precision.

Each property is stated once. What only one backend has (threads, teams, a compiler) is tested in
`test_rows_numba.py` and `test_rows_cupy.py`.
"""

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rows_reference import Rows

from instnorm.rows import numpy as plain
from instnorm.rows import threads

BLOCK, CHUNK = 1 << 14, 1024
EPS = 1e-5


@pytest.fixture(params=["plain", "compiled", "compiled, moments given", "cupy"])
def kernel(request, monkeypatch):
    """A backend, for rows in NumPy arrays; from a quarter of BLOCK on threads share the work."""
    if request.param == "plain":
        return Rows(plain)
    if request.param.startswith("compiled"):
        pytest.importorskip("numba", reason="needs Numba: pip install numba")
        from instnorm.rows import numba

        monkeypatch.setattr(threads, "BLOCK", BLOCK // 8)
        return Rows(numba, remembers=request.param != "compiled")
    cp = request.getfixturevalue("cp")
    from instnorm.rows import cupy

    return Rows(cupy, cp.asarray, lambda a: a.get())


# Half a unit in the last place, relative, and the error that accumulation may add to a
# standardised value. float16 and bfloat16 are computed in float32 and rounded once.
ROUNDING = {
    np.float16: (2.0**-11, 2e-6),
    ml_dtypes.bfloat16: (2.0**-8, 2e-6),
    np.float32: (2.0**-24, 2e-6),
    np.float64: (2.0**-53, 1e-14),
}
dtypes = pytest.mark.parametrize("dtype", ROUNDING, ids=lambda dtype: dtype.__name__)

# (rows, segments in a row, length of a segment)
LAYOUTS = {
    "two values": (3, 1, 2),
    "short rows": (5, 1, 7),
    "short segments": (5, 3, 7),
    "just under a chunk": (3, 1, CHUNK - 1),
    "one chunk": (3, 1, CHUNK),
    "a chunk and one": (3, 1, CHUNK + 1),
    "chunks and a rest": (4, 1, 3 * CHUNK + 513),
    "segments across chunks": (2, 5, CHUNK // 2 + 3),
    "segments longer than a chunk": (2, 3, CHUNK + 5),
    "two full blocks": (2 * (BLOCK // 4096), 1, 4096),
    "a ragged last block": (2 * (BLOCK // 4096) + 1, 1, 4096),
    "short rows in blocks": (BLOCK // 32 + 3, 2, 16),
    "a row to a block": (3, 1, BLOCK // 2 + 1),
    "a row longer than a block": (1, 1, BLOCK + 9),
    "rows longer than a block": (3, 3, BLOCK),
}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


# --- the oracle: the definition, row by row, nothing shared with the kernel -----------------------


def extended(a):
    """As long double; a pair of roundings to float64 away from it where there is no such type."""
    return np.asarray(a).astype(np.float64).astype(np.longdouble)


def moments(x):
    x = extended(x)
    mean = x.mean(1, keepdims=True)
    mean = mean + (x - mean).mean(1, keepdims=True)
    return mean, ((x - mean) ** 2).mean(1, keepdims=True)


def spread_out(values, length):
    """(R, K) per segment -> (R, M) per element."""
    return np.repeat(extended(values), length // values.shape[1], axis=1)


def standardised(x, eps):
    mean, var = moments(x)
    return (extended(x) - mean) / np.sqrt(var + np.longdouble(eps))


def expected_forward(x, eps, scale=None, shift=None):
    y = standardised(x, eps)
    if scale is not None:
        y = y * spread_out(scale, x.shape[1])
    if shift is not None:
        y = y + spread_out(shift, x.shape[1])
    return y


def expected_backward(dy, x, eps, scale):
    dy, xhat = extended(dy), standardised(x, eps)
    g = spread_out(scale, x.shape[1]) * dy
    pull = xhat * (g * xhat).mean(1, keepdims=True)
    rstd = 1 / np.sqrt(moments(x)[1] + np.longdouble(eps))
    in_segments = (*scale.shape, -1)
    return (
        (g - g.mean(1, keepdims=True) - pull) * rstd,
        (dy * xhat).reshape(in_segments).sum(-1),
        dy.reshape(in_segments).sum(-1),
    )


def check(actual, expected, dtype, size=1.0):
    """`actual` is `expected` rounded to `dtype`, but for errors that are small beside `size`."""
    unit, error = ROUNDING[dtype]
    assert actual.dtype == dtype
    least = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    allowed = np.maximum(1.01 * unit * np.abs(expected), least) + error * size
    excess = (np.abs(extended(actual) - expected) - allowed).max()
    assert excess <= 0, f"more than allowed, by {excess:.3g}"


def draw(rng, dtype, layout, offset=0.0):
    rows, segments, length = layout
    x, dy = rng.standard_normal((2, rows, segments * length))
    scale, shift = rng.standard_normal((2, rows, segments))
    return (x + offset).astype(dtype), (dy + 2).astype(dtype), scale, shift


# --- against the oracle -------------------------------------------------------------------------


@dtypes
@layouts
def test_forward(kernel, dtype, layout, rng):
    x, _, scale, shift = draw(rng, dtype, layout, offset=3)
    y, mean, var = kernel.forward(x, EPS, scale, shift)
    check(y, expected_forward(x, EPS, scale, shift), dtype, size=np.abs(scale).max())
    check(kernel.forward(x, EPS)[0], expected_forward(x, EPS), dtype)
    assert mean.dtype == var.dtype == np.float64
    for ours, theirs in zip((mean, var), moments(x), strict=True):
        assert_allclose(extended(ours), theirs[:, 0], rtol=8 * ROUNDING[dtype][1])


@dtypes
@layouts
def test_backward(kernel, dtype, layout, rng):
    x, dy, scale, _ = draw(rng, dtype, layout, offset=3)
    expected = expected_backward(dy, x, EPS, scale)
    dx, dscale, dshift = kernel.backward(dy, x, EPS, scale)
    # The terms of dx are as large as this before they cancel.
    rstd = 1 / np.sqrt(moments(x)[1] + np.longdouble(EPS))
    size = np.abs(extended(dy) * spread_out(scale, x.shape[1])).max(1, keepdims=True) * rstd
    check(dx, expected[0], dtype, size=size)
    assert dscale.dtype == dshift.dtype == np.float64
    # A sum of n products, compared on the scale of the sum of their sizes.
    size = ROUNDING[dtype][1] * np.abs(extended(dy)).sum(1).max()
    assert_allclose(extended(dscale), expected[1], rtol=0, atol=size)
    assert_allclose(extended(dshift), expected[2], rtol=0, atol=size)


@dtypes
@layouts
def test_forward_given_and_its_gradient(kernel, dtype, layout, rng):
    x, dy, scale, shift = draw(rng, dtype, layout)
    rows, length = x.shape
    mean, var = rng.standard_normal(rows), rng.uniform(0.5, 2, rows)
    rstd = 1 / np.sqrt(extended(var)[:, None] + np.longdouble(EPS))
    xhat = (extended(x) - extended(mean)[:, None]) * rstd
    w, b = spread_out(scale, length), spread_out(shift, length)
    size = np.abs(scale).max() * 4

    y = kernel.forward_given(x, mean, var, EPS, scale, shift)
    check(y, xhat * w + b, dtype, size)
    check(kernel.forward_given(x, mean, var, EPS), xhat, dtype, 4)

    dx, dscale, dshift = kernel.backward_given(dy, x, mean, var, EPS, scale)
    check(dx, extended(dy) * rstd * w, dtype, size)
    in_segments = (*scale.shape, -1)
    error = ROUNDING[dtype][1] * np.abs(extended(dy)).sum(1).max()
    for ours, terms in ((dscale, extended(dy) * xhat), (dshift, extended(dy))):
        assert_allclose(extended(ours), terms.reshape(in_segments).sum(-1), rtol=0, atol=error)


def test_moments_given_in_float64_lose_no_digits(kernel, rng):
    x = (rng.standard_normal((4, 100)) + 1e4).astype(np.float32)
    mean, var = (m[:, 0].astype(np.float64) for m in moments(x))
    check(kernel.forward_given(x, mean, var, EPS), standardised(x, EPS), np.float32)


# --- values that are hard on the digits ---------------------------------------------------------


@pytest.mark.parametrize("length", [64, 3136, BLOCK + 9])
@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6])
def test_an_offset_costs_no_digits(kernel, offset, length, rng):
    x, dy, scale, _ = draw(rng, np.float32, (4, 1, length), offset)
    y, mean, var = kernel.forward(x, EPS)
    assert np.abs(extended(y) - standardised(x, EPS)).max() <= 2e-6
    for ours, theirs in zip((mean, var), moments(x), strict=True):
        assert_allclose(extended(ours), theirs[:, 0], rtol=1e-6)
    dx, _, _ = kernel.backward(dy, x, EPS, scale)
    exact, _, _ = expected_backward(dy, x, EPS, scale)
    assert np.abs(extended(dx) - exact).max() <= 2e-6 * np.abs(exact).max()


def test_an_offset_of_dy_costs_its_own_rounding(kernel, rng):
    x, dy, _, _ = draw(rng, np.float32, (4, 1, 3136))
    dy += np.float32(1e4)
    dx, _, _ = kernel.backward(dy, x, EPS, np.ones((4, 1)))
    exact, _, _ = expected_backward(dy, x, EPS, np.ones((4, 1)))
    assert np.abs(extended(dx) - exact).max() <= 2 * 1e4 * 2.0**-24


@pytest.mark.parametrize("length", [16, 64, 500, 3136])
@pytest.mark.parametrize("size", [0.5, 0.9, 0.99, 1.01, 1.1, 2.0])
def test_a_mean_about_as_large_as_the_spread_costs_no_digits(kernel, size, length, rng):
    """Below 1 the mean square less the squared mean is the variance; above, rows are shifted."""
    x = rng.standard_normal((200_000 // length, length))
    x -= x.mean(1, keepdims=True)
    x = (x / x.std(1, keepdims=True) + size).astype(np.float32)
    y, mean, var = kernel.forward(x, EPS)
    assert np.abs(extended(y) - standardised(x, EPS)).max() <= 2e-6
    for ours, theirs in zip((mean, var), moments(x), strict=True):
        assert_allclose(extended(ours), theirs[:, 0], rtol=2e-6)


@dtypes
@pytest.mark.parametrize("length", [50, 3136])
def test_what_a_row_gets_does_not_depend_on_the_rows_beside_it(kernel, dtype, length, rng):
    """Whichever way each of them takes: plain, shifted, rescaled, constant, poisoned."""
    x, dy, scale, shift = draw(rng, dtype, (6, 2, length // 2))
    x[1] += dtype(100)
    x[2] *= dtype(1e-4 if dtype == np.float16 else 1e25)
    x[3] = dtype(7)
    x[4, 5] = dtype(np.nan)
    y, mean, var = kernel.forward(x, EPS, scale, shift)
    gradients = kernel.backward(dy, x, EPS, scale)
    for r in range(6):
        row = np.s_[r : r + 1]
        for one, all_ in (
            (kernel.forward(x[row], EPS, scale[row], shift[row]), (y, mean, var)),
            (kernel.backward(dy[row], x[row], EPS, scale[row]), gradients),
        ):
            for alone, together in zip(one, all_, strict=True):
                a, b = alone[0].astype(np.float64), together[r].astype(np.float64)
                if kernel.kernels.__name__ == "instnorm.rows.cupy":  # another team, another order
                    unit = max(2 * ROUNDING[dtype][0], 1e-12 if dtype == np.float64 else 1e-5)
                    assert_allclose(a, b, rtol=unit, atol=unit * np.abs(np.nan_to_num(b)).max())
                else:
                    assert_array_equal(a, b)


@pytest.mark.parametrize("length", [64, 3136, BLOCK + 9, 1 << 17])
@pytest.mark.parametrize(("size", "allowed"), [(1e4, 3e-7), (1e5, 2e-7)])
def test_a_first_element_far_out_costs_the_others_no_digits(kernel, size, allowed, length, rng):
    """Five roundings; at 1e4 the squares of the others count, and some are lost beside its own."""
    x = rng.standard_normal((4, length)).astype(np.float32)
    x[:, 0] += size
    y, _, _ = kernel.forward(x, EPS)
    exact = standardised(x, EPS)
    error = np.abs(extended(y) - exact)
    assert error.max() <= allowed * np.abs(exact).max()
    assert error[:, 1:].max() <= 4e-7 * np.abs(exact[:, 1:]).max()


EXTREMES = {
    "large": (np.float32, 1e19),
    "as large as can be": (np.float32, 5e37),
    "small": (np.float32, 1e-25),
    "subnormal": (np.float32, 1e-41),
    "large in double": (np.float64, 1e200),
    "small in double": (np.float64, 1e-200),
}


@pytest.mark.parametrize(("dtype", "size"), EXTREMES.values(), ids=EXTREMES)
def test_large_and_small_values(kernel, dtype, size, rng):
    """At eps = 0 a factor changes nothing but the moments."""
    x = (size * rng.standard_normal((3, 1000))).astype(dtype)
    dy, scale = rng.standard_normal((3, 1000)).astype(dtype), rng.standard_normal((3, 1))
    _, power = np.frexp(size)
    unit = np.ldexp(x.astype(np.float64), -power)
    y, mean, var = kernel.forward(x, 0.0, scale)
    check(y, expected_forward(unit, 0, scale), dtype, size=4)
    for ours, theirs, times in zip((mean, var), moments(unit), (1, 2), strict=True):
        with np.errstate(over="ignore"):  # the variance of 1e200 is infinite
            theirs = np.ldexp(theirs[:, 0], times * power).astype(np.float64)
        assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6 * size)
    if size > 1e-38:  # else dx overflows
        dx, dscale, _ = kernel.backward(dy, x, 0.0, scale)
        exact, exact_dscale, _ = expected_backward(dy, unit, 0, scale)
        unit_dx = np.ldexp(dx.astype(np.float64), power)
        assert_allclose(extended(unit_dx), exact, rtol=1e-5, atol=1e-5)
        assert_allclose(extended(dscale), exact_dscale, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("x_size", "dy_size"), [(1e15, 1e-15), (1e-15, 1e15), (1e8, 1e-20)])
def test_the_gradient_of_large_values_by_small_ones(kernel, x_size, dy_size, rng):
    x = (x_size * rng.standard_normal((3, 100))).astype(np.float32)
    dy = (dy_size * (x / x_size + rng.standard_normal((3, 100)))).astype(np.float32)
    scale = np.ones((3, 1))
    dx, _, _ = kernel.backward(dy, x, 0.0, scale)
    exact, _, _ = expected_backward(dy, x, 0, scale)
    assert np.abs(extended(dx) - exact).max() <= 4e-6 * np.abs(exact).max()


@dtypes
@pytest.mark.parametrize("value", [0.0, 0.1, -3e4, 1e30])
@pytest.mark.parametrize("eps", [0.0, EPS])
def test_a_constant_row_becomes_its_shift(kernel, dtype, value, eps, rng):
    with np.errstate(over="ignore"):
        x = np.full((3, 777), value).astype(dtype)
    if not np.isfinite(x).all():
        pytest.skip(f"{dtype.__name__} can't hold {value}")
    scale, shift = rng.standard_normal((2, 3, 1))
    y, mean, var = kernel.forward(x, eps, scale, shift)
    assert_array_equal(y, np.broadcast_to(shift, x.shape).astype(dtype))
    assert_array_equal(mean, x[:, 0].astype(np.float64))
    assert_array_equal(var, 0)
    dx, dscale, _ = kernel.backward(x, x, eps, scale)
    assert np.isfinite(dx).all()
    assert_array_equal(dscale, 0)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1.0, 1e30])
def test_nan_and_infinity_stay_in_their_row(kernel, poison, size, rng):
    x, dy, scale, _ = draw(rng, np.float32, (5, 1, 100))
    x *= np.float32(size)
    clean_y, clean_dx = kernel.forward(x, EPS)[0], kernel.backward(dy, x, EPS, scale)[0]
    x[2, 50] = poison
    y, dx = kernel.forward(x, EPS)[0], kernel.backward(dy, x, EPS, scale)[0]
    others = [0, 1, 3, 4]
    assert_array_equal(y[others], clean_y[others])
    assert_array_equal(dx[others], clean_dx[others])
    assert not np.isfinite(y[2]).any()
    assert not np.isfinite(dx[2]).any()


# --- memory and threads ---------------------------------------------------------------------------

SEVERAL_BLOCKS = (BLOCK // 1000 * 3, 2, 500)


@dtypes
def test_output_in_place_elsewhere_and_new_is_the_same(kernel, dtype, rng):
    x, dy, scale, shift = draw(rng, dtype, SEVERAL_BLOCKS)
    before = x.copy(), dy.copy()
    y, _, _ = kernel.forward(x, EPS, scale, shift)
    given = kernel.forward_given(x, np.ones(len(x)), np.ones(len(x)), EPS, scale, shift)
    kernel.backward(dy, x, EPS, scale)
    assert_array_equal(x, before[0])
    assert_array_equal(dy, before[1])

    out = np.empty_like(x)
    assert kernel.forward(x, EPS, scale, shift, out)[0] is out
    assert_array_equal(out, y)
    moved = x.copy()
    kernel.forward_given(moved, np.ones(len(x)), np.ones(len(x)), EPS, scale, shift, moved)
    assert_array_equal(moved, given)
    assert kernel.forward(x, EPS, scale, shift, x)[0] is x
    assert_array_equal(x, y)


def test_a_rescaled_row_in_place(kernel, rng):
    x = (1e30 * rng.standard_normal((3, 100))).astype(np.float32)
    y, _, _ = kernel.forward(x, EPS)
    assert_array_equal(kernel.forward(x, EPS, out=x)[0], y)


@pytest.mark.parametrize("place", ["dy", "x"])
@dtypes
def test_a_gradient_in_place(kernel, place, dtype, rng):
    """Of ordinary rows, one that has to be rescaled, and a constant one."""
    if kernel.kernels.__name__ == "instnorm.rows.cupy":
        there, back = kernel.there, kernel.back
    else:
        there, back = np.copy, np.asarray
    x, dy, scale, _ = draw(rng, dtype, (40, 1, 100))
    x[7], x[9] = x[7] * dtype(1e-4 if dtype == np.float16 else 1e25), dtype(3)
    x, dy = x.reshape(2, 20, 1, 100), dy.reshape(2, 20, 1, 100)
    scale = there(scale[:20])
    exact = kernel.kernels.backward(there(dy), there(x), EPS, scale)
    moved = {"x": there(x), "dy": there(dy)}
    ours = kernel.kernels.backward(moved["dy"], moved["x"], EPS, scale, out=moved[place])
    assert ours[0] is moved[place]
    for a, b in zip(ours, exact, strict=True):
        assert_array_equal(back(a), back(b))


def test_callers_in_several_threads_do_not_disturb_each_other(kernel, rng):
    if "cuda_on_cpu" in getattr(sys.modules.get("cupy"), "__file__", ""):
        pytest.skip("CUDA on the CPU runs one launch at a time")
    inputs = [draw(rng, np.float32, SEVERAL_BLOCKS)[:3] for _ in range(4)]
    alone = [kernel.backward(dy, x, EPS, scale) for x, dy, scale in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: kernel.backward(i[1], i[0], EPS, i[2]), inputs))
    for ours, theirs in zip(together, alone, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert_array_equal(a, b)


def test_where_no_thread_can_be_started_nothing_misses_one():
    """So it is in a browser; and where a limit on processes has been reached."""
    program = """
        import _thread, threading
        import numpy as np

        def refuse(*_, **__):
            raise RuntimeError("can't start new thread")

        _thread.start_new_thread = threading._start_new_thread = refuse
        threading._start_joinable_thread = refuse
        import instnorm

        x = np.random.default_rng(0).standard_normal((4, 8, 128, 256), np.float32)
        assert abs(instnorm.instance_norm(x).std() - 1) < 1e-4
        instnorm.instance_norm_backward(x, x)
        assert threading.active_count() == 1
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_numpy_settings_are_left_as_they_were(kernel, rng):
    x, dy, scale, _ = draw(rng, np.float32, SEVERAL_BLOCKS)
    before = np.getbufsize(), np.geterr()
    kernel.forward(x, EPS)
    kernel.backward(dy, x, EPS, scale)
    assert (np.getbufsize(), np.geterr()) == before
