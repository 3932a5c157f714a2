"""Row kernels in NumPy.

Numerics
    A row is first shifted by its own first element K; then its mean m' is taken; then the centred
    values t = (x - K) - m' are squared and averaged. Both subtractions act on numbers of the size
    of the spread, so an offset 10 000 times larger than the spread costs nothing, and a constant
    row becomes exactly 0. The output is t * rstd: forming x * a + b instead would bring the
    cancellation back. (Two-pass variance and shifting: Chan, Golub and LeVeque 1983.)

Speed
    NumPy sends every operation through main memory unless the data is still in cache, so rows are
    worked through in blocks that fit there, in place, in the output's own memory.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Elements per block: a few hundred kilobytes, which a core's own cache holds.
BLOCK = 1 << 16
# From this length on, a row is worth a second thread.
LONG_ROW = 512 * 512
# Longest sum taken in the working precision; longer ones add such pieces in float64.
CHUNK = 4096


def forward(x, eps, scale=None, shift=None, out=None):
    """Standardise each row of `x`; then multiply by `scale` and add `shift`.

    Parameters
    ----------
    x : (R, M) float array, C-contiguous
    eps : float, added to the variance inside the root
    scale, shift : (R, K) arrays or None; K divides M, segment k of a row gets its own pair
    out : (R, M) array of x's dtype, may be `x` itself; None makes one

    Returns
    -------
    y : (R, M), dtype of x
    mean, var : (R,) float64, the biased moments of each row
    """
    y = np.empty_like(x) if out is None else out
    in_place = np.may_share_memory(x, y)
    mean, var = np.empty((2, x.shape[0]))

    def work(block):
        t = _work_array(y[block], fresh=in_place)
        mean[block], var[block], _, factor = _centre(x[block], eps, t)
        _affine(t, factor, scale, shift, block)
        _store(t, y[block])

    _over_blocks(work, x)
    return y, mean, var


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """Like `forward`, with moments from elsewhere: `mean` and `var` of shape (R,). Returns y."""
    y = np.empty_like(x) if out is None else out
    rstd = _reciprocal_root(np.asarray(var, np.float64) + eps)

    def work(block):
        t = _work_array(y[block])
        np.subtract(x[block], _column(mean[block], t), out=t, dtype=t.dtype)
        _affine(t, rstd[block], scale, shift, block)
        _store(t, y[block])

    _over_blocks(work, x)
    return y


def backward(dy, x, eps, scale):
    """Gradients of `forward`.

    With g = scale * dy, x̂ the standardised row and bars for means over the row,
    dx = (g - ḡ - x̂ · mean(g x̂)) / sqrt(var + eps)   (Ioffe and Szegedy 2015, section 3).

    Parameters
    ----------
    dy, x : (R, M) float arrays, C-contiguous
    eps : float
    scale : (R, K) array, as in `forward`

    Returns
    -------
    dx : (R, M), dtype of x
    dscale, dshift : (R, K) float64
    """
    dx = np.empty_like(x)
    length = x.shape[1]
    segments = scale.shape[1]
    dscale, dshift = np.empty((2, *scale.shape))

    def work(block):
        t = _work_array(x[block], fresh=True)
        g = _work_array(dx[block])
        _, _, rstd, factor = _centre(x[block], eps, t)
        np.copyto(g, dy[block], casting="unsafe")
        w = scale[block].astype(np.float64)
        dshift[block] = _segment_sums(g, segments)
        if segments == 1:
            # dy can be centred before anything else, which keeps a large constant part of it out
            # of the product with t; the common weight is then left to the last multiplication.
            np.subtract(g, _column(dshift[block, 0] / length, g), out=g)
            dscale[block] = _segment_dots(g, t, 1) * factor[:, None]
            pull, rstd = dscale[block, 0], rstd * w[:, 0]
        else:
            dscale[block] = _segment_dots(g, t, segments) * factor[:, None]
            _by_segment(np.multiply, g, w)
            np.subtract(g, _column((w * dshift[block]).sum(1) / length, g), out=g)
            pull = (w * dscale[block]).sum(1)
        np.multiply(t, _column(factor * pull / length, t), out=t)
        np.subtract(g, t, out=g)
        np.multiply(g, _column(rstd, g), out=g)
        _store(g, dx[block])

    _over_blocks(work, x)
    return dx, dscale, dshift


def backward_given(dy, x, mean, var, eps, scale=None):
    """Gradients of `forward_given`, whose moments are constants. Returns dx, dscale, dshift."""
    segments = 1 if scale is None else scale.shape[1]
    dx = forward_given(dy, np.zeros(len(mean)), var, eps, scale)
    xhat = forward_given(x, mean, var, eps)
    wide = _work_dtype(x)
    g, xhat = dy.astype(wide, copy=False), xhat.astype(wide, copy=False)
    return dx, _segment_dots(g, xhat, segments), _segment_sums(g, segments)


def _centre(x, eps, t):
    """Fill `t` with the centred rows of `x`.

    Returns mean, var, rstd = 1 / sqrt(var + eps), and the factor that turns t into x̂, all (R,)
    float64. The factor is rstd itself but in rows that had to be rescaled (`_centre_rescaled`).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        first = x[:, :1].astype(t.dtype)
        np.subtract(x, first, out=t, dtype=t.dtype)
        offset = _row_sums(t) / t.shape[1]
        np.subtract(t, _column(offset, t), out=t)
        var = _row_dots(t, t) / t.shape[1]
        mean = first[:, 0].astype(np.float64) + offset
        rstd = _reciprocal_root(var + eps)
        unsafe = np.flatnonzero(~(var < np.inf) | (var + eps < np.finfo(t.dtype).tiny * 1e6))
        factor = rstd.copy() if unsafe.size else rstd
        for r in unsafe:
            if np.isfinite(x[r]).all():
                mean[r], var[r], rstd[r], factor[r] = _centre_rescaled(x[r], eps, t[r])
    return mean, var, rstd, factor


def _centre_rescaled(x, eps, t):
    """`_centre` for one finite row whose squares overflow or underflow.

    Works on the row divided by a power of two, which is exact; `t` is left in that unit.
    """
    _, power = np.frexp(np.abs(x).max().astype(t.dtype))
    np.ldexp(x.astype(t.dtype), -power, out=t)
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
    var = np.vecdot(t, t).astype(np.float64) / t.size
    factor = _reciprocal_root(var + np.ldexp(np.float64(eps), -2 * unit))
    mean = np.float64(x[0]) + np.ldexp(offset, unit)
    return mean, np.ldexp(var, 2 * unit), np.ldexp(factor, -unit), factor


def _reciprocal_root(v):
    """1 / sqrt(v), and 0 where v is 0: a constant row at eps = 0 standardises to 0, not to NaN."""
    root = np.sqrt(v)
    return np.divide(1.0, root, out=np.zeros_like(root, dtype=np.float64), where=root != 0)[()]


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


def _row_sums(t):
    """Sum of each row, (R,) float64."""
    return _reduce(t, lambda piece: piece @ np.ones(piece.shape[-1], t.dtype))


def _row_dots(a, b):
    """Dot product of each row of `a` with the same row of `b`, (R,) float64."""
    return _reduce(a, np.vecdot, b)


def _reduce(t, operation, *others):
    """`operation` over pieces of at most CHUNK elements of each row, their results summed."""
    whole = t.shape[1] // CHUNK * CHUNK
    total = np.zeros(t.shape[0])
    if whole:
        pieces = (a[:, :whole].reshape(a.shape[0], -1, CHUNK) for a in (t, *others))
        total += operation(*pieces).sum(1, dtype=np.float64)
    if whole < t.shape[1]:
        total += operation(*(a[:, whole:] for a in (t, *others)))
    return total


def _segment_sums(t, segments):
    return _row_sums(t.reshape(t.shape[0] * segments, -1)).reshape(-1, segments)


def _segment_dots(a, b, segments):
    shape = (a.shape[0] * segments, -1)
    return _row_dots(a.reshape(shape), b.reshape(shape)).reshape(-1, segments)


def _column(values, t):
    return values[:, None].astype(t.dtype)


def _work_dtype(x):
    """Arithmetic is in float32 at least."""
    return np.dtype(np.float32) if x.dtype.itemsize == 2 else x.dtype


def _work_array(y, fresh=False):
    """Where to compute: in `y` itself unless it is too narrow or must be kept (`fresh`)."""
    dtype = _work_dtype(y)
    return np.empty(y.shape, dtype) if fresh or dtype != y.dtype else y


def _store(t, y):
    if t is not y:
        np.copyto(y, t, casting="unsafe")


def _over_blocks(work, x):
    """Call `work` on slices of rows, about BLOCK elements each."""
    rows, length = x.shape
    step = max(1, BLOCK // length)
    blocks = [slice(start, start + step) for start in range(0, rows, step)]
    if length >= LONG_ROW and len(blocks) > 1 and (os.cpu_count() or 1) > 1:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, blocks))
    else:
        for block in blocks:
            work(block)
