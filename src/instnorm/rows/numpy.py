"""Row kernels in plain NumPy: the mathematics as it is written, with care for the digits.

A set is what shares a mean and a variance: in x of shape (A, G, K, L) there are A·G of them, each
with L values of K channels (`instnorm.layout`). The memory of x may lie in any way.

A mean as large as 10 000 times the spread has no room for its last digits in a float32, and each
deviation from it would be off by the same amount. So the centre is taken away in two parts: first
c, the mean as the working precision can hold it, then r, the mean of what is left. Both
subtractions act on numbers of the size of the spread, and a constant set becomes exactly 0. The
result is ((x - c) - r) / sqrt(var + eps), never x * a + b, which would bring the cancellation back.

Sums are taken in float64, the rest in the dtype of x, float32 at least. Sets of numbers so large or
so small that squares would leave its range are first divided by a power of two, which is exact.
"""

import numpy as np

SET = (2, 3)  # the axes of a set


def forward(x, eps, scale=None, shift=None, out=None, *, centre=True):
    """Standardise each set of `x`; then multiply by `scale` and add `shift`.

    Parameters
    ----------
    x : (A, G, K, L) float array
    eps : float, added to the variance inside the root
    scale, shift : (G, K) or (G, 1) float arrays, or None for 1 and 0
    out : array like x, may be `x` itself; None makes one
    centre : bool; without, the mean counts as 0 and the variance is the mean square

    Returns
    -------
    y : array like x
    mean, var : (A, G) float64, the biased moments of each set
    """
    with np.errstate(all="ignore"):  # NaN and infinity pass through, in their set
        xhat, mean, var, _ = _standardised(x, eps, _working(x), centre)
        return _stored(_affine(xhat, scale, shift), x, out), mean, var


def backward(dy, x, eps, scale, moments=None, out=None, *, centre=True):
    """Gradients of `forward`.

    With g = scale * dy, x̂ the standardised set and bars for means over the set,
    dx = (g - ḡ - x̂ · mean(g x̂)) / sqrt(var + eps)   (Ioffe and Szegedy 2015, section 3);
    without `centre`, no ḡ is subtracted.

    Parameters
    ----------
    dy, x : (A, G, K, L) float arrays
    eps, centre : as in `forward`
    scale : (G, K) or (G, 1) float array
    moments : (mean, var) that `forward` returned for x, or None; here they are taken anew
    out : array like x, may be `x` or `dy` itself; None makes one

    Returns
    -------
    dx : array like x
    dscale, dshift : float64 arrays of the shape of scale, summed over all that a number applies to
    """
    with np.errstate(all="ignore"):
        dtype = _working(x, dy)
        xhat, _, _, rstd = _standardised(x, eps, dtype, centre)
        dscale, dshift = _line_gradients(dy, xhat, scale)
        g, unit = _in_range(dy, dtype)
        g = g * scale[:, :, None].astype(dtype)
        if centre:
            g, _ = _centred(g)
        g -= xhat * (g * xhat).mean(SET, np.float64, keepdims=True).astype(dtype)
        g *= (rstd * unit).astype(dtype)
        return _stored(g, x, out), dscale, dshift


def forward_given(x, mean, var, eps, scale=None, shift=None, out=None):
    """Like `forward`, with moments from elsewhere, (A, G) or (1, G). Returns y."""
    with np.errstate(all="ignore"):
        xhat = (x - _each_set(mean)) * _reciprocal_root(_each_set(var) + eps)
        return _stored(_affine(xhat, scale, shift), x, out)


def backward_given(dy, x, mean, var, eps, scale, out=None):
    """Gradients of `forward_given`, whose moments are constants. Returns dx, dscale, dshift."""
    with np.errstate(all="ignore"):
        rstd = _reciprocal_root(_each_set(var) + eps)
        dscale, dshift = _line_gradients(dy, (x - _each_set(mean)) * rstd, scale)
        return _stored(dy * rstd * scale[:, :, None], x, out), dscale, dshift


def _standardised(x, eps, dtype, centre):
    """x̂ in `dtype`; mean and var, (A, G); and 1 / sqrt(var + eps), (A, G, 1, 1); all float64."""
    t, unit = _in_range(x, dtype, least=eps**0.5)
    t, mean = _centred(t) if centre else (t.copy("K"), 0 * unit)
    var = (t * t).mean(SET, np.float64, keepdims=True)
    factor = _reciprocal_root(var + eps / unit / unit)
    t *= factor.astype(dtype)
    return t, (mean * unit)[..., 0, 0], (var * unit * unit)[..., 0, 0], factor / unit


def _centred(x):
    """Sets less their means, which are taken away in two parts; and those means, float64."""
    first = x[:, :, :1, :1]  # from here, so that a constant set has exactly the mean it should have
    t = x - first
    c = (first + t.mean(SET, np.float64, keepdims=True)).astype(x.dtype)
    np.subtract(x, c, out=t)
    r = t.mean(SET, np.float64, keepdims=True)
    t -= r.astype(x.dtype)
    return t, c + r


def _in_range(x, dtype, least=0.0):
    """x in `dtype`, each set over a power of two that brings its squares into range; and those."""
    size = np.maximum(x.max(SET, keepdims=True), -x.min(SET, keepdims=True)).astype(np.float64)
    size = np.maximum(size, least)
    _, power = np.frexp(size)
    ordinary = (np.abs(power) < 30) | (size == 0) | ~np.isfinite(size)
    unit = np.where(ordinary, 1.0, np.ldexp(1.0, power - 1))
    x = x.astype(dtype, copy=False)
    return (x if ordinary.all() else (x / unit).astype(dtype, copy=False)), unit


def _affine(t, scale, shift):
    """t * scale + shift, each in place of t."""
    if scale is not None:
        t *= scale[:, :, None].astype(t.dtype)
    if shift is not None:
        t += shift[:, :, None].astype(t.dtype)
    return t


def _line_gradients(dy, xhat, scale):
    """dscale = Σ dy x̂ and dshift = Σ dy, over all that a number of `scale` is applied to."""
    axes = (0, 3) if scale.shape[1] == xhat.shape[2] else (0, 2, 3)
    along = np.multiply(dy, xhat, dtype=np.float64)
    return (a.sum(axes, np.float64).reshape(scale.shape) for a in (along, dy))


def _each_set(moments):
    return np.asarray(moments, np.float64)[:, :, None, None]


def _reciprocal_root(v):
    """1 / sqrt(v), and 0 where v is 0: a constant set at eps = 0 standardises to 0, not to NaN."""
    return np.where(v == 0, 0.0, 1 / np.sqrt(v))


def _working(*arrays):
    """The dtype to calculate in: the widest of the arrays', float32 at least."""
    return np.result_type(np.float32, *arrays)


def _stored(result, x, out=None):
    """`result` in the dtype of x, written to `out` if there is one."""
    result = result.astype(x.dtype, copy=False)
    if out is None:
        return result
    out[...] = result
    return out
