"""The first reading of rows: sums about a centre that is near the mean, for `rows.loops`.

With t = x - c, g = dy * w (w is the scale), and c near the mean, the sums of a row are

    forward    Σ t, Σ t²
    backward   Σ g, Σ g t, Σ g², and Σ t, Σ t² where mean and variance are not given

Sums of some hundred numbers are taken in the dtype of x, and added in float64. A compiler may not
reorder a sum, because each order rounds differently; but adding up one by one keeps it from working
on several numbers at once. So the order is ours: a vector of sums, which `across` adds up at last,
the same wherever a row lies and whatever the processor. Numba's fastmath= would leave it to the
compiler, and make x - (c + r) of (x - c) - r.

Memory is (P, R, M): row r is x[:, r, :], P pieces of M numbers. A span is a run of at most CHUNK
neighbouring numbers of a row, in one segment: `spans` has a line for each, (piece, segment, start,
end); None stands for one span that is all of the row. scale[line, k] is a number for all of segment
k, or, where scale has a third axis, an array with a number for each element; `weight` gives that
number, or the address of that array.
"""

import numpy as np

from .jit import U, add, inner, jit
from .lines import LINE, add_across, address, float64_at, numbers_and_bytes, sums_of

CHUNK = 512  # numbers; a row of up to twice as many is one span
CACHED = 2048  # numbers of one array that are sure to be in the first cache when read again


@jit
def room(x, number):
    """How many rows are a team, and where its sums and steps are taken: see `row_sums`."""
    width, _ = numbers_and_bytes(x.dtype.type(0))
    team = max(1, min(width, CACHED // (x.shape[0] * x.shape[2])))
    part, sums = np.zeros((width, number, width), x.dtype), np.zeros((2, number, width))
    return team, part, sums[0], sums[1], np.zeros((10, width))


@inner
def line_for(r, scale):
    """The line of scale for row r."""
    return r % U(len(scale)) if len(scale) > 1 else U(0)


@inner
def weight(scale, line, k):
    """The number that a segment is multiplied by, or the address of those of a row."""
    if scale.ndim == 3:
        return address(scale) + np.int64(line) * scale.shape[2] * scale.itemsize
    return scale[line, k]


@inner
def of_span(spans, j):
    return spans[j, U(0)], spans[j, U(1)], np.int64(spans[j, U(2)]), np.int64(spans[j, U(3)])


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


def moment_terms(t):
    return t, t * t


span_sums = sums_of(lambda x, c: moment_terms(x - c), number=2, together=4)


def pair_terms(g, t):
    return g, g * t, g * g


span_pair_sums = sums_of(lambda d, x, c, w: pair_terms(d * w, x - c), number=3, together=2)
span_all_sums = sums_of(
    lambda d, x, c, w: pair_terms(d * w, x - c) + moment_terms(x - c), number=5, together=2
)


@inner
def part_of_row(d, x, row, start, end, c, scale, line, k, moments, ahead, into):
    """The sums of a span, as vectors, from the address `into`."""
    if d is None:
        span_sums(start, end, into, ahead, address(x) + row, c)
        return
    w = weight(scale, line, k) if scale.ndim == 3 else x.dtype.type(1)
    if moments is None:
        span_all_sums(start, end, into, ahead, address(d) + row, address(x) + row, c, w)
    else:
        span_pair_sums(start, end, into, ahead, address(d) + row, address(x) + row, c, w)


@inner
def block_of(number, block, blocks):
    """The first of so many things that belongs to a block, and the first of the next."""
    return U(number * block // blocks), U(number * (block + 1) // blocks)


@inner
def row_sums(
    d, x, r, spans, c, scale, moments, ahead, part, some, sums, ds, db, b, at, block, blocks
):
    """The sums of a block of row r about c.

    Of a row that is one span they are left as vectors in part[b]; otherwise they are in sums[:, b],
    and in ds[at] and db[at] are those of each segment of the block, before its scale.
    """
    line, rows, bytes_of_row = line_for(r, scale), x.shape[1], x.shape[2] * x.itemsize
    number = U(len(sums))
    if spans is None:
        row, into = np.int64(r) * bytes_of_row, address(part) + LINE * np.int64(number * b)
        part_of_row(d, x, row, 0, x.shape[2], c, scale, line, U(0), moments, ahead, into)
        return
    for i in range(number):
        sums[i, b] = 0
    if d is not None and scale.ndim == 2:
        ds[at, :] = 0
        db[at, :] = 0
    first, after = block_of(len(spans), block, blocks)
    base = spans[first, U(1)]
    for begin in range(first, after, U(part.shape[0])):
        n = min(U(part.shape[0]), after - begin)
        for j in range(n):
            p, k, start, end = of_span(spans, begin + j)
            row = (np.int64(p) * rows + np.int64(r)) * bytes_of_row
            into = address(part) + LINE * np.int64(number * j)
            part_of_row(d, x, row, start, end, c, scale, line, k, moments, ahead, into)
        across(part, some)
        for j in range(n):
            k = spans[begin + j, U(1)]
            if d is not None and scale.ndim == 2:
                db[at, k - base] += some[U(0), j]
                ds[at, k - base] += some[U(1), j]
                some[U(0), j] *= scale[line, k]
                some[U(1), j] *= scale[line, k]
            for i in range(number):
                sums[i, b] += some[i, j]


@inner
def across(part, sums):
    """Of vectors the sums: part (V, K, V), sums (K, V) float64."""
    number = np.int64(len(sums))
    for k in range(number):
        at = address(part) + LINE * k, LINE * number, address(sums) + 8 * part.shape[0] * k
        add_across(*at, part.dtype.type(0))


@inner
def team_sums(
    d, x, s, n, spans, samples, centre, share, c, scale, moments, ahead, part, some, sums, ds, db
):
    """The sums of rows s, ..., s + n - 1, about c, which is set."""
    T, into = x.dtype.type, (part, some, sums, ds, db)
    for b in range(n):
        if moments is not None:
            c[b] = T(float64_at(address(moments[0]) + 8 * np.int64(s + b)))
        else:
            c[b] = guess(x, s + b, samples) if centre else T(0)
        row_sums(d, x, s + b, spans, T(c[b]), scale, moments, ahead, *into, b, s + b, 0, 1)
    if spans is None:
        across(part, sums)
    if centre and moments is None:
        again, sum_t, sum_tt = False, sums[-2], sums[-1]
        for b in range(n):
            if far(share, sum_t[b], sum_tt[b]):
                c[b] = T(c[b] + sum_t[b] * share)
                row_sums(d, x, s + b, spans, T(c[b]), scale, moments, ahead, *into, b, s + b, 0, 1)
                again = True
        if spans is None and again:
            across(part, sums)


@inner
def far(share, sum_t, sum_tt):
    """Is the centre so far from the mean that most of the squares come from there?"""
    return 4 * share * sum_t * sum_t > 3 * sum_tt
