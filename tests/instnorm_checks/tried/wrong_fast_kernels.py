"""Wrong answers to "Fast kernels", written without sight of the checks."""

import numpy as np

from instnorm_lab.standard_arrays import standard_only
from tried.right_fast_kernels import _aa1, bl_naive, bl_plane, mm_chan

W = {}


def wrong(eid, wrap=lambda f: f):
    def deco(f):
        W.setdefault(eid, {})[f.__name__] = wrap(f)
        return f

    return deco


M = wrong("merge-moments")


@M
def squares_just_added(mean, squares, count, block):
    bm = block.mean(1)
    n = count + block.shape[1]
    return mean + (bm - mean) * block.shape[1] / n, squares + ((block - bm[:, None]) ** 2).sum(1)


@M
def mean_of_means(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    n = count + B
    return (mean + bm) / 2, squares + ((block - bm[:, None]) ** 2).sum(1) + d**2 * count * B / n


@M
def from_new_mean_only_block(mean, squares, count, block):
    new = (count * mean + block.sum(1)) / (count + block.shape[1])
    return new, squares + ((block - new[:, None]) ** 2).sum(1)


@M
def variance_returned(mean, squares, count, block):
    m, s = mm_chan(mean, squares, count, block)
    return m, s / (count + block.shape[1])


@M
def block_variance_added(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    n = count + B
    return mean + d * B / n, squares + block.var(1) + d**2 * count * B / n


@M
def sum_of_squares_trick(mean, squares, count, block):
    B = block.shape[1]
    n = count + B
    tot = squares + count * mean**2 + (block**2).sum(1)
    new = (count * mean + block.sum(1)) / n
    return new, tot - n * new**2


@M
def delta_not_squared(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    n = count + B
    return mean + d * B / n, squares + ((block - bm[:, None]) ** 2).sum(1) + d * count * B / n


@M
def fraction_reversed(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    n = count + B
    return mean + d * count / n, squares + ((block - bm[:, None]) ** 2).sum(
        1
    ) + d**2 * count * B / n


@M
def divides_by_count(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    return mean + d * B / count, squares + ((block - bm[:, None]) ** 2).sum(1) + d**2 * B * (
        count + B
    ) / count


@M
def factor_count_only(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    n = count + B
    return mean + d * B / n, squares + ((block - bm[:, None]) ** 2).sum(1) + d**2 * count


@M
def axis0(mean, squares, count, block):
    return mm_chan(
        mean,
        squares,
        count,
        block.T if block.shape[0] == block.shape[1] else block[:, ::-1] * 1.0001,
    )


@M
def in_place(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    n = count + B
    mean += d * B / n
    squares += ((block - bm[:, None]) ** 2).sum(1) + d**2 * count * B / n
    return mean, squares


@M
def scalar_all_rows(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean()
    d = bm - mean
    n = count + B
    return mean + d * B / n, squares + ((block - bm) ** 2).sum() + d**2 * count * B / n


@M
def ddof_block(mean, squares, count, block):
    B = block.shape[1]
    bm = block.mean(1)
    d = bm - mean
    n = count + B
    return mean + d * B / n, squares + block.var(1, ddof=1) * B + d**2 * count * B / n


@M
def welford_new_mean_twice(mean, squares, count, block):
    mean, squares = mean.copy(), squares.copy()
    for k in range(block.shape[1]):
        count += 1
        d = block[:, k] - mean
        mean = mean + d / count
        squares = squares + d * d
    return mean, squares


@M
def count_returned_too(mean, squares, count, block):
    return (*mm_chan(mean, squares, count, block), count + block.shape[1])


B = wrong("blocked-instance-norm")


@B
def naive(x, gamma, beta, eps=1e-5):
    return bl_naive(x, gamma, beta, eps)


@B
def loops_over_images_only(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n in range(len(x)):
        y[n : n + 1] = bl_naive(x[n : n + 1], gamma, beta, eps)
    return y


@B
def float32_inside(x, gamma, beta, eps=1e-5):
    return bl_plane(
        x.astype(np.float32), gamma.astype(np.float32), beta.astype(np.float32), eps
    ).astype(np.float64)


@B
def in_place_x(x, gamma, beta, eps=1e-5):
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            t = x[n, c]
            t -= t.mean()
            t *= gamma[c] / np.sqrt(np.vdot(t, t) / t.size + eps)
            t += beta[c]
    return x


@B
def dot_without_size(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            t = y[n, c]
            np.subtract(x[n, c], x[n, c].mean(), out=t)
            t *= gamma[c] / np.sqrt(np.vdot(t, t) + eps)
            t += beta[c]
    return y


@B
def vdot_of_uncentred(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            p = x[n, c]
            mu = p.mean()
            v = np.vdot(p, p) / p.size - mu * mu
            y[n, c] = (p - mu) * (gamma[c] / np.sqrt(v + eps)) + beta[c]
    return y


@B
def gamma_of_image(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            p = x[n, c]
            d = p - p.mean()
            y[n, c] = (
                d * (gamma[n % len(gamma)] / np.sqrt(np.vdot(d, d) / d.size + eps))
                + beta[n % len(gamma)]
            )
    return y


@B
def channel_loop_batch_stats(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        p = x[:, c]
        d = p - p.mean()
        y[:, c] = d * (gamma[c] / np.sqrt((d * d).mean() + eps)) + beta[c]
    return y


@B
def pixel_loops(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            p = x[n, c]
            mu = p.mean()
            s = np.sqrt(p.var() + eps)
            for h in range(x.shape[2]):
                for w in range(x.shape[3]):
                    y[n, c, h, w] = gamma[c] * (x[n, c, h, w] - mu) / s + beta[c]
    return y


@B
def beta_scaled(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            t = x[n, c] - x[n, c].mean()
            t += beta[c]
            t *= gamma[c] / np.sqrt(t.var() + eps)
            y[n, c] = t
    return y


@B
def hardcoded_shape(x, gamma, beta, eps=1e-5):
    y = np.empty((8, 32, 128, 128))
    for n in range(8):
        for c in range(32):
            t = x[n, c] - x[n, c].mean()
            y[n, c] = t * (gamma[c] / np.sqrt(np.vdot(t, t) / t.size + eps)) + beta[c]
    return y


_cache = {}


@B
def cached_result(x, gamma, beta, eps=1e-5):
    "remembers by shape and a few values"
    key = (
        x.shape,
        float(x.ravel()[0]),
        float(x.ravel()[-1]),
        eps,
        float(gamma.sum()),
        float(beta.sum()),
    )
    if key not in _cache:
        _cache[key] = bl_plane(x, gamma, beta, eps)
    return _cache[key].copy()


A = wrong("array-api-instance-norm", standard_only)


@A
def np_used(x, gamma, beta, eps=1e-5):
    ax = tuple(range(2, x.ndim))
    return (x - np.mean(x, axis=ax, keepdims=True)) / np.sqrt(
        np.var(x, axis=ax, keepdims=True) + eps
    )


@A
def methods_used(x, gamma, beta, eps=1e-5):
    ax = tuple(range(2, x.ndim))
    xp = x.__array_namespace__()
    return (x - x.mean(axis=ax, keepdims=True)) / xp.sqrt(x.var(axis=ax, keepdims=True) + eps)


@A
def asarray_eps(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(2, x.ndim))
    sh = (-1,) + (1,) * (x.ndim - 2)
    e = xp.asarray(eps, dtype=xp.float64)
    return xp.reshape(gamma, sh) * (x - xp.mean(x, axis=ax, keepdims=True)) / xp.sqrt(
        xp.var(x, axis=ax, keepdims=True) + e
    ) + xp.reshape(beta, sh)


@A
def four_d_only(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = (2, 3)
    sh = (-1, 1, 1)
    return xp.reshape(gamma, sh) * (x - xp.mean(x, axis=ax, keepdims=True)) / xp.sqrt(
        xp.var(x, axis=ax, keepdims=True) + eps
    ) + xp.reshape(beta, sh)


@A
def last_two_axes(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = (-2, -1)
    sh = (-1,) + (1,) * (x.ndim - 2)
    return xp.reshape(gamma, sh) * (x - xp.mean(x, axis=ax, keepdims=True)) / xp.sqrt(
        xp.var(x, axis=ax, keepdims=True) + eps
    ) + xp.reshape(beta, sh)


@A
def int_accepted(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    if not xp.isdtype(x.dtype, "real floating"):
        x = xp.astype(x, xp.float64)
    return _aa1(x, gamma, beta, eps)


@A
def valueerror_for_ints(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    if not xp.isdtype(x.dtype, "real floating"):
        raise ValueError("ints")
    return _aa1(x, gamma, beta, eps)


@A
def correction_1(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(2, x.ndim))
    sh = (-1,) + (1,) * (x.ndim - 2)
    return xp.reshape(gamma, sh) * (x - xp.mean(x, axis=ax, keepdims=True)) / xp.sqrt(
        xp.var(x, axis=ax, keepdims=True, correction=1) + eps
    ) + xp.reshape(beta, sh)


@A
def ddof_keyword(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(2, x.ndim))
    return xp.var(x, axis=ax, keepdims=True, ddof=0)


@A
def gamma_not_reshaped(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(2, x.ndim))
    return (
        gamma
        * (x - xp.mean(x, axis=ax, keepdims=True))
        / xp.sqrt(xp.var(x, axis=ax, keepdims=True) + eps)
        + beta
    )


@A
def all_to_float32(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()

    def f(a):
        return xp.astype(a, xp.float32)

    return _aa1(f(x), f(gamma), f(beta), eps)


@A
def all_to_float64(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    if xp.isdtype(x.dtype, "integral"):
        raise TypeError

    def f(a):
        return xp.astype(a, xp.float64)

    return _aa1(f(x), f(gamma), f(beta), eps)


@A
def transpose_T(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(2, x.ndim))
    h = (x - xp.mean(x, axis=ax, keepdims=True)) / xp.sqrt(xp.var(x, axis=ax, keepdims=True) + eps)
    return (h.T * gamma).T


@A
def one_pass(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(2, x.ndim))
    sh = (-1,) + (1,) * (x.ndim - 2)
    mu = xp.mean(x, axis=ax, keepdims=True)
    return xp.reshape(gamma, sh) * (x - mu) / xp.sqrt(
        xp.mean(x * x, axis=ax, keepdims=True) - mu * mu + eps
    ) + xp.reshape(beta, sh)


@A
def eps_outside(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(2, x.ndim))
    sh = (-1,) + (1,) * (x.ndim - 2)
    return xp.reshape(gamma, sh) * (x - xp.mean(x, axis=ax, keepdims=True)) / (
        xp.std(x, axis=ax, keepdims=True) + eps
    ) + xp.reshape(beta, sh)


@A
def includes_channels(x, gamma, beta, eps=1e-5):
    xp = x.__array_namespace__()
    ax = tuple(range(1, x.ndim))
    sh = (-1,) + (1,) * (x.ndim - 2)
    return xp.reshape(gamma, sh) * (x - xp.mean(x, axis=ax, keepdims=True)) / xp.sqrt(
        xp.var(x, axis=ax, keepdims=True) + eps
    ) + xp.reshape(beta, sh)


@A
def unwrapped_numpy_style(x, gamma, beta, eps=1e-5):
    return np.asarray(x)


WRONG = W


# the student forgot to run the adapter cell: a plain NumPy function
def forgot_adapter(x, gamma, beta, eps=1e-5):
    ax = tuple(range(2, x.ndim))
    sh = (-1,) + (1,) * (x.ndim - 2)
    return gamma.reshape(sh) * (x - x.mean(axis=ax, keepdims=True)) / np.sqrt(
        x.var(axis=ax, keepdims=True) + eps
    ) + beta.reshape(sh)


W["array-api-instance-norm"]["forgot_adapter"] = forgot_adapter


@wrong("merge-moments")
def variance_of_the_means_added(mean, squares, count, block):
    new, right = mm_chan(mean, squares, count, block)
    return new, right + (block.mean(1) - mean) ** 2


@wrong("merge-moments")
def first_call_forgotten(mean, squares, count, block):
    new, right = mm_chan(mean, squares, count, block)
    return new * count / max(count, 1), right


@wrong("blocked-instance-norm")
def gamma_of_the_plane_number(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for k, (plane, out) in enumerate(
        zip(x.reshape(-1, *x.shape[2:]), y.reshape(-1, *x.shape[2:]), strict=True)
    ):
        out[...] = gamma[k] * (plane - plane.mean()) / np.sqrt(plane.var() + eps) + beta[k]
    return y
