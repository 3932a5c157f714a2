"""Row kernels in NumPy.

Numerics
    A row is first shifted by its own first element K; then its mean m' is taken; then the centred
    values t = (x - K) - m' are squared and averaged. Both subtractions act on numbers of the size
    of the spread, so an offset 10 000 times larger than the spread costs nothing, and a constant
    row becomes exactly 0. The output is t * rstd: forming x * a + b instead would bring the
    cancellation back. (Two-pass variance and shifting: Chan, Golub and LeVeque 1983.)
    In short rows, where each operation on a row costs more than the arithmetic in it, the mean
    square less the squared mean will do while the mean is no larger than the spread, for then there
    is no cancellation. Which rows are like that is known afterwards; the others are shifted.

Speed
    NumPy makes one pass over its operands for each operation, and main memory is slower than the
    arithmetic. So rows are worked through in blocks that stay in cache from the first operation to
    the last, in place; and two threads share the blocks.
"""

import functools
import os
import threading
from queue import SimpleQueue

import numpy as np

# Elements per block, at most; half as many where more than two arrays share the cache. Smaller
# blocks fit a nearer cache; but between operations a thread holds Python's lock, some 20
# microseconds for each block, several times that while numbers drive Python's own data out of the
# cache, and the other thread may have to wait.
BLOCK = 1 << 20
# A longer row than this is worked through in such pieces.
PIECE = 1 << 18
# Least elements per block: below that, the second thread wakes up too late to be of help.
LEAST = 1 << 18
# Longest sum taken in the working precision; longer ones add such pieces in float64. A block then
# has at least 512 of them, and at more than 500 NumPy lets the other thread work meanwhile.
CHUNK = 512
# In a shorter row than this, the one number that it is combined with is better written out in full
# first: NumPy needs as long to begin with a row as it does for this many elements.
SHORT = 384


def forward(x, eps, scale=None, shift=None, out=None):
    """Standardise each row of `x`; then multiply by `scale` and add `shift`.

    Parameters
    ----------
    x : (R, M) float array, C-contiguous
    eps : float, added to the variance inside the root
    scale, shift : (P, K) arrays or None. P divides R, and row r uses line r % P. K divides M, and
        segment k of a row gets its own pair
    out : (R, M) array of x's dtype, may be `x` itself; None makes one

    Returns
    -------
    y : (R, M), dtype of x
    mean, var : (R,) float64, the biased moments of each row
    """
    y = np.empty_like(x) if out is None else out
    mean, var = np.empty((2, len(x)))
    scale, shift = _every_row(scale, x), _every_row(shift, x)
    segments = max(1 if p is None else p.shape[1] for p in (scale, shift))
    centred = _is_centred_first(x)
    direct = y.dtype == _work_dtype(x) and not np.may_share_memory(x, y)

    def work(block, scratch):
        t = y[block] if direct else scratch[0]
        ready, centre, mean[block], var[block], _, factor = _moments(_wide(x[block]), eps, t)
        centring = [] if centred else [(np.subtract, centre)]
        _sweep(ready, t, segments, *centring, *_affine(factor, scale, shift, block))
        if not direct:
            np.copyto(y[block], t, casting="unsafe")

    buffers = 0 if direct else 1
    _over_blocks(work, x, buffers, BLOCK // (1 + buffers))
    return y, mean, var


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """Like `forward`, with moments from elsewhere: `mean` and `var` of shape (R,). Returns y."""
    y = np.empty_like(x) if out is None else out
    scale, shift = _every_row(scale, x), _every_row(shift, x)
    segments = max(1 if p is None else p.shape[1] for p in (scale, shift))
    rstd = _reciprocal_root(np.asarray(var, np.float64) + eps)

    def work(block, scratch):
        (t,) = scratch
        _shift(x[block], mean[block], t)
        _sweep(t, t, segments, *_affine(rstd[block], scale, shift, block))
        np.copyto(y[block], t, casting="unsafe")

    _over_blocks(work, x, 1, BLOCK // 2)
    return y


def backward(dy, x, eps, scale):
    """Gradients of `forward`.

    With g = scale * dy, x̂ the standardised row and bars for means over the row,
    dx = (g - ḡ - x̂ · mean(g x̂)) / sqrt(var + eps)   (Ioffe and Szegedy 2015, section 3).

    Parameters
    ----------
    dy, x : (R, M) float arrays, C-contiguous
    eps : float
    scale : (P, K) array, as in `forward`

    Returns
    -------
    dx : (R, M), dtype of x
    dscale, dshift : (R, K) float64
    """
    dx = np.empty_like(x)
    scale = _every_row(scale, x)
    length, segments = x.shape[1], scale.shape[1]
    dscale, dshift = np.empty((2, *scale.shape))
    centred = _is_centred_first(x)
    direct = dx.dtype == _work_dtype(x)

    def work(block, scratch):
        t = dx[block] if direct else scratch[-1]
        d, w = _wide(dy[block]), scale[block].astype(np.float64)
        ready, centre, _, _, rstd, factor = _moments(_wide(x[block]), eps, t)
        if centred:  # what rounding has left of a mean, a constant part of dy would enlarge
            centre = _sums(ready) / length
        dshift[block] = _segment_sums(d, segments)
        along = _segment_dots(d, ready, segments) - centre[:, None] * dshift[block]
        dscale[block] = along * factor[:, None]
        if segments > 1:
            d = _sweep(d, scratch[0], segments, (np.multiply, w))
        else:  # then the weight can wait until the last step
            w, rstd = 1.0, rstd * w[:, 0]
        pull = -factor * (w * dscale[block]).sum(1) / length
        push = (w * dshift[block]).sum(1) / length + pull * centre
        minus_push = _subtracting(push, t.dtype)
        _sweep(ready, t, 1, (np.multiply, pull), (np.add, d), *minus_push, (np.multiply, rstd))
        if not direct:
            np.copyto(dx[block], t, casting="unsafe")

    _over_blocks(work, x, (not direct) + (segments > 1), BLOCK // 2)
    return dx, dscale, dshift


def backward_given(dy, x, mean, var, eps, scale=None):
    """Gradients of `forward_given`, whose moments are constants. Returns dx, dscale, dshift."""
    dx = np.empty_like(x)
    scale = _every_row(scale, x)
    segments = 1 if scale is None else scale.shape[1]
    dscale, dshift = np.empty((2, len(x), segments))
    rstd = _reciprocal_root(np.asarray(var, np.float64) + eps)

    def work(block, scratch):
        g, t = scratch
        _shift(x[block], mean[block], t)
        np.copyto(g, dy[block], casting="unsafe")
        dscale[block] = _segment_dots(g, t, segments) * rstd[block, None]
        dshift[block] = _segment_sums(g, segments)
        _sweep(g, g, segments, *_affine(rstd[block], scale, None, block))
        np.copyto(dx[block], g, casting="unsafe")

    _over_blocks(work, x, 2, BLOCK // 2)
    return dx, dscale, dshift


def _every_row(lines, x):
    """(P, K) -> (R, K): the lines of `scale` or `shift`, one for each row of x."""
    if lines is None or len(lines) == len(x):
        return lines
    return np.concatenate([lines] * (len(x) // len(lines)))


def _shift(x, by, t):
    """t = x - by, with all digits of `by` (R,)."""
    _sweep(_wide(x), t, 1, *_subtracting(by, t.dtype))


def _subtracting(v, dtype):
    """The steps of a `_sweep` that subtract `v`. It may hold more digits than dtype: in two."""
    first = v.astype(dtype)
    return (np.subtract, first), (np.subtract, v - first)


def _is_centred_first(x):
    """Is `x` not of short rows? In double precision it is digits that count."""
    return x.shape[1] >= SHORT or x.dtype == np.float64


def _moments(x, eps, t):
    """What it takes to standardise the rows of `x`, as (ready, centre, mean, var, rstd, factor).

    Standardised, a row is (ready - centre) * factor. As a rule rows are centred in `t`, which then
    is `ready`; their centre is 0. To begin with a short row takes longer than to go through it, so
    it is read as it is: ready = x, centre = mean, unless digits would be lost that way. The factor
    is rstd = 1 / sqrt(var + eps), but in rows that had to be rescaled (`_centre_rescaled`). All but
    `ready` are (R,) float64.
    """
    if _is_centred_first(x):
        return t, np.zeros(len(x)), *_centre(x, eps, t)
    mean = _sums(x) / x.shape[1]
    square = mean * mean
    var = _dots(x, x) / x.shape[1] - square
    rstd = 1 / np.sqrt(var + eps)
    # Is the mean no larger than the spread? (NaN compares as false with anything.)
    remains, least = var - square, _least(x.dtype)
    if least <= remains.min() and remains.max() <= 1 / least:
        return x, mean, mean, var, rstd, rstd
    rough = ~((least <= remains) & (remains <= 1 / least))
    centre, factor, some = np.where(rough, 0, mean), rstd.copy(), x[rough]
    centred = np.empty_like(some)
    mean[rough], var[rough], rstd[rough], factor[rough] = _centre(some, eps, centred)
    np.copyto(t, x)
    t[rough] = centred
    return t, centre, mean, var, rstd, factor


def _centre(x, eps, t):
    """Fill `t` with the centred rows of `x`.

    Returns mean, var, rstd = 1 / sqrt(var + eps), and the factor that turns t into x̂, all (R,)
    float64. The factor is rstd itself but in rows that had to be rescaled (`_centre_rescaled`).
    """
    length = x.shape[1]
    pieces = [np.s_[:, start : start + PIECE] for start in range(0, length, PIECE)]
    first = x[:, :1]

    total = 0.0
    for piece in pieces:
        np.subtract(x[piece], first, out=t[piece])
        total += _sums(t[piece])
    offset = total / length

    total = 0.0
    for piece in pieces:
        np.subtract(t[piece], offset[:, None].astype(t.dtype), out=t[piece])
        total += _dots(t[piece], t[piece])
    var = total / length

    mean = first[:, 0] + offset
    spread = var + eps
    rstd = factor = 1 / np.sqrt(spread)
    least = _least(t.dtype)
    ordinary = (least <= spread) & (spread <= 1 / least)
    if not ordinary.all():
        factor = rstd.copy()
        for r in np.flatnonzero(~ordinary):
            if np.isfinite(x[r]).all():
                mean[r], var[r], rstd[r], factor[r] = _centre_rescaled(x[r], eps, t[r])
    return mean, var, rstd, factor


def _centre_rescaled(x, eps, t):
    """`_centre` for one finite row whose squares may overflow or underflow.

    Works on the row divided by a power of two, which is exact; `t` is left in that unit.
    """
    _, power = np.frexp(np.abs(x).max())
    np.ldexp(x, -power, out=t)
    first = t[0]
    t -= first
    spread = np.abs(t).max()
    if spread == 0:
        rstd = _reciprocal_root(eps)
        return np.float64(x[0]), 0.0, rstd, rstd
    _, zoom = np.frexp(spread)
    np.ldexp(t, -zoom, out=t)
    offset = t.mean(dtype=np.float64)
    t -= offset.astype(t.dtype)
    unit = power + zoom
    var = _dots(t, t) / t.size
    factor = _reciprocal_root(var + np.ldexp(np.float64(eps), -2 * unit))
    mean = np.float64(x[0]) + np.ldexp(offset, unit)
    return mean, np.ldexp(var, 2 * unit), np.ldexp(factor, -unit), factor


def _reciprocal_root(v):
    """1 / sqrt(v), and 0 where v is 0: a constant row at eps = 0 standardises to 0, not to NaN."""
    with np.errstate(divide="ignore"):
        return np.where(v == 0, 0.0, 1 / np.sqrt(v))[()]


@functools.cache
def _least(dtype):
    """From here to its reciprocal, variances come from squares that do not under- or overflow."""
    return float(np.sqrt(np.finfo(dtype).tiny))


def _affine(factor, scale, shift, block):
    """The steps of a `_sweep` from centred rows to rows * factor * scale + shift."""
    gain = factor if scale is None else factor[:, None] * scale[block]
    return [(np.multiply, gain)] if shift is None else [(np.multiply, gain), (np.add, shift[block])]


def _sweep(x, t, segments, *steps):
    """t = x, changed by `steps`: pairs of an operation and its second operand. Returns t.

    The operand is an array like x, or has a number for each row, (R,), or each of its segments,
    (R, segments).
    """
    result, spread = t, x is not t and x.shape[1] < SHORT
    if segments > 1:  # then each counts as a row
        rows = len(x) * segments
        x, t = x.reshape(rows, -1), t.reshape(rows, -1)
        steps = [
            (step, np.repeat(v, segments) if v.ndim == 1 else v.reshape(rows, -1))
            for step, v in steps
        ]
    steps = [
        (step, (v if v.ndim == 2 else v[:, None]).astype(t.dtype, copy=False)) for step, v in steps
    ]
    for start in range(0, x.shape[1], PIECE):
        end = start + PIECE
        source, target = x[:, start:end], t[:, start:end]
        for step, v in steps:
            v = v if v.shape[1] == 1 else v[:, start:end]
            if spread and source is not target:  # whose place is still free
                np.copyto(target, v)
                v = target
            source = step(source, v, out=target)
    return result


def _in_chunks(operation, *arrays):
    """`operation`, which makes one number of a row, over the chunks of each row; added up."""
    *shape, length = arrays[0].shape
    number = -(-length // CHUNK)
    if number == 1:
        return operation(*arrays).astype(np.float64)
    rest = length % number
    chunks = [a[..., : length - rest].reshape(*shape, number, -1) for a in arrays]
    total = np.add.reduce(operation(*chunks), -1, dtype=np.float64)
    return total + operation(*[a[..., -rest:] for a in arrays]) if rest else total


def _dots(a, b):
    """Dot product of each row of `a` with the same row of `b`, in float64."""
    return _in_chunks(np.vecdot, a, b)


def _sums(a):
    """Sum of each row, in float64. einsum is some 3 times as fast here as np.sum."""
    return _in_chunks(lambda t: np.einsum("...i->...", t), a)


def _segment_sums(t, segments):
    return _sums(t.reshape(len(t), segments, -1))


def _segment_dots(a, b, segments):
    shape = (len(a), segments, -1)
    return _dots(a.reshape(shape), b.reshape(shape))


def _work_dtype(x):
    """Arithmetic is in float32 at least."""
    return np.dtype(np.float32) if x.dtype.itemsize == 2 else x.dtype


def _wide(x):
    return x.astype(_work_dtype(x), copy=False)


def _over_blocks(work, x, buffers, most):
    """Call work(rows, scratch) for slices of rows, `most` elements each at most if rows allow.

    `scratch` is a working array (buffers, len(rows), M) that the next block overwrites.
    """
    rows, length = x.shape
    # As many blocks for the one thread as for the other, as far as there are rows for it.
    count = 2 * -(-x.size // (2 * most)) if x.size > 2 * LEAST else 1
    step = max(1, -(-rows // count))
    blocks = iter([slice(start, min(start + step, rows)) for start in range(0, rows, step)])

    def run():
        scratch = np.empty((buffers, min(step, rows), length), _work_dtype(x))
        with np.errstate(all="ignore"):
            if length >= SHORT:  # so that NumPy does not write (R, 1) operands out in full
                np.setbufsize(min(8192, length // 16 * 16))
            for block in blocks:
                work(block, scratch[:, : block.stop - block.start])

    if step < rows and (os.cpu_count() or 1) > 1:
        _in_two_threads(run)
    else:
        run()


def _in_two_threads(run):
    """Call run() here and in the second thread at once, if that is free before this one is done.

    A bare queue has the other thread at work, and its end known here, some 100 microseconds sooner
    than an executor would: a tenth of the time that a middling array takes.
    """
    begun, ended = threading.Lock(), SimpleQueue()

    def second():
        if begun.acquire(blocking=False):
            try:
                ended.put(run())
            except BaseException as error:
                ended.put(error)

    _tasks.put(second)
    try:
        run()
    finally:  # if it has not even begun, nothing is left to do for it
        error = None if begun.acquire(blocking=False) else ended.get()
    if error is not None:
        raise error


def _start_helper():
    global _tasks
    tasks = _tasks = SimpleQueue()

    def help_on():
        while True:
            tasks.get()()

    threading.Thread(target=help_on, name="instnorm", daemon=True).start()


_start_helper()
if hasattr(os, "register_at_fork"):
    # A forked process has the queue but not the thread that reads it.
    os.register_at_fork(after_in_child=_start_helper)
