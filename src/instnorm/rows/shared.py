"""Long rows, on which all threads work: one row after the other, each thread on parts of its own.

What `rows.loops` does for rows of one piece, in two jobs for each row: the sums of its parts, and
the result of its parts. How a row is cut does not depend on how many threads there are.
"""

import numpy as np

from .jit import U, inner, jit
from .lines import address, float64_at
from .loops import (
    LARGE,
    LARGE_GRADIENT,
    NEAR,
    add_rows,
    forward_steps,
    gradient_steps,
    gradient_steps_given,
    has_gradient,
    is_past,
    outcome,
    parts,
    products_of,
    span_forward,
    span_gradient,
)
from .parallel import job, lead
from .sums import block_of, far, guess, line_for, of_span, room, row_sums, weight


@jit
def part_sums(d, x, r, spans, c, scale, moments, sums, ds, db, blocks, block):
    """Sets sums[:, block], ds[block] and db[block]."""
    _, part, some, _, _ = room(x, U(len(sums)))
    into, b = (part, some, sums, ds, db), U(block)
    row_sums(d, x, r, spans, c, scale, moments, np.int64(NEAR), *into, b, b, block, blocks)


@jit
def sums_of_row(slots, helpers, blocks, sums, *given):
    """The sums of all parts, and in sums[:, 0] those of the row."""
    failed = lead(slots, job(part_sums, helpers, blocks, (*given, blocks)))
    for i in range(U(len(sums))):
        for block in range(1, blocks):
            sums[i, U(0)] += sums[i, block]
    return failed


@inner
def ends(spans, j, after, whole):
    """Where a span ends, or all of those before `after`."""
    _, k, start, end = of_span(spans, j)
    return k, start, np.int64(spans[after - U(1), U(3)]) if whole else end


@jit
def part_forward(x, r, spans, z, scale, shift, y, past, blocks, block):
    first, after = block_of(len(spans), block, blocks)
    row, line, whole = np.int64(r) * x.shape[2] * x.itemsize, line_for(r, scale), len(scale[0]) == 1
    for j in range(first, first + U(1) if whole else after):
        k, start, end = ends(spans, j, after, whole)
        w, h = weight(scale, line, k), weight(shift, line, k)
        span_forward(address(x) + row, start, end, *z, w, h, address(y) + row, past)


@jit
def row_forward(slots, helpers, blocks, *given):
    return lead(slots, job(part_forward, helpers, blocks, (*given, blocks)))


@jit
def forward_long(
    slots, helpers, blocks, rough, x, spans, samples, eps, least, centre, scale, shift, y, moments
):
    """As `loops.forward_rows`; a block is a part of a row."""
    T, share = x.dtype.type, 1 / np.float64(x.shape[2])
    numbers = eps, least, share, (share if centre else 0.0)
    sums, steps = np.zeros((2, blocks)), np.zeros((3, 8))
    c, lost, f = steps
    places = address(c), address(sums[U(0)]), address(sums[U(1)])
    past, failed = is_past(y, LARGE), 0
    for r in range(U(x.shape[1])):
        c[0] = guess(x, r, samples) if centre else T(0)
        for again in range(2):
            given = None, x, r, spans, T(c[0]), scale, None, sums, None, None
            failed += sums_of_row(slots, helpers, blocks, sums, *given)
            if again or not (centre and far(share, sums[0, 0], sums[1, 0])):
                break
            c[0] = T(c[0] + sums[0, 0] * share)
        at = 8 * np.int64(r)
        into = address(moments[U(0)]) + at, address(moments[U(1)]) + at, address(lost), address(f)
        forward_steps(into, 0, 0, 1, False, *places, *numbers)
        rough[r] = f[0] == 0
        if not rough[r]:
            z = *parts(T, moments[U(0), r], lost[0]), T(f[0])
            failed += row_forward(slots, helpers, blocks, x, r, spans, z, scale, shift, y, past)
    return outcome(failed, rough)


@jit
def part_gradient(d, x, r, spans, z, g, scale, dx, past, blocks, block):
    first, after = block_of(len(spans), block, blocks)
    row, line, whole = np.int64(r) * x.shape[2] * x.itemsize, line_for(r, scale), len(scale[0]) == 1
    d_at, x_at, to = address(d) + row, address(x) + row, (address(dx) + row, past, np.int64(NEAR))
    none = products_of(np.empty((2, 1, 0), x.dtype), 0)
    for j in range(first, first + U(1) if whole else after):
        k, start, end = ends(spans, j, after, whole)
        w = weight(scale, line, k)
        span_gradient(d_at, x_at, start, end, *z, w, *g, scale, none, *to)


@jit
def row_gradient(slots, helpers, blocks, *given):
    return lead(slots, job(part_gradient, helpers, blocks, (*given, blocks)))


@jit
def backward_long(
    slots, helpers, blocks, rough, totals, sums_of_all, d, x, spans, samples, eps, least, centre,
    scale, moments, dx,
):  # fmt: skip
    """As `loops.backward_rows`; a block is a part of a row."""
    T, share = x.dtype.type, 1 / np.float64(x.shape[2])
    numbers = eps, least, share, (share if centre else 0.0)
    sums, steps = np.zeros((5 if moments is None else 3, blocks)), np.zeros((10, 8))
    c, mean, lost, m, f, level, a, _, _, factor = steps
    factor[0] = 1
    into = address(mean), address(lost), address(m), address(f), address(level), address(a)
    into = *into, address(steps[U(7)]), address(steps[U(8)])
    places = address(factor), address(sums[U(0)]), address(sums[U(1)]), address(sums[U(2)])
    segments = U(scale.shape[1])
    ds, db = np.empty((2, blocks, scale.shape[1] // blocks + 2))  # so many does a part meet
    past, failed = is_past(dx, LARGE_GRADIENT), 0
    for r in range(U(x.shape[1])):
        at = 8 * np.int64(r)
        if moments is not None:
            c[0] = T(float64_at(address(moments[0]) + at))
        else:
            c[0] = guess(x, r, samples) if centre else T(0)
        for again in range(2):
            of_sums = d, x, r, spans, T(c[0]), scale, moments, sums, ds, db
            failed += sums_of_row(slots, helpers, blocks, sums, *of_sums)
            if moments is not None or again or not centre:
                break
            if not far(share, sums[-2, 0], sums[-1, 0]):
                break
            c[0] = T(c[0] + sums[-2, 0] * share)
        if moments is None:
            own = address(c), address(sums[-2]), address(sums[-1])
            gradient_steps(into, 0, 0, 1, False, *own, *places, *numbers)
        else:
            own = address(c), address(moments[0]) + at, address(moments[1]) + at
            gradient_steps_given(into, 0, 0, 1, False, *own, *places, *numbers)
        totals[:, r, :] = 0
        rough[r] = f[0] == 0 or (sums[2, 0] == 0 and has_gradient(d, r, scale))
        if not rough[r]:
            for block in range(U(blocks)):
                base = spans[block_of(len(spans), block, blocks)[0], U(1)]
                for k in range(base, min(base + U(ds.shape[1]), segments)):
                    along, total = ds[block, k - base], db[block, k - base]
                    totals[U(0), r, k] += (along - m[0] * total) * f[0]
                    totals[U(1), r, k] += total
            z, g = (*parts(T, mean[0], lost[0]), T(f[0])), (*parts(T, level[0], 0.0), T(a[0]))
            failed += row_gradient(slots, helpers, blocks, d, x, r, spans, z, g, scale, dx, past)
    for i in range(U(2)):
        add_rows(totals[i], sums_of_all[i])
    return outcome(failed, rough)
