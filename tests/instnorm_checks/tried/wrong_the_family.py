"""Wrong answers to "The family", written without sight of the checks."""

import numpy as np

from tried.right_the_family import AXES, bn_vec, nz_dict

W = {}


def wrong(eid):
    def deco(f):
        W.setdefault(eid, {})[f.__name__] = f
        return f

    return deco


N = wrong("normalize-over")


def _n(x, a, eps, **k):
    return (x - x.mean(a, keepdims=True)) / np.sqrt(x.var(a, keepdims=True, **k) + eps)


@N
def bn_ln_swapped(x, mode, eps=1e-5):
    return _n(x, {"LN": (0, 2, 3), "BN": (1, 2, 3), "IN": (2, 3)}[mode], eps)


@N
def bn_over_batch_axis_only(x, mode, eps=1e-5):
    return _n(x, {"BN": (0,), "LN": (1, 2, 3), "IN": (2, 3)}[mode], eps)


@N
def ln_over_channels_only(x, mode, eps=1e-5):
    return _n(x, {"BN": (0, 2, 3), "LN": (1,), "IN": (2, 3)}[mode], eps)


@N
def surviving_axes_given(x, mode, eps=1e-5):
    return _n(x, {"BN": (1,), "LN": (0,), "IN": (0, 1)}[mode], eps)


@N
def ddof1(x, mode, eps=1e-5):
    return _n(x, AXES[mode], eps, ddof=1)


@N
def eps_outside(x, mode, eps=1e-5):
    a = AXES[mode]
    return (x - x.mean(a, keepdims=True)) / (x.std(a, keepdims=True) + eps)


@N
def lowercase_modes(x, mode, eps=1e-5):
    return _n(x, {"bn": (0, 2, 3), "ln": (1, 2, 3), "in": (2, 3)}[mode], eps)


@N
def if_chain_falls_through(x, mode, eps=1e-5):
    if mode == "BN":
        a = (0, 2, 3)
    a = (1, 2, 3) if mode == "LN" else (2, 3)
    return _n(x, a, eps)


@N
def mode_is_compare_or(x, mode, eps=1e-5):
    a = (0, 2, 3) if True else (2, 3)
    return _n(x, a, eps)


@N
def ln_whole_array(x, mode, eps=1e-5):
    return _n(x, {"BN": (0, 2, 3), "LN": (0, 1, 2, 3), "IN": (2, 3)}[mode], eps)


@N
def no_keepdims_transposed(x, mode, eps=1e-5):
    a = AXES[mode]
    return (x.T - x.mean(a).T).T / np.sqrt(x.var(a, keepdims=True) + eps)


@N
def bn_without_spatial_mean_of_vars(x, mode, eps=1e-5):
    "BN by averaging the plane variances over the batch"
    if mode != "BN":
        return nz_dict(x, mode, eps)
    return (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(
        x.var((2, 3), keepdims=True).mean(0, keepdims=True) + eps
    )


@N
def all_in(x, mode, eps=1e-5):
    return _n(x, (2, 3), eps)


INO = wrong("identify-norm")
M = ("BN", "LN", "IN")


@INO
def first_that_fits(x, y, eps=1e-5):
    r = np.zeros(3)
    for k, m in enumerate(M):
        if np.allclose(nz_dict(x, m, eps), y):
            r[k] = 1
            break
    return r


@INO
def exact_equality(x, y, eps=1e-5):
    return np.array([float((nz_dict(x, m, eps) == y).all()) for m in M])


@INO
def looks_at_y_only(x, y, eps=1e-5):
    return np.array(
        [
            float(
                np.allclose(y.mean(AXES[m]), 0, atol=1e-6)
                and np.allclose(y.var(AXES[m]), 1, atol=1e-3)
            )
            for m in M
        ]
    )


@INO
def eps_not_handed_on(x, y, eps=1e-5):
    return np.array([float(np.allclose(nz_dict(x, m), y)) for m in M])


@INO
def returns_bools(x, y, eps=1e-5):
    return np.array([np.allclose(nz_dict(x, m, eps), y) for m in M])


@INO
def returns_ints(x, y, eps=1e-5):
    return np.array([int(np.allclose(nz_dict(x, m, eps), y)) for m in M])


@INO
def returns_list(x, y, eps=1e-5):
    return [float(np.allclose(nz_dict(x, m, eps), y)) for m in M]


@INO
def closest_wins(x, y, eps=1e-5):
    d = [np.abs(nz_dict(x, m, eps) - y).max() for m in M]
    r = np.zeros(3)
    r[int(np.argmin(d))] = 1
    return r


@INO
def order_in_ln_bn(x, y, eps=1e-5):
    return np.array([float(np.allclose(nz_dict(x, m, eps), y)) for m in M[::-1]])


@INO
def allclose_too_loose(x, y, eps=1e-5):
    return np.array([float(np.allclose(nz_dict(x, m, eps), y, atol=0.5)) for m in M])


@INO
def any_value_close(x, y, eps=1e-5):
    return np.array([float(np.isclose(nz_dict(x, m, eps), y).any()) for m in M])


@INO
def first_image_only(x, y, eps=1e-5):
    return np.array([float(np.allclose(nz_dict(x, m, eps)[0], y[0])) for m in M])


@INO
def by_shape_rules(x, y, eps=1e-5):
    "thinks: N=1 -> BN and IN; C=1 -> LN and IN; otherwise compare"
    r = np.array([float(np.allclose(nz_dict(x, m, eps), y)) for m in M])
    if x.shape[0] == 1:
        r = np.array([1.0, 0, 1])
    if x.shape[1] == 1:
        r = np.array([0, 1.0, 1])
    return r


@INO
def returns_name(x, y, eps=1e-5):
    for m in M:
        if np.allclose(nz_dict(x, m, eps), y):
            return m
    return None


@INO
def atol_zero_equal_nan(x, y, eps=1e-5):
    return np.array([float(np.allclose(nz_dict(x, m, eps), y, rtol=1e-12, atol=0)) for m in M])


@INO
def normalizes_y(x, y, eps=1e-5):
    return np.array([float(np.allclose(nz_dict(y, m, eps), y, atol=1e-3)) for m in M])


G = wrong("group-norm")


def _g(x, G, gamma, beta, eps, *, axes=(2, 3, 4), swap=False, check=True, size=False, **k):
    N, C, H, Wd = x.shape
    if check and C % G:
        raise ValueError("no")
    z = x.reshape((N, C // G, G, H, Wd) if swap else (N, G, C // G, H, Wd))
    z = (z - z.mean(axes, keepdims=True)) / np.sqrt(z.var(axes, keepdims=True, **k) + eps)
    return z.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]


@G
def reshape_swapped_group_axis(x, num_groups, gamma, beta, eps=1e-5):
    return _g(x, num_groups, gamma, beta, eps, axes=(1, 3, 4), swap=True)


@G
def num_groups_is_size(x, num_groups, gamma, beta, eps=1e-5):
    if x.shape[1] % num_groups:
        raise ValueError("no")
    return _g(x, x.shape[1] // num_groups, gamma, beta, eps)


@G
def swapped_reshape_axes_234(x, num_groups, gamma, beta, eps=1e-5):
    return _g(x, num_groups, gamma, beta, eps, swap=True)


@G
def no_valueerror_reshape_minus1(x, num_groups, gamma, beta, eps=1e-5):
    N, _C, _H, _Wd = x.shape
    z = x.reshape(N, num_groups, -1)
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + eps)
    return z.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]


@G
def assert_instead_of_valueerror(x, num_groups, gamma, beta, eps=1e-5):
    assert x.shape[1] % num_groups == 0, "does not divide"
    return _g(x, num_groups, gamma, beta, eps)


@G
def returns_valueerror(x, num_groups, gamma, beta, eps=1e-5):
    if x.shape[1] % num_groups:
        return ValueError("does not divide")
    return _g(x, num_groups, gamma, beta, eps)


@G
def prints_error_returns_x(x, num_groups, gamma, beta, eps=1e-5):
    if x.shape[1] % num_groups:
        print("error")
        return x
    return _g(x, num_groups, gamma, beta, eps)


@G
def axes_34_only(x, num_groups, gamma, beta, eps=1e-5):
    return _g(x, num_groups, gamma, beta, eps, axes=(3, 4))


@G
def axes_1234(x, num_groups, gamma, beta, eps=1e-5):
    return _g(x, num_groups, gamma, beta, eps, axes=(1, 2, 3, 4))


@G
def batch_too_0234(x, num_groups, gamma, beta, eps=1e-5):
    return _g(x, num_groups, gamma, beta, eps, axes=(0, 2, 3, 4))


@G
def ddof1(x, num_groups, gamma, beta, eps=1e-5):  # noqa: F811
    return _g(x, num_groups, gamma, beta, eps, ddof=1)


@G
def gamma_per_group(x, num_groups, gamma, beta, eps=1e-5):
    N, C, H, Wd = x.shape
    if C % num_groups:
        raise ValueError
    z = x.reshape(N, num_groups, C // num_groups, H, Wd)
    a = (2, 3, 4)
    z = (z - z.mean(a, keepdims=True)) / np.sqrt(z.var(a, keepdims=True) + eps)
    z = z * gamma[:num_groups, None, None, None] + beta[:num_groups, None, None, None]
    return z.reshape(x.shape)


@G
def gamma_on_width(x, num_groups, gamma, beta, eps=1e-5):
    one = np.ones(x.shape[1])
    return _g(x, num_groups, one, 0 * one, eps) * gamma + beta


@G
def strided_slices_g_step(x, num_groups, gamma, beta, eps=1e-5):
    if x.shape[1] % num_groups:
        raise ValueError
    y = np.empty_like(x)
    for g in range(num_groups):
        y[:, g::num_groups] = nz_dict(x[:, g::num_groups], "LN", eps)
    return y * gamma[:, None, None] + beta[:, None, None]


@G
def off_by_one_last_group_dropped(x, num_groups, gamma, beta, eps=1e-5):
    if x.shape[1] % num_groups:
        raise ValueError
    k = x.shape[1] // num_groups
    y = np.zeros_like(x)
    for g in range(num_groups - 1):
        y[:, g * k : (g + 1) * k] = nz_dict(x[:, g * k : (g + 1) * k], "LN", eps)
    return y * gamma[:, None, None] + beta[:, None, None]


@G
def averages_plane_variances(x, num_groups, gamma, beta, eps=1e-5):
    N, C, H, Wd = x.shape
    if C % num_groups:
        raise ValueError
    z = x.reshape(N, num_groups, C // num_groups, H, Wd)
    a = (2, 3, 4)
    v = z.var((3, 4), keepdims=True).mean(2, keepdims=True)
    return ((z - z.mean(a, keepdims=True)) / np.sqrt(v + eps)).reshape(x.shape) * gamma[
        :, None, None
    ] + beta[:, None, None]


@G
def inplace_via_reshape_view(x, num_groups, gamma, beta, eps=1e-5):
    N, C, H, Wd = x.shape
    if C % num_groups:
        raise ValueError
    z = x.reshape(N, num_groups, C // num_groups, H, Wd)
    a = (2, 3, 4)
    z -= z.mean(a, keepdims=True)
    z /= np.sqrt(z.var(a, keepdims=True) + eps)
    return z.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]


@G
def float_division_reshape(x, num_groups, gamma, beta, eps=1e-5):
    N, C, H, Wd = x.shape
    if C % num_groups:
        raise ValueError
    return x.reshape(N, num_groups, C / num_groups, H, Wd)


@G
def eps_outside(x, num_groups, gamma, beta, eps=1e-5):  # noqa: F811
    N, C, H, Wd = x.shape
    if C % num_groups:
        raise ValueError
    z = x.reshape(N, num_groups, C // num_groups, H, Wd)
    a = (2, 3, 4)
    z = (z - z.mean(a, keepdims=True)) / (z.std(a, keepdims=True) + eps)
    return z.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]


B = wrong("batch-norm")


def _b(
    x,
    rm,
    rv,
    training,
    momentum,
    eps,
    *,
    dd_run=1,
    dd_y=0,
    swap=False,
    evalbatch=False,
    update_eval=False,
    y_from_running=False,
    unb=None,
):
    if training or update_eval:
        mu, var, u = x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=dd_y), x.var((0, 2, 3), ddof=dd_run)
        a, b = (momentum, 1 - momentum) if swap else (1 - momentum, momentum)
        nm, nv = a * rm + b * mu, a * rv + b * u
    else:
        nm, nv = rm.copy(), rv.copy()
    if not training and not evalbatch:
        mu, var = rm, rv
    if evalbatch:
        mu, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    if y_from_running and training:
        mu, var = nm, nv
    return (x - mu[:, None, None]) / np.sqrt(var[:, None, None] + eps), nm, nv


@B
def momentum_reversed(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return _b(x, running_mean, running_var, training, momentum, eps, swap=True)


@B
def biased_running_var(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return _b(x, running_mean, running_var, training, momentum, eps, dd_run=0)


@B
def unbiased_for_y_too(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return _b(x, running_mean, running_var, training, momentum, eps, dd_y=1)


@B
def variances_exchanged(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return _b(x, running_mean, running_var, training, momentum, eps, dd_y=1, dd_run=0)


@B
def batch_stats_in_eval(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return _b(x, running_mean, running_var, training, momentum, eps, evalbatch=True)


@B
def diary_updated_in_eval(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return _b(x, running_mean, running_var, training, momentum, eps, update_eval=True)


@B
def running_used_in_training(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return _b(x, running_mean, running_var, training, momentum, eps, y_from_running=True)


@B
def inplace_running(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if training:
        mu, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        running_mean *= 1 - momentum
        running_mean += momentum * mu
        running_var *= 1 - momentum
        running_var += momentum * x.var((0, 2, 3), ddof=1)
    else:
        mu, var = running_mean, running_var
    return (x - mu[:, None, None]) / np.sqrt(var[:, None, None] + eps), running_mean, running_var


@B
def per_image_stats(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if not training:
        return bn_vec(x, running_mean, running_var, training, momentum, eps)
    _, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    return nz_dict(x, "IN", eps), nm, nv


@B
def running_std_instead_of_var(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    if training:
        nv = (1 - momentum) * running_var + momentum * x.std((0, 2, 3), ddof=1)
    return y, nm, nv


@B
def m_is_batch_size_N(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    N = x.shape[0]
    if training:
        nv = (1 - momentum) * running_var + momentum * x.var((0, 2, 3)) * N / max(N - 1, 1)
    return y, nm, nv


@B
def eps_in_running_var(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    if training:
        nv = nv + momentum * eps
    return y, nm, nv


@B
def momentum_hardcoded(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return bn_vec(x, running_mean, running_var, training, 0.1, eps)


@B
def adds_without_shrinking(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    if training:
        nm = running_mean + momentum * x.mean((0, 2, 3))
        nv = running_var + momentum * x.var((0, 2, 3), ddof=1)
    return y, nm, nv


@B
def ema_of_ema_y_uses_old_running(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    _, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    return (x - running_mean[:, None, None]) / np.sqrt(running_var[:, None, None] + eps), nm, nv


@B
def wrong_order_returned(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    return nm, nv, y


@B
def only_y(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return bn_vec(x, running_mean, running_var, training, momentum, eps)[0]


@B
def mean_of_plane_vars(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if not training:
        return bn_vec(x, running_mean, running_var, training, momentum, eps)
    mu, v = x.mean((0, 2, 3)), x.var((2, 3)).mean(0)
    m = x.size / x.shape[1]
    return (
        (x - mu[:, None, None]) / np.sqrt(v[:, None, None] + eps),
        (1 - momentum) * running_mean + momentum * mu,
        (1 - momentum) * running_var + momentum * v * m / (m - 1),
    )


@B
def running_mean_1c11(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, nm, nv = bn_vec(x, running_mean, running_var, training, momentum, eps)
    return y, nm[None, :, None, None], nv[None, :, None, None]


@B
def training_string(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    return bn_vec(x, running_mean, running_var, training == "train", momentum, eps)


WRONG = W


@wrong("normalize-over")
def one_mode_after_another(x, mode, eps=1e-5):
    for a in ((0, 2, 3), (1, 2, 3), (2, 3)):
        x = _n(x, a, eps)
    return x


@wrong("identify-norm")
def first_pixel_decides(x, y, eps=1e-5):
    return np.array([float(abs(nz_dict(x, m, eps) - y).flat[0] < 1e-6) for m in AXES])


@wrong("group-norm")
def groups_across_the_batch(x, num_groups, gamma, beta, eps=1e-5):
    if x.shape[1] % num_groups:
        raise ValueError
    z = x.reshape(num_groups, -1)
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + eps)
    return z.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]


@wrong("group-norm")
def raises_where_it_divides(x, num_groups, gamma, beta, eps=1e-5):
    if not x.shape[1] % num_groups:
        raise ValueError("num_groups")
    return x


@wrong("batch-norm")
def remembers_the_sum(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, mean, var = bn_vec(x, running_mean, running_var, training, momentum, eps)
    return y, mean * x.shape[0], var
