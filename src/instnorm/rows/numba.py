"""Row kernels compiled by Numba: the formulas of `rows.numpy`, as loops.

A set is read once for its moments, about a centre c that is near its mean. With t = x - c,

    r = mean(t),   var = mean(t²) - r²,   dshift = Σ dy,   dscale = (Σ dy t - r dshift) * rstd

Nothing cancels as long as r is about as small as the spread. c is the mean of a sample; where it
proves to be too far away, c + r is the next c. Then the mean is split anew, c as the working
precision can hold it and r the rest, and the set is read a second time, for the result:
((x - c) - r) * rstd, and its gradient.

Sums of up to CHUNK numbers are taken in the dtype of x, and added in float64. A compiler may not
reorder a sum, because each order rounds differently; but adding up one by one keeps it from working
on several numbers at once. `add` and `madd` are additions that may be reordered. Nothing else may:
Numba's fastmath= would make x - (c + r) of (x - c) - r.

Sets whose squares leave the range of the dtype, constant ones at eps = 0, NaN and infinity are
rough, and left to `rows.numpy`.

Memory is worked on where it lies, if it lies in one of two ways; otherwise it is copied first:

    rows      (P, R, M): set r is x[:, r, :], P pieces of M numbers
    columns   (I, L, C): a set is some neighbouring columns of one x[i] (channels-last), or all
              columns of some neighbouring x[i] (few long rows: all threads work on each)
"""

import functools
import itertools

import numpy as np

from . import numpy as plain
from . import threads
from .columns import Columns
from .jit import LEAST, STEP, U, add, at, can_compile, inner, jit, madd

__all__ = ["backward", "backward_given", "can_compile", "forward", "forward_given"]

CHUNK = 1024  # numbers
LANES = 64  # rows of up to STEP numbers are worked on so many at a time
SHORT = 16  # shorter segments than this have their scale and shift written out for each element
LARGEST_SCALE = 1e8

# --- sets as rows --------------------------------------------------------------------------------
# A span is a run of at most CHUNK neighbouring numbers of a row, in one segment: `spans` has a line
# for each, (piece, segment, start, end). scale[line, k] is a number for all of segment k, or, where
# scale has a third axis, an array with a number for each element; `at` reads both.


@inner
def guess(x, r, samples):
    """A number near the mean of row r: the mean of some of its numbers, (piece, index)."""
    a = 0.0
    for j in range(U(len(samples))):
        a += np.float64(x[samples[j, U(0)], r, samples[j, U(1)]])
    return x.dtype.type(a / np.float64(len(samples)))


@inner
def sums(x, r, spans, c):
    """Of t = x - c, for row r: Σ t, Σ t²."""
    T = x.dtype.type
    sum_t = sum_tt = 0.0
    for j in range(U(len(spans))):
        p = spans[j, U(0)]
        a = b = T(0)
        for i in range(spans[j, U(2)], spans[j, U(3)]):
            t = x[p, r, i] - c
            a = add(a, t)
            b = madd(b, t, t)
        sum_t += np.float64(a)
        sum_tt += np.float64(b)
    return sum_t, sum_tt


@inner
def pair_sums(d, x, r, spans, c, w, lines):
    """`sums`; and in lines[k], for segment k and g = d * w: Σ g, Σ g t, Σ g²."""
    T = x.dtype.type
    sum_t = sum_tt = sum_g = sum_gt = sum_gg = 0.0
    k = U(0)
    for j in range(U(len(spans))):
        p = spans[j, U(0)]
        if spans[j, U(1)] != k:
            lines[k, U(0)], lines[k, U(1)], lines[k, U(2)] = sum_g, sum_gt, sum_gg
            sum_g = sum_gt = sum_gg = 0.0
            k = spans[j, U(1)]
        a = b = g1 = gt = gg = T(0)
        for i in range(spans[j, U(2)], spans[j, U(3)]):
            t = x[p, r, i] - c
            g = d[p, r, i] * at(w, i)
            a = add(a, t)
            b = madd(b, t, t)
            g1 = add(g1, g)
            gt = madd(gt, g, t)
            gg = madd(gg, g, g)
        sum_t += np.float64(a)
        sum_tt += np.float64(b)
        sum_g += np.float64(g1)
        sum_gt += np.float64(gt)
        sum_gg += np.float64(gg)
    lines[k, U(0)], lines[k, U(1)], lines[k, U(2)] = sum_g, sum_gt, sum_gg
    return sum_t, sum_tt


@inner
def far(share, sum_t, sum_tt):
    """Is the centre so far from the mean that most of the squares come from there?"""
    return 4 * share * sum_t * sum_t > 3 * sum_tt


@inner
def split(T, c, r):
    """c + r in two parts: as T can hold it, and the rest."""
    mean = T(c + r)
    return mean, T((c - np.float64(mean)) + r)


@inner
def ordinary(spread, least):
    return least <= spread <= 1 / least


@inner
def in_range(squares, f, least):
    """Is a gradient with this sum of squares neither too large nor too small, before and after?"""
    return ordinary(squares, least * least) and ordinary(squares * f * f, least * least)


@inner
def add_up(part, ds, db):
    """Adds the sums of some rows to those of all."""
    ds += part[0]
    db += part[1]
    part[:] = 0


@jit
def forward_rows(
    x, spans, samples, eps, least, centre, scale, shift, y, mean, var, rough, start, stop
):
    T = x.dtype.type
    share = 1 / np.float64(x.shape[0] * x.shape[2])
    for r in range(U(start), U(stop)):
        c = guess(x, r, samples) if centre else T(0)
        sum_t, sum_tt = sums(x, r, spans, c)
        if centre and far(share, sum_t, sum_tt):
            c = T(c + sum_t * share)
            sum_t, sum_tt = sums(x, r, spans, c)
        m = sum_t * share if centre else 0.0
        v = max(sum_tt * share - m * m, 0.0)
        mean[r], var[r] = c + m, v
        rough[r] = not ordinary(v + eps, least)
        if rough[r]:
            continue
        f = T(1 / np.sqrt(v + eps))
        c, q = split(T, np.float64(c), m)
        line = r % U(len(scale))
        for j in range(U(len(spans))):
            p, k = spans[j, U(0)], spans[j, U(1)]
            w, b = scale[line, k], shift[line, k]
            for i in range(spans[j, U(2)], spans[j, U(3)]):
                y[p, r, i] = ((x[p, r, i] - c) - q) * f * at(w, i) + at(b, i)


@jit
def backward_rows(d, x, spans, samples, eps, least, centre, scale, dx, ds, db, rough, start, stop):
    """ds and db (R, K) are set for each row; with a scale for each element, (G, M), added to."""
    T = x.dtype.type
    each = scale.ndim == 3
    share = 1 / np.float64(x.shape[0] * x.shape[2])
    lines = np.zeros((scale.shape[1], 3))
    part = np.zeros((2, len(scale), x.shape[2] if each else 0), x.dtype)
    waiting = 0
    for r in range(U(start), U(stop)):
        line = r % U(len(scale))
        w = scale[line, U(0)] if scale.ndim == 3 else T(1)
        c = guess(x, r, samples) if centre else T(0)
        sum_t, sum_tt = pair_sums(d, x, r, spans, c, w, lines)
        if centre and far(share, sum_t, sum_tt):
            c = T(c + sum_t * share)
            sum_t, sum_tt = pair_sums(d, x, r, spans, c, w, lines)
        m = sum_t * share if centre else 0.0
        v = max(sum_tt * share - m * m, 0.0)
        f = 1 / np.sqrt(v + eps)
        gbar = pull = gg = 0.0
        for k in range(U(len(lines))):
            g1, gt = lines[k, U(0)], (lines[k, U(1)] - m * lines[k, U(0)]) * f
            gg += lines[k, U(2)]
            if scale.ndim == 3:
                gbar, pull = g1, gt
            else:
                ds[r, k], db[r, k] = gt, g1
                gbar += scale[line, k] * g1
                pull += scale[line, k] * gt
        fits = in_range(gg, f, least) or (gg == 0 and not d[:, r].any())
        rough[r] = not (fits and ordinary(v + eps, least))
        if rough[r]:
            if scale.ndim == 2:
                ds[r, :], db[r, :] = 0, 0
            continue
        c, q = split(T, np.float64(c), m)
        g, h = split(T, gbar * share if centre else 0.0, 0.0)
        a, f = T(pull * share * f), T(f)
        for j in range(U(len(spans))):
            p = spans[j, U(0)]
            w = scale[line, spans[j, U(1)]]
            for i in range(spans[j, U(2)], spans[j, U(3)]):
                t = (x[p, r, i] - c) - q
                dx[p, r, i] = (((d[p, r, i] * at(w, i) - g) - h) - t * a) * f
        if scale.ndim == 3:
            for i in range(U(x.shape[2])):
                g, t = d[U(0), r, i], (x[U(0), r, i] - c) - q
                part[U(0), line, i] += g * (t * f)
                part[U(1), line, i] += g
            waiting += 1
            if waiting == STEP * len(scale):
                add_up(part, ds, db)
                waiting = 0
    if scale.ndim == 3:
        add_up(part, ds, db)


@jit
def backward_short(d, x, eps, least, centre, scale, dx, ds, db, rough, start, stop):
    """`backward_rows` for rows of up to STEP numbers that share one line of scale, (1, 1, M).

    So short a loop is over before it has paid; of LANES rows, side by side, loops are long.
    """
    T = x.dtype.type
    M = U(x.shape[2])
    share = 1 / np.float64(M)
    t, u, g = np.zeros((3, x.shape[2], LANES), x.dtype)  # x, d, and d * scale, turned
    c, q, f, level, rest, a = np.zeros((6, LANES), x.dtype)
    sum_t, sum_tt, sum_g, sum_gt, sum_gg = np.zeros((5, LANES), x.dtype)
    bad = np.zeros(LANES, np.bool_)
    for s in range(U(start), U(stop), U(LANES)):
        n = min(U(LANES), U(stop) - s)
        for b in range(n):
            for i in range(M):
                t[i, b], u[i, b] = x[U(0), s + b, i], d[U(0), s + b, i]
        c[:] = 0
        if centre:
            for i in range(M):
                for b in range(U(LANES)):
                    c[b] += t[i, b] - t[U(0), b]
            for b in range(U(LANES)):
                c[b] = t[U(0), b] + c[b] * T(share)
        sum_t[:] = 0
        sum_tt[:] = 0
        sum_g[:] = 0
        sum_gt[:] = 0
        sum_gg[:] = 0
        for i in range(M):
            w = scale[U(0), U(0), i]
            for b in range(U(LANES)):
                t[i, b] -= c[b]
                g[i, b] = u[i, b] * w
                sum_t[b] += t[i, b]
                sum_tt[b] += t[i, b] * t[i, b]
                sum_g[b] += g[i, b]
                sum_gt[b] += g[i, b] * t[i, b]
                sum_gg[b] += g[i, b] * g[i, b]
        for b in range(U(LANES)):
            m = np.float64(sum_t[b]) * share if centre else 0.0
            v = max(np.float64(sum_tt[b]) * share - m * m, 0.0) + eps
            gbar, gg = np.float64(sum_g[b]) * share, np.float64(sum_gg[b])
            rstd = 1 / np.sqrt(v)
            pull = (np.float64(sum_gt[b]) * share - m * gbar) * rstd * rstd
            q[b], f[b], a[b] = T(m), T(rstd), T(pull)
            gbar = gbar if centre else 0.0
            level[b] = T(gbar)
            rest[b] = T(gbar - np.float64(level[b]))
            after, small = gg * rstd * rstd, least * least
            fits = (small <= gg) & (gg * small <= 1) & (small <= after) & (after * small <= 1)
            bad[b] = not ((fits | (gg == 0)) & (least <= v) & (v * least <= 1))
        for b in range(n):
            rough[s + b] = bad[b]
            if bad[b] or (sum_gg[b] == 0 and (u[:, b] * f[b] != 0).any()):
                rough[s + b] = True
                t[:, b], u[:, b], q[b], f[b] = 0, 0, 0, 0
        for b in range(n, U(LANES)):  # what an earlier block has left, or nothing
            t[:, b], u[:, b], q[b], f[b] = 0, 0, 0, 0
        for i in range(M):
            along = total = T(0)
            for b in range(U(LANES)):
                h = t[i, b] - q[b]
                along = madd(along, u[i, b], h * f[b])
                total = add(total, u[i, b])
                g[i, b] = (((g[i, b] - level[b]) - rest[b]) - h * a[b]) * f[b]
            ds[U(0), i] += np.float64(along)
            db[U(0), i] += np.float64(total)
        for b in range(n):
            for i in range(M):
                dx[U(0), s + b, i] = g[i, b]


# --- the contract of rows.numpy ------------------------------------------------------------------


def forward(x, eps, scale=None, shift=None, out=None, *, centre=True):
    """See `rows.numpy.forward`."""
    y = np.empty_like(x) if out is None else out
    if x.dtype not in LEAST:
        return _in_slabs(forward, (x,), y, eps, (scale, shift), centre)
    lines = _lines(x, scale, shift)
    if lines is None:
        return plain.forward(x, eps, scale, shift, y, centre=centre)
    kind, order, shape = _memory(x, lines[0].shape[1])
    if kind is None or not _alike(y, x):
        y[...], mean, var = forward(np.ascontiguousarray(x), eps, scale, shift, centre=centre)
        return y, mean, var
    memory, into = (a.transpose(order).reshape(shape) for a in (x, y))
    if kind == "columns":
        sets = Columns(memory, x.shape[0] * x.shape[1], lines[0].shape[1])
        with np.errstate(all="ignore"):
            moments = sets.forward(into, eps, *lines, centre)
        if moments is None:
            return plain.forward(x, eps, scale, shift, y, centre=centre)
        return y, *(m.reshape(x.shape[:2]) for m in moments)
    mean, var, rough = _forward_rows(memory, into, eps, lines, centre, x.shape[:2])
    for some, line in _few(rough):
        own = (p if p is None else p[line] for p in (scale, shift))
        y[some], mean[some], var[some] = plain.forward(x[some], eps, *own, centre=centre)
    return y, mean, var


def backward(dy, x, eps, scale, *, centre=True):
    """See `rows.numpy.backward`."""
    dx = np.empty_like(x)
    if x.dtype not in LEAST or dy.dtype != x.dtype:
        return _in_slabs(backward, (dy, x), dx, eps, (scale,), centre)
    lines = _lines(x, scale, None)
    kind, order, shape = _memory(x, scale.shape[1])
    if lines is None:
        return plain.backward(dy, x, eps, scale, centre=centre)
    if kind is None:
        return backward(dy, np.ascontiguousarray(x), eps, scale, centre=centre)
    if not _alike(dy, x):
        dx[...] = dy
        dy, dx = dx, np.empty_like(x)
    d, memory, into = (a.transpose(order).reshape(shape) for a in (dy, x, dx))
    if kind == "columns":
        sets = Columns(memory, x.shape[0] * x.shape[1], scale.shape[1])
        with np.errstate(all="ignore"):
            gradients = sets.backward(d, into, eps, lines[0], centre)
        if gradients is None:
            return plain.backward(dy, x, eps, scale, centre=centre)
        return dx, *gradients
    ds, db, rough = _backward_rows(d, memory, into, eps, lines[0], centre, x.shape[:2])
    for some, line in _few(rough):
        dx[some], *own = plain.backward(dy[some], x[some], eps, scale[line], centre=centre)
        ds[line] += own[0]
        db[line] += own[1]
    return dx, ds, db


forward_given, backward_given = plain.forward_given, plain.backward_given


def _lines(x, scale, shift):
    """scale and shift, in the dtype of x and of one shape; None where scale is out of range."""
    if scale is None and shift is None:
        return _default(1, x.dtype), _default(0, x.dtype)
    if scale is not None and not np.abs(scale).max() <= LARGEST_SCALE:
        return None
    lines = np.empty(
        (2, x.shape[1], max(p.shape[1] for p in (scale, shift) if p is not None)), x.dtype
    )
    lines[0] = 1 if scale is None else scale
    lines[1] = 0 if shift is None else shift
    return lines


@functools.cache
def _default(value, dtype):
    return np.full((1, 1), value, dtype)


def _alike(a, b):
    """Do two arrays of one shape lie in memory in the same way?"""
    return a.strides == b.strides or all(
        s == t or n == 1 for s, t, n in zip(a.strides, b.strides, b.shape, strict=True)
    )


def _memory(x, segments):
    """How (A, G, K, L) x lies, and the order and shape of its memory: see the head of this file."""
    a, g, k, n = x.shape
    if x.flags.c_contiguous and (g * k == 1 or k * n > 1):
        few = a * g < 2 * threads.count() and x.size >= 4 * threads.WORTHWHILE
        if few and (width := _width(k * n // segments)):
            return "columns", (0, 1, 2, 3), (a * g * segments, -1, width)
        return "rows", (0, 1, 2, 3), (1, a * g, k * n)
    if x.transpose(0, 3, 1, 2).flags.c_contiguous:
        return "columns", (0, 3, 1, 2), (a, n, g * k)
    if a == 1 and x.transpose(0, 2, 3, 1).flags.c_contiguous:
        return "columns", (0, 2, 3, 1), (1, k * n, g)
    if a == 1 and x.transpose(2, 1, 0, 3).flags.c_contiguous:
        return "rows", (2, 1, 0, 3), (k, g, n)
    return None, None, None


@functools.cache
def _width(length):
    """The greatest divisor of so many numbers that makes them short columns; 0 if there is none."""
    return next((w for w in range(min(4096, length // 16), 63, -1) if length % w == 0), 0)


@functools.lru_cache(maxsize=64)
def _spans(pieces, length, segments):
    """Lines (piece, segment, start, end), each of at most CHUNK numbers."""
    size = length // segments
    cuts = -(-size // CHUNK)
    ends = [size * i // cuts for i in range(cuts + 1)]
    return np.array(
        [
            (p, k, k * size + s, k * size + e)
            for p in range(pieces)
            for k in range(segments)
            for s, e in itertools.pairwise(ends)
        ],
        U,
    )


@functools.lru_cache(maxsize=64)
def _samples(pieces, length):
    """Lines (piece, index): numbers here and there in a row, at no regular distance."""
    number = 8 if pieces * length < 1024 else 64
    places = ((np.arange(number) + 0.5) * 0.618034) % 1 * pieces * length
    return np.stack(np.divmod(places.astype(U), U(length)), 1)


def _blocks(rows, size, most):
    """Bounds of blocks of rows, some for each thread; each call costs some 10 microseconds."""
    if size < threads.WORTHWHILE:
        return [(0, rows)]
    number = min(rows, most, max(threads.count(), min(8 * threads.count(), size >> 18)))
    return list(itertools.pairwise(rows * i // number for i in range(number + 1)))


def _each(scale, length):
    """scale (G, K), or, where its segments are short, (G, 1, M): a number for each element."""
    if scale.shape[1] == 1 or length // scale.shape[1] >= SHORT:
        return scale
    return np.repeat(scale, length // scale.shape[1], axis=1)[:, None]


def _forward_rows(x, y, eps, lines, centre, sets):
    """mean, var and rough, (A, G)."""
    pieces, rows, length = x.shape
    scale, shift = (_each(p, length) for p in lines)
    tables = _spans(pieces, length, scale.shape[1]), _samples(pieces, length)
    mean, var, rough = np.empty(rows), np.empty(rows), np.empty(rows, np.bool_)
    given = (x, *tables, eps, LEAST[x.dtype], centre, scale, shift, y, mean, var, rough)
    blocks = _blocks(rows, x.size, rows)
    threads.share(lambda b: forward_rows(*given, *blocks[b]), len(blocks), x.size)
    return mean.reshape(sets), var.reshape(sets), rough.reshape(sets)


def _backward_rows(d, x, dx, eps, line, centre, sets):
    """dscale and dshift, (G, K); rough, (A, G)."""
    pieces, rows, length = x.shape
    scale, rough = _each(line, length), np.empty(rows, np.bool_)
    tables = _spans(pieces, length, scale.shape[1]), _samples(pieces, length)
    given = (eps, LEAST[x.dtype], centre, scale, dx)
    if scale.ndim == 3:  # each block of rows has sums of its own
        blocks = _blocks(rows, x.size, max(1, x.size // (16 * scale.size)))
        totals = np.zeros((2, len(blocks), *scale.shape[::2]))
        kernel = backward_rows
        if pieces == len(scale) == 1 and length <= STEP:
            kernel, tables = backward_short, ()

        def work(b):
            kernel(d, x, *tables, *given, *totals[:, b], rough, *blocks[b])
    else:
        blocks = _blocks(rows, x.size, rows)
        totals = np.empty((2, rows, scale.shape[1]))

        def work(b):
            backward_rows(d, x, *tables, *given, *totals, rough, *blocks[b])

    threads.share(work, len(blocks), x.size)
    totals = totals.reshape(2, -1, *line.shape, totals.shape[-1] // line.shape[1])
    return *totals.sum((1, 4)), rough.reshape(sets)


def _few(rough):
    """The rough sets: indices of those that have one line of scale, and the line."""
    for g in np.flatnonzero(rough.any(0)):
        line = slice(g, g + 1)
        yield (np.flatnonzero(rough[:, g]), line), line


SLAB = 1 << 19  # numbers


def _in_slabs(function, inputs, result, eps, lines, centre):
    """`forward` or `backward` in another dtype than the arrays', some sets after the other."""
    x, dtype = inputs[-1], plain._working(*inputs)
    sets = max(1, SLAB // max(1, x[0, 0].size))
    images, groups = max(1, sets // x.shape[1]), min(sets, x.shape[1])
    shape, forth = (x.shape[:2], True) if function is forward else (lines[0].shape, False)
    totals = np.zeros((2, *shape))
    for a, g in itertools.product(range(0, x.shape[0], images), range(0, x.shape[1], groups)):
        slab, line = np.s_[a : a + images, g : g + groups], np.s_[g : g + groups]
        wide = (i[slab].astype(dtype) for i in inputs)
        own = (p if p is None else p[line] for p in lines)
        part, *sums = function(*wide, eps, *own, centre=centre)
        with np.errstate(over="ignore", invalid="ignore"):
            result[slab] = part
        for total, one in zip(totals, sums, strict=True):
            total[slab if forth else line] += one
    return result, *totals
