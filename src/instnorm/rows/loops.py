"""Compiled loops over sets that are rows: the arithmetic of the compiled kernels.

A set is read once for its moments, about a centre c that is near its mean. With t = x - c,

    r = mean(t),   var = mean(t²) - r²,   dshift = Σ dy,   dscale = (Σ dy t - r dshift) * rstd

Nothing cancels as long as r is about as small as the spread. c is the mean of a sample; where it
proves to be too far away, c + r is the next c. Then the mean is split anew, c as the working
precision can hold it and r the rest, and the set is read a second time, for the result:
((x - c) - r) * rstd, and its gradient.

Of a short row each of these steps takes little time but waits for the one before. So TEAM rows take
each step together, if the first cache can hold them.

The second time goes by lines of the cache (`rows.lines`): a large result is written past the cache,
and the rows that come next are fetched meanwhile.

Sums of up to CHUNK numbers are taken in the dtype of x, and added in float64. A compiler may not
reorder a sum, because each order rounds differently; but adding up one by one keeps it from working
on several numbers at once. `add` and `madd` are additions that may be reordered. Nothing else may:
Numba's fastmath= would make x - (c + r) of (x - c) - r.

Sets whose squares leave the range of the dtype, constant ones at eps = 0, NaN and infinity are
rough: they are marked, and what is written for them does not count.

Memory is (P, R, M): row r is x[:, r, :], P pieces of M numbers. A span is a run of at most CHUNK
neighbouring numbers of a row, in one segment: `spans` has a line for each, (piece, segment, start,
end); None stands for one span that is all of the row. scale[line, k] is a number for all of segment
k, or, where scale has a third axis, an array with a number for each element; `at` reads both, and
`weight` gives the address of such an array.
"""

import numpy as np

from .jit import STEP, U, add, at, inner, jit, madd
from .lines import LINE, address, fetch, line_of, numbers_and_bytes
from .parallel import job, lead

CHUNK = 1024  # numbers
TEAM = 8  # rows that take each step together
CACHED = 2048  # numbers of one array that are sure to be in the first cache when read again
BEYOND = 1 << 22  # bytes: a larger result is written past the cache
AHEAD = 1 << 16  # numbers: further ahead nothing is fetched
LANES = 64  # so many rows of up to STEP numbers lie side by side


@inner
def guess(x, r, samples):
    """A number near the mean of row r: the mean of some of its numbers, (piece, index)."""
    a = x.dtype.type(0)
    if samples is None:
        for j in range(U(8)):
            a = add(a, x[U(0), r, (U(2) * j + U(1)) * U(x.shape[2]) >> U(4)])
        return a / x.dtype.type(8)
    for j in range(U(len(samples))):
        a = add(a, x[samples[j, U(0)], r, samples[j, U(1)]])
    return a / x.dtype.type(len(samples))


@inner
def span_sums(x, p, r, start, end, c):
    """Of t = x - c: Σ t, Σ t²."""
    a = b = x.dtype.type(0)
    for i in range(start, end):
        t = x[p, r, i] - c
        a = add(a, t)
        b = madd(b, t, t)
    return np.float64(a), np.float64(b)


@inner
def sums(x, r, spans, c):
    """`span_sums` of all of row r."""
    if spans is None:
        return span_sums(x, U(0), r, U(0), U(x.shape[2]), c)
    sum_t = sum_tt = 0.0
    for j in range(U(len(spans))):
        t, tt = span_sums(x, spans[j, U(0)], r, spans[j, U(2)], spans[j, U(3)], c)
        sum_t += t
        sum_tt += tt
    return sum_t, sum_tt


@inner
def span_pair_sums(d, x, p, r, start, end, c, w):
    """Of t = x - c and g = d * w: Σ t, Σ t², Σ g, Σ g t, Σ g²."""
    a = b = g1 = gt = gg = x.dtype.type(0)
    for i in range(start, end):
        t = x[p, r, i] - c
        g = d[p, r, i] * at(w, i)
        a = add(a, t)
        b = madd(b, t, t)
        g1 = add(g1, g)
        gt = madd(gt, g, t)
        gg = madd(gg, g, g)
    return np.float64(a), np.float64(b), np.float64(g1), np.float64(gt), np.float64(gg)


@inner
def pair_sums(d, x, r, spans, c, scale, ds, db):
    """`span_pair_sums` of all of row r; in ds and db those of each segment, before its scale."""
    line = r % U(len(scale))
    if spans is None:
        w = scale[line, U(0)] if scale.ndim == 3 else x.dtype.type(1)
        t, tt, g, gt, gg = span_pair_sums(d, x, U(0), r, U(0), U(x.shape[2]), c, w)
        if scale.ndim == 2:
            ds[r, U(0)], db[r, U(0)] = gt, g
            g, gt = g * scale[line, U(0)], gt * scale[line, U(0)]
        return t, tt, g, gt, gg
    sum_t = sum_tt = sum_g = sum_gt = sum_gg = 0.0
    if scale.ndim == 2:
        ds[r, :] = 0
        db[r, :] = 0
    for j in range(U(len(spans))):
        p, k, start, end = spans[j, U(0)], spans[j, U(1)], spans[j, U(2)], spans[j, U(3)]
        w = scale[line, k] if scale.ndim == 3 else x.dtype.type(1)
        t, tt, g, gt, gg = span_pair_sums(d, x, p, r, start, end, c, w)
        if scale.ndim == 2:
            ds[r, k] += gt
            db[r, k] += g
            g, gt = g * scale[line, k], gt * scale[line, k]
        sum_t += t
        sum_tt += tt
        sum_g += g
        sum_gt += gt
        sum_gg += gg
    return sum_t, sum_tt, sum_g, sum_gt, sum_gg


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
    return (least <= spread) & (spread * least <= 1)


@inner
def in_range(squares, f, least):
    """Is a gradient with this sum of squares neither too large nor too small, before and after?"""
    return ordinary(squares, least * least) & ordinary(squares * f * f, least * least)


forward_line = line_of(lambda x, c, q, f, w, b: ((x - c) - q) * f * w + b)
gradient_line = line_of(
    lambda d, x, c, q, f, w, g, h, a: (((d * w - g) - h) - ((x - c) - q) * a) * f
)


@inner
def lines(row, start, end, past, number):
    """The lines of a span: where they begin, how many numbers they hold, and bytes a number.

    They are those of the cache; a short span has them where it begins, unless written past it.
    """
    width, size = numbers_and_bytes(number)
    if past or end - start >= 4 * width:
        return start - (row + start * size) % LINE // size, width, size
    return start, width, size


@inner
def weight(scale, line, k):
    """The number that a segment is multiplied by, or the address of those of a row."""
    if scale.ndim == 3:
        return address(scale) + np.int64(line) * scale.shape[2] * scale.itemsize
    return scale[line, k]


# x, d, y and dx are the addresses of a row; w and b those of a row, or numbers.


@inner
def span_forward(x, start, end, c, q, f, w, b, y, past, ahead):
    first, width, size = lines(y, start, end, past, c)
    for i in range(first, end, width):
        fetch(x + (i + ahead) * size)
        forward_line(y, i, start, end, past, x, c, q, f, w, b)


@inner
def span_gradient(d, x, start, end, c, q, f, w, g, h, a, dx, past, ahead):
    first, width, size = lines(dx, start, end, past, c)
    for i in range(first, end, width):
        fetch(x + (i + ahead) * size)
        fetch(d + (i + ahead) * size)
        gradient_line(dx, i, start, end, past, d, x, c, q, f, w, g, h, a)


@inner
def of_span(spans, j):
    return spans[j, U(0)], spans[j, U(1)], np.int64(spans[j, U(2)]), np.int64(spans[j, U(3)])


@inner
def ways(y, team):
    """Is y so large that it is written past the cache? How far ahead are the next rows?"""
    past = (y.size * y.itemsize > BEYOND) & (y.shape[2] >= 256) & (address(y) % y.itemsize == 0)
    return past, np.int64(min(team * y.shape[2], AHEAD))


@inner
def add_products(d, x, r, c, q, f, part, line):
    """Adds to part (2, G, M), for each element of row r: d * x̂, d."""
    for i in range(U(x.shape[2])):
        g, t = d[U(0), r, i], (x[U(0), r, i] - c) - q
        part[U(0), line, i] += g * (t * f)
        part[U(1), line, i] += g


@inner
def add_up(part, ds, db):
    """Adds the sums of some rows to those of all."""
    ds += part[0]
    db += part[1]
    part[:] = 0


@jit
def forward_rows(slots, helpers, blocks, *given):
    return lead(slots, helpers, job(forward_block, blocks, (*given, blocks)))


@inner
def block_of(rows, block, blocks):
    """The first row of a block, and that of the next."""
    return U(rows * block // blocks), U(rows * (block + 1) // blocks)


@jit
def forward_block(
    x, spans, samples, eps, least, centre, scale, shift, y, mean, var, rough, blocks, block
):
    T = x.dtype.type
    share = 1 / np.float64(x.shape[0] * x.shape[2])
    team = max(1, min(TEAM, CACHED // (x.shape[0] * x.shape[2])))
    past, ahead = ways(y, team)
    x_at, y_at, rows, length = address(x), address(y), U(x.shape[1]), x.shape[2]
    bytes_of_row, whole = length * x.itemsize, spans is None or x.shape[0] == scale.shape[1] == 1
    c, q, f = np.empty((3, team), x.dtype)
    start, stop = block_of(x.shape[1], block, blocks)
    for s in range(start, stop, U(team)):
        n = min(U(team), stop - s)
        for b in range(n):
            near = guess(x, s + b, samples) if centre else T(0)
            sum_t, sum_tt = sums(x, s + b, spans, near)
            if centre and far(share, sum_t, sum_tt):
                near = T(near + sum_t * share)
                sum_t, sum_tt = sums(x, s + b, spans, near)
            c[b], mean[s + b], var[s + b] = near, sum_t, sum_tt
        for b in range(n):
            m = mean[s + b] * share if centre else 0.0
            v = max(var[s + b] * share - m * m, 0.0)
            rough[s + b] = not ordinary(v + eps, least)
            mean[s + b], var[s + b] = c[b] + m, v
            f[b] = T(1 / np.sqrt(v + eps))
            c[b], q[b] = split(T, np.float64(c[b]), m)
        for b in range(n):
            r = s + b
            if rough[r]:
                continue
            line, z = r % U(len(scale)), (c[b], q[b], f[b])
            if whole:
                row = np.int64(r) * bytes_of_row
                w, h = weight(scale, line, U(0)), weight(shift, line, U(0))
                span_forward(x_at + row, 0, length, *z, w, h, y_at + row, past, ahead)
            else:
                for j in range(U(len(spans))):
                    p, k, first, end = of_span(spans, j)
                    row = np.int64(p * rows + r) * bytes_of_row
                    w, h = weight(scale, line, k), weight(shift, line, k)
                    span_forward(x_at + row, first, end, *z, w, h, y_at + row, past, ahead)


@jit
def backward_rows(slots, helpers, blocks, *given):
    return lead(slots, helpers, job(backward_block, blocks, (*given, blocks)))


@jit
def backward_block(
    d, x, spans, samples, eps, least, centre, scale, dx, ds, db, rough, blocks, block
):
    """ds and db (R, K) are set for each row; with a scale for each element, (B, G, M), added to."""
    T = x.dtype.type
    each = scale.ndim == 3
    share = 1 / np.float64(x.shape[0] * x.shape[2])
    team = max(1, min(TEAM, CACHED // (x.shape[0] * x.shape[2])))
    past, ahead = ways(dx, team)
    d_at, x_at, dx_at, rows, length = address(d), address(x), address(dx), U(x.shape[1]), x.shape[2]
    bytes_of_row, whole = length * x.itemsize, spans is None or x.shape[0] == scale.shape[1] == 1
    c, q, f, level, rest, a = np.empty((6, team), x.dtype)
    sum_t, sum_tt, sum_g, sum_gt, sum_gg = np.empty((5, team))
    part = np.zeros((2, len(scale), x.shape[2] if each else 0), x.dtype)
    waiting = 0
    start, stop = block_of(x.shape[1], block, blocks)
    for s in range(start, stop, U(team)):
        n = min(U(team), stop - s)
        for b in range(n):
            near = guess(x, s + b, samples) if centre else T(0)
            t, tt, g, gt, gg = pair_sums(d, x, s + b, spans, near, scale, ds, db)
            if centre and far(share, t, tt):
                near = T(near + t * share)
                t, tt, g, gt, gg = pair_sums(d, x, s + b, spans, near, scale, ds, db)
            c[b], sum_t[b], sum_tt[b], sum_g[b], sum_gt[b], sum_gg[b] = near, t, tt, g, gt, gg
        for b in range(n):
            m = sum_t[b] * share if centre else 0.0
            v = max(sum_tt[b] * share - m * m, 0.0) + eps
            rstd, gg = 1 / np.sqrt(v), sum_gg[b]
            fits = in_range(gg, rstd, least) | (gg == 0)
            rough[s + b] = not (fits & ordinary(v, least))
            f[b], a[b] = T(rstd), T((sum_gt[b] - m * sum_g[b]) * share * rstd * rstd)
            c[b], q[b] = split(T, np.float64(c[b]), m)
            level[b], rest[b] = split(T, sum_g[b] * share if centre else 0.0, 0.0)
            sum_t[b], sum_tt[b] = m, rstd
        for b in range(n):
            r = s + b
            if rough[r] or (sum_gg[b] == 0 and d[:, r].any()):
                rough[r] = True
                if scale.ndim == 2:
                    ds[r, :], db[r, :] = 0, 0
                continue
            if scale.ndim == 2:
                for k in range(U(scale.shape[1])):
                    ds[r, k] = (ds[r, k] - sum_t[b] * db[r, k]) * sum_tt[b]
            line = r % U(len(scale))
            z, g = (c[b], q[b], f[b]), (level[b], rest[b], a[b])
            if whole:
                row, w = np.int64(r) * bytes_of_row, weight(scale, line, U(0))
                to = dx_at + row, past, ahead
                span_gradient(d_at + row, x_at + row, 0, length, *z, w, *g, *to)
            else:
                for j in range(U(len(spans))):
                    p, k, first, end = of_span(spans, j)
                    row, w = np.int64(p * rows + r) * bytes_of_row, weight(scale, line, k)
                    to = dx_at + row, past, ahead
                    span_gradient(d_at + row, x_at + row, first, end, *z, w, *g, *to)
            if scale.ndim == 3:
                add_products(d, x, r, *z, part, line)
                waiting += 1
                if waiting == STEP * len(scale):
                    add_up(part, ds[block], db[block])
                    waiting = 0
    if scale.ndim == 3:
        add_up(part, ds[block], db[block])


@jit
def backward_short(slots, helpers, blocks, *given):
    return lead(slots, helpers, job(backward_short_block, blocks, (*given, blocks)))


@jit
def backward_short_block(d, x, eps, least, centre, scale, dx, ds, db, rough, blocks, block):
    """`backward_block` for rows of up to STEP numbers that share one line of scale, (1, 1, M).

    So short a loop is over before it has paid; of LANES rows, side by side, loops are long.
    """
    T = x.dtype.type
    M = U(x.shape[2])
    share = 1 / np.float64(M)
    t, u, g = np.zeros((3, x.shape[2], LANES), x.dtype)  # x, d, and d * scale, turned
    c, q, f, level, rest, a = np.zeros((6, LANES), x.dtype)
    sum_t, sum_tt, sum_g, sum_gt, sum_gg = np.zeros((5, LANES), x.dtype)
    bad = np.zeros(LANES, np.bool_)
    start, stop = block_of(x.shape[1], block, blocks)
    for s in range(start, stop, U(LANES)):
        n = min(U(LANES), stop - s)
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
            fits = in_range(gg, rstd, least) | (gg == 0)
            bad[b] = not (fits & ordinary(v, least))
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
            ds[block, U(0), i] += np.float64(along)
            db[block, U(0), i] += np.float64(total)
        for b in range(n):
            for i in range(M):
                dx[U(0), s + b, i] = g[i, b]
