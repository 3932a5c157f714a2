"""Compiled loops over sets that are rows: the arithmetic of the compiled kernels.

A set is read once for its moments, about a centre c that is near its mean. With t = x - c,

    r = mean(t),   var = mean(t²) - r²,   dshift = Σ dy,   dscale = (Σ dy t - r dshift) * rstd

Nothing cancels as long as r is about as small as the spread. c is the mean of a sample; where it
proves to be too far away, c + r is the next c. Then the mean is split anew, c as the working
precision can hold it and r the rest, and the set is read a second time, for the result:
((x - c) - r) * rstd, and its gradient.

Of a short row each of these steps takes little time but waits for the one before. So as many rows
as a line of the cache holds numbers take each step together, if the first cache can hold them.

The first reading is in `rows.sums`, which says how memory lies. Both go by lines (`rows.lines`) and
fetch what comes next meanwhile. A large result is written past the cache.

Sets whose squares leave the range of the dtype, constant ones at eps = 0, NaN and infinity are
rough: they are marked, and what is written for them does not count.
"""

import numpy as np

from .jit import STEP, U, inner, jit
from .lines import LINE, address, fetch, line_of, numbers_and_bytes
from .parallel import job, lead
from .sums import block_of, line_for, of_span, room, team_sums, weight

# Bytes: a larger result is written past the cache. A gradient is so earlier, since two arrays are
# read for it.
LARGE, LARGE_GRADIENT = 1 << 24, 1 << 22
# Numbers: while one row is read the next is fetched; of a longer one than this, what is NEAR.
LONG, LONG_GRADIENT, NEAR = 1 << 14, 1 << 16, 1 << 12


@inner
def parts(T, a, rest):
    """a + rest in two parts: as T can hold it, and what is left."""
    held = T(a)
    return held, T((a - np.float64(held)) + rest)


# The steps between the two readings, for some rows at once: each number is a vector of float64.
# share is 1 / (numbers in a row); share_of_mean the same, or 0 where nothing is centred.


def moments_step(c, sum_t, sum_tt, share, share_of_mean):
    """The mean and what it lacks, the mean less c, the variance (NaN stays NaN)."""
    r = sum_t * share_of_mean
    mean, var = c + r, sum_tt * share - r * r
    return mean, (c - mean) + r, r, var.zero().where(var <= var.zero(), var)


def ordinary(size, least):
    return (least <= size) & (least * size <= least.one())


def reciprocal(var, eps, least):
    """rstd, and where it is far from leaving the range."""
    spread = var + eps
    return spread.one() / spread.root(), ordinary(spread, least)


def gradient_step(mean, lost, r, var, w, sum_d, sum_dt, sum_dd, *given):
    """What a gradient needs of the sums of a row; and what the row adds to dscale and dshift.

    w is the scale where the sums are of d, and 1 where they are of d * scale. rstd is 0 where the
    row is rough.
    """
    eps, least, share, share_of_mean = given
    rstd, fits = reciprocal(var, eps, least)
    within = ordinary(sum_dd, least * least) & ordinary(sum_dd * rstd * rstd, least * least)
    fits &= within | (sum_dd <= sum_dd.zero())
    along = (sum_dt - r * sum_d) * rstd
    of_row = mean, lost, r, rstd.where(fits, rstd.zero())
    return *of_row, w * sum_d * share_of_mean, w * along * share * rstd, along, sum_d


def forward_step(c, sum_t, sum_tt, eps, least, share, share_of_mean):
    mean, lost, _, var = moments_step(c, sum_t, sum_tt, share, share_of_mean)
    rstd, fits = reciprocal(var, eps, least)
    return mean, var, lost, rstd.where(fits, rstd.zero())


forward_steps = line_of(forward_step)
gradient_steps = line_of(
    lambda c, sum_t, sum_tt, *rest: gradient_step(
        *moments_step(c, sum_t, sum_tt, *rest[-2:]), *rest
    )
)
gradient_steps_given = line_of(
    lambda c, mean, var, *rest: gradient_step(mean, mean.zero(), mean - c, var, *rest)
)
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


# x, d, y and dx are the addresses of a row; w and b those of a row, or numbers.


@inner
def span_forward(x, start, end, c, q, f, w, b, y, past):
    first, width, _ = lines(y, start, end, past, c)
    for i in range(first, end, width):
        forward_line(y, i, start, end, past, x, c, q, f, w, b)


@inner
def span_gradient(d, x, start, end, c, q, f, w, g, h, a, scale, products, dx, past, ahead):
    first, width, size = lines(dx, start, end, past, c)
    for i in range(first, end, width):
        fetch(x + (i + ahead) * size)
        if scale.ndim == 2:
            gradient_line(dx, i, start, end, past, d, x, c, q, f, w, g, h, a)
        else:
            given = (d, x, c, q, f, w, g, h, a, *products)
            products_line((dx, *products), i, start, end, past, *given)


@inner
def is_past(y, large):
    """Is y so large that it is written past the cache?"""
    return (y.size * y.itemsize > large) & (y.shape[2] >= 256) & (address(y) % y.itemsize == 0)


@inner
def far_ahead(x, team, long):
    """How far ahead is what to fetch?"""
    return np.int64(team * x.shape[2] if team * x.shape[2] <= long else NEAR)


@inner
def products_of(products, line):
    """Where the sums of a row are, in (2, G, M): those of d * x̂, and of d."""
    row = products.shape[2] * products.itemsize
    along = address(products) + np.int64(line) * row
    return along, along + products.shape[1] * row


@inner
def add_up(part, ds, db):
    """Adds the sums of some rows to those of all."""
    ds += part[U(0)]
    db += part[U(1)]
    part[:] = 0


@inner
def has_gradient(d, r, scale):
    """Is a number of row r of d, times its scale, not 0?"""
    line = line_for(r, scale)
    for p in range(U(len(d))):
        for i in range(U(d.shape[2])):
            if d[p, r, i] != 0 and (scale.ndim == 2 or scale[line, U(0), i] != 0):
                return True
    return False


@inner
def outcome(failed, rough):
    """How many rows are rough; a negative number if a block has failed."""
    if failed:
        return -failed
    number = np.int64(0)
    for r in range(len(rough)):
        number += rough[r]
    return number


@jit
def forward_rows(slots, helpers, blocks, rough, *given):
    failed = lead(slots, job(forward_block, helpers, blocks, (rough, *given, blocks)))
    return outcome(failed, rough)


@jit
def forward_block(
    rough, x, spans, samples, eps, least, centre, scale, shift, y, moments, blocks, block
):
    """moments (2, R) are set for each row."""
    T = x.dtype.type
    share = 1 / np.float64(x.shape[0] * x.shape[2])
    shares = share, (share if centre else 0.0)
    team, part, some, sums, steps = room(x, U(2))
    c, lost, f = steps[U(0)], steps[U(1)], steps[U(2)]
    mean, var = moments[U(0)], moments[U(1)]
    places, numbers = (address(c), address(sums[U(0)]), address(sums[U(1)])), (eps, least, *shares)
    past, ahead = is_past(y, LARGE), far_ahead(x, team, LONG)
    x_at, y_at, rows, length = address(x), address(y), U(x.shape[1]), x.shape[2]
    bytes_of_row, whole = length * x.itemsize, spans is None or x.shape[0] == scale.shape[1] == 1
    start, stop = block_of(x.shape[1], block, blocks)
    for s in range(start, stop, U(team)):
        n = min(U(team), stop - s)
        given = None, x, s, n, spans, samples, centre, share, c, scale, None
        team_sums(*given, ahead, part, some, sums, None, None)
        of_team = 8 * np.int64(s)
        results = address(mean) + of_team, address(var) + of_team, address(lost), address(f)
        end = np.int64(n)
        for i in range(0, end, 8):
            forward_steps(results, i, 0, end, False, *places, *numbers)
        for b in range(n):
            r = s + b
            rough[r] = f[b] == 0
            if rough[r]:
                continue
            line, z = line_for(r, scale), (*parts(T, mean[r], lost[b]), T(f[b]))
            if whole:
                row = np.int64(r) * bytes_of_row
                w, h = weight(scale, line, U(0)), weight(shift, line, U(0))
                span_forward(x_at + row, 0, length, *z, w, h, y_at + row, past)
            else:
                for j in range(U(len(spans))):
                    p, k, first, end = of_span(spans, j)
                    row = np.int64(p * rows + r) * bytes_of_row
                    w, h = weight(scale, line, k), weight(shift, line, k)
                    span_forward(x_at + row, first, end, *z, w, h, y_at + row, past)


@jit
def backward_rows(slots, helpers, blocks, rough, totals, sums, *given):
    """sums (2, G, K) become the totals of all rows; or (2, G, M), of the elements of rows."""
    failed = lead(slots, job(backward_block, helpers, blocks, (rough, totals, *given, blocks)))
    for i in range(U(2)):
        add_rows(totals[i], sums[i])
    return outcome(failed, rough)


@jit
def add_rows(values, sums):
    """Sums (G, K) of values (A, G, K), or (A·G, K): of some first, so that none are many."""
    values, total = values.reshape(-1, sums.size), sums.reshape(-1)
    part, step = np.empty_like(total), U(1024)
    total[:] = 0
    for begin in range(U(0), U(len(values)), step):
        part[:] = 0
        for a in range(begin, min(begin + step, U(len(values)))):
            for i in range(U(len(part))):
                part[i] += values[a, i]
        for i in range(U(len(part))):
            total[i] += part[i]


@jit
def backward_block(
    rough, totals, d, x, spans, samples, eps, least, centre, scale, moments, dx, blocks, block
):
    """The sums of d * x̂ and d are set for each row, totals (2, R, K); with a scale for each element
    they are added to those of the block, (2, B, G, M).
    """
    ds, db = totals[U(0)], totals[U(1)]
    T = x.dtype.type
    share = 1 / np.float64(x.shape[0] * x.shape[2])
    shares = share, (share if centre else 0.0)
    team, part, some, sums, steps = room(x, U(5 if moments is None else 3))
    c, mean, lost, m, f, level, a, of_scale, of_shift, factors = steps
    factors[:] = 1
    past, ahead = is_past(dx, LARGE_GRADIENT), far_ahead(x, team, LONG_GRADIENT)
    d_at, x_at, dx_at, rows, length = address(d), address(x), address(dx), U(x.shape[1]), x.shape[2]
    bytes_of_row, whole = length * x.itemsize, spans is None or x.shape[0] == scale.shape[1] == 1
    of_row = address(mean), address(lost), address(m), address(f), address(level), address(a)
    places = address(factors), address(sums[U(0)]), address(sums[U(1)]), address(sums[U(2)])
    numbers = eps, least, *shares
    products = np.zeros((2, len(scale), x.shape[2] if scale.ndim == 3 else 0), x.dtype)
    waiting = 0
    start, stop = block_of(x.shape[1], block, blocks)
    for s in range(start, stop, U(team)):
        n = min(U(team), stop - s)
        given = d, x, s, n, spans, samples, centre, share, c, scale, moments
        team_sums(*given, ahead, part, some, sums, ds, db)
        end, of_team = np.int64(n), 8 * np.int64(s)
        to_scale, to_shift = address(of_scale), address(of_shift)
        if spans is None and scale.ndim == 2:
            to_scale, to_shift = address(ds) + of_team, address(db) + of_team
            for b in range(U(n)):
                factors[b] = scale[line_for(s + b, scale), U(0)]
        results = *of_row, to_scale, to_shift
        for i in range(0, end, 8):
            if moments is None:
                own = address(c), address(sums[-2]), address(sums[-1])
                gradient_steps(results, i, 0, end, False, *own, *places, *numbers)
            else:
                own = address(c), address(moments[0]) + of_team, address(moments[1]) + of_team
                gradient_steps_given(results, i, 0, end, False, *own, *places, *numbers)
        for b in range(n):
            r = s + b
            rough[r] = f[b] == 0 or (sums[U(2), b] == 0 and has_gradient(d, r, scale))
            if rough[r]:
                if scale.ndim == 2:
                    ds[r, :], db[r, :] = 0, 0
                continue
            if scale.ndim == 2 and spans is not None:
                for k in range(U(scale.shape[1])):
                    ds[r, k] = (ds[r, k] - m[b] * db[r, k]) * f[b]
            line = line_for(r, scale)
            z, g = (*parts(T, mean[b], lost[b]), T(f[b])), (*parts(T, level[b], 0.0), T(a[b]))
            two = products_of(products, line)
            if whole:
                row, w = np.int64(r) * bytes_of_row, weight(scale, line, U(0))
                to = dx_at + row, past, ahead
                span_gradient(d_at + row, x_at + row, 0, length, *z, w, *g, scale, two, *to)
            else:
                for j in range(U(len(spans))):
                    p, k, first, end = of_span(spans, j)
                    row, w = np.int64(p * rows + r) * bytes_of_row, weight(scale, line, k)
                    to = dx_at + row, past, ahead
                    span_gradient(d_at + row, x_at + row, first, end, *z, w, *g, scale, two, *to)
            if scale.ndim == 3:
                waiting += 1
                if waiting == STEP * len(scale):
                    add_up(products, ds[block], db[block])
                    waiting = 0
    if scale.ndim == 3:
        add_up(products, ds[block], db[block])
