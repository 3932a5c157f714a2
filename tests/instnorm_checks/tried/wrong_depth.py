"""Wrong answers to "Depth", written without sight of the checks."""

import numpy as np
import torch

from tried.right_depth import Phi, _adapter, _in, _inf, density

W = {}


def wrong(eid):
    def deco(f):
        W.setdefault(eid, {})[f.__name__] = f
        return f

    return deco


R = wrong("rectified-moments")


def _m(mu, sigma):
    s = np.where(sigma > 0, sigma, 1.0)
    r = mu / s
    return s, r


@R
def variance_without_minus_mean_sq(mu, sigma):
    _s, r = _m(mu, sigma)
    m1 = mu * Phi(r) + sigma * density(r)
    m2 = (mu**2 + sigma**2) * Phi(r) + mu * sigma * density(r)
    return np.where(sigma > 0, m1, np.maximum(mu, 0)), np.where(sigma > 0, m2, 0)


@R
def divides_by_sigma_zero(mu, sigma):
    r = mu / sigma
    m1 = mu * Phi(r) + sigma * density(r)
    m2 = (mu**2 + sigma**2) * Phi(r) + mu * sigma * density(r)
    return m1, m2 - m1**2


@R
def returns_std(mu, sigma):
    _s, r = _m(mu, sigma)
    m1 = mu * Phi(r) + sigma * density(r)
    m2 = (mu**2 + sigma**2) * Phi(r) + mu * sigma * density(r)
    return np.where(sigma > 0, m1, np.maximum(mu, 0)), np.where(sigma > 0, np.sqrt(m2 - m1**2), 0)


@R
def truncated_normal(mu, sigma):
    "conditional on being positive"
    _s, r = _m(mu, sigma)
    P, p = Phi(r), density(r)
    m1 = (mu * P + sigma * p) / P
    m2 = ((mu**2 + sigma**2) * P + mu * sigma * p) / P
    return np.where(sigma > 0, m1, np.maximum(mu, 0)), np.where(sigma > 0, m2 - m1**2, 0)


@R
def phi_of_minus_r(mu, sigma):
    _s, r = _m(mu, sigma)
    P, p = Phi(-r), density(r)
    m1 = mu * P + sigma * p
    m2 = (mu**2 + sigma**2) * P + mu * sigma * p
    return np.where(sigma > 0, m1, np.maximum(mu, 0)), np.where(sigma > 0, m2 - m1**2, 0)


@R
def only_mu_zero(mu, sigma):
    return sigma / np.sqrt(2 * np.pi), sigma**2 * (0.5 - 1 / (2 * np.pi))


@R
def forgets_sigma_times_phi(mu, sigma):
    _s, r = _m(mu, sigma)
    P, p = Phi(r), density(r)
    m1 = mu * P + p
    m2 = (mu**2 + sigma**2) * P + mu * p
    return np.where(sigma > 0, m1, np.maximum(mu, 0)), np.where(sigma > 0, m2 - m1**2, 0)


@R
def density_over_sigma(mu, sigma):
    "scipy-like pdf with scale"
    s, r = _m(mu, sigma)
    P, p = Phi(r), density(r) / s
    m1 = mu * P + sigma * p
    m2 = (mu**2 + sigma**2) * P + mu * sigma * p
    return np.where(sigma > 0, m1, np.maximum(mu, 0)), np.where(sigma > 0, m2 - m1**2, 0)


@R
def sigma_is_variance(mu, sigma):
    sd = np.sqrt(sigma)
    s = np.where(sd > 0, sd, 1.0)
    r = mu / s
    P, p = Phi(r), density(r)
    m1 = mu * P + sd * p
    m2 = (mu**2 + sd**2) * P + mu * sd * p
    return np.where(sd > 0, m1, np.maximum(mu, 0)), np.where(sd > 0, m2 - m1**2, 0)


@R
def sampled(mu, sigma):
    z = np.random.default_rng(0).standard_normal(1_000_00)
    x = np.maximum(mu[..., None] + sigma[..., None] * z, 0)
    return x.mean(-1), x.var(-1)


@R
def sigma0_mean_mu(mu, sigma):
    _s, r = _m(mu, sigma)
    P, p = Phi(r), density(r)
    m1 = mu * P + sigma * p
    m2 = (mu**2 + sigma**2) * P + mu * sigma * p
    return np.where(sigma > 0, m1, mu), np.where(sigma > 0, m2 - m1**2, 0)


@R
def relu_of_the_mean(mu, sigma):
    return np.maximum(mu, 0), np.where(mu > 0, sigma**2, 0)


@R
def cross_term_doubled(mu, sigma):
    _s, r = _m(mu, sigma)
    P, p = Phi(r), density(r)
    m1 = mu * P + sigma * p
    m2 = (mu**2 + sigma**2) * P + 2 * mu * sigma * p
    return np.where(sigma > 0, m1, np.maximum(mu, 0)), np.where(sigma > 0, m2 - m1**2, 0)


@R
def small_number_added(mu, sigma):
    r = mu / (sigma + 1e-8)
    P, p = Phi(r), density(r)
    m1 = mu * P + sigma * p
    return m1, (mu**2 + sigma**2) * P + mu * sigma * p - m1**2


@R
def only_mean_yet(mu, sigma):
    _s, r = _m(mu, sigma)
    return np.where(sigma > 0, mu * Phi(r) + sigma * density(r), np.maximum(mu, 0)), None


D = wrong("deep-stats")


def _d(
    x,
    Ws,
    bs,
    mode,
    eps,
    *,
    relu_after=False,
    bias=True,
    before=False,
    measure_before=False,
    perch=False,
    transp=False,
    first=True,
    relu=True,
    ddof=0,
    whole=False,
):
    def N(a):
        if whole:
            return (a - a.mean()) / np.sqrt(a.var() + eps)
        mu = a.mean(-1, keepdims=True)
        return (a - mu) / np.sqrt(a.var(-1, keepdims=True, ddof=ddof) + eps)

    a = x
    if mode == "input" or (mode == "every" and first):
        a = N(a)
    M, S = [], []
    for Wm, b in zip(Ws, bs, strict=False):
        z = (Wm.T if transp else Wm) @ a + (b[:, None] if bias else 0)
        if mode == "every" and before:
            z = N(z)
        h = np.maximum(z, 0) if relu else z
        if measure_before:
            M.append(h.mean())
            S.append(h.std())
        if mode == "every" and not before:
            h = N(h)
        if not measure_before:
            M.append(h.mean())
            S.append(h.std(axis=1).mean() if perch else h.std())
        a = h
    return np.array(M), np.array(S), a


@D
def norm_before_relu(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, before=True)


@D
def measured_before_norm(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, measure_before=True)


@D
def std_averaged_over_channels(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, perch=True)


@D
def weights_transposed(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, transp=True)


@D
def every_without_input(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, first=False)


@D
def no_bias(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, bias=False)


@D
def no_relu(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, relu=False)


@D
def norm_over_all_channels(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, whole=True)


@D
def bias_on_positions(x, weights, biases, mode, eps=1e-5):
    a = _in(x, eps) if mode != "none" else x
    M, S = [], []
    for Wm, b in zip(weights, biases, strict=False):
        a = np.maximum(Wm @ a + b, 0)
        if mode == "every":
            a = _in(a, eps)
        M.append(a.mean())
        S.append(a.std())
    return np.array(M), np.array(S), a


@D
def norm_axis0(x, weights, biases, mode, eps=1e-5):
    def N(a):
        return (a - a.mean(0)) / np.sqrt(a.var(0) + eps)

    a = N(x) if mode != "none" else x
    M, S = [], []
    for Wm, b in zip(weights, biases, strict=False):
        a = np.maximum(Wm @ a + b[:, None], 0)
        if mode == "every":
            a = N(a)
        M.append(a.mean())
        S.append(a.std())
    return np.array(M), np.array(S), a


@D
def elementwise_product(x, weights, biases, mode, eps=1e-5):
    a = _in(x, eps) if mode != "none" else x
    M, S = [], []
    for Wm, b in zip(weights, biases, strict=False):
        a = np.maximum(Wm * a + b[:, None], 0)
        M.append(a.mean())
        S.append(a.std())
    return np.array(M), np.array(S), a


@D
def always_from_x(x, weights, biases, mode, eps=1e-5):
    a0 = _in(x, eps) if mode != "none" else x
    M, S = [], []
    for Wm, b in zip(weights, biases, strict=False):
        a = np.maximum(Wm @ a0 + b[:, None], 0)
        if mode == "every":
            a = _in(a, eps)
        M.append(a.mean())
        S.append(a.std())
    return np.array(M), np.array(S), a


@D
def returns_after_first_layer(x, weights, biases, mode, eps=1e-5):
    a = _in(x, eps) if mode != "none" else x
    M, S = [], []
    for Wm, b in zip(weights, biases, strict=False):
        a = np.maximum(Wm @ a + b[:, None], 0)
        if mode == "every":
            a = _in(a, eps)
        M.append(a.mean())
        S.append(a.std())
        return np.array(M), np.array(S), a
    return None


@D
def lists_returned(x, weights, biases, mode, eps=1e-5):
    m, s, a = _d(x, weights, biases, mode, eps)
    return list(m), list(s), a


@D
def inplace_minus(x, weights, biases, mode, eps=1e-5):
    if mode != "none":
        x -= x.mean(1, keepdims=True)
        x /= np.sqrt(x.var(1, keepdims=True) + eps)
    a = x
    M, S = [], []
    for Wm, b in zip(weights, biases, strict=False):
        a = np.maximum(Wm @ a + b[:, None], 0)
        if mode == "every":
            a = _in(a, eps)
        M.append(a.mean())
        S.append(a.std())
    return np.array(M), np.array(S), a


@D
def returns_var(x, weights, biases, mode, eps=1e-5):
    m, s, a = _d(x, weights, biases, mode, eps)
    return m, s**2, a


@D
def mode_input_normalises_each_input(x, weights, biases, mode, eps=1e-5):
    "thinks 'input' = the input of every layer"
    if mode == "none":
        return _d(x, weights, biases, mode, eps)
    a = x
    M, S = [], []
    for Wm, b in zip(weights, biases, strict=False):
        a = np.maximum(Wm @ _in(a, eps) + b[:, None], 0)
        M.append(a.mean())
        S.append(a.std())
    return np.array(M), np.array(S), a


@D
def ddof1(x, weights, biases, mode, eps=1e-5):
    return _d(x, weights, biases, mode, eps, ddof=1)


INO = wrong("in-relu-order")


@INO
def affine_after_relu(z, gamma, beta, eps=1e-5):
    g, b = gamma[:, None, None], beta[:, None, None]
    one = np.ones_like(gamma)
    return g * np.maximum(0, _inf(z, one, 0 * one, eps)) + b, _inf(
        np.maximum(0, z), gamma, beta, eps
    )


@INO
def affine_before_norm(z, gamma, beta, eps=1e-5):
    one = np.ones_like(gamma)
    g, b = gamma[:, None, None], beta[:, None, None]
    return np.maximum(0, _inf(g * z + b, one, 0 * one, eps)), _inf(
        np.maximum(0, g * z + b), one, 0 * one, eps
    )


@INO
def swapped_results(z, gamma, beta, eps=1e-5):
    return _inf(np.maximum(0, z), gamma, beta, eps), np.maximum(0, _inf(z, gamma, beta, eps))


@INO
def abs_as_relu(z, gamma, beta, eps=1e-5):
    return np.abs(_inf(z, gamma, beta, eps)), _inf(np.abs(z), gamma, beta, eps)


@INO
def clip_0_1(z, gamma, beta, eps=1e-5):
    return np.clip(_inf(z, gamma, beta, eps), 0, 1), _inf(np.clip(z, 0, 1), gamma, beta, eps)


@INO
def np_max_wrong_call(z, gamma, beta, eps=1e-5):
    return np.max(_inf(z, gamma, beta, eps), 0), _inf(np.max(z, 0), gamma, beta, eps)


@INO
def zeros_left_out_of_stats(z, gamma, beta, eps=1e-5):
    r = np.maximum(0, z)
    y = np.empty_like(r)
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            p = r[n, c]
            v = p[p > 0] if (p > 0).any() else p
            y[n, c] = gamma[c] * (p - v.mean()) / np.sqrt(v.var() + eps) + beta[c]
    return np.maximum(0, _inf(z, gamma, beta, eps)), y


@INO
def second_relu_too(z, gamma, beta, eps=1e-5):
    return np.maximum(0, _inf(z, gamma, beta, eps)), np.maximum(
        0, _inf(np.maximum(0, z), gamma, beta, eps)
    )


@INO
def second_from_first(z, gamma, beta, eps=1e-5):
    a = np.maximum(0, _inf(z, gamma, beta, eps))
    return a, _inf(a, gamma, beta, eps)


@INO
def relu_in_place_on_z(z, gamma, beta, eps=1e-5):
    a = np.maximum(0, _inf(z, gamma, beta, eps))
    z[z < 0] = 0
    return a, _inf(z, gamma, beta, eps)


@INO
def relu_in_place_first_then_both(z, gamma, beta, eps=1e-5):
    z = z.copy()
    z[z < 0] = 0
    return np.maximum(0, _inf(z, gamma, beta, eps)), _inf(z, gamma, beta, eps)


@INO
def no_affine(z, gamma, beta, eps=1e-5):
    one = np.ones_like(gamma)
    return np.maximum(0, _inf(z, one, 0 * one, eps)), _inf(np.maximum(0, z), one, 0 * one, eps)


@INO
def stacked(z, gamma, beta, eps=1e-5):
    return np.stack(
        [np.maximum(0, _inf(z, gamma, beta, eps)), _inf(np.maximum(0, z), gamma, beta, eps)]
    )


@INO
def layer_norm(z, gamma, beta, eps=1e-5):
    def f(z):
        return (
            gamma[:, None, None]
            * (z - z.mean((1, 2, 3), keepdims=True))
            / np.sqrt(z.var((1, 2, 3), keepdims=True) + eps)
            + beta[:, None, None]
        )

    return np.maximum(0, f(z)), f(np.maximum(0, z))


@INO
def leaky(z, gamma, beta, eps=1e-5):
    def r(t):
        return np.where(t > 0, t, 0.01 * t)

    return r(_inf(z, gamma, beta, eps)), _inf(r(z), gamma, beta, eps)


@INO
def dead_plane_nan(z, gamma, beta, eps=1e-5):
    def f(z):
        return (
            gamma[:, None, None]
            * (z - z.mean((2, 3), keepdims=True))
            / z.std((2, 3), keepdims=True)
            + beta[:, None, None]
        )

    return np.maximum(0, f(z)), f(np.maximum(0, z))


def F(name, fwd=None, bwd=None, **k):
    cls = type(name, (torch.autograd.Function,), {})
    a = (2, 3)

    def forward(ctx, x, gamma, beta, eps):
        v = x.var(a, keepdim=True) if k.get("unbiased") else x.var(a, keepdim=True, correction=0)
        s = v.sqrt() + eps if k.get("eps_out") else torch.sqrt(v + eps)
        xh = (x - x.mean(a, keepdim=True)) / s
        y = gamma[:, None, None] * xh + beta[:, None, None]
        ctx.save_for_backward(y if k.get("save_y") else xh, s, gamma)
        return y

    def backward(ctx, dy):
        xh, s, gamma = ctx.saved_tensors
        g = dy if k.get("no_gamma") else gamma[:, None, None] * dy
        dx = (
            g
            - g.mean(a, keepdim=True)
            - (0 if k.get("no_proj") else xh * (g * xh).mean(a, keepdim=True))
        )
        if k.get("plus"):
            dx = g - g.mean(a, keepdim=True) + xh * (g * xh).mean(a, keepdim=True)
        if k.get("const"):
            dx = g
        if k.get("no_mean"):
            dx = g - xh * (g * xh).mean(a, keepdim=True)
        if not k.get("no_s"):
            dx = dx / s
        dyy = g if k.get("g_in_dgamma") else dy
        dg, db = (dyy * xh).sum((0, 2, 3)), dyy.sum((0, 2, 3))
        if k.get("means"):
            dg, db = (dyy * xh).mean((0, 2, 3)), dyy.mean((0, 2, 3))
        if k.get("three"):
            return dx, dg, db
        if k.get("order"):
            return dx, db, dg, None
        if k.get("per_image"):
            return dx, (dy * xh).sum((2, 3)), dy.sum((2, 3)), None
        return dx, dg, db, None

    cls.forward = staticmethod(fwd or forward)
    cls.backward = staticmethod(bwd or backward)
    W.setdefault("in-function", {})[name] = _adapter(cls)


F("var_unbiased", unbiased=True)
F("eps_outside_root", eps_out=True)
F("saves_y_instead_of_xhat", save_y=True)
F("no_gamma_in_dx", no_gamma=True)
F("no_projection", no_proj=True)
F("sign_plus", plus=True)
F("statistics_constant", const=True)
F("no_mean_subtracted", no_mean=True)
F("not_divided_by_s", no_s=True)
F("dgamma_from_g", g_in_dgamma=True)
F("dgamma_means", means=True)
F("three_returned", three=True)
F("order_dbeta_dgamma", order=True)
F("dgamma_per_image", per_image=True)


def _f_np(ctx, x, gamma, beta, eps):
    x = x.detach().numpy()
    xh = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + eps)
    return gamma.numpy()[:, None, None] * xh + beta.numpy()[:, None, None]


F("returns_numpy_in_forward", fwd=_f_np)


def _f_keepdims(ctx, x, gamma, beta, eps):
    mu = x.mean(axis=(2, 3))
    v = x.var((2, 3))
    return (x - mu) / torch.sqrt(v + eps)


F("forward_no_keepdim", fwd=_f_keepdims)
F("no_backward_body", bwd=lambda ctx, dy: None)
F("returns_dy", bwd=lambda ctx, dy: (dy, dy.sum((0, 2, 3)), dy.sum((0, 2, 3)), None))
WRONG = W


@wrong("rectified-moments")
def second_moment_of_the_deviation(mu, sigma):
    _, r = _m(mu, sigma)
    mean = mu * Phi(r) + sigma * density(r)
    return np.where(sigma > 0, mean, np.maximum(mu, 0)), sigma**2 * Phi(r)


@wrong("in-relu-order")
def relu_only(z, gamma, beta, eps=1e-5):
    return np.maximum(z, 0), _inf(np.maximum(z, 0), gamma, beta, eps)


@wrong("in-relu-order")
def eps_written_out(z, gamma, beta, eps=1e-5):
    return np.maximum(0, _inf(z, gamma, beta, 1e-5)), _inf(np.maximum(0, z), gamma, beta, 1e-5)
