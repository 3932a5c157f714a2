"""Row kernels in NumPy.

Numerics
    A row is first shifted by its own first element K; then its mean m' is taken; then the centred
    values t = (x - K) - m' are squared and averaged. Both subtractions act on numbers of the size
    of the spread, so an offset 10 000 times larger than the spread costs nothing, and a constant
    row becomes exactly 0. The output is t * rstd: forming x * a + b instead would bring the
    cancellation back. (Two-pass variance and shifting: Chan, Golub and LeVeque 1983.)

Speed
    NumPy makes one pass over its operands for each operation, and main memory is slower than the
    arithmetic. So rows are worked through in blocks that stay in cache from the first operation to
    the last, in place; and two threads share the blocks.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Elements per block, at most; half as many where a block has working arrays beside it. Smaller
# blocks fit a nearer cache; but between operations a thread holds Python's lock, some 20
# microseconds for each block, several times that while numbers drive Python's own data out of the
# cache, and the other thread may have to wait.
BLOCK = 1 << 20
# Least elements per block: below that, the second thread wakes up too late to be of help.
LEAST = 1 << 18
# Longest sum taken in the working precision; longer ones add such pieces in float64. A block then
# has at least 512 of them, and at more than 500 NumPy lets the other thread work meanwhile.
CHUNK = 512


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
    direct = y.dtype == _work_dtype(x) and not np.may_share_memory(x, y)

    def work(block, scratch):
        t = y[block] if direct else scratch[0]
        mean[block], var[block], _, factor = _centre(x[block], eps, t)
        _affine(t, factor, scale, shift, block)
        if not direct:
            np.copyto(y[block], t, casting="unsafe")

    _over_blocks(work, x, 0 if direct else 1)
    return y, mean, var


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """Like `forward`, with moments from elsewhere: `mean` and `var` of shape (R,). Returns y."""
    y = np.empty_like(x) if out is None else out
    scale, shift = _every_row(scale, x), _every_row(shift, x)
    rstd = _reciprocal_root(np.asarray(var, np.float64) + eps)

    def work(block, scratch):
        (t,) = scratch
        _shift(x[block], mean[block], t)
        _affine(t, rstd[block], scale, shift, block)
        np.copyto(y[block], t, casting="unsafe")

    _over_blocks(work, x, 1)
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

    def work(block, scratch):
        g, t = scratch
        _, _, rstd, factor = _centre(x[block], eps, t)
        d = _wide(dy[block])
        w = scale[block].astype(np.float64)
        dshift[block] = _segment_sums(d, segments)
        if segments == 1:
            # dy can be centred before anything else, which keeps a large constant part of it out
            # of the product with t; the common weight is then left to the last step.
            np.subtract(d, _column(dshift[block, 0] / length, g), out=g)
            dscale[block] = _segment_dots(g, t, 1) * factor[:, None]
            pull, rstd = dscale[block, 0], rstd * w[:, 0]
        else:
            dscale[block] = _segment_dots(d, t, segments) * factor[:, None]
            np.copyto(g, d)
            _by_segment(np.multiply, g, w)
            np.subtract(g, _column((w * dshift[block]).sum(1) / length, g), out=g)
            pull = (w * dscale[block]).sum(1)
        _combine(rstd, -rstd * factor * pull / length, scratch, dx[block])

    _over_blocks(work, x, 2)
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
        _affine(g, rstd[block], scale, None, block)
        np.copyto(dx[block], g, casting="unsafe")

    _over_blocks(work, x, 2)
    return dx, dscale, dshift


def _every_row(lines, x):
    """(P, K) -> (R, K): the lines of `scale` or `shift`, one for each row of x."""
    if lines is None or len(lines) == len(x):
        return lines
    return np.tile(lines, (len(x) // len(lines), 1))


def _shift(x, by, t):
    """t = x - by, where `by` (R,) may hold more digits than `t` can: those go in a second step."""
    first = _column(by, t)
    np.subtract(_wide(x), first, out=t)
    np.subtract(t, _column(by - first[:, 0], t), out=t)


def _centre(x, eps, t):
    """Fill `t` with the centred rows of `x`.

    Returns mean, var, rstd = 1 / sqrt(var + eps), and the factor that turns t into x̂, all (R,)
    float64. The factor is rstd itself but in rows that had to be rescaled (`_centre_rescaled`).
    """
    length = x.shape[1]
    # A row longer than a block goes through the cache in pieces; any other is a single piece.
    pieces = [np.s_[:, start : start + BLOCK] for start in range(0, length, BLOCK)]
    x = _wide(x)
    first = x[:, :1]

    total = 0.0
    for piece in pieces:
        np.subtract(x[piece], first, out=t[piece])
        total += _sums(t[piece])
    offset = total / length

    total = 0.0
    for piece in pieces:
        np.subtract(t[piece], _column(offset, t), out=t[piece])
        total += _dots(t[piece], t[piece])
    var = total / length

    mean = first[:, 0] + offset
    spread = var + eps
    rstd = factor = 1 / np.sqrt(spread)
    least = np.sqrt(np.finfo(t.dtype).tiny)
    ordinary = (spread >= least) & (spread <= 1 / least)
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


def _affine(t, factor, scale, shift, block):
    """t = t * factor * scale + shift, in place, for the rows `block` of scale and shift."""
    gain = factor[:, None] if scale is None else factor[:, None] * scale[block]
    _by_segment(np.multiply, t, gain)
    if shift is not None:
        _by_segment(np.add, t, shift[block])


def _by_segment(operation, t, values):
    """t = operation(t, values) in place, `values` (R, K) holding one number per segment."""
    pieces = t.reshape(*values.shape, -1)
    operation(pieces, values[:, :, None].astype(t.dtype), out=pieces)


def _combine(a, b, pair, out):
    """out = a * pair[0] + b * pair[1], with `a` and `b` of shape (R,) and one number per row.

    As a product of matrices, (1, 2) times (2, CHUNK), it is a single pass instead of three.
    """
    weights = np.stack([a, b], axis=-1).astype(pair.dtype)[:, None]
    for source, target in zip(_chunks(pair), _chunks(out), strict=True):
        left = weights if target.ndim == 2 else weights[:, None]
        right = np.moveaxis(source, 0, -2)
        np.matmul(left, right, out=target[..., None, :], casting="unsafe")


def _chunks(a):
    """The rows of `a` as views: (..., k, at most CHUNK), and (..., less than k), what is left."""
    length = a.shape[-1]
    k = -(-length // CHUNK)
    whole = length // k * k
    views = a[..., :whole].reshape(*a.shape[:-1], k, -1), a[..., whole:]
    return [view for view in views if view.size]


def _in_chunks(operation, *arrays):
    """`operation`, which makes one number of a row, over the chunks of each row; added up."""
    if arrays[0].shape[-1] <= CHUNK:
        return operation(*arrays).astype(np.float64)
    total = 0.0
    for chunks in zip(*map(_chunks, arrays), strict=True):
        part = operation(*chunks).astype(np.float64)
        total = total + (part.sum(-1) if part.ndim == arrays[0].ndim else part)
    return total


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


def _column(values, t):
    return values[:, None].astype(t.dtype)


def _work_dtype(x):
    """Arithmetic is in float32 at least."""
    return np.dtype(np.float32) if x.dtype.itemsize == 2 else x.dtype


def _wide(x):
    return x.astype(_work_dtype(x), copy=False)


def _over_blocks(work, x, buffers):
    """Call work(rows, scratch) for slices of rows, BLOCK elements each at most if rows allow.

    `scratch` is a working array (buffers, len(rows), M) that the next block overwrites.
    """
    rows, length = x.shape
    # As many blocks for the one thread as for the other, as far as there are rows for it.
    most = BLOCK // 2 if buffers else BLOCK
    count = 2 * -(-x.size // (2 * most)) if x.size > 2 * LEAST else 1
    step = max(1, -(-rows // count))
    blocks = iter([slice(start, min(start + step, rows)) for start in range(0, rows, step)])

    def run():
        scratch = np.empty((buffers, min(step, rows), length), _work_dtype(x))
        with np.errstate(all="ignore"):
            # A buffer longer than a row makes NumPy copy (R, 1) operands out to full size in it:
            # twice the time. Rows of a few hundred elements are faster that way.
            np.setbufsize(min(8192, length // 16 * 16) if length >= 512 else 8192)
            for block in blocks:
                work(block, scratch[:, : block.stop - block.start])

    if step < rows and (os.cpu_count() or 1) > 1:
        second = _helper.submit(run)
        run()
        if not second.cancel():  # cancelled, it has not even begun: nothing is left to do
            second.result()
    else:
        run()


def _start_helper():
    global _helper
    _helper = ThreadPoolExecutor(1, thread_name_prefix="instnorm")


_start_helper()
if hasattr(os, "register_at_fork"):
    # A forked process inherits the pool without its thread, and would wait for it for ever.
    os.register_at_fork(after_in_child=_start_helper)
