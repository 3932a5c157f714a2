"""The family against PyTorch, finite differences, and the identities that tie its members."""

from decimal import Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose, assert_array_equal

import instnorm as inorm

SHAPES = [(3, 6, 11), (2, 6, 5, 7), (2, 6, 3, 4, 5)]

# Each member by name: ours, its gradient, PyTorch's.
FAMILY = {
    "instance": (
        inorm.instance_norm,
        inorm.instance_norm_backward,
        lambda x, g, b, eps: F.instance_norm(x, weight=g, bias=b, eps=eps),
    ),
    "layer": (
        inorm.layer_norm,
        inorm.layer_norm_backward,
        lambda x, g, b, eps: F.group_norm(x, 1, g, b, eps),
    ),
    "group": (
        lambda x, *affine, **kw: inorm.group_norm(x, 3, *affine, **kw),
        lambda dy, x, *gamma, **kw: inorm.group_norm_backward(dy, x, 3, *gamma, **kw),
        lambda x, g, b, eps: F.group_norm(x, 3, g, b, eps),
    ),
    "batch": (
        inorm.batch_norm,
        inorm.batch_norm_backward,
        lambda x, g, b, eps: F.batch_norm(x, None, None, g, b, training=True, eps=eps),
    ),
}
# The axes, for x of shape (N, G, C/G, *spatial), that one mean is taken over.
POOLED = {"instance": (3,), "layer": (1, 2, 3), "group": (2, 3), "batch": (0, 3)}

family = pytest.mark.parametrize("member", FAMILY)
dtypes = pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64], ids=lambda d: d.__name__
)


def sample(rng, shape):
    """x, gamma, beta and an upstream gradient, none of them special."""
    channels = shape[1]
    x = 3 * rng.standard_normal(shape) + rng.standard_normal(
        (1, channels) + (1,) * (len(shape) - 2)
    )
    return (
        x,
        rng.standard_normal(channels),
        rng.standard_normal(channels),
        rng.standard_normal(shape),
    )


def with_gradient(*arrays):
    return [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]


# --- against PyTorch and against the definition -----------------------------------------------


@family
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_forward_and_backward_agree_with_torch(member, shape, eps, rng):
    forward, backward, theirs = FAMILY[member]
    x, gamma, beta, dy = sample(rng, shape)
    leaves = with_gradient(x, gamma, beta)
    expected = theirs(*leaves, eps)
    expected.backward(torch.from_numpy(dy))
    assert_allclose(forward(x, gamma, beta, eps=eps), expected.detach().numpy(), atol=1e-12)
    for ours, leaf in zip(backward(dy, x, gamma, eps=eps), leaves, strict=True):
        assert_allclose(ours, leaf.grad.numpy(), rtol=1e-9, atol=1e-11)


@family
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_is_the_definition_over_its_axes(member, shape, rng):
    x, *_ = sample(rng, shape)
    grouped = x.reshape(shape[0], 3, 2, -1)
    mean = grouped.mean(axis=POOLED[member], keepdims=True)
    var = grouped.var(axis=POOLED[member], keepdims=True)
    expected = ((grouped - mean) / np.sqrt(var + 1e-5)).reshape(shape)
    assert_allclose(FAMILY[member][0](x), expected, atol=1e-12)


@family
@pytest.mark.parametrize("layout", ["channels first", "channels last"])
@pytest.mark.parametrize(
    "shape", [SHAPES[1], (4, 6, 70, 50), (3000, 6, 2, 3)], ids=["small", "large", "many images"]
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gamma_and_beta_default_to_one_and_zero(member, dtype, shape, layout, rng):
    forward, backward, _ = FAMILY[member]
    x, _, _, dy = (a.astype(dtype) for a in sample(rng, shape))
    if layout == "channels last":
        x, dy = (np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1) for a in (x, dy))
    ones, zeros = np.ones(6), np.zeros(6)
    assert_array_equal(forward(x), forward(x, ones, zeros))
    for without, with_ones in zip(backward(dy, x), backward(dy, x, ones), strict=True):
        assert_array_equal(without, with_ones)


@family
def test_backward_agrees_with_finite_differences(member, rng):
    """An oracle that shares nothing with the kernel but the forward pass."""
    forward, backward, _ = FAMILY[member]
    x, gamma, beta, dy = sample(rng, (2, 6, 2, 3))
    gradients = backward(dy, x, gamma, eps=0.1)
    for which, gradient in enumerate(gradients):
        numeric = np.empty_like(gradient)
        for index in np.ndindex(gradient.shape):
            moved = []
            for step in (1e-5, -1e-5):
                arguments = [x.copy(), gamma.copy(), beta.copy()]
                arguments[which][index] += step
                moved.append((dy * forward(*arguments, eps=0.1)).sum())
            numeric[index] = (moved[0] - moved[1]) / 2e-5
        assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-7)


# --- the family: identities between its members -----------------------------------------------


def test_group_norm_with_a_group_per_channel_is_instance_norm(rng):
    x, gamma, beta, _ = sample(rng, SHAPES[1])
    assert_array_equal(inorm.group_norm(x, 6, gamma, beta), inorm.instance_norm(x, gamma, beta))


def test_group_norm_with_one_group_is_layer_norm(rng):
    x, gamma, beta, _ = sample(rng, SHAPES[1])
    assert_array_equal(inorm.group_norm(x, 1, gamma, beta), inorm.layer_norm(x, gamma, beta))


def test_batch_norm_of_one_image_in_training_is_instance_norm(rng):
    x, gamma, beta, dy = sample(rng, (1, 6, 5, 7))
    assert_allclose(
        inorm.batch_norm(x, gamma, beta), inorm.instance_norm(x, gamma, beta), atol=1e-13
    )
    for batch, instance in zip(
        inorm.batch_norm_backward(dy, x, gamma),
        inorm.instance_norm_backward(dy, x, gamma),
        strict=True,
    ):
        assert_allclose(batch, instance, atol=1e-12)


def test_groups_are_blocks_of_neighbouring_channels(rng):
    x, *_ = sample(rng, SHAPES[1])
    order = [0, 3, 1, 4, 2, 5]
    shuffled = inorm.group_norm(x[:, order], 3)[:, np.argsort(order)]
    assert np.abs(shuffled - inorm.group_norm(x, 3)).max() > 0.1


# --- what the gradient must obey ---------------------------------------------------------------


@pytest.mark.parametrize("eps", [0.0, 1e-5, 1.0])
def test_instance_gradient_sums_to_zero_in_each_plane(eps, rng):
    x, gamma, _, dy = sample(rng, SHAPES[1])
    dx, _, _ = inorm.instance_norm_backward(dy, x, gamma, eps=eps)
    assert_allclose(dx.sum(axis=(2, 3)), 0, atol=1e-12)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 1.0])
def test_instance_gradient_along_the_output_is_the_eps_term(eps, rng):
    """<dx, x̂> = <g, x̂> / s · eps / (var + eps), which is 0 at eps = 0: no gradient for a gain."""
    x, gamma, _, dy = sample(rng, SHAPES[1])
    dx, _, _ = inorm.instance_norm_backward(dy, x, gamma, eps=eps)
    xhat = inorm.instance_norm(x, eps=eps)
    var = x.var(axis=(2, 3))
    along = (gamma[:, None, None] * dy * xhat).sum(axis=(2, 3))
    expected = along / np.sqrt(var + eps) * eps / (var + eps)
    assert_allclose((dx * xhat).sum(axis=(2, 3)), expected, rtol=1e-9, atol=1e-12)


def test_one_image_gets_no_gradient_from_another(rng):
    x, gamma, _, dy = sample(rng, SHAPES[1])
    dy[1] = 0
    dx, _, _ = inorm.instance_norm_backward(dy, x, gamma)
    assert np.abs(dx[0]).max() > 0.01
    assert_array_equal(dx[1], 0)


# --- batch norm's memory -----------------------------------------------------------------------


def test_running_moments_follow_torch(rng):
    x, gamma, beta, _ = sample(rng, SHAPES[1])
    ours = rng.standard_normal(6), rng.random(6) + 0.5
    theirs = [torch.tensor(a) for a in ours]
    for _ in range(3):
        inorm.batch_norm(x, gamma, beta, running_mean=ours[0], running_var=ours[1], momentum=0.3)
        F.batch_norm(torch.from_numpy(x), *theirs, training=True, momentum=0.3)
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b.numpy(), rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 6), *SHAPES], ids=str)
def test_outside_training_the_running_moments_are_constants(shape, rng):
    x, gamma, beta, dy = sample(rng, shape)
    running = {"running_mean": rng.standard_normal(6), "running_var": rng.random(6) + 0.5}
    kept = {name: a.copy() for name, a in running.items()}
    leaves = with_gradient(x, gamma, beta)
    expected = F.batch_norm(
        leaves[0], *(torch.tensor(a) for a in kept.values()), leaves[1], leaves[2], training=False
    )
    expected.backward(torch.from_numpy(dy))
    y = inorm.batch_norm(x, gamma, beta, **running, training=False)
    assert_allclose(y, expected.detach().numpy(), atol=1e-12)
    gradients = inorm.batch_norm_backward(dy, x, gamma, **running, training=False)
    for ours, leaf in zip(gradients, leaves, strict=True):
        assert_allclose(ours, leaf.grad.numpy(), rtol=1e-9, atol=1e-11)
    for name, a in kept.items():
        assert_array_equal(running[name], a)


def test_a_refused_batch_leaves_the_running_moments_alone(rng):
    running_mean, running_var = np.zeros(6), np.ones(6)
    with pytest.raises(ValueError, match="gamma"):
        inorm.batch_norm(
            rng.standard_normal((2, 6, 3, 3)),
            np.ones(5),
            running_mean=running_mean,
            running_var=running_var,
        )
    assert_array_equal(running_mean, 0)
    assert_array_equal(running_var, 1)


# --- numerics ----------------------------------------------------------------------------------


@family
@dtypes
def test_every_dtype_is_kept_and_accurate(member, dtype, rng):
    """Storage rounds the result once; the arithmetic in between adds next to nothing."""
    forward, backward, _ = FAMILY[member]
    x, gamma, beta, dy = (a.astype(dtype) for a in sample(rng, (2, 6, 9, 8)))
    y = forward(x, gamma, beta)
    dx, dgamma, dbeta = backward(dy, x, gamma)
    wide = [a.astype(np.float64) for a in (x, gamma, beta, dy)]
    assert y.dtype == dx.dtype == x.dtype
    assert dgamma.dtype == dbeta.dtype == np.float64
    rounding = max(float(ml_dtypes.finfo(dtype).eps), 1e-14)
    assert_allclose(
        y.astype(np.float64), forward(*wide[:3]), rtol=rounding, atol=4e-6 * (rounding > 1e-9)
    )
    for ours, exact in zip((dx, dgamma, dbeta), backward(wide[3], *wide[:2]), strict=True):
        scale = np.abs(exact).max()
        assert np.abs(ours.astype(np.float64) - exact).max() <= max(rounding, 2e-15) * scale * 2


@family
@pytest.mark.parametrize("eps", [0.0, 1e-5])
@pytest.mark.parametrize("level", [0.0, 1.0, -3e10])
def test_a_constant_plane_gives_exactly_beta(member, level, eps):
    beta = np.linspace(-1, 1, 6, dtype=np.float32)
    x = np.full((2, 6, 4, 5), level, np.float32)
    y = FAMILY[member][0](x, np.ones(6, np.float32), beta, eps=eps)
    assert_array_equal(y, np.broadcast_to(beta[:, None, None], x.shape))


def test_an_offset_ten_thousand_times_the_spread_costs_nothing(rng):
    x = (rng.standard_normal((2, 3, 64, 64)) + 1e4).astype(np.float32)
    exact = inorm.instance_norm(x.astype(np.float64))
    assert np.abs(inorm.instance_norm(x) - exact).max() < 2e-6


@pytest.mark.parametrize(
    ("dtype", "size", "eps"),
    [
        ("float32", 1e19, 1e-5),
        ("float32", 1e-30, 0),
        ("float64", 1e200, 1e-5),
        ("float64", 1e-200, 0),
    ],
)
def test_squares_may_leave_the_range_of_the_dtype(dtype, size, eps, rng):
    unit = rng.standard_normal((2, 3, 8, 8))
    x = (size * unit).astype(dtype)
    tolerance = {"float32": 1e-6, "float64": 1e-13}[dtype]
    assert_allclose(
        inorm.instance_norm(x, eps=eps), inorm.instance_norm(unit, eps=0), atol=tolerance
    )
    out = x.copy()
    assert_array_equal(inorm.instance_norm(out, eps=eps, out=out), inorm.instance_norm(x, eps=eps))
    dx, _, _ = inorm.instance_norm_backward(unit.astype(dtype), x, eps=eps)
    expected, _, _ = inorm.instance_norm_backward(unit, unit, eps=0)
    assert_allclose(size * dx.astype(np.float64), expected, atol=10 * tolerance)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_bad_value_poisons_its_own_plane_only(poison, rng):
    x, *_ = sample(rng, SHAPES[1])
    clean = inorm.instance_norm(x)
    x[1, 2, 3, 4] = poison
    y = inorm.instance_norm(x)
    assert np.isnan(y[1, 2]).any()
    y[1, 2] = clean[1, 2]
    assert_array_equal(y, clean)


@pytest.mark.parametrize("c", [1e-3, 1e-2, 0.1, 1.0, 30.0])
def test_eps_sets_how_much_contrast_survives(c, rng):
    """The output's standard deviation is c / sqrt(c² + eps) for a picture of contrast c."""
    s = rng.standard_normal((1, 1, 16, 16))
    s = (s - s.mean()) / s.std()
    assert_allclose(inorm.instance_norm(c * s, eps=1e-5).std(), c / np.sqrt(c**2 + 1e-5), rtol=1e-9)


# --- memory: out, views, empty arrays ----------------------------------------------------------


@family
@pytest.mark.parametrize("layout", ["plain", "in place", "overlapping", "strided"])
def test_out_receives_the_result(member, layout, rng):
    """The array is large enough to be worked through in several blocks."""
    forward = FAMILY[member][0]
    shape, size = (2, 6, 100, 120), 144_000
    store = rng.standard_normal(size + 1)
    x = store[:size].reshape(shape)
    out = {
        "plain": np.empty_like(x),
        "in place": x,
        "overlapping": store[1:].reshape(shape),
        "strided": np.empty((2, 6, 120, 100)).swapaxes(2, 3),
    }[layout]
    expected = forward(x.copy())
    assert forward(x, out=out) is out
    assert_allclose(out, expected, atol=1e-14)


@family
def test_any_memory_layout_is_read_and_none_is_changed(member, rng):
    forward, backward, _ = FAMILY[member]
    x, gamma, _, dy = sample(rng, (2, 5, 7, 6))
    views = [a.transpose(0, 3, 1, 2) for a in (x, dy)]
    copies = [np.ascontiguousarray(a) for a in views]
    kept = x.copy()
    gamma = np.append(gamma, 0.5)
    y, dx = forward(views[0], gamma), backward(views[1], views[0], gamma)[0]
    assert_allclose(y, forward(copies[0], gamma), atol=1e-14)
    assert_allclose(dx, backward(copies[1], copies[0], gamma)[0], atol=1e-14)
    assert y.strides == dx.strides == views[0].strides
    assert_array_equal(x, kept)


@family
@pytest.mark.parametrize("shape", [(0, 6, 4, 5), (2, 0, 4, 5)], ids=str)
def test_no_images_or_no_channels_give_an_empty_array(member, shape):
    forward, backward, _ = FAMILY[member]
    x = np.empty(shape)
    assert forward(x).shape == shape
    dx, dgamma, dbeta = backward(x, x)
    assert dx.shape == shape
    assert_array_equal(dgamma, np.zeros(shape[1]))
    assert_array_equal(dbeta, np.zeros(shape[1]))


def test_an_empty_batch_leaves_the_running_moments_alone():
    running = {"running_mean": np.ones(6), "running_var": np.ones(6)}
    inorm.batch_norm(np.empty((0, 6, 4, 5)), **running)
    assert_array_equal(running["running_mean"], 1)


# --- bad input: the argument, what was seen, what is wanted ------------------------------------

X = np.ones((2, 6, 3, 4))


@family
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"x": [[1.0, 2.0]]}, TypeError, "x must be a NumPy or CuPy array; got list"),
        ({"x": torch.ones(2, 3, 4, 4)}, TypeError, "x must be a NumPy or CuPy array; got Tensor"),
        ({"x": X.astype(int)}, TypeError, r"x must hold floating-point numbers .* got int64"),
        ({"x": X[0, 0, 0]}, ValueError, r"x must have shape \(N, C, .*; got \(4,\)"),
        ({"gamma": np.ones(5)}, ValueError, r"gamma must have shape \(6,\).*got \(5,\)"),
        ({"gamma": np.ones((6, 1))}, ValueError, r"gamma must have shape \(6,\).*got \(6, 1\)"),
        ({"gamma": np.ones(6, int)}, TypeError, "gamma must hold floating-point .* got int64"),
        ({"eps": -1e-5}, ValueError, "eps must be finite and not negative; got -1e-05"),
        ({"eps": float("nan")}, ValueError, "eps must be finite"),
        ({"eps": "small"}, TypeError, "eps must be a number; got str"),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else None,
)
def test_bad_input_is_named(member, direction, arguments, error, words):
    forward, backward, _ = FAMILY[member]
    arguments = {"x": X, "gamma": None, "eps": 1e-5} | arguments
    x, gamma, eps = arguments["x"], arguments["gamma"], arguments["eps"]
    call = forward if direction == "forward" else lambda x, *a, **kw: backward(x, x, *a, **kw)
    with pytest.raises(error, match=words):
        call(x, gamma, eps=eps)


@family
def test_a_single_value_has_no_spread(member):
    """One pixel, one image, one channel: the output would be beta whatever the input."""
    forward, backward, _ = FAMILY[member]
    x = np.ones((1, 6, 1, 1) if member in ("instance", "batch") else (3, 1, 1, 1))
    if member == "group":
        forward, backward = (
            lambda x: inorm.group_norm(x, 1),
            lambda dy, x: inorm.group_norm_backward(dy, x, 1),
        )
    for call in (lambda: forward(x), lambda: backward(x, x)):
        with pytest.raises(ValueError, match=r"holds 1 value, .* needs at least 2"):
            call()


def test_a_plane_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 0, 4\) holds 0 values"):
        inorm.instance_norm(np.ones((2, 3, 0, 4)))


@pytest.mark.parametrize(
    ("num_groups", "error", "words"),
    [
        (4, ValueError, "num_groups=4 for 6 channels"),
        (0, ValueError, "num_groups=0 for 6 channels"),
        (2.0, TypeError, "num_groups must be a whole number; got 2.0"),
        (True, TypeError, "num_groups must be a whole number; got True"),
    ],
)
def test_groups_must_divide_the_channels(num_groups, error, words):
    with pytest.raises(error, match=words):
        inorm.group_norm(X, num_groups)
    with pytest.raises(error, match=words):
        inorm.group_norm_backward(X, X, num_groups)


@family
@pytest.mark.parametrize(
    ("out", "words"),
    [
        (
            np.empty((2, 6, 4, 3)),
            r"out must be like x, float64 \(2, 6, 3, 4\); got float64 \(2, 6, 4, 3\)",
        ),
        (np.empty_like(X, dtype=np.float32), "got float32"),
        ([0.0], "got list"),
        (np.broadcast_to(0.0, X.shape), "out must be writable"),
    ],
    ids=["shape", "dtype", "list", "read-only"],
)
def test_out_must_fit(member, out, words):
    with pytest.raises(ValueError, match=words):
        FAMILY[member][0](X, out=out)


SETS = {"instance": 6, "layer": 1, "group": 3, "batch": 6}


def places(member, x):
    """Where moments are written to."""
    return np.zeros((2, 1 if member == "batch" else len(x), SETS[member]))


@family
@pytest.mark.parametrize("size", ["small", "large"])
def test_moments_and_an_array_that_are_given_change_nothing(member, size, rng):
    """Up to rounding: a kernel may take the moments, or calculate them anew."""
    forward, backward, _ = FAMILY[member]
    x, gamma, _, dy = sample(rng, {"small": (2, 6, 5, 7), "large": (4, 6, 70, 50)}[size])
    mean, var = moments = places(member, x)
    assert_array_equal(forward(x, moments=moments), forward(x))
    grouped = x.reshape(len(x), 3, 2, -1)
    assert_allclose(mean.ravel(), grouped.mean(POOLED[member]).ravel(), atol=1e-13)
    assert_allclose(var.ravel(), grouped.var(POOLED[member]).ravel(), rtol=1e-13)
    expected = backward(dy, x, gamma)

    def check(dy, x, out, **given):
        ours = backward(dy, x, gamma, out=out, **given)
        assert out is None or ours[0] is out
        for a, b in zip(ours, expected, strict=True):
            assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())

    check(dy, x, None, moments=moments)
    check(dy, x, np.zeros_like(x), moments=(mean, var))
    for which in range(2):
        copies = dy.copy(), x.copy()
        check(*copies, copies[which], moments=moments)
    memory = np.append(dy.ravel(), 0.0)  # dx lies one number further on than dy
    check(memory[:-1].reshape(dy.shape), x, memory[1:].reshape(dy.shape))


@family
@pytest.mark.parametrize("shape", [(2, 6, 5, 7), (4, 6, 70, 50)], ids=["small", "large"])
def test_a_result_is_written_where_its_axes_lie_in_another_order(member, shape, rng):
    forward, backward, _ = FAMILY[member]
    x, gamma, _, dy = sample(rng, shape)
    y, dx = forward(x, gamma), backward(dy, x, gamma)[0]
    swapped = np.ascontiguousarray(x.swapaxes(2, 3)).swapaxes(2, 3)
    for ours, out in ((swapped, np.zeros_like(x)), (x, np.zeros_like(swapped))):
        assert_allclose(forward(ours, gamma, out=out), y, atol=1e-12)
        assert_allclose(out, y, atol=1e-12)
        assert_allclose(backward(dy, ours, gamma, out=out)[0], dx, atol=1e-12)
        assert_allclose(out, dx, atol=1e-12)


def test_rms_norm_gives_its_moments_and_takes_them(rng):
    x, gamma, _, dy = sample(rng, (3, 6, 5))
    mean, var = moments = places("layer", x)
    assert_array_equal(inorm.rms_norm(x, gamma, moments=moments), inorm.rms_norm(x, gamma))
    assert_array_equal(mean, np.zeros((3, 1)))
    assert_allclose(var[:, 0], (x * x).mean((1, 2)))
    expected = inorm.rms_norm_backward(dy, x, gamma)
    ours = inorm.rms_norm_backward(dy, x, gamma, moments=moments, out=dy)
    assert ours[0] is dy
    for a, b in zip(ours, expected, strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_outside_training_batch_norm_has_no_moments_of_a_batch(rng):
    x, _, _, dy = sample(rng, (3, 6, 5))
    running = {"running_mean": np.ones(6), "running_var": np.full(6, 2.0), "training": False}
    for call in (inorm.batch_norm, lambda x, **given: inorm.batch_norm_backward(dy, x, **given)):
        with pytest.raises(ValueError, match="moments are those of a batch, and training is False"):
            call(x, **running, moments=places("batch", x))
    expected = inorm.batch_norm_backward(dy, x, **running)[0]
    assert inorm.batch_norm_backward(dy, x, **running, out=dy)[0] is dy
    assert_array_equal(dy, expected)


@family
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    ("moments", "error", "words"),
    [
        (3.0, TypeError, r"moments must be \(mean, var\), two arrays; got 3.0"),
        (np.ones((3, 7)), TypeError, r"moments must be \(mean, var\), two arrays; got array"),
        ((None, None), TypeError, "mean of moments must be a NumPy or CuPy array; got NoneType"),
        (
            np.ones((2, 7, 7)),
            ValueError,
            r"mean of moments must be float64 .* got float64 \(7, 7\)",
        ),
        ("float32", ValueError, "mean of moments must be float64 .* got float32"),
    ],
    ids=["a number", "three", "nothing", "shape", "dtype"],
)
def test_moments_must_fit(member, direction, moments, error, words):
    if isinstance(moments, str):
        moments = places(member, X).astype(moments)
    forward, backward, _ = FAMILY[member]
    call = forward if direction == "forward" else lambda x, **given: backward(x, x, **given)
    with pytest.raises(error, match=words):
        call(X, moments=moments)


@family
def test_moments_are_not_written_to_what_is_read_only(member):
    moments = places(member, X)
    moments.flags.writeable = False
    with pytest.raises(ValueError, match="mean of moments must be writable"):
        FAMILY[member][0](X, moments=moments)


@family
def test_the_array_for_a_gradient_must_fit(member):
    with pytest.raises(ValueError, match="out must be like x"):
        FAMILY[member][1](X, X, out=np.empty(3))


@family
def test_beta_and_dy_must_fit(member):
    forward, backward, _ = FAMILY[member]
    with pytest.raises(ValueError, match=r"beta must have shape \(6,\)"):
        forward(X, np.ones(6), np.ones(3))
    with pytest.raises(
        ValueError, match=r"dy must have the shape of x, \(2, 6, 3, 4\); got \(2, 6, 12\)"
    ):
        backward(X.reshape(2, 6, 12), X)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"training": False}, "needed when training is False"),
        ({"running_mean": np.zeros(6)}, "running_var is missing"),
        (
            {"running_mean": np.zeros(5), "running_var": np.ones(6)},
            r"running_mean must have shape \(6,\)",
        ),
        (
            {"running_mean": np.broadcast_to(0.0, 6), "running_var": np.ones(6)},
            "running_mean must be writable",
        ),
        ({"momentum": 1.5}, "momentum must lie between 0 and 1; got 1.5"),
    ],
    ids=["none given", "one given", "shape", "read-only", "momentum"],
)
def test_running_moments_must_fit(arguments, words):
    with pytest.raises(ValueError, match=words):
        inorm.batch_norm(X, **arguments)


# --- right everywhere -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 1024, 65536])
@pytest.mark.parametrize("hot", [1e3, 1e5, 1e7])
@pytest.mark.parametrize("where", [0, 32])
def test_one_hot_pixel_costs_the_others_nothing(size, hot, where, rng):
    x = rng.standard_normal((1, 1, size)).astype(np.float32)
    x[0, 0, where] = hot
    wide = x.astype(np.longdouble)
    centred = wide - wide.mean()
    exact = centred / np.sqrt((centred * centred).mean() + np.longdouble(1e-5))
    others = np.arange(size) != where
    error = np.abs(inorm.instance_norm(x) - exact)[..., others].max()
    # Four roundings of half a unit, and what the variance adds: 3e-7 at worst, seldom all at once.
    assert error <= (2e-7 if hot <= 1e5 else 3e-7) * np.abs(exact[..., others]).max()


@family
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_narrower_gradient_keeps_double_precision(member, dtype, rng):
    _, backward, _ = FAMILY[member]
    x, gamma, _, dy = sample(rng, SHAPES[1])
    dy = dy.astype(dtype)
    dx, *_ = backward(dy, x, gamma)
    assert dx.dtype == np.float64
    assert_array_equal(dx, backward(dy.astype(np.float64), x, gamma)[0])


def test_a_product_beyond_the_range_gives_the_finite_gradient(rng):
    """dy * (x - mean) is 1e40, more than float32 holds."""
    unit, dy = rng.standard_normal((2, 2, 3, 8, 8))
    for x_size, dy_size, dtype in ((1e20, 1e20, "float32"), (1e200, 1e200, "float64")):
        x, d = (x_size * unit).astype(dtype), (dy_size * dy).astype(dtype)
        dx, _, _ = inorm.instance_norm_backward(d, x)
        exact, _, _ = inorm.instance_norm_backward(dy, unit, eps=0)
        assert_allclose(dx * (x_size / dy_size), exact, atol=1e-5)


@family
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ma.masked_equal(np.ones((2, 6, 3, 4)), 0), "without a mask"),
        (np.ones((6, 20)).view(np.matrix), "got a matrix"),
    ],
    ids=["masked", "matrix"],
)
def test_what_only_inherits_from_an_array_is_refused(member, direction, x, words):
    forward, backward, _ = FAMILY[member]
    with pytest.raises(TypeError, match=words):
        forward(x) if direction == "forward" else backward(x, x)


@pytest.mark.parametrize("eps", [Fraction(1, 10**5), Decimal("1e-5"), np.float64(1e-5)], ids=type)
def test_any_real_number_will_do_for_eps(eps, rng):
    x, *_ = sample(rng, SHAPES[1])
    assert_array_equal(inorm.instance_norm(x, eps=eps), inorm.instance_norm(x, eps=1e-5))
    dx, *_ = inorm.instance_norm_backward(x, x, eps=eps)
    assert_array_equal(dx, inorm.instance_norm_backward(x, x, eps=1e-5)[0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: inorm.instance_norm(X, eps=10**400), ValueError, "eps must be finite; got a num"),
        (lambda: inorm.batch_norm(X, momentum=None), TypeError, "momentum must be a number; got N"),
        (
            lambda: inorm.batch_norm(X, momentum=np.array([0.1, 0.2])),
            TypeError,
            "momentum must be a number; got ndarray",
        ),
        (lambda: inorm.batch_norm(X, training=None), TypeError, "training must be True or False"),
        (
            lambda: inorm.group_norm(X, np.array([2])),
            TypeError,
            "num_groups must be a whole number",
        ),
    ],
)
def test_what_is_no_number_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@family
@pytest.mark.parametrize("size", ["small", "large"])
def test_channels_last_stays_channels_last_without_a_copy(member, size, rng, monkeypatch):
    forward, backward, _ = FAMILY[member]
    shape = {"small": (2, 5, 7, 6), "large": (4, 96, 80, 6)}[size]
    x, dy = (a.transpose(0, 3, 1, 2) for a in rng.standard_normal((2, *shape)))
    seen = []
    for name in ("forward", "backward"):
        kernel = getattr(inorm.rows, name)

        def spy(*arrays, kernel=kernel, **options):
            given = (*arrays, *options.values())
            seen.extend(a for a in given if isinstance(a, np.ndarray) and a.ndim == 4)
            return kernel(*arrays, **options)

        monkeypatch.setattr(inorm.rows, name, spy)
    y, (dx, *_) = forward(x), backward(dy, x)
    assert y.strides == dx.strides == x.strides
    assert [a.ctypes.data for a in seen] == [a.ctypes.data for a in (x, y, dy, x, dx)]
    monkeypatch.undo()
    exact = forward(np.ascontiguousarray(x)), backward(*map(np.ascontiguousarray, (dy, x)))[0]
    assert_allclose(y, exact[0], atol=1e-13)
    assert_allclose(dx, exact[1], atol=1e-13)


def test_a_memory_map_is_an_array(tmp_path, rng):
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(2, 3, 8))
    x[...] = rng.standard_normal(x.shape)
    out = np.empty(x.shape, np.float32)
    assert inorm.instance_norm(x, out=out) is out
    assert_array_equal(out, inorm.instance_norm(np.array(x)))


# --- RMSNorm --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 6), *SHAPES], ids=str)
@pytest.mark.parametrize("eps", [1e-6, 0.3])
def test_rms_norm_agrees_with_torch(shape, eps, rng):
    x, gamma, _, dy = sample(rng, shape)
    leaf, weight = with_gradient(x, gamma)
    each = weight.reshape(1, 6, *(1,) * (len(shape) - 2)).expand(1, *shape[1:])[0]
    expected = F.rms_norm(leaf, shape[1:], each, eps)
    expected.backward(torch.from_numpy(dy))
    assert_allclose(inorm.rms_norm(x, gamma, eps=eps), expected.detach().numpy(), atol=1e-12)
    dx, dgamma = inorm.rms_norm_backward(dy, x, gamma, eps=eps)
    assert_allclose(dx, leaf.grad.numpy(), rtol=1e-9, atol=1e-11)
    assert_allclose(dgamma, weight.grad.numpy(), rtol=1e-9, atol=1e-11)


def test_rms_norm_keeps_the_mean_and_zeros(rng):
    x = rng.standard_normal((2, 6)) + 5
    assert_allclose(inorm.rms_norm(3 * x, eps=0), inorm.rms_norm(x, eps=0), atol=1e-14)
    assert inorm.rms_norm(x).mean() > 0.9
    assert_array_equal(inorm.rms_norm(np.zeros((2, 6)), eps=0), 0)
    assert_allclose(inorm.rms_norm(np.full((3, 1), 2.0), eps=0), 1)
