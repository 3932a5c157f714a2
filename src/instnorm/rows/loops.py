"""Compiled loops over sets that are rows: the arithmetic of the compiled kernels.

A set is read once for its moments, about a centre c that is near its mean. With t = x - c,

    r = mean(t),   var = mean(t²) - r²,   dshift = Σ dy,   dscale = (Σ dy t - r dshift) * rstd

Nothing cancels as long as r is about as small as the spread. c is the mean of a sample; where it
proves to be too far away, c + r is the next c. Then the mean is split anew, c as the working
precision can hold it and r the rest, and the set is read a second time, for the result:
((x - c) - r) * rstd, and its gradient.

Of a short row each of these steps takes little time but waits for the one before. So as many rows
as a line of the cache holds numbers take each step together, if the first cache can hold them.

Both times go by lines (`rows.lines`). The second time, a large result is written past the cache,
and the rows that come next are fetched meanwhile.

Sums of some hundred numbers are taken in the dtype of x, and added in float64. A compiler may not
reorder a sum, because each order rounds differently; but adding up one by one keeps it from working
on several numbers at once. So the order is ours: a vector of sums, which `across` adds up at last,
the same wherever a row lies and whatever the processor. Numba's fastmath= would leave it to the
compiler, and make x - (c + r) of (x - c) - r.

Sets whose squares leave the range of the dtype, constant ones at eps = 0, NaN and infinity are
rough: they are marked, and what is written for them does not count.

Memory is (P, R, M): row r is x[:, r, :], P pieces of M numbers. A span is a run of at most CHUNK
neighbouring numbers of a row, in one segment: `spans` has a line for each, (piece, segment, start,
end); None stands for one span that is all of the row. scale[line, k] is a number for all of segment
k, or, where scale has a third axis, an array with a number for each element; `weight` gives that
number, or the address of that array.
"""

import numpy as np

from .jit import STEP, U, add, inner, jit
from .lines import LINE, add_across, address, fetch, line_of, numbers_and_bytes, sums_of
from .parallel import job, lead

CHUNK = 512  # numbers; a row of up to twice as many is one span
CACHED = 2048  # numbers of one array that are sure to be in the first cache when read again
BEYOND = 1 << 22  # bytes: a larger result is written past the cache
AHEAD = 1 << 16  # numbers: further ahead nothing is fetched


@inner
def guess(x, r, samples):
    """A number near the mean of row r: the mean of some of its numbers, (piece, index)."""
    a = x.dtype.type(0)
    if samples is None:
        for j in range(U(4)):
            a = add(a, x[U(0), r, (U(2) * j + U(1)) * U(x.shape[2]) >> U(3)])
        return a / x.dtype.type(4)
    for j in range(U(len(samples))):
        a = add(a, x[samples[j, U(0)], r, samples[j, U(1)]])
    return a / x.dtype.type(len(samples))


span_sums = sums_of(lambda x, c: (x - c, (x - c) * (x - c)), number=2, together=4)


def pair_terms(g, t):
    return t, t * t, g, g * t, g * g


span_pair_sums = sums_of(lambda d, x, c, w: pair_terms(d * w, x - c), number=5, together=2)


@inner
def line_for(r, scale):
    """The line of scale for row r."""
    return r % U(len(scale)) if len(scale) > 1 else U(0)


@inner
def part_of_row(d, x, row, start, end, c, scale, line, k, into):
    """The sums of a span, as vectors, from the address `into`."""
    if d is None:
        span_sums(start, end, into, address(x) + row, c)
    else:
        w = weight(scale, line, k) if scale.ndim == 3 else x.dtype.type(1)
        span_pair_sums(start, end, into, address(d) + row, address(x) + row, c, w)


@inner
def row_sums(d, x, r, spans, c, scale, part, some, sums, ds, db, b):
    """Sums of row r: Σ t, Σ t² with t = x - c; with d also Σ g, Σ g t, Σ g² with g = d * w.

    Of a row that is one span they are left as vectors in part[b]; otherwise they are in sums[:, b],
    and in ds and db are those of each segment, before its scale.
    """
    line, rows, bytes_of_row = r % U(len(scale)), x.shape[1], x.shape[2] * x.itemsize
    number = U(len(sums))
    if spans is None:
        row, into = np.int64(r) * bytes_of_row, address(part) + LINE * np.int64(number * b)
        part_of_row(d, x, row, 0, x.shape[2], c, scale, line, U(0), into)
        return
    for i in range(number):
        sums[i, b] = 0
    if d is not None and scale.ndim == 2:
        ds[r, :] = 0
        db[r, :] = 0
    for begin in range(U(0), U(len(spans)), U(part.shape[0])):
        n = min(U(part.shape[0]), U(len(spans)) - begin)
        for j in range(n):
            p, k, start, end = of_span(spans, begin + j)
            row = (np.int64(p) * rows + np.int64(r)) * bytes_of_row
            into = address(part) + LINE * np.int64(number * j)
            part_of_row(d, x, row, start, end, c, scale, line, k, into)
        across(part, some)
        for j in range(n):
            sums[U(0), b] += some[U(0), j]
            sums[U(1), b] += some[U(1), j]
            if d is not None:
                k = spans[begin + j, U(1)]
                w = 1.0 if scale.ndim == 3 else np.float64(scale[line, k])
                sums[U(2), b] += some[U(2), j] * w
                sums[U(3), b] += some[U(3), j] * w
                sums[U(4), b] += some[U(4), j]
                if scale.ndim == 2:
                    db[r, k] += some[U(2), j]
                    ds[r, k] += some[U(3), j]


@inner
def across(part, sums):
    """Of vectors the sums: part (V, K, V), sums (K, V) float64."""
    number = np.int64(len(sums))
    for k in range(number):
        at = address(part) + LINE * k, LINE * number, address(sums) + 8 * part.shape[0] * k
        add_across(*at, part.dtype.type(0))


@inner
def team_sums(d, x, s, n, spans, samples, centre, share, c, scale, part, some, sums, ds, db):
    """The sums of rows s, ..., s + n - 1, about c, which is set."""
    for b in range(n):
        c[b] = guess(x, s + b, samples) if centre else x.dtype.type(0)
        row_sums(d, x, s + b, spans, c[b], scale, part, some, sums, ds, db, b)
    if spans is None:
        across(part, sums)
    if centre:
        again = False
        for b in range(n):
            if far(share, sums[U(0), b], sums[U(1), b]):
                c[b] = x.dtype.type(c[b] + sums[U(0), b] * share)
                row_sums(d, x, s + b, spans, c[b], scale, part, some, sums, ds, db, b)
                again = True
        if spans is None and again:
            across(part, sums)
    if d is not None and spans is None and scale.ndim == 2:
        for b in range(n):
            w = np.float64(scale[line_for(s + b, scale), U(0)])
            db[s + b, U(0)], ds[s + b, U(0)] = sums[U(2), b], sums[U(3), b]
            sums[U(2), b] *= w
            sums[U(3), b] *= w


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
# With a weight for each element there are sums for each too: of d * x̂, and of d.
products_line = line_of(
    lambda d, x, c, q, f, w, g, h, a, along, total: (
        (((d * w - g) - h) - ((x - c) - q) * a) * f,
        along + d * (((x - c) - q) * f),
        total + d,
    )
)


@inner
def lines(row, start, end, past, number):
    """The lines of a span: where they begin, how many numbers they hold, and bytes a number.

    They are those of the cache; a short span has them where it begins, unless written past it.
    """
    width, size = numbers_and_bytes(number)
    if past or end - start >= 16 * width:
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
def span_gradient(d, x, start, end, c, q, f, w, g, h, a, scale, products, dx, past, ahead):
    first, width, size = lines(dx, start, end, past, c)
    for i in range(first, end, width):
        fetch(x + (i + ahead) * size)
        fetch(d + (i + ahead) * size)
        if scale.ndim == 2:
            gradient_line(dx, i, start, end, past, d, x, c, q, f, w, g, h, a)
        else:
            given = (d, x, c, q, f, w, g, h, a, *products)
            products_line((dx, *products), i, start, end, past, *given)


@inner
def of_span(spans, j):
    return spans[j, U(0)], spans[j, U(1)], np.int64(spans[j, U(2)]), np.int64(spans[j, U(3)])


@inner
def ways(y, team):
    """Is y so large that it is written past the cache? How far ahead are the next rows?"""
    past = (y.size * y.itemsize > BEYOND) & (y.shape[2] >= 256) & (address(y) % y.itemsize == 0)
    return past, np.int64(min(team * y.shape[2], AHEAD))


@inner
def products_of(products, line):
    """Where the sums of a row are, in (2, G, M): those of d * x̂, and of d."""
    row = products.shape[2] * products.itemsize
    along = address(products) + np.int64(line) * row
    return along, along + products.shape[1] * row


@inner
def add_up(part, ds, db):
    """Adds the sums of some rows to those of all."""
    ds += part[0]
    db += part[1]
    part[:] = 0


@jit
def forward_rows(slots, helpers, blocks, *given):
    return lead(slots, helpers, job(forward_block, blocks, (*given, blocks)))


@jit
def room(x, number):
    """How many rows are a team, and where its sums are taken: see `row_sums`."""
    width, _ = numbers_and_bytes(x.dtype.type(0))
    team = max(1, min(width, CACHED // (x.shape[0] * x.shape[2])))
    part, sums = np.zeros((width, number, width), x.dtype), np.zeros((2, number, width))
    return team, part, sums[0], sums[1]


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
    team, part, some, sums = room(x, U(2))
    past, ahead = ways(y, team)
    x_at, y_at, rows, length = address(x), address(y), U(x.shape[1]), x.shape[2]
    bytes_of_row, whole = length * x.itemsize, spans is None or x.shape[0] == scale.shape[1] == 1
    c, q, f = np.empty((3, part.shape[0]), x.dtype)
    start, stop = block_of(x.shape[1], block, blocks)
    for s in range(start, stop, U(team)):
        n = min(U(team), stop - s)
        team_sums(
            None, x, s, n, spans, samples, centre, share, c, scale, part, some, sums, None, None
        )
        for b in range(n):
            m = sums[U(0), b] * share if centre else 0.0
            v = max(sums[U(1), b] * share - m * m, 0.0)
            rough[s + b] = not ordinary(v + eps, least)
            mean[s + b], var[s + b] = c[b] + m, v
            f[b] = T(1 / np.sqrt(v + eps))
            c[b], q[b] = split(T, np.float64(c[b]), m)
        for b in range(n):
            r = s + b
            if rough[r]:
                continue
            line, z = line_for(r, scale), (c[b], q[b], f[b])
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
    share = 1 / np.float64(x.shape[0] * x.shape[2])
    team, part, some, sums = room(x, U(5))
    sum_t, sum_tt, sum_g, sum_gt, sum_gg = sums
    past, ahead = ways(dx, team)
    d_at, x_at, dx_at, rows, length = address(d), address(x), address(dx), U(x.shape[1]), x.shape[2]
    bytes_of_row, whole = length * x.itemsize, spans is None or x.shape[0] == scale.shape[1] == 1
    c, q, f, level, rest, a = np.empty((6, part.shape[0]), x.dtype)
    products = np.zeros((2, len(scale), x.shape[2] if scale.ndim == 3 else 0), x.dtype)
    waiting = 0
    start, stop = block_of(x.shape[1], block, blocks)
    for s in range(start, stop, U(team)):
        n = min(U(team), stop - s)
        team_sums(d, x, s, n, spans, samples, centre, share, c, scale, part, some, sums, ds, db)
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
            line = line_for(r, scale)
            z, g, own = (c[b], q[b], f[b]), (level[b], rest[b], a[b]), products_of(products, line)
            if whole:
                row, w = np.int64(r) * bytes_of_row, weight(scale, line, U(0))
                to = dx_at + row, past, ahead
                span_gradient(d_at + row, x_at + row, 0, length, *z, w, *g, scale, own, *to)
            else:
                for j in range(U(len(spans))):
                    p, k, first, end = of_span(spans, j)
                    row, w = np.int64(p * rows + r) * bytes_of_row, weight(scale, line, k)
                    to = dx_at + row, past, ahead
                    span_gradient(d_at + row, x_at + row, first, end, *z, w, *g, scale, own, *to)
            if scale.ndim == 3:
                waiting += 1
                if waiting == STEP * len(scale):
                    add_up(products, ds[block], db[block])
                    waiting = 0
    if scale.ndim == 3:
        add_up(products, ds[block], db[block])
