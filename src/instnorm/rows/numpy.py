"""Row kernels in plain NumPy: the mathematics as it is written, with care for the digits.

A mean as large as 10 000 times the spread has no room for its last digits in a float32, and each
deviation from it would be off by the same amount. So the centre is taken away in two parts: first
c, the mean as the working precision can hold it, then r, the mean of what is left. Both
subtractions act on numbers of the size of the spread, and a constant row becomes exactly 0. The
result is ((x - c) - r) / sqrt(var + eps), never x * a + b, which would bring the cancellation back.

Sums are taken in float64, the rest in the dtype of the row, float32 at least. Rows so large or so
small that their squares would leave its range are first divided by a power of two, which is exact.
"""

import numpy as np


def forward(x, eps, scale=None, shift=None, out=None):
    """Standardise each row of `x`; then multiply by `scale` and add `shift`.

    Parameters
    ----------
    x : (R, M) float array
    eps : float, added to the variance inside the root
    scale, shift : (P, K) arrays or None. P divides R, and row r uses line r % P. K divides M, and
        segment k of a row gets its own pair
    out : (R, M) array of x's dtype, may be `x` itself; None makes one

    Returns
    -------
    y : (R, M), dtype of x
    mean, var : (R,) float64, the biased moments of each row
    """
    with np.errstate(all="ignore"):  # NaN and infinity pass through, in their row
        xhat, mean, var, _ = _standardised(x, eps, _working(x))
        return _stored(_affine(xhat, scale, shift), x, out), mean, var


def backward(dy, x, eps, scale):
    """Gradients of `forward`.

    With g = scale * dy, x̂ the standardised row and bars for means over the row,
    dx = (g - ḡ - x̂ · mean(g x̂)) / sqrt(var + eps)   (Ioffe and Szegedy 2015, section 3).

    Parameters
    ----------
    dy, x : (R, M) float arrays
    eps : float
    scale : (P, K) array, as in `forward`

    Returns
    -------
    dx : (R, M), dtype of x
    dscale, dshift : (P, K) float64, summed over the rows that share a line
    """
    with np.errstate(all="ignore"):
        dtype = _working(x, dy)
        xhat, _, _, rstd = _standardised(x, eps, dtype)
        dscale, dshift = _line_gradients(dy, xhat, scale.shape)
        g, unit = _in_range(dy, dtype)
        g, _ = _centred(_affine(g, scale, None))
        g -= xhat * (g * xhat).mean(1, dtype=np.float64, keepdims=True).astype(dtype)
        g *= (rstd * unit).astype(dtype)
        return _stored(g, x), dscale, dshift


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """Like `forward`, with moments from elsewhere: `mean` and `var` of shape (R,). Returns y."""
    with np.errstate(all="ignore"):
        mean, var = _column(mean), _column(var)
        xhat = (x - mean) * _reciprocal_root(var + eps)
        return _stored(_affine(xhat, scale, shift), x, out)


def backward_given(dy, x, mean, var, eps, scale=None):
    """Gradients of `forward_given`, whose moments are constants. Returns dx, dscale, dshift."""
    scale = np.ones((len(x), 1)) if scale is None else scale
    with np.errstate(all="ignore"):
        mean, rstd = _column(mean), _reciprocal_root(_column(var) + eps)
        dscale, dshift = _line_gradients(dy, (x - mean) * rstd, scale.shape)
        return _stored(_affine(dy * rstd, scale, None), x), dscale, dshift


def _column(values):
    """(R,) as (R, 1) float64. In NumPy 2.0, np.float64(values) is a scalar where R = 1."""
    return np.asarray(values, np.float64)[:, None]


def _standardised(x, eps, dtype):
    """x̂ in `dtype`; mean and var, (R,) float64; and 1 / sqrt(var + eps), (R, 1) float64."""
    ready, unit = _in_range(x, dtype, least=eps**0.5)
    t, mean = _centred(ready)
    var = (t * t).mean(1, dtype=np.float64, keepdims=True)
    factor = _reciprocal_root(var + eps / unit / unit)
    t *= factor.astype(dtype)
    return t, (mean * unit)[:, 0], (var * unit * unit)[:, 0], factor / unit


def _centred(x):
    """Rows less their means, which are taken away in two parts; and those means, (R, 1) float64."""
    first = x[:, :1]  # from here, so that a constant row has exactly the mean that it should have
    t = x - first
    centre = (first + t.mean(1, dtype=np.float64, keepdims=True)).astype(x.dtype)
    np.subtract(x, centre, out=t)
    rest = t.mean(1, dtype=np.float64, keepdims=True)
    t -= rest.astype(x.dtype)
    return t, centre + rest


def _in_range(x, dtype, least=0.0):
    """x in `dtype`, each row over a power of two, (R, 1), that brings its squares into range."""
    size = np.maximum(np.abs(x).max(1, keepdims=True).astype(np.float64), least)
    _, power = np.frexp(size)
    ordinary = (np.abs(power) < 30) | (size == 0) | ~np.isfinite(size)
    unit = np.where(ordinary, 1.0, np.ldexp(1.0, power - 1))
    x = x.astype(dtype, copy=False)
    return (x if ordinary.all() else (x / unit).astype(dtype, copy=False)), unit


def _affine(t, scale, shift):
    """t * scale + shift, each line for the rows and segments that it belongs to."""
    shape = t.shape
    if scale is not None:
        t = _by_line(t, scale.shape) * scale[:, :, None].astype(t.dtype)
    if shift is not None:
        t = _by_line(t.reshape(shape), shift.shape) + shift[:, :, None].astype(t.dtype)
    return t.reshape(shape)


def _line_gradients(dy, xhat, shape):
    """dscale = Σ dy x̂ and dshift = Σ dy, over all that a (P, K) number is applied to."""
    along = np.multiply(dy, xhat, dtype=np.float64)
    return (_by_line(a, shape).sum((0, 3), np.float64) for a in (along, dy))


def _by_line(a, shape):
    """(R, M) -> (R/P, P, K, M/K), for (P, K) lines."""
    lines, segments = shape
    return a.reshape(-1, lines, segments, a.shape[1] // segments)


def _reciprocal_root(v):
    """1 / sqrt(v), and 0 where v is 0: a constant row at eps = 0 standardises to 0, not to NaN."""
    return np.where(v == 0, 0.0, 1 / np.sqrt(v))


def _working(*arrays):
    """The dtype to calculate in: the widest of the arrays', float32 at least."""
    return np.result_type(np.float32, *arrays)


def _stored(result, x, out=None):
    """`result` in the dtype of x, written to `out` if there is one."""
    if out is None:
        return result.astype(x.dtype, copy=False)
    out[...] = result.astype(x.dtype, copy=False)
    return out
