"""The GPU's row kernel and the family on it, against NumPy in double precision.

Each kind of team of `rows.cu` is made to do the work by pretending that the device is smaller than
it is.
"""

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import rows_reference as reference
from numpy.testing import assert_allclose, assert_array_equal

import instnorm as inorm
from instnorm.rows import teams

dtypes = pytest.mark.parametrize("dtype", teams.TYPES)

# Kind of team: how to pretend to have a device that needs it for rows of so many bytes.
TEAMS = {
    "WARP": lambda device, size: device,
    "BLOCK": lambda device, size: device._replace(multiprocessors=1),
    "CLUSTER": lambda device, size: device._replace(multiprocessors=1, shared_memory=size),
    "GRID": lambda device, size: device._replace(has_clusters=False, multiprocessors=5,
                                                 shared_memory=size // 16),
    "GRID without waiting": lambda device, size: device._replace(has_clusters=False,
                                                                 multiprocessors=5,
                                                                 shared_memory=0),
}  # fmt: skip
LENGTHS = {"WARP": [49, 96, 500], "long": [4099, 6144]}


@pytest.fixture
def kernel(cp):
    from instnorm.rows import cupy as kernel

    return kernel


@pytest.fixture(params=TEAMS)
def team(request, kernel, monkeypatch):
    """The kind of team that works in this test."""
    kind, pretend = request.param.split()[0], TEAMS[request.param]
    if kind == "CLUSTER" and not kernel._device(0).has_clusters:
        pytest.skip("this GPU has no thread-block clusters")
    choose = teams.plan

    def plan(device, rows, length, dtype, lanes, arrays):
        device = pretend(device, length * lanes * teams.ITEMSIZES[dtype])
        plan = choose(device, rows, length, dtype, lanes, arrays)
        assert plan.kind == kind
        return plan

    monkeypatch.setattr(teams, "plan", plan)
    return kind


def sample(rng, shape, dtype, segments=1):
    """x, dy, scale and shift: x and dy as stored in `dtype`; none of them special."""
    rows = shape[0] if len(shape) == 2 else shape[0] * shape[2]
    level = rng.standard_normal((shape[0], 1, *shape[2:]))
    x = 3 * rng.standard_normal(shape) + 5 * level
    dy = rng.standard_normal(shape) + 0.5
    scale, shift = rng.standard_normal((2, rows, segments)).astype(np.float32)
    return x.astype(dtype), dy.astype(dtype), scale, shift


def wide(*arrays):
    return [np.asarray(a).astype(np.float64) for a in arrays]


def assert_close(ours, exact, dtype):
    """Equal up to the rounding of arithmetic (float32 at least), and of storage as `dtype`."""
    ours = ours.get()
    finfo = ml_dtypes.finfo
    arithmetic = finfo(np.float64 if dtype == "float64" else np.float32).eps
    stored = finfo(dtype).eps if ours.dtype.name == dtype else 0
    error = np.abs(ours.astype(np.float64) - exact)
    assert (error <= 16 * float(arithmetic) * np.abs(exact).max() + stored * np.abs(exact)).all()


def as_rows(columns):
    """(N, M, C) -> (N·C, M)"""
    return columns.swapaxes(1, 2).reshape(-1, columns.shape[1])


# --- the row kernel, by each kind of team --------------------------------------------------------


@dtypes
@pytest.mark.parametrize("which", range(3))
def test_forward_and_backward_are_those_of_numpy(cp, kernel, team, dtype, which, rng):
    lengths = LENGTHS.get(team, LENGTHS["long"])
    if which >= len(lengths):
        pytest.skip("no third length for this team")
    x, dy, scale, shift = sample(rng, (7, lengths[which]), dtype)
    there = [cp.asarray(a) for a in (x, dy, scale, shift)]

    y, mean, var = kernel.rows_forward(there[0], 1e-5, *there[2:])
    exact_y, exact_mean, exact_var = reference.forward(*wide(x), 1e-5, *wide(scale, shift))
    assert y.dtype == x.dtype
    assert mean.dtype == var.dtype == np.float64
    assert_close(y, exact_y, dtype)
    assert_close(mean, exact_mean, dtype)
    assert_close(var, exact_var, dtype)

    dx, dscale, dshift = kernel.rows_backward(there[1], there[0], 1e-5, there[2])
    exact = reference.backward(*wide(dy, x), 1e-5, *wide(scale))
    assert dx.dtype == x.dtype
    assert dscale.dtype == dshift.dtype == np.float64
    for ours, theirs in zip((dx, dscale, dshift), exact, strict=True):
        assert_close(ours, theirs, dtype)

    assert_array_equal(there[0].get(), x)
    assert_array_equal(there[1].get(), dy)


@dtypes
@pytest.mark.parametrize("channels", [1, 5])
def test_channels_last_memory_is_worked_on_where_it_lies(cp, kernel, team, dtype, channels, rng):
    if team == "WARP":
        pytest.skip("warps work on rows only")
    length = 3000 if team == "BLOCK" else 700
    x, dy, scale, shift = sample(rng, (2, length, channels * teams.lanes(dtype)), dtype)
    there = [cp.asarray(a) for a in (x, dy, scale, shift)]

    y, mean, var = kernel.rows_forward(there[0], 1e-5, *there[2:])
    dx, dscale, dshift = kernel.rows_backward(there[1], there[0], 1e-5, there[2])
    assert y.shape == dx.shape == x.shape
    ours = as_rows(y), mean, var, as_rows(dx), dscale, dshift
    exact = (
        *reference.forward(as_rows(*wide(x)), 1e-5, *wide(scale, shift)),
        *reference.backward(as_rows(*wide(dy)), as_rows(*wide(x)), 1e-5, *wide(scale)),
    )
    for a, b in zip(ours, exact, strict=True):
        assert_close(a, b, dtype)


@dtypes
@pytest.mark.parametrize("segments", [3, 20, 60])
def test_segments_have_their_own_scale_and_shift(cp, kernel, team, dtype, segments, rng):
    """At most 60 segments, at least 1 element in each."""
    length = 60 if team == "WARP" else 4140
    x, dy, scale, shift = sample(rng, (5, length), dtype, segments)
    there = [cp.asarray(a) for a in (x, dy, scale, shift)]
    y, _, _ = kernel.rows_forward(there[0], 1e-5, *there[2:])
    assert_close(y, reference.forward(*wide(x), 1e-5, *wide(scale, shift))[0], dtype)
    if team == "WARP":  # the segments are rows to the backward kernel, and shorter ones
        gradients = kernel.rows_backward(there[1], there[0], 1e-5, there[2])
        exact = reference.backward(*wide(dy, x), 1e-5, *wide(scale))
        for ours, theirs in zip(gradients, exact, strict=True):
            assert_close(ours, theirs, dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_in_place(cp, kernel, team, dtype, rng):
    x, _, scale, shift = sample(rng, (6, 500 if team == "WARP" else 4099), dtype)
    there = [cp.asarray(a) for a in (x, scale, shift)]
    expected, _, _ = kernel.rows_forward(there[0].copy(), 1e-5, *there[1:])
    y, _, _ = kernel.rows_forward(there[0], 1e-5, *there[1:], out=there[0])
    assert y is there[0]
    assert_array_equal(y.get(), expected.get())


def test_channels_last_in_place(cp, kernel, team, rng):
    """Five bundles of channels: some teams of a block find no work, and must do none."""
    if team == "WARP":
        pytest.skip("warps work on rows only")
    x, _, _, _ = sample(rng, (1, 700, 20), "float32")
    x = cp.asarray(x)
    expected, _, _ = kernel.rows_forward(x.copy(), 1e-5)
    kernel.rows_forward(x, 1e-5, out=x)
    assert_array_equal(x.get(), expected.get())


@pytest.mark.parametrize(("level", "eps"), [(0.0, 1e-5), (7.25, 0.0), (-3e10, 0.0), (-3e10, 1e-5)])
def test_a_constant_row_gives_exactly_its_shift(cp, kernel, team, level, eps, rng):
    length = 49 if team == "WARP" else 4099
    x = cp.asarray(np.full((4, length), level, np.float32))
    shift = cp.asarray(rng.standard_normal((4, 1)).astype(np.float32))
    y, mean, var = kernel.rows_forward(x, eps, None, shift)
    assert_array_equal(y.get(), np.broadcast_to(shift.get(), y.shape))
    assert_array_equal(mean.get(), level * np.ones(4, np.float32))
    assert_array_equal(var.get(), 0)


def test_an_offset_ten_thousand_times_the_spread_costs_nothing(cp, kernel, team, rng):
    x = rng.standard_normal((4, 500 if team == "WARP" else 4096)) + 1e4
    x = x.astype(np.float32)
    y, _, _ = kernel.rows_forward(cp.asarray(x), 1e-5)
    exact, _, _ = reference.forward(*wide(x), 1e-5)
    assert np.abs(y.get() - exact).max() < 2e-6


@pytest.mark.parametrize("where", [0, 7, -1])
def test_one_pixel_far_out_costs_the_others_nothing(cp, kernel, team, where, rng):
    x = rng.standard_normal((4, 500 if team == "WARP" else 4096)).astype(np.float32)
    x[:, where] = 1e5
    y, _, _ = kernel.rows_forward(cp.asarray(x), 1e-5)
    exact, _, _ = reference.forward(*wide(x), 1e-5)
    others = np.arange(x.shape[1]) != where % x.shape[1]
    error = np.abs(y.get() - exact)[:, others].max()
    assert error <= 6e-7 * np.abs(exact[:, others]).max()


@pytest.mark.parametrize(
    ("dtype", "size", "eps"),
    [
        ("float32", 1e19, 1e-5),
        ("float32", 5e37, 1e-5),
        ("bfloat16", 1e19, 1e-5),
        ("float32", 1e-30, 0),
        ("float64", 1e200, 1e-5),
        ("float64", 1e-200, 0),
    ],
)
def test_squares_may_leave_the_range_of_the_dtype(cp, kernel, team, dtype, size, eps, rng):
    unit, dy = rng.standard_normal((2, 4, 301 if team == "WARP" else 4099))
    x = (size * unit).astype(dtype)
    dy, ones = dy.astype(dtype), np.ones((4, 1))
    exact_y, exact_mean, exact_var = reference.forward(*wide(x), eps)
    y, mean, var = kernel.rows_forward(cp.asarray(x), eps)
    assert_close(y, exact_y, dtype)
    assert_allclose(mean.get() / size, exact_mean / size, atol=1e-6)
    assert_allclose(var.get(), exact_var, rtol=1e-5)
    dx, dscale, _ = kernel.rows_backward(cp.asarray(dy), cp.asarray(x), eps, cp.asarray(ones))
    exact_dx, exact_dscale, _ = reference.backward(*wide(dy, x), eps, ones)
    assert_close(dscale, exact_dscale, dtype)
    if np.abs(exact_dx).max() > 1e-36:  # smaller float32 numbers count as 0 on the GPU
        assert_close(dx, exact_dx, dtype)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_bad_value_poisons_its_own_row_only(cp, kernel, team, poison, rng):
    x, _, _, _ = sample(rng, (7, 49 if team == "WARP" else 4099), "float32")
    clean = kernel.rows_forward(cp.asarray(x), 1e-5)[0].get()
    x[3, 40] = poison
    y = kernel.rows_forward(cp.asarray(x), 1e-5)[0].get()
    assert np.isnan(y[3]).any()
    y[3] = clean[3]
    assert_array_equal(y, clean)


def test_relu_is_fused_and_lets_nan_through(cp, kernel, team, rng):
    x, _, scale, shift = sample(rng, (5, 49 if team == "WARP" else 4099), "float32")
    x[2, 7] = np.nan
    there = [cp.asarray(a) for a in (x, scale, shift)]
    plain = kernel.rows_forward(there[0], 1e-5, *there[1:])[0].get()
    y = kernel.rows_forward(there[0], 1e-5, *there[1:], relu=True)[0].get()
    assert_array_equal(y, np.maximum(plain, 0))


# --- the row kernel, with the team that it chooses itself ----------------------------------------


@pytest.mark.parametrize("segments", [1, 5])
def test_lines_of_scale_and_shift_repeat(cp, kernel, segments, rng):
    x, dy, scale, shift = sample(rng, (6, 60), "float32", segments)
    few = [cp.asarray(a[:3]) for a in (scale, shift)]
    all_ = [cp.tile(a, (2, 1)) for a in few]
    mean, var = cp.asarray(x.mean(1)), cp.asarray(x.var(1))
    x, dy = cp.asarray(x), cp.asarray(dy)
    dx, *gradients = kernel.rows_backward(dy, x, 1e-5, all_[0])
    summed = [a.reshape(2, 3, segments).sum(0) for a in gradients]
    for a, b in [
        (kernel.rows_forward(x, 1e-5, *few), kernel.rows_forward(x, 1e-5, *all_)),
        (kernel.rows_backward(dy, x, 1e-5, few[0]), (dx, *summed)),
        (
            [kernel.rows_forward_given(x, mean, var, 1e-5, *few)],
            [kernel.rows_forward_given(x, mean, var, 1e-5, *all_)],
        ),
    ]:
        for ours, theirs in zip(a, b, strict=True):
            assert_array_equal(ours.get(), theirs.get())


@dtypes
@pytest.mark.parametrize("segments", [None, 1, 4])
def test_given_moments(cp, kernel, dtype, segments, rng):
    x, dy, scale, shift = sample(rng, (6, 5000), dtype, segments or 1)
    mean, var = rng.standard_normal(6), rng.random(6) + 0.5
    affine = [] if segments is None else [scale, shift]
    there = [cp.asarray(a) for a in (x, dy, mean, var, *affine)]
    y = kernel.rows_forward_given(there[0], *there[2:4], 1e-5, *there[4:])
    exact = reference.forward_given(*wide(x), mean, var, 1e-5, *wide(*affine))
    assert_close(y, exact, dtype)
    gradients = kernel.rows_backward_given(*there[1::-1], *there[2:4], 1e-5, *there[4:5])
    lines = affine[0] if affine else np.ones((6, 1))
    exact = reference.backward_given(*wide(dy, x), mean, var, 1e-5, *wide(lines))
    for ours, theirs in zip(gradients, exact, strict=True):
        assert_close(ours, theirs, dtype)


def test_segments_far_from_zero_have_exact_gradients(cp, kernel, rng):
    """Their mean has more digits than a float32."""
    x, dy, scale, _ = sample(rng, (6, 500), "float32", 4)
    dy += x
    x += 1e4
    gradients = kernel.rows_backward(*(cp.asarray(a) for a in (dy, x)), 1e-5, cp.asarray(scale))
    for ours, exact in zip(
        gradients, reference.backward(*wide(dy, x), 1e-5, *wide(scale)), strict=True
    ):
        assert_close(ours, exact, "float32")


@pytest.mark.parametrize("offset", [1, 3])
def test_rows_may_begin_anywhere(cp, kernel, offset, rng):
    """Vector loads need 16-byte boundaries; the callers of the kernel do not."""
    x, dy, scale, shift = sample(rng, (5, 700), "float32")
    store = cp.zeros((3, x.size + offset), np.float32)
    odd, odd_dy, odd_out = (line[offset:].reshape(x.shape) for line in store)
    odd[...], odd_dy[...] = cp.asarray(x), cp.asarray(dy)
    scale, shift = cp.asarray(scale), cp.asarray(shift)
    y, _, _ = kernel.rows_forward(odd, 1e-5, scale, shift, out=odd_out)
    assert y is odd_out
    assert_array_equal(y.get(), kernel.rows_forward(cp.asarray(x), 1e-5, scale, shift)[0].get())
    assert_array_equal(store[:, :offset].get(), 0)
    ours = kernel.rows_backward(odd_dy, odd, 1e-5, scale)
    theirs = kernel.rows_backward(cp.asarray(dy), cp.asarray(x), 1e-5, scale)
    for a, b in zip(ours, theirs, strict=True):
        assert_array_equal(a.get(), b.get())


def test_the_gradient_may_be_stored_in_another_dtype(cp, kernel, rng):
    x, dy, scale, _ = sample(rng, (5, 300), "float16")
    dy = dy.astype(np.float32) * (1 + 1e-4)
    dx, dscale, dshift = kernel.rows_backward(
        *(cp.asarray(a) for a in (dy, x)), 1e-5, cp.asarray(scale)
    )
    exact = reference.backward(*wide(dy, x), 1e-5, *wide(scale))
    assert dx.dtype == np.float16
    assert_close(dx, exact[0], "float16")
    assert_close(dscale, exact[1], "float32")
    assert_close(dshift, exact[2], "float32")


# --- the family ----------------------------------------------------------------------------------

FAMILY = {
    "instance": (inorm.instance_norm, inorm.instance_norm_backward),
    "layer": (inorm.layer_norm, inorm.layer_norm_backward),
    "group": (
        lambda x, *affine, **kw: inorm.group_norm(x, 4, *affine, **kw),
        lambda dy, x, *gamma, **kw: inorm.group_norm_backward(dy, x, 4, *gamma, **kw),
    ),
    "batch": (inorm.batch_norm, inorm.batch_norm_backward),
}
family = pytest.mark.parametrize("member", FAMILY)
layouts = pytest.mark.parametrize("layout", ["channels first", "channels last"])


def laid_out(x, layout):
    """x, with its channels neighbours in memory if asked for."""
    if layout == "channels first":
        return x
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def images(rng, dtype, shape=(3, 8, 9, 10)):
    x, dy = rng.standard_normal((2, *shape)) + rng.standard_normal((2, 1, shape[1], 1, 1))
    gamma, beta = rng.standard_normal((2, shape[1])).astype(np.float32)
    return x.astype(dtype), dy.astype(dtype), gamma, beta


@family
@dtypes
@layouts
@pytest.mark.parametrize("affine", [False, True])
def test_the_family_lives_on_the_gpu(cp, member, dtype, layout, affine, rng):
    forward, backward = FAMILY[member]
    x, dy, gamma, beta = images(rng, dtype)
    there = [cp.asarray(laid_out(a, layout)) for a in (x, dy)]
    gamma, beta = (gamma, beta) if affine else (None, None)
    parameters = [None if p is None else cp.asarray(p) for p in (gamma, beta)]
    y = forward(there[0], *parameters)
    gradients = backward(*there[::-1], parameters[0])
    assert all(isinstance(a, cp.ndarray) for a in (y, *gradients))
    wide_gamma, wide_beta = wide(gamma, beta) if affine else (None, None)
    assert_close(y, forward(*wide(x), wide_gamma, wide_beta), dtype)
    for ours, exact in zip(gradients, backward(*wide(dy, x), wide_gamma), strict=True):
        assert_close(ours, exact, dtype)


@layouts
def test_instance_norm_keeps_the_memory_layout(cp, layout, rng):
    x, dy, gamma, _ = images(rng, "float32")
    x, dy = (cp.asarray(laid_out(a, layout)) for a in (x, dy))
    assert inorm.instance_norm(x).strides == x.strides
    assert inorm.instance_norm_backward(dy, x, cp.asarray(gamma))[0].strides == x.strides


@layouts
def test_out_receives_the_result(cp, layout, rng):
    x, _, gamma, beta = images(rng, "float32")
    x = cp.asarray(laid_out(x, layout))
    gamma, beta = cp.asarray(gamma), cp.asarray(beta)
    expected = inorm.instance_norm(x, gamma, beta).get()
    out = cp.zeros(x.shape, np.float32)
    assert inorm.instance_norm(x, gamma, beta, out=out) is out
    assert_array_equal(out.get(), expected)
    assert inorm.instance_norm(x, gamma, beta, out=x) is x
    assert_array_equal(x.get(), expected)


def test_running_moments_live_on_the_gpu(cp, rng):
    x, _, gamma, beta = images(rng, "float32")
    here = [np.zeros(8), np.ones(8)]
    there = [cp.asarray(a) for a in here]
    for xp, a, (mean, var) in ((np, x, here), (cp, cp.asarray(x), there)):
        parameters = [xp.asarray(p) for p in (gamma, beta)]
        running = {"running_mean": mean, "running_var": var}
        for training in (True, True, False):
            y = inorm.batch_norm(a, *parameters, **running, training=training)
    assert_allclose(there[0].get(), here[0], atol=1e-6)
    assert_allclose(there[1].get(), here[1], rtol=1e-6)
    exact = inorm.batch_norm(x.astype(np.float64), gamma, beta, **running_of(here), training=False)
    assert_close(y, exact, "float32")


def running_of(pair):
    return dict(zip(("running_mean", "running_var"), pair, strict=True))


@family
@pytest.mark.parametrize("shape", [(0, 8, 4, 5), (2, 0, 4, 5)], ids=str)
def test_no_images_or_no_channels_give_an_empty_array(cp, member, shape):
    forward, backward = FAMILY[member]
    x = cp.zeros(shape, np.float32)
    assert forward(x).shape == shape
    dx, dgamma, _ = backward(x, x)
    assert dx.shape == shape
    assert_array_equal(dgamma.get(), np.zeros(shape[1]))


def test_a_captured_call_can_be_replayed(cp, kernel, rng):
    """A CUDA graph: recorded once, replayed on new contents of the same memory."""
    x, _, scale, shift = sample(rng, (64, 1024), "float32")
    there = [cp.asarray(a) for a in (x, scale, shift)]
    out = cp.zeros(x.shape, np.float32)
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        kernel.rows_forward(there[0], 1e-5, *there[1:], out=out)
        stream.begin_capture()
        kernel.rows_forward(there[0], 1e-5, *there[1:], out=out)
        graph = stream.end_capture()
        there[0] *= 2
        there[0] += 3
        graph.launch(stream)
        stream.synchronize()
    assert_close(out, reference.forward(*wide(2 * x + 3), 1e-5, *wide(scale, shift))[0], "float32")


def test_nobody_imports_cupy_unasked():
    code = (
        "import sys, numpy, instnorm\n"
        "x = numpy.arange(8.0).reshape(1, 2, 2, 2)\n"
        "instnorm.instance_norm(x); instnorm.instance_norm_backward(x, x)\n"
        "assert 'cupy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
