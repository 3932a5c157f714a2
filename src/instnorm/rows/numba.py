"""Row kernels compiled by Numba: the formulas of `rows.numpy`, as loops.

The arithmetic is in `rows.sums` and `rows.loops`, where each thread has rows of its own; in
`rows.shared` all threads work on one row after the other, if rows are few and long; and
`rows.columns` is for channels-last memory. What is said there to be rough is left to `rows.numpy`.

Memory is worked on where it lies, if it lies in one of two ways; otherwise it is copied first:

    rows      (P, R, M): set r is x[:, r, :], P pieces of M numbers
    columns   (I, L, C): a set is some neighbouring columns of one x[i] (channels-last)
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from . import numpy as plain
from . import threads
from .columns import Columns
from .jit import LEAST, U, can_compile, jit
from .loops import backward_rows, forward_rows
from .shared import backward_long, forward_long
from .sums import CHUNK

__all__ = ["backward", "backward_given", "can_compile", "forward", "forward_given"]

LONG = 1 << 16  # numbers: all threads work on a row that is longer, if there are few
PART = 1 << 14  # numbers: what a thread takes at once of such a row
SHORT = 16  # shorter segments than this have their scale and shift written out for each element
LARGEST_SCALE = 1e8


def forward(x, eps, scale=None, shift=None, out=None, *, centre=True):
    """See `rows.numpy.forward`."""
    y = np.empty_like(x) if out is None else out
    if x.dtype not in LEAST:
        return _in_slabs(forward, (x,), y, eps, (scale, shift), centre)
    lines = _lines(x, scale, shift)
    if lines is None:
        return plain.forward(x, eps, scale, shift, y, centre=centre)
    plan = _plan(x, lines[0].shape[1])
    if plan is None or not _alike(y, x):
        y[...], mean, var = forward(np.ascontiguousarray(x), eps, scale, shift, centre=centre)
        return y, mean, var
    memory, into = plan.memory(x), plan.memory(y)
    if plan.kind == "columns":
        sets = Columns(memory, x.shape[0] * x.shape[1], lines[0].shape[1])
        with np.errstate(all="ignore"):
            moments = sets.forward(into, eps, *lines, centre)
        if moments is None:
            return plain.forward(x, eps, scale, shift, y, centre=centre)
        return y, *(m.reshape(x.shape[:2]) for m in moments)
    mean, var, rough = _forward_rows(plan, memory, into, eps, lines, centre, x.shape[:2])
    for some, line in rough:
        own = (p if p is None else p[line] for p in (scale, shift))
        y[some], mean[some], var[some] = plain.forward(x[some], eps, *own, centre=centre)
    return y, mean, var


def backward(dy, x, eps, scale, moments=None, out=None, *, centre=True):
    """See `rows.numpy.backward`. Moments save a part of the work for float32 numbers in rows."""
    dx = np.empty_like(x) if out is None else out
    if x.dtype not in LEAST or dy.dtype != x.dtype:
        return _in_slabs(backward, (dy, x), dx, eps, (scale,), centre)
    line = _line(x, scale)
    if line is None:
        return plain.backward(dy, x, eps, scale, out=dx, centre=centre)
    plan = _plan(x, line.shape[1])
    if plan is None or not _alike(dx, x):
        dx[...], *sums = backward(dy, np.ascontiguousarray(x), eps, scale, moments, centre=centre)
        return dx, *sums
    if not _alike(dy, x):
        d = np.empty_like(x)
        d[...] = dy
        dy = d
    arrays = plan.memory(dy), plan.memory(x), plan.memory(dx)
    if plan.kind == "columns":
        d, memory, into = arrays
        sets = Columns(memory, x.shape[0] * x.shape[1], line.shape[1])
        with np.errstate(all="ignore"):
            gradients = sets.backward(d, into, eps, np.broadcast_to(line, scale.shape), centre)
        if gradients is None:
            return plain.backward(dy, x, eps, scale, out=dx, centre=centre)
        return dx, *gradients
    ds, db, rough = _backward_rows(
        plan, *arrays, eps, line, scale.shape, moments, centre, x.shape[:2]
    )
    for some, g in rough:
        dx[some], *own = plain.backward(dy[some], x[some], eps, scale[g], centre=centre)
        ds[g] += own[0]
        db[g] += own[1]
    return dx, ds, db


forward_given, backward_given = plain.forward_given, plain.backward_given


def _lines(x, scale, shift):
    """scale and shift, in the dtype of x and of one shape; None where scale is out of range."""
    if scale is None and shift is None:
        return _constant(1, x.dtype), _constant(0, x.dtype)
    lines = np.empty((2, *(shift if scale is None else scale).shape), x.dtype)
    lines[1] = 0 if shift is None else shift
    if scale is None:
        lines[0] = 1
        return lines
    return lines if _copied(scale, lines[0]) else None


def _line(x, scale):
    """scale in the dtype of x; (1, 1) for (G, 1) equal numbers; None where it is out of range."""
    if scale.strides == (0, 0):
        value, shape = float(scale[0, 0]), scale.shape if scale.shape[1] > 1 else (1, 1)
        return _constant(value, x.dtype, shape) if abs(value) <= LARGEST_SCALE else None
    line = np.empty(scale.shape, x.dtype)
    return line if _copied(scale, line) else None


def _copied(scale, line):
    """Copies scale, of any dtype, to line. Are all its numbers in range?"""
    return copy_within(scale if scale.dtype in LEAST else scale.astype(line.dtype), line)


@jit
def copy_within(scale, line):
    """Copies (G, K) numbers. Are all in range?"""
    within = True
    for g in range(U(scale.shape[0])):
        for k in range(U(scale.shape[1])):
            within &= abs(scale[g, k]) <= LARGEST_SCALE
            line[g, k] = scale[g, k]
    return within


@functools.lru_cache(maxsize=64)
def _constant(value, dtype, shape=(1, 1)):
    return np.full(shape, value, dtype)


def _alike(a, b):
    """Do two arrays of one shape lie in memory in the same way?"""
    return a.strides == b.strides or all(
        s == t or n == 1 for s, t, n in zip(a.strides, b.strides, b.shape, strict=True)
    )


class Plan(NamedTuple):
    """How the memory of x is worked on: see the head of this file."""

    kind: str  # rows or columns
    order: tuple | None  # of the axes of (A, G, K, L), if it is not theirs
    shape: tuple  # (P, R, M) or (I, L, C)
    written_out: bool = False  # scale and shift, for each element
    tables: tuple = ()  # spans and samples
    parts: int = 0  # of a row that all threads work on

    def memory(self, a):
        return (a if self.order is None else a.transpose(self.order)).reshape(self.shape)


_plans = {}


def _plan(x, segments):
    """The plan for (A, G, K, L) x with scales (G, segments); None where x has to be copied."""
    sets = x.shape[0] * x.shape[1]
    workers = threads.allowed() if x.size >= LONG * sets else 0
    key = x.shape, x.strides, x.itemsize, segments, workers
    try:
        return _plans[key]
    except KeyError:
        plan = _new_plan(x, segments, workers)
    if len(_plans) >= 64:
        _plans.clear()
    _plans[key] = plan
    return plan


def _new_plan(x, segments, workers):
    """`workers` is how many threads there are for long rows; 0 for others."""
    a, g, k, n = x.shape
    if x.flags.c_contiguous and (g * k == 1 or k * n > 1):
        plan = _plan_of_rows(None, (1, a * g, k * n), segments)
        few = workers > 1 and a * g < 2 * workers and not plan.written_out
        return plan._replace(parts=k * n // PART) if few else plan
    if x.transpose(0, 3, 1, 2).flags.c_contiguous:
        return Plan("columns", (0, 3, 1, 2), (a, n, g * k))
    if a == 1 and x.transpose(0, 2, 3, 1).flags.c_contiguous:
        return Plan("columns", (0, 2, 3, 1), (1, k * n, g))
    if a == 1 and x.transpose(2, 1, 0, 3).flags.c_contiguous:
        return _plan_of_rows((2, 1, 0, 3), (k, g, n), segments)
    return None


def _plan_of_rows(order, shape, segments):
    pieces, _, length = shape
    written_out = segments > 1 and length // segments < SHORT
    tables = _tables(pieces, length, 1 if written_out else segments)
    return Plan("rows", order, shape, written_out, tables)


@functools.lru_cache(maxsize=64)
def _tables(pieces, length, segments):
    """Spans, and places (piece, index) here and there in a row; None where `spans` may be None."""
    if pieces == segments == 1 and length <= 2 * CHUNK:
        return None, None
    size = length // segments
    cuts = -(-size // CHUNK)
    ends = [size * i // cuts for i in range(cuts + 1)]
    spans = [
        (p, k, k * size + s, k * size + e)
        for p in range(pieces)
        for k in range(segments)
        for s, e in itertools.pairwise(ends)
    ]
    number = 8 if pieces * length < CHUNK else 64
    places = ((np.arange(number) + 0.5) * 0.618034) % 1 * pieces * length
    return np.array(spans, U), np.stack(np.divmod(places.astype(U), U(length)), 1)


def _each(scale, plan):
    """scale (G, K), or, where its segments are short, (G, 1, M): a number for each element."""
    if not plan.written_out:
        return scale
    length = plan.shape[2]
    if length == scale.shape[1]:
        return scale[:, None]
    return np.repeat(scale, length // scale.shape[1], axis=1)[:, None]


def _forward_rows(plan, x, y, eps, lines, centre, sets):
    """mean and var, (A, G); and the rough sets, as `_few` gives them."""
    rows, scale, shift = plan.shape[1], _each(lines[0], plan), _each(lines[1], plan)
    moments, rough = np.empty((2, *sets)), np.empty(rows, np.bool_)
    flat = moments.reshape(2, rows)
    given = rough, x, *plan.tables, eps, LEAST[x.dtype], centre, scale, shift, y, flat
    if plan.parts:
        found = threads.share(forward_long, plan.parts, *given)
    else:
        found = threads.share(forward_rows, threads.blocks_for(x.size, rows), *given)
    return moments[0], moments[1], _few(rough.reshape(sets)) if found else ()


def _backward_rows(plan, d, x, dx, eps, line, lines, moments, centre, sets):
    """dscale and dshift, of shape `lines`; and the rough sets, as `_few` gives them."""
    rows, line = plan.shape[1], _each(line, plan)
    rough, blocks = np.empty(rows, np.bool_), threads.blocks_for(x.size, rows)
    if line.ndim == 3:  # each block of rows has sums of its own, for each element
        blocks = min(blocks, max(1, x.size // (16 * line.size)))
        totals = np.zeros((2, blocks, *line.shape[::2]))
    else:
        totals = np.empty((2, rows, lines[1]))
    sums = np.empty((2, lines[0], totals.shape[-1]))
    if x.dtype == np.float64:  # a mean of them has more digits than float64: it is found again
        moments = None
    if moments is not None and not (moments[0].flags.carray and moments[1].flags.carray):
        moments = moments[0].copy(), moments[1].copy()
    given = rough, totals, sums, d, x, *plan.tables, eps, LEAST[x.dtype], centre, line, moments, dx
    if plan.parts:
        found = threads.share(backward_long, plan.parts, *given)
    else:
        found = threads.share(backward_rows, blocks, *given)
    if sums.shape[1:] != lines:
        sums = sums.reshape(2, *lines, -1).sum(-1)
    return sums[0], sums[1], _few(rough.reshape(sets)) if found else ()


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
