"""Right answers to "Fast kernels", written independently of the kernels and of each other."""

import numpy as np
import torch

from instnorm_lab.standard_arrays import standard_only


def one_value_at_a_time(mean, squares, count, block):
    """Welford, in Python's floats."""
    means, sums = mean.tolist(), squares.tolist()
    for r, row in enumerate(block.tolist()):
        for n, value in enumerate(row, count + 1):
            step = value - means[r]
            means[r] += step / n
            sums[r] += step * (value - means[r])
    return np.array(means), np.array(sums)


def both_about_the_new_mean(mean, squares, count, block):
    size = block.shape[1]
    new = mean + (block - mean[:, None]).sum(1) / (count + size)
    deviations = block - new[:, None]
    old = squares + count * (new - mean) ** 2
    return new, old + np.einsum("rb,rb->r", deviations, deviations)


def old_mean_times_new(mean, squares, count, block):
    """Welford's product for a whole block: deviations from the old mean, times from the new."""
    from_old = block - mean[:, None]
    new = mean + from_old.sum(1) / (count + block.shape[1])
    return new, squares + (from_old * (block - new[:, None])).sum(1)


def merging_by_torch(mean, squares, count, block):
    there = torch.from_numpy(block)
    var, its_mean = torch.var_mean(there, dim=1, correction=0)
    size, old = there.shape[1], torch.from_numpy(mean)
    apart = its_mean - old
    total = count + size
    new_squares = torch.from_numpy(squares) + size * var + apart.square() * count * size / total
    return (old + apart * size / total).numpy(), new_squares.numpy()


def planes_in_place(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for n, image in enumerate(x):
        for c, plane in enumerate(image):
            t = y[n, c]
            np.subtract(plane, plane.mean(), out=t)
            t *= gamma[c] / np.sqrt(np.vdot(t, t) / t.size + eps)
            t += beta[c]
    return y


def several_planes_at_a_time(x, gamma, beta, eps=1e-5):
    """The naive formula, on as many planes as make up a quarter of a mebibyte."""
    n, c, h, w = x.shape
    rows, y = x.reshape(n * c, h * w), np.empty((n * c, h * w))
    step = max(1, (1 << 15) // (h * w))
    gain, offset = np.tile(gamma, n)[:, None], np.tile(beta, n)[:, None]
    for k in range(0, n * c, step):
        t = rows[k : k + step] - rows[k : k + step].mean(1, keepdims=True)
        var = np.einsum("rm,rm->r", t, t)[:, None] / (h * w)
        t *= gain[k : k + step] / np.sqrt(var + eps)
        t += offset[k : k + step]
        y[k : k + step] = t
    return y.reshape(x.shape)


def gain_and_offset_of_each_plane(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for plane, out, g, b in zip(
        x.reshape(-1, *x.shape[2:]),
        y.reshape(-1, *x.shape[2:]),
        np.tile(gamma, len(x)),
        np.tile(beta, len(x)),
        strict=True,
    ):
        mean = plane.sum() / plane.size
        np.subtract(plane, mean, out=out)
        gain = g / (np.einsum("hw,hw", out, out) / plane.size + eps) ** 0.5
        np.multiply(out, gain, out=out)
        np.add(out, b, out=out)
    return y


def plane_after_plane(x, gamma, beta, eps=1e-5):
    """The naive formula without blocks larger than a plane: not in place, and fast enough."""
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            centred = x[n, c] - x[n, c].mean()
            y[n, c] = gamma[c] * centred / np.sqrt(np.mean(centred**2) + eps) + beta[c]
    return y


def by_the_standards_var(x, gamma, beta, eps=1e-5):
    def answer(x, gamma, beta, eps):
        xp = x.__array_namespace__()
        axes = tuple(range(2, x.ndim))
        shape = (1, -1) + (1,) * len(axes)
        mean = xp.mean(x, axis=axes, keepdims=True)
        var = xp.var(x, axis=axes, keepdims=True)
        y = (x - mean) / xp.sqrt(var + eps)
        return xp.reshape(gamma, shape) * y + xp.reshape(beta, shape)

    return standard_only(answer)(x, gamma, beta, eps)


def by_rows(x, gamma, beta, eps=1e-5):
    def answer(x, gamma, beta, eps):
        xp = x.__array_namespace__()
        n, c, *spatial = x.shape
        t = xp.reshape(x, (n, c, -1))
        t = t - xp.expand_dims(xp.mean(t, axis=-1), axis=-1)
        var = xp.vecdot(t, t) / t.shape[-1]
        gain = gamma / (var + eps) ** 0.5
        return xp.reshape(t * gain[:, :, None] + beta[:, None], (n, c, *spatial))

    return standard_only(answer)(x, gamma, beta, eps)


def by_loops(x, gamma, beta, eps=1e-5):
    def answer(x, gamma, beta, eps):
        xp = x.__array_namespace__()
        y = xp.empty_like(x)
        for n in range(x.shape[0]):
            for c in range(x.shape[1]):
                centred = x[n, c, ...] - xp.mean(x[n, c, ...])
                y[n, c, ...] = gamma[c] * centred / xp.sqrt(xp.mean(centred**2) + eps) + beta[c]
        return y

    return standard_only(answer)(x, gamma, beta, eps)


def by_std(x, gamma, beta, eps=1e-5):
    """The channels are moved to the end, where gamma and beta meet them by themselves."""

    def answer(x, gamma, beta, eps):
        xp = x.__array_namespace__()
        x = xp.moveaxis(x, 1, -1)
        axes = tuple(range(1, x.ndim - 1))
        spread = xp.sqrt(xp.std(x, axis=axes, keepdims=True) ** 2 + eps)
        y = (x - xp.mean(x, axis=axes, keepdims=True)) / spread
        return xp.moveaxis(y * gamma + beta, -1, 1)

    return standard_only(answer)(x, gamma, beta, eps)


RIGHT = {
    "merge-moments": [
        one_value_at_a_time,
        both_about_the_new_mean,
        old_mean_times_new,
        merging_by_torch,
    ],
    "blocked-instance-norm": [
        planes_in_place,
        several_planes_at_a_time,
        gain_and_offset_of_each_plane,
        plane_after_plane,
    ],
    "array-api-instance-norm": [by_the_standards_var, by_rows, by_loops, by_std],
}
