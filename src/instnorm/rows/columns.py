"""Compiled kernels for sets that are columns: channels-last arrays.

The memory is (I, L, C): L positions of C channels, I times. A set is some neighbouring columns of
one image; all threads work on each. The formulas are those of `rows.loops`, in the same steps, with
arrays of sets where there it is one row.
"""

import itertools

import numpy as np

from . import threads
from .jit import LEAST, STEP, U, inner, jit
from .parallel import job, lead

# Below, a task is (image, start, stop): positions start..stop of x[image], (L, C). c and the like
# have a line for each image, with a number for each column.


@inner
def positions_of(tasks, t):
    return tasks[t, U(0)], U(tasks[t, U(1)]), U(tasks[t, U(2)])


@jit
def column_sums(x, c, out, tasks, t):
    """Adds to out[t], (2, C): Σ v, Σ v²."""
    image, start, stop = positions_of(tasks, t)
    x, c, out = x[image], c[image], out[t]
    part = np.zeros(out.shape, x.dtype)
    for s in range(start, stop, U(STEP)):
        for i in range(s, min(s + U(STEP), stop)):
            for j in range(U(x.shape[1])):
                v = x[i, j] - c[j]
                part[U(0), j] += v
                part[U(1), j] += v * v
        out += part
        part[:] = 0


@jit
def column_pair_sums(d, x, c, out, tasks, t):
    """Adds to out[t], (5, C): Σ v, Σ v², Σ d, Σ d v, Σ d²."""
    image, start, stop = positions_of(tasks, t)
    d, x, c, out = d[image], x[image], c[image], out[t]
    part = np.zeros(out.shape, x.dtype)
    for s in range(start, stop, U(STEP)):
        for i in range(s, min(s + U(STEP), stop)):
            for j in range(U(x.shape[1])):
                v, g = x[i, j] - c[j], d[i, j]
                part[U(0), j] += v
                part[U(1), j] += v * v
                part[U(2), j] += g
                part[U(3), j] += g * v
                part[U(4), j] += g * g
        out += part
        part[:] = 0


@jit
def column_apply(x, c, q, f, w, b, y, tasks, t):
    image, start, stop = positions_of(tasks, t)
    x, c, q, f, w, b, y = x[image], c[image], q[image], f[image], w[image], b[image], y[image]
    for i in range(start, stop):
        for j in range(U(x.shape[1])):
            y[i, j] = ((x[i, j] - c[j]) - q[j]) * f[j] * w[j] + b[j]


@jit
def column_gradient(d, x, c, q, f, w, g, h, a, dx, tasks, t):
    image, start, stop = positions_of(tasks, t)
    d, x, dx, c, q, f, w = d[image], x[image], dx[image], c[image], q[image], f[image], w[image]
    g, h, a = g[image], h[image], a[image]
    for i in range(start, stop):
        for j in range(U(x.shape[1])):
            v = (x[i, j] - c[j]) - q[j]
            dx[i, j] = (((d[i, j] * w[j] - g[j]) - h[j]) - v * a[j]) * f[j]


@jit
def sums(slots, helpers, blocks, *given):
    return -lead(slots, job(column_sums, helpers, blocks, given))


@jit
def pair_sums(slots, helpers, blocks, *given):
    return -lead(slots, job(column_pair_sums, helpers, blocks, given))


@jit
def apply(slots, helpers, blocks, *given):
    return -lead(slots, job(column_apply, helpers, blocks, given))


@jit
def gradient(slots, helpers, blocks, *given):
    return -lead(slots, job(column_gradient, helpers, blocks, given))


class Columns:
    """The sets of x (I, L, C), S of them, with K lines of scale each; threads share positions."""

    def __init__(self, x, sets, lines):
        self.x, self.shape = x, (sets, lines, -1)
        images, positions, _ = x.shape
        number = min(positions, max(1, threads.blocks_for(x.size, x.size) // images))
        bounds = [positions * i // number for i in range(number + 1)]
        self.tasks = np.array(
            [(i, *b) for i in range(images) for b in itertools.pairwise(bounds)], np.int64
        )

    def share(self, kernel, *given):
        threads.share(kernel, len(self.tasks), *given, self.tasks)

    def spread(self, values):
        """(S,), (S, K) or (G, K) -> (I, C), in the dtype of x."""
        images, _, channels = self.x.shape
        sets, lines, _ = self.shape
        full = np.empty((sets, lines, images * channels // (sets * lines)), self.x.dtype)
        values = values.reshape(len(values), -1, 1)
        full.reshape(-1, len(values), *full.shape[1:])[...] = values
        return full.reshape(images, channels)

    def sums(self, d, c):
        """Of each set Σ v, Σ v², (2, S); with d, of each line Σ d, Σ d v, Σ d², (3, S, K)."""
        c = self.spread(c)
        out = np.zeros((len(self.tasks), 2 if d is None else 5, self.x.shape[2]))
        if d is None:
            self.share(sums, self.x, c, out)
        else:
            self.share(pair_sums, d, self.x, c, out)
        out = out.reshape(len(self.x), -1, *out.shape[1:]).sum(1).swapaxes(0, 1)
        out = out.reshape(len(out), *self.shape).sum(3)
        return out[:2].sum(2), out[2:]

    def moments(self, d, eps, centre):
        """c, r and variance of each set, and the other sums; None if a set is rough."""
        n, sets, dtype = self.x.size / self.shape[0], self.shape[0], self.x.dtype
        some = self.x[:, :: -(-self.x.shape[1] // 16)].mean(1, np.float64)
        c = (some.reshape(sets, -1).mean(1) * centre).astype(dtype)
        (sum_t, sum_tt), lines = self.sums(d, c)
        if centre and (again := 4 * sum_t * sum_t > 3 * n * sum_tt).any():
            c = np.where(again, c + sum_t / n, c).astype(dtype)
            (sum_t, sum_tt), lines = self.sums(d, c)
        r = sum_t / n * centre
        var = np.maximum(sum_tt / n - r * r, 0)
        return (c, r, var, lines) if _ordinary(var + eps, LEAST[dtype]) else None

    def forward(self, y, eps, scale, shift, centre):
        if (moments := self.moments(None, eps, centre)) is None:
            return None
        c, r, var, _ = moments
        p = [self.spread(v) for v in (*_split(c, r), 1 / np.sqrt(var + eps), scale, shift)]
        self.share(apply, self.x, *p, y)
        return c + r, var

    def backward(self, d, dx, eps, scale, centre):
        if (moments := self.moments(d, eps, centre)) is None:
            return None
        c, r, var, (db, gt, gg) = moments
        f, n, least = 1 / np.sqrt(var + eps), self.x.size / len(c), LEAST[d.dtype] ** 2
        gg = gg.sum(1)
        if not _ordinary(np.concatenate([gg, gg * f * f]), least):
            return None
        ds = (gt - r[:, None] * db) * f[:, None]
        w = np.resize(scale, db.shape).astype(np.float64)
        gbar, pull = (w * db).sum(1) / n * centre, (w * ds).sum(1) / n * f
        g = _split(gbar.astype(c.dtype), gbar - gbar.astype(c.dtype))
        p = [self.spread(v) for v in (*_split(c, r), f, scale, *g, pull)]
        self.share(gradient, d, self.x, *p, dx)
        return (a.reshape(-1, *scale.shape).sum(0) for a in (ds, db))


def _ordinary(sizes, least):
    return bool(((least <= sizes) & (sizes <= 1 / least)).all())


def _split(c, r):
    mean = (c + r).astype(c.dtype)
    return mean, ((c.astype(np.float64) - mean) + r).astype(c.dtype)
