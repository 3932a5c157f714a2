"""Row kernels compiled by Numba: the contract of `rows.numpy`, each number seldom read.

Moments are taken in chunks, while a chunk is in the nearest cache: first the chunk's mean, then the
squares about it; chunks are joined in float64 by the law of total variance (Chan, Golub and LeVeque
1983). The rest is `rows.numpy`'s: the centre in two parts, the result never x * a + b.

A compiler may not reorder a sum, because each order rounds differently; but adding up one by one
keeps it from working on several numbers at once. `add` and `madd` below are additions that may be
reordered. Nothing else may: Numba's fastmath= would make x - (c + r) of (x - c) - r.

What is not ordinary is left to `rows.numpy`: sets whose squares leave the range of the dtype,
constant ones, NaN and infinity.

Two shapes of memory are worked on where they lie, others are copied first:

    rows      (P, R, M): set r is x[:, r, :], P pieces of M numbers
    columns   (A, L, C): channels-last; a set is some neighbouring columns of one x[a]
"""

import functools
import itertools
import os

import numpy as np
from numba import config, njit
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from . import numpy as plain
from . import threads

CHUNK = 256  # numbers; sums within a chunk are taken in the dtype of x
SHORT = 16  # shorter segments than this have their scale and shift written out for each element
# A set is left to `rows.numpy` unless its variance and gradient lie between this and 1 / this.
LEAST = {np.dtype(t): float(np.sqrt(np.finfo(t).tiny)) for t in (np.float32, np.float64)}
LARGEST_SCALE = 1e8
REORDERED = ("reassoc", "nsz", "contract")  # LLVM's flags; never nnan or ninf


if hasattr(os, "register_at_fork"):
    # A process forked while another thread compiles would find the compiler's lock taken, for ever.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def can_compile():
    return not config.DISABLE_JIT


def jit(function, **options):
    """Compiled for what it is called with, without Python's lock, and kept on disk if possible."""
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder to keep it in
        return njit(**options)(function)


inner = functools.partial(jit, forceinline=True)


@intrinsic
def add(typing_context, a, b):
    """a + b, in any order."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=REORDERED)

    return a(a, a), generate


@intrinsic
def madd(typing_context, a, b, c):
    """a + b * c, in any order."""

    def generate(context, builder, signature, arguments):
        a, b, c = arguments
        return builder.fadd(a, builder.fmul(b, c, flags=("contract",)), flags=REORDERED)

    return a(a, a, a), generate


# --- sets as rows --------------------------------------------------------------------------------
# A span is a run of at most CHUNK neighbouring numbers of a row: `spans` has a line for each,
# (piece, segment, start, end). All indices are unsigned. To a signed one Numba would add the length
# of the axis where it is negative, and neither vectorise the loop nor keep its start out of it; and
# a slice in place of an index costs more than to go through a short row.

U = np.uint64


@inner
def moments(x, p, r, s, e):
    """Of one span: mean, in two parts, and sum of squared deviations."""
    T = x.dtype.type
    n = np.float64(e - s)
    first = x[p, r, s]
    a = T(0)
    for i in range(s, e):
        a = add(a, x[p, r, i] - first)
    base = np.float64(first) + np.float64(a) / n
    c = T(base)
    q = T(base - np.float64(c))
    a = b = T(0)
    for i in range(s, e):
        t = (x[p, r, i] - c) - q
        a = add(a, t)
        b = madd(b, t, t)
    base = np.float64(c) + np.float64(q)
    off = np.float64(a) / n
    return base, off, max(np.float64(b) - np.float64(a) * off, 0.0)


@inner
def pair_moments(x, d, p, r, s, e):
    """Of one span: `moments` of x; mean of d in two parts, its squares, and the co-moment."""
    T = x.dtype.type
    n = np.float64(e - s)
    first = x[p, r, s]
    a = h = T(0)
    for i in range(s, e):
        a = add(a, x[p, r, i] - first)
        h = add(h, d[p, r, i])
    base = np.float64(first) + np.float64(a) / n
    c = T(base)
    q = T(base - np.float64(c))
    level = T(np.float64(h) / n)
    a = b = g = h = o = T(0)
    for i in range(s, e):
        t = (x[p, r, i] - c) - q
        u = d[p, r, i] - level
        a = add(a, t)
        b = madd(b, t, t)
        g = add(g, u)
        h = madd(h, u, u)
        o = madd(o, u, t)
    base = np.float64(c) + np.float64(q)
    off = np.float64(a) / n
    sq = max(np.float64(b) - np.float64(a) * off, 0.0)
    return (
        base,
        off,
        sq,
        np.float64(level),
        np.float64(g) / n,
        np.float64(h),
        (np.float64(o) - np.float64(g) * off),
    )


@inner
def sums_about(x, p, r, s, e, c):
    """Of one span less c: sum, and sum of squares."""
    T = x.dtype.type
    a = b = T(0)
    for i in range(s, e):
        t = x[p, r, i] - c
        a = add(a, t)
        b = madd(b, t, t)
    return np.float64(a), np.float64(b)


@inner
def pair_sums_about(x, d, p, r, s, e, c, level):
    """Of one span of x less c and of d less level: sums, sums of squares, sum of products."""
    T = x.dtype.type
    a = b = g = h = o = T(0)
    for i in range(s, e):
        t = x[p, r, i] - c
        u = d[p, r, i] - level
        a = add(a, t)
        b = madd(b, t, t)
        g = add(g, u)
        h = madd(h, u, u)
        o = madd(o, u, t)
    return np.float64(a), np.float64(b), np.float64(g), np.float64(h), np.float64(o)


@inner
def joined(n, off, sq, apart, k, squares):
    """Mean and squares of n numbers and of k others, whose mean is `apart` from theirs."""
    share = k / (n + k)
    return off + apart * share, sq + squares + apart * apart * (n * share)


@inner
def row_moments(x, r, spans, start, stop):
    """Of the spans start..stop of row r: mean in two parts, squares, count.

    The mean of the first span is a centre for the others, as long as it is not so far from theirs
    that most of their squares come from there; such a span is centred by itself.
    """
    T = x.dtype.type
    j = U(start)
    s, e = spans[j, U(2)], spans[j, U(3)]
    base, off, sq = moments(x, spans[j, U(0)], r, s, e)
    n = np.float64(e - s)
    c = T(base + off)
    away = np.float64(c) - base
    for j in range(U(start) + U(1), U(stop)):
        p, s, e = spans[j, U(0)], spans[j, U(2)], spans[j, U(3)]
        k = np.float64(e - s)
        a, b = sums_about(x, p, r, s, e, c)
        apart = a / k
        squares = b - a * apart
        if squares < b / 4:
            m, rest, squares = moments(x, p, r, s, e)
            apart = (m - base) + rest
        else:
            apart += away
        off, sq = joined(n, off, sq, apart - off, k, squares)
        n += k
    return base, off, sq, n


@inner
def about(base, off, sq, n, centre):
    """Mean in two parts, and variance; without a centre, 0 and the mean square."""
    if centre:
        return base, off, sq / n
    return 0.0, 0.0, sq / n + (base + off) * (base + off)


@inner
def apply(x, r, spans, start, stop, base, off, f, scale, shift, y):
    """The result, for the spans start..stop of row r."""
    T = x.dtype.type
    c = T(base + off)
    q = T((base - np.float64(c)) + off)
    line = r % U(len(scale))
    for j in range(U(start), U(stop)):
        p, k = spans[j, U(0)], spans[j, U(1)]
        a, b = T(f * scale[line, k]), T(shift[line, k])
        for i in range(spans[j, U(2)], spans[j, U(3)]):
            y[p, r, i] = ((x[p, r, i] - c) - q) * a + b


@inner
def apply_each(x, r, base, off, f, scale, shift, y):
    """The result for row r, if each element has a scale and a shift."""
    T = x.dtype.type
    c = T(base + off)
    q = T((base - np.float64(c)) + off)
    a = T(f)
    line = r % U(len(scale))
    p = U(0)
    for i in range(U(x.shape[2])):
        y[p, r, i] = ((x[p, r, i] - c) - q) * a * scale[line, i] + shift[line, i]


@jit
def forward_rows(
    x, spans, eps, least, centre, scale, shift, y, mean, var, rough, start, stop, each
):
    for r in range(U(start), U(stop)):
        base, off, sq, n = row_moments(x, r, spans, 0, len(spans))
        base, off, v = about(base, off, sq, n, centre)
        mean[r], var[r] = base + off, v
        rough[r] = not (least <= v + eps <= 1 / least)
        if not rough[r]:
            f = 1 / np.sqrt(v + eps)
            if each:
                apply_each(x, r, base, off, f, scale, shift, y)
            else:
                apply(x, r, spans, 0, len(spans), base, off, f, scale, shift, y)


@inner
def segment_moments(d, x, r, spans, start, stop, seg):
    """Adds the spans start..stop of row r to the moments of its segments, seg (S, 8).

    Those are count; mean of x in two parts, squares; mean of d in two parts, squares; co-moment.
    """
    for j in range(U(start), U(stop)):
        s, e = spans[j, U(2)], spans[j, U(3)]
        base, off, sq, level, rest, norm, co = pair_moments(x, d, spans[j, U(0)], r, s, e)
        n = np.float64(e - s)
        z = spans[j, U(1)]
        if seg[z, U(0)] == 0:
            seg[z, U(1)], seg[z, U(2)], seg[z, U(3)] = base, off, sq
            seg[z, U(4)], seg[z, U(5)], seg[z, U(6)], seg[z, U(7)] = level, rest, norm, co
        else:
            m = seg[z, U(0)]
            apart = (base - seg[z, U(1)]) + off - seg[z, U(2)]
            aside = (level - seg[z, U(4)]) + rest - seg[z, U(5)]
            seg[z, U(7)] += co + apart * aside * (m * n / (m + n))
            seg[z, U(2)], seg[z, U(3)] = joined(m, seg[z, U(2)], seg[z, U(3)], apart, n, sq)
            seg[z, U(5)], seg[z, U(6)] = joined(m, seg[z, U(5)], seg[z, U(6)], aside, n, norm)
        seg[z, U(0)] += n


@inner
def row_pair_moments(d, x, r, spans, start, stop):
    """What `segment_moments` adds up, for a row that is one segment; it never leaves registers."""
    T = x.dtype.type
    j = U(start)
    s, e = spans[j, U(2)], spans[j, U(3)]
    base, off, sq, level, rest, norm, co = pair_moments(x, d, spans[j, U(0)], r, s, e)
    n = np.float64(e - s)
    c, g0 = T(base + off), T(level + rest)
    away, above = np.float64(c) - base, np.float64(g0) - level
    for j in range(U(start) + U(1), U(stop)):
        p, s, e = spans[j, U(0)], spans[j, U(2)], spans[j, U(3)]
        k = np.float64(e - s)
        a, b, g, h, o = pair_sums_about(x, d, p, r, s, e, c, g0)
        apart, aside = a / k, g / k
        squares, other, product = b - a * apart, h - g * aside, o - g * apart
        if squares < b / 4 or other < h / 4:
            m, fine, squares, m2, fine2, h, product = pair_moments(x, d, p, r, s, e)
            other = h - k * fine2 * fine2
            apart, aside = (m - base) + fine, (m2 - level) + fine2
        else:
            apart += away
            aside += above
        apart -= off
        aside -= rest
        share = k / (n + k)
        co += product + apart * aside * (n * share)
        off, sq = off + apart * share, sq + squares + apart * apart * (n * share)
        rest, norm = rest + aside * share, norm + other + aside * aside * (n * share)
        n += k
    return n, base, off, sq, level, rest, norm, co


@inner
def join_segments(seg, centre):
    """Of the whole row: mean in two parts, variance, count."""
    n, base, off, sq = seg[U(0), U(0)], seg[U(0), U(1)], seg[U(0), U(2)], seg[U(0), U(3)]
    for z in range(U(1), U(len(seg))):
        k = seg[z, U(0)]
        apart = (seg[z, U(1)] - base) + seg[z, U(2)] - off
        off, sq = joined(n, off, sq, apart, k, seg[z, U(3)])
        n += k
    base, off, v = about(base, off, sq, n, centre)
    return base, off, v, n


@inner
def sums(seg, r, base, off, f, n, scale, ds, db):
    """dscale and dshift of row r; returns the means of g and of g x̂, and the sum of g²."""
    line = r % U(len(scale))
    gbar = pull = g2 = 0.0
    for z in range(U(len(seg))):
        k, level, w = seg[z, U(0)], seg[z, U(4)] + seg[z, U(5)], scale[line, z]
        db[r, z] = level * k
        ds[r, z] = (seg[z, U(7)] + level * k * ((seg[z, U(1)] - base) + seg[z, U(2)] - off)) * f
        gbar += w * db[r, z] / n
        pull += w * ds[r, z] / n
        g2 += w * w * (seg[z, U(6)] + level * level * k)
    return gbar, pull, g2


@inner
def in_range(g2, f, least):
    """Is a gradient of this size neither too large nor too small, before and after?"""
    g = np.sqrt(g2)
    return g == 0 or (least <= g <= 1 / least and least <= g * f <= 1 / least)


@inner
def gradient(d, x, r, spans, start, stop, base, off, f, scale, gbar, pull, dx):
    """dx, for the spans start..stop of row r."""
    T = x.dtype.type
    c = T(base + off)
    q = T((base - np.float64(c)) + off)
    g = T(gbar)
    h = T(gbar - np.float64(g))
    a, b = T(f), T(pull * f)
    line = r % U(len(scale))
    for j in range(U(start), U(stop)):
        p = spans[j, U(0)]
        w = T(scale[line, spans[j, U(1)]])
        for i in range(spans[j, U(2)], spans[j, U(3)]):
            t = (x[p, r, i] - c) - q
            dx[p, r, i] = (((d[p, r, i] * w - g) - h) - t * b) * a


@jit
def backward_rows(d, x, spans, eps, least, centre, scale, dx, ds, db, rough, start, stop):
    seg = np.empty((scale.shape[1], 8))
    for r in range(U(start), U(stop)):
        for z in range(U(len(seg))):
            seg[z, U(0)] = 0
            ds[r, z] = db[r, z] = 0
        segment_moments(d, x, r, spans, 0, len(spans), seg)
        base, off, v, n = join_segments(seg, centre)
        rough[r] = not (least <= v + eps <= 1 / least)
        if not rough[r]:
            f = 1 / np.sqrt(v + eps)
            gbar, pull, g2 = sums(seg, r, base, off, f, n, scale, ds, db)
            rough[r] = not in_range(g2, f, least)
            if rough[r]:
                for z in range(U(len(seg))):
                    ds[r, z] = db[r, z] = 0
            else:
                if not centre:
                    gbar = 0.0
                gradient(d, x, r, spans, 0, len(spans), base, off, f, scale, gbar, pull, dx)


@jit
def backward_rows_whole(d, x, spans, eps, least, centre, scale, dx, ds, db, rough, start, stop):
    """`backward_rows` where a row is one segment."""
    z = U(0)
    for r in range(U(start), U(stop)):
        n, base, off, sq, level, rest, norm, co = row_pair_moments(d, x, r, spans, 0, len(spans))
        mean, fine = base, off
        base, off, v = about(base, off, sq, n, centre)
        ok = least <= v + eps <= 1 / least
        if ok:
            f = 1 / np.sqrt(v + eps)
            w = scale[r % U(len(scale)), z]
            level += rest
            along = (co + level * n * ((mean - base) + fine - off)) * f
            ok = in_range(w * w * (norm + level * level * n), f, least)
        rough[r] = not ok
        if ok:
            ds[r, z], db[r, z] = along, level * n
            gbar = w * level if centre else 0.0
            gradient(d, x, r, spans, 0, len(spans), base, off, f, scale, gbar, w * along / n, dx)
        else:
            ds[r, z] = db[r, z] = 0


@jit
def backward_rows_each(d, x, spans, eps, least, centre, scale, dx, ds, db, rough, start, stop):
    """If each element has a scale. ds and db are (P, M): the sums over the rows start..stop."""
    T = x.dtype.type
    p = U(0)
    length = U(x.shape[2])
    alone = len(scale) > 1  # neighbouring rows have different lines
    rows = np.empty(4, np.uint64)
    cs, qs, fs = np.empty(4, x.dtype), np.empty(4, x.dtype), np.empty(4, x.dtype)
    waiting = U(0)
    for r in range(U(start), U(stop)):
        base, off, sq, n = row_moments(x, r, spans, 0, len(spans))
        base, off, v = about(base, off, sq, n, centre)
        rough[r] = not (least <= v + eps <= 1 / least)
        if rough[r]:
            continue
        f = 1 / np.sqrt(v + eps)
        line = r % U(len(scale))
        c = T(base + off)
        q = T((base - np.float64(c)) + off)
        gbar = pull = g2 = 0.0
        for j in range(U(len(spans))):
            a = b = h = T(0)
            for i in range(spans[j, U(2)], spans[j, U(3)]):
                g = d[p, r, i] * scale[line, i]
                a = add(a, g)
                b = madd(b, g, (x[p, r, i] - c) - q)
                h = madd(h, g, g)
            gbar += np.float64(a)
            pull += np.float64(b)
            g2 += np.float64(h)
        rough[r] = not in_range(g2, f, least)
        if rough[r]:
            continue
        gbar = gbar / n if centre else 0.0
        level = T(gbar)
        rest = T(gbar - np.float64(level))
        a, b = T(f), T(pull * f * f / n)
        for i in range(length):
            t = (x[p, r, i] - c) - q
            dx[p, r, i] = (((d[p, r, i] * scale[line, i] - level) - rest) - t * b) * a
        if alone:
            for i in range(length):
                t = (x[p, r, i] - c) - q
                ds[line, i] += np.float64(d[p, r, i] * (t * a))
                db[line, i] += np.float64(d[p, r, i])
            continue
        # The sums of four rows are added at a time: ds and db lie farther than the rows.
        rows[waiting], cs[waiting], qs[waiting], fs[waiting] = r, c, q, a
        waiting += U(1)
        if waiting == 4:
            i0, i1, i2, i3 = rows[U(0)], rows[U(1)], rows[U(2)], rows[U(3)]
            c0, c1, c2, c3 = cs[U(0)], cs[U(1)], cs[U(2)], cs[U(3)]
            q0, q1, q2, q3 = qs[U(0)], qs[U(1)], qs[U(2)], qs[U(3)]
            f0, f1, f2, f3 = fs[U(0)], fs[U(1)], fs[U(2)], fs[U(3)]
            for i in range(length):
                g0, g1, g2, g3 = d[p, i0, i], d[p, i1, i], d[p, i2, i], d[p, i3, i]
                t0 = g0 * (((x[p, i0, i] - c0) - q0) * f0) + g1 * (((x[p, i1, i] - c1) - q1) * f1)
                t1 = g2 * (((x[p, i2, i] - c2) - q2) * f2) + g3 * (((x[p, i3, i] - c3) - q3) * f3)
                ds[line, i] += np.float64(t0 + t1)
                db[line, i] += np.float64((g0 + g1) + (g2 + g3))
            waiting = U(0)
    for j in range(waiting):
        r = rows[j]
        for i in range(length):
            t = (x[p, r, i] - cs[j]) - qs[j]
            ds[U(0), i] += np.float64(d[p, r, i] * (t * fs[j]))
            db[U(0), i] += np.float64(d[p, r, i])


# Few long rows: all threads work on each, in steps; a task is a part of a row.


@jit
def part_moments(x, spans, bounds, parts, task):
    number = len(bounds) - 1
    r, b = task // number, task % number
    parts[r, b, 0], parts[r, b, 1], parts[r, b, 2], parts[r, b, 3] = row_moments(
        x, U(r), spans, bounds[b], bounds[b + 1]
    )


@jit
def join_parts(parts, centre, res):
    """res[r] = mean in two parts, variance, count."""
    for r in range(len(parts)):
        base, off, sq, n = parts[r, 0, 0], parts[r, 0, 1], parts[r, 0, 2], parts[r, 0, 3]
        for b in range(1, parts.shape[1]):
            k = parts[r, b, 3]
            apart = (parts[r, b, 0] - base) + parts[r, b, 1] - off
            off, sq = joined(n, off, sq, apart, k, parts[r, b, 2])
            n += k
        res[r, 0], res[r, 1], res[r, 2] = about(base, off, sq, n, centre)
        res[r, 3] = n


@jit
def part_apply(x, spans, bounds, res, eps, scale, shift, y, task):
    number = len(bounds) - 1
    r, b = task // number, task % number
    f = 1 / np.sqrt(res[r, 2] + eps)
    apply(
        x, U(r), spans, bounds[b], bounds[b + 1], res[r, 0], res[r, 1], f, scale, shift, y
    )  # fmt: skip


@jit
def part_segments(d, x, spans, bounds, seg, task):
    number = len(bounds) - 1
    r, b = task // number, task % number
    segment_moments(d, x, U(r), spans, bounds[b], bounds[b + 1], seg[r, b])


@jit
def join_part_segments(seg, eps, centre, scale, ds, db, res):
    """seg (R, B, S, 8) -> res[r] = mean in two parts, variance, means of g and g x̂, Σ g²."""
    total = np.empty(seg.shape[2:])
    for r in range(len(seg)):
        total[:] = seg[r, 0]
        for b in range(1, seg.shape[1]):
            for z in range(len(total)):
                m, n = total[z, 0], seg[r, b, z, 0]
                if n == 0:
                    continue
                if m == 0:
                    total[z] = seg[r, b, z]
                    continue
                apart = (seg[r, b, z, 1] - total[z, 1]) + seg[r, b, z, 2] - total[z, 2]
                aside = (seg[r, b, z, 4] - total[z, 4]) + seg[r, b, z, 5] - total[z, 5]
                total[z, 7] += seg[r, b, z, 7] + apart * aside * (m * n / (m + n))
                total[z, 2], total[z, 3] = joined(
                    m, total[z, 2], total[z, 3], apart, n, seg[r, b, z, 3]
                )
                total[z, 5], total[z, 6] = joined(
                    m, total[z, 5], total[z, 6], aside, n, seg[r, b, z, 6]
                )
                total[z, 0] += n
        base, off, v, n = join_segments(total, centre)
        f = 1 / np.sqrt(v + eps)
        res[r, 0], res[r, 1], res[r, 2] = base, off, v
        res[r, 3], res[r, 4], res[r, 5] = sums(total, U(r), base, off, f, n, scale, ds, db)


@jit
def part_gradient(d, x, spans, bounds, res, eps, scale, dx, task):
    number = len(bounds) - 1
    r, b = task // number, task % number
    f = 1 / np.sqrt(res[r, 2] + eps)
    gradient(
        d, x, U(r), spans, bounds[b], bounds[b + 1], res[r, 0], res[r, 1], f, scale,
        res[r, 3], res[r, 4], dx,
    )  # fmt: skip


# --- sets as columns -----------------------------------------------------------------------------


@jit
def column_moments(x, start, stop, step, base, off, sq):
    """Of rows start..stop of x (L, C), column by column, `step` rows at a time."""
    C = x.shape[1]
    c, a, b = np.empty(C), np.empty(C), np.empty(C)
    n = 0.0
    for s in range(start, stop, step):
        block = x[s : min(s + step, stop)]
        k = np.float64(len(block))
        first = block[0]
        a[:] = 0
        b[:] = 0
        for i in range(len(block)):
            v = block[i]
            for j in range(C):
                a[j] += np.float64(v[j]) - np.float64(first[j])
        for j in range(C):
            c[j] = np.float64(first[j]) + a[j] / k
        a[:] = 0
        for i in range(len(block)):
            v = block[i]
            for j in range(C):
                t = np.float64(v[j]) - c[j]
                a[j] += t
                b[j] += t * t
        for j in range(C):
            e = a[j] / k
            squares = max(b[j] - a[j] * e, 0.0)
            if n == 0:
                base[j], off[j], sq[j] = c[j], e, squares
            else:
                apart = (c[j] - base[j]) + e - off[j]
                off[j], sq[j] = joined(n, off[j], sq[j], apart, k, squares)
        n += k


@jit
def join_columns(parts, counts, centre, res):
    """parts (A, B, 3, C), of counts[b] rows -> res (A, G, 4): base, off, variance, count."""
    A, G, _ = res.shape
    K = parts.shape[3] // G
    for i in range(A):
        for g in range(G):
            n = base = off = sq = 0.0
            for b in range(len(counts)):
                k = np.float64(counts[b])
                for j in range(g * K, (g + 1) * K):
                    if n == 0:
                        base, off, sq = parts[i, b, 0, j], parts[i, b, 1, j], parts[i, b, 2, j]
                    else:
                        apart = (parts[i, b, 0, j] - base) + parts[i, b, 1, j] - off
                        off, sq = joined(n, off, sq, apart, k, parts[i, b, 2, j])
                    n += k
            res[i, g, 0], res[i, g, 1], res[i, g, 2] = about(base, off, sq, n, centre)
            res[i, g, 3] = n


@jit
def column_apply(x, start, stop, c, q, f, b, y):
    for i in range(start, stop):
        v, o = x[i], y[i]
        for j in range(len(v)):
            o[j] = ((v[j] - c[j]) - q[j]) * f[j] + b[j]


@jit
def column_sums(d, x, start, stop, c, q, ds, db, g2):
    for i in range(start, stop):
        u, v = d[i], x[i]
        for j in range(len(v)):
            g = np.float64(u[j])
            db[j] += g
            ds[j] += g * ((np.float64(v[j]) - c[j]) - q[j])
            g2[j] += g * g


@jit
def column_gradient(d, x, start, stop, c, q, w, g, h, p, f, dx):
    for i in range(start, stop):
        u, v, o = d[i], x[i], dx[i]
        for j in range(len(v)):
            o[j] = (((u[j] * w[j] - g[j]) - h[j]) - ((v[j] - c[j]) - q[j]) * p[j]) * f[j]


# --- the contract of rows.numpy ------------------------------------------------------------------


def forward(x, eps, scale=None, shift=None, out=None, *, centre=True):
    """See `rows.numpy.forward`."""
    y = np.empty_like(x) if out is None else out
    lines = _lines(x, scale, shift)
    dtype = plain._working(x)
    if lines is None:
        return plain.forward(x, eps, scale, shift, y, centre=centre)
    if dtype != x.dtype:
        return _in_slabs(forward, dtype, (x,), (y,), eps, scale, shift, centre)
    kind, memory = _memory(x)
    if kind is None or not _alike(y, x):
        result, mean, var = forward(np.ascontiguousarray(x), eps, scale, shift, centre=centre)
        y[...] = result
        return y, mean, var
    work = {"rows": _forward_rows, "columns": _forward_columns}[kind]
    moments = work(memory, _memory(y)[1], x.shape, eps, *lines, centre)
    if moments is None:
        return plain.forward(x, eps, scale, shift, y, centre=centre)
    return y, *(m.reshape(x.shape[:2]) for m in moments)


def backward(dy, x, eps, scale, *, centre=True):
    """See `rows.numpy.backward`."""
    lines = _lines(x, scale, None)
    dtype = plain._working(x, dy)
    if lines is None:
        return plain.backward(dy, x, eps, scale, centre=centre)
    kind, memory = _memory(x)
    if kind is None:
        dx, *gradients = backward(dy, np.ascontiguousarray(x), eps, scale, centre=centre)
        return dx, *gradients
    if dtype != x.dtype or dtype != dy.dtype:
        dx = np.empty_like(x)
        return _in_slabs(backward, dtype, (dy, x), (dx,), eps, scale, None, centre)
    if not _alike(dy, x):
        dy, given = np.empty_like(x), dy
        dy[...] = given
    dx = np.empty_like(x)
    work = {"rows": _backward_rows, "columns": _backward_columns}[kind]
    gradients = work(_memory(dy)[1], memory, _memory(dx)[1], x.shape, eps, lines[0], centre)
    if gradients is None:
        return plain.backward(dy, x, eps, scale, centre=centre)
    return dx, *(a.reshape(scale.shape) for a in gradients)


forward_given, backward_given = plain.forward_given, plain.backward_given


def _lines(x, scale, shift):
    """scale and shift as float64 arrays of one shape; None where scale is out of range."""
    given = [p for p in (scale, shift) if p is not None]
    shape = (x.shape[1], max([p.shape[1] for p in given], default=1))
    lines = []
    for parameter, default in ((scale, 1.0), (shift, 0.0)):
        line = np.full(shape, default)
        if parameter is not None:
            line[...] = parameter
        lines.append(line)
    return lines if (np.abs(lines[0]) <= LARGEST_SCALE).all() else None


def _alike(a, b):
    """Do two arrays of one shape lie in memory in the same way?"""
    return all(s == t or n == 1 for s, t, n in zip(a.strides, b.strides, b.shape, strict=True))


def _memory(x):
    """How (A, G, K, L) x lies, and an array of its memory: see the head of this module."""
    a, g, k, n = x.shape
    columns = x.transpose(0, 3, 1, 2), x.transpose(0, 2, 3, 1)
    if x.flags.c_contiguous and (g * k == 1 or k * n > 1):
        return "rows", x.reshape(1, a * g, k * n)
    if columns[0].flags.c_contiguous:
        return "columns", columns[0].reshape(a, n, g * k)
    if a == 1 and columns[1].flags.c_contiguous:
        return "columns", columns[1].reshape(1, k * n, g)
    if a == 1 and x.transpose(2, 1, 0, 3).flags.c_contiguous:
        return "rows", x.transpose(2, 1, 0, 3).reshape(k, g, n)
    return None, None


SLAB = 1 << 19  # numbers


def _in_slabs(function, dtype, inputs, outputs, eps, scale, shift, centre):
    """`forward` or `backward` in another dtype than the arrays', some sets after the other."""
    x = inputs[-1]
    each = max(1, SLAB // max(1, x[0, 0].size))
    results = []
    images = max(1, each // x.shape[1])
    for a in range(0, x.shape[0], images):
        for g in range(0, x.shape[1], each):
            slab, line = np.s_[a : a + images, g : g + each], np.s_[g : g + each]
            wide = [i[slab].astype(dtype) for i in inputs]
            lines = [p if p is None else p[line] for p in (scale, shift)]
            lines = lines[:1] if function is backward else lines
            y, *rest = function(*wide, eps, *lines, centre=centre)
            with np.errstate(over="ignore", invalid="ignore"):
                outputs[0][slab] = y
            results.append((slab, line, rest))
    if function is forward:
        totals = np.empty((2, *x.shape[:2]))
        for slab, _, rest in results:
            totals[0][slab], totals[1][slab] = rest
    else:
        totals = np.zeros((2, *scale.shape))
        for _, line, rest in results:
            totals[0][line] += rest[0]
            totals[1][line] += rest[1]
    return outputs[0], *totals


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
        np.uint64,
    )


def _blocks(rows, size):
    """Bounds of blocks of rows, some for each thread; each call costs some 10 microseconds."""
    if size < threads.WORTHWHILE:
        return [0, rows]
    number = min(rows, max(threads.count(), min(8 * threads.count(), size >> 18)))
    return [rows * i // number for i in range(number + 1)]


def _bounds(spans, rows, size):
    """Bounds of parts of a row's spans, if all threads should work on each row; else None."""
    if rows >= 2 * threads.count() or size < 4 * threads.WORTHWHILE:
        return None
    parts = min(len(spans), 4 * threads.count())
    return np.array([len(spans) * i // parts for i in range(parts + 1)])


def _run(work, blocks, size):
    """work(start, stop) between neighbouring bounds in `blocks`, shared among the threads."""
    threads.share(lambda b: work(blocks[b], blocks[b + 1]), len(blocks) - 1, size)


def _run_parts(work, tasks, size):
    threads.share(work, tasks, size)


def _each(x, scale, shape):
    """Are the segments so short that scale and shift are better written out for each element?"""
    return scale.shape[1] > 1 and x.shape[2] // scale.shape[1] < SHORT


def _written_out(line, length, dtype):
    return np.ascontiguousarray(np.repeat(line, length // line.shape[1], axis=1), dtype)


def _forward_rows(x, y, shape, eps, scale, shift, centre):
    pieces, rows, length = x.shape
    least = LEAST[x.dtype]
    each = _each(x, scale, shape)
    spans = _spans(pieces, length, 1 if each else scale.shape[1])
    bounds = None if each else _bounds(spans, rows, x.size)
    if bounds is not None:
        tasks = rows * (len(bounds) - 1)
        parts, res = np.empty((rows, len(bounds) - 1, 4)), np.empty((rows, 4))
        _run_parts(lambda t: part_moments(x, spans, bounds, parts, t), tasks, x.size)
        join_parts(parts, centre, res)
        if not _ordinary(res[:, 2] + eps, least):
            return None
        _run_parts(
            lambda t: part_apply(x, spans, bounds, res, eps, scale, shift, y, t), tasks, x.size
        )
        return res[:, 0] + res[:, 1], res[:, 2]
    lines = scale, shift
    if each:
        lines = [_written_out(p, length, x.dtype) for p in lines]
    mean, var = np.empty((2, rows))
    rough = np.zeros(rows, np.bool_)
    _run(
        lambda s, e: forward_rows(
            x, spans, eps, least, centre, *lines, y, mean, var, rough, s, e, each
        ),
        _blocks(rows, x.size),
        x.size,
    )
    if rough.any():
        some = np.flatnonzero(rough)
        sets, own = _some_sets(x, some, scale)
        own_shift = shift[some % len(shift)]
        result, mean[some], var[some] = plain.forward(sets, eps, own, own_shift, centre=centre)
        y[:, some] = _some_rows(result, y)
    return mean, var


def _backward_rows(d, x, dx, shape, eps, scale, centre):
    pieces, rows, length = x.shape
    least, (lines, segments) = LEAST[x.dtype], scale.shape
    each = _each(x, scale, shape)
    spans = _spans(pieces, length, 1 if each else segments)
    bounds = None if each else _bounds(spans, rows, x.size)
    if bounds is not None:
        return _backward_parts(d, x, dx, eps, scale, centre, spans, bounds)
    blocks = _blocks(rows, x.size)
    rough = np.zeros(rows, np.bool_)
    if each:
        w = _written_out(scale, length, x.dtype)
        # As many blocks as leave room: each has sums of its own, and none waits for another.
        most = max(1, x.size // (16 * w.size))
        blocks = blocks if len(blocks) - 1 <= most else [rows * i // most for i in range(most + 1)]
        ds, db = np.zeros((2, len(blocks) - 1, *w.shape))

        def work(b):
            backward_rows_each(
                d,
                x,
                spans,
                eps,
                least,
                centre,
                w,
                dx,
                ds[b],
                db[b],
                rough,
                blocks[b],
                blocks[b + 1],
            )

        threads.share(work, len(blocks) - 1, x.size)
        ds, db = (a.sum(0).reshape(*scale.shape, -1).sum(2) for a in (ds, db))
    else:
        ds, db = np.zeros((2, rows, segments))
        _run(
            lambda s, e: (backward_rows_whole if segments == 1 else backward_rows)(
                d, x, spans, eps, least, centre, scale, dx, ds, db, rough, s, e
            ),
            blocks,
            x.size,
        )
        ds, db = (a.reshape(-1, lines, segments).sum(0) for a in (ds, db))
    if rough.any():
        some = np.flatnonzero(rough)
        (sets, own), (dy, _) = (_some_sets(a, some, scale) for a in (x, d))
        result, own_ds, own_db = plain.backward(dy, sets, eps, own, centre=centre)
        dx[:, some] = _some_rows(result, dx)
        np.add.at(ds, some % lines, own_ds)
        np.add.at(db, some % lines, own_db)
    return ds, db


def _backward_parts(d, x, dx, eps, scale, centre, spans, bounds):
    rows, least = x.shape[1], LEAST[x.dtype]
    number, segments = len(bounds) - 1, scale.shape[1]
    tasks = rows * number
    seg = np.zeros((rows, number, segments, 8))
    _run_parts(lambda t: part_segments(d, x, spans, bounds, seg, t), tasks, 2 * x.size)
    res = np.empty((rows, 6))
    ds, db = np.empty((2, rows, segments))
    join_part_segments(seg, eps, centre, scale, ds, db, res)
    spread, norm = res[:, 2] + eps, np.sqrt(res[:, 5])
    if not _ordinary(spread, least):
        return None
    sizes = np.concatenate([norm[norm != 0], (norm / np.sqrt(spread))[norm != 0]])
    if not _ordinary(sizes, least):
        return None
    if not centre:
        res[:, 3] = 0
    _run_parts(
        lambda t: part_gradient(d, x, spans, bounds, res, eps, scale, dx, t), tasks, 2 * x.size
    )
    return (a.reshape(-1, *scale.shape).sum(0) for a in (ds, db))


def _ordinary(sizes, least):
    return bool(((least <= sizes) & (sizes <= 1 / least)).all())


def _some_sets(x, some, scale):
    """Rows of (P, R, M) x as (1, R, K, L) sets, and their lines of scale."""
    lines = scale[some % len(scale)]
    rows = x[:, some].swapaxes(0, 1)
    if x.shape[0] == 1:
        rows = rows.reshape(len(some), lines.shape[1], -1)
    return rows[None], lines


def _some_rows(sets, like):
    """The way back."""
    return sets[0].reshape(sets.shape[1], like.shape[0], -1).swapaxes(0, 1)


def _column_blocks(x):
    """Bounds of blocks of an image's positions; how many are gone through at a time."""
    images, positions, channels = x.shape
    wanted = max(1, min(8 * threads.count(), x.size // (1 << 15)))
    number = min(positions, -(-wanted // images))
    step = max(1, min(4096, (1 << 13) // channels))
    return [positions * i // number for i in range(number + 1)], step


def _column_moments(x, groups, centre):
    """(A, G, 4): base, offset, variance, count; and what to share among the threads by."""
    blocks, step = _column_blocks(x)
    number = len(blocks) - 1
    parts = np.empty((len(x), number, 3, x.shape[2]))

    def work(task):
        a, b = divmod(task, number)
        column_moments(x[a], blocks[b], blocks[b + 1], step, *parts[a, b])

    threads.share(work, len(x) * number, x.size)
    res = np.empty((len(x), groups, 4))
    join_columns(parts, np.diff(blocks), centre, res)
    return res, blocks


def _forward_columns(x, y, shape, eps, scale, shift, centre):
    res, blocks = _column_moments(x, shape[1], centre)
    if not _ordinary(res[..., 2] + eps, LEAST[x.dtype]):
        return None
    f = 1 / np.sqrt(res[..., 2] + eps)
    c, q = _two_parts(res[..., 0] + res[..., 1], res, x.dtype)
    per_channel = [_per_channel(a, x, scale) for a in (c[..., None], q[..., None])]
    per_channel += [_per_channel(a, x, scale) for a in (f[..., None] * scale, shift[None])]
    number = len(blocks) - 1

    def work(task):
        a, b = divmod(task, number)
        column_apply(x[a], blocks[b], blocks[b + 1], *(p[a] for p in per_channel), y[a])

    threads.share(work, len(x) * number, x.size)
    return res[..., 0] + res[..., 1], res[..., 2]


def _backward_columns(d, x, dx, shape, eps, scale, centre):
    least, groups = LEAST[x.dtype], shape[1]
    res, blocks = _column_moments(x, groups, centre)
    if not _ordinary(res[..., 2] + eps, least):
        return None
    f = 1 / np.sqrt(res[..., 2] + eps)
    number = len(blocks) - 1
    wide = res[..., 0] + res[..., 1]
    rest = (res[..., 0] - wide) + res[..., 1]
    centres = [_per_channel(a[..., None], x, scale, np.float64) for a in (wide, rest)]
    sums = np.zeros((3, len(x), number, x.shape[2]))

    def add_up(task):
        a, b = divmod(task, number)
        column_sums(d[a], x[a], blocks[b], blocks[b + 1], *(p[a] for p in centres), *sums[:, a, b])

    threads.share(add_up, len(x) * number, 2 * x.size)
    # (3, A, G, K), by channel; `by_line` are the sums that have one number of scale.
    ds, db, g2 = by_line = sums.sum(2).reshape(3, len(x), groups, -1)
    if scale.shape[1] == 1:
        ds, db, g2 = by_line.sum(3, keepdims=True)
    norm = np.sqrt((scale * scale * g2).sum(2))
    ds = ds * f[..., None]
    sizes = np.concatenate([norm[norm != 0], (norm * f)[norm != 0]])
    if not _ordinary(sizes, least):
        return None
    n = res[..., 3]
    gbar = (scale * db).sum(2) / n if centre else np.zeros_like(n)
    pull = (scale * ds).sum(2) / n
    c, q = _two_parts(wide, res, x.dtype)
    g = gbar.astype(x.dtype)
    h = gbar - g
    per_channel = [
        _per_channel(a, x, scale)
        for a in (
            c[..., None],
            q[..., None],
            scale[None],
            g[..., None],
            h[..., None],
            (pull * f)[..., None],
            f[..., None],
        )
    ]

    def work(task):
        a, b = divmod(task, number)
        column_gradient(d[a], x[a], blocks[b], blocks[b + 1], *(p[a] for p in per_channel), dx[a])

    threads.share(work, len(x) * number, 2 * x.size)
    return ds.sum(0), db.sum(0)


def _two_parts(mean, res, dtype):
    c = mean.astype(dtype)
    return c, (res[..., 0] - c) + res[..., 1]


def _per_channel(values, x, scale, dtype=None):
    """(A or 1, G, K or 1) -> (A, C) in the dtype of x."""
    images, _, channels = x.shape
    groups = values.shape[1]
    full = np.empty((images, groups, channels // groups), dtype or x.dtype)
    full[...] = values
    return full.reshape(images, channels)
