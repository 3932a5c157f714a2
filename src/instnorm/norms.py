"""Instance, layer, group and batch normalisation: one function over four choices of axes.

All four standardise: subtract a mean, divide by sqrt(variance + eps), then apply a learned gain
`gamma` and offset `beta` per channel. They differ in one thing only, the set of activations that
share a mean and a variance. For activations x of shape (N, C, H, W):

    instance   one set for each image and channel             N·C sets of H·W values
    layer      one set for each image                         N sets of C·H·W values
    group      one set for each image and group of channels   N·G sets of (C/G)·H·W values
    batch      one set for each channel                       C sets of N·H·W values

Instance norm is group norm with G = C and layer norm is group norm with G = 1. Batch norm (in
training) is instance norm of a single long picture: the one in which the images of the batch lie
side by side. Those sentences are the code below; the arithmetic is in `instnorm.rows`.

Any number of spatial axes is accepted: (N, C, L), (N, C, H, W), (N, C, D, H, W), ... The dtype is
float16, bfloat16 (from ml_dtypes), float32 or float64; means and variances are taken in float32 at
least, and the result has the dtype of x.
"""

from . import rows
from .arguments import (
    check_activations,
    check_eps,
    check_num_groups,
    check_out,
    check_per_channel,
    check_same_shape,
    check_set_size,
    check_writable,
)

# What one mean and one variance are taken over, for the messages.
INSTANCE_SET = "each plane (the spatial axes)"
LAYER_SET = "each image (all axes but the first)"
GROUP_SET = "each group (its channels and positions)"
BATCH_SET = "each channel (the batch and the spatial axes)"


def instance_norm(x, gamma=None, beta=None, *, eps=1e-5, out=None):
    """Standardise each channel of each image by its own mean and variance.

    y[n,c,h,w] = gamma[c] * (x[n,c,h,w] - mean[n,c]) / sqrt(var[n,c] + eps) + beta[c]

    Source: Ulyanov, Vedaldi and Lempitsky 2016, arXiv:1607.08022. The variance is the biased one
    (divided by H·W).

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    gamma, beta : (C,) float arrays, or None for 1 and 0
    eps : float, not negative; 0 is allowed, and a constant plane still gives exactly beta
    out : array like x to write the result into (x itself is allowed), or None for a new one

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError : x, gamma or beta is not a floating-point array
    ValueError : a shape does not fit, eps is negative, or a plane has fewer than 2 values
    """
    check_activations("x", x, spatial=1)
    return _forward(x, x.shape[1], gamma, beta, eps, out, INSTANCE_SET)


def layer_norm(x, gamma=None, beta=None, *, eps=1e-5, out=None):
    """Standardise each image over all its channels and positions together.

    This is the convolutional form, over (C, H, W); in transformers the name means normalising the
    last axis only, which is this function with x of shape (tokens, features).

    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450. Parameters, results and errors are those
    of `instance_norm`, but x may also be (N, C).
    """
    check_activations("x", x, spatial=0)
    return _forward(x, 1, gamma, beta, eps, out, LAYER_SET)


def group_norm(x, num_groups, gamma=None, beta=None, *, eps=1e-5, out=None):
    """Standardise each group of C / num_groups neighbouring channels of each image.

    `num_groups` is the number of groups, not their size: num_groups = C is instance norm,
    num_groups = 1 is layer norm.

    Source: Wu and He 2018, arXiv:1803.08494. Parameters, results and errors are those of
    `layer_norm`; also ValueError when num_groups does not divide C.
    """
    check_activations("x", x, spatial=0)
    check_num_groups(num_groups, x.shape[1])
    return _forward(x, num_groups, gamma, beta, eps, out, GROUP_SET)


def batch_norm(
    x,
    gamma=None,
    beta=None,
    *,
    running_mean=None,
    running_var=None,
    training=True,
    momentum=0.1,
    eps=1e-5,
    out=None,
):
    """Standardise each channel over the batch and all positions.

    With `training`, by the moments of this batch. If running moments are given they are updated in
    place, running = (1 - momentum) * running + momentum * batch, with the unbiased variance; this
    happens last, after everything else has succeeded. Without `training`, by the running moments,
    and the batch has no influence.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167.

    Parameters
    ----------
    x : (N, C, *spatial) float array
    gamma, beta, eps, out : as in `instance_norm`
    running_mean, running_var : (C,) float arrays, both or neither; needed unless `training`
    training : bool
    momentum : float in [0, 1], the weight of the new batch

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError : as `instance_norm`; also when only one running array is given, none is
        given outside training, or momentum is outside [0, 1]
    """
    check_activations("x", x, spatial=0)
    _check_running(running_mean, running_var, training, x.shape[1])
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum must lie between 0 and 1; got {momentum!r}")
    check_out(out, x)
    if training:
        _check(x, x.shape[1], gamma, beta, eps, BATCH_SET)
        y, mean, var = _standardise(_side_by_side(x), x.shape[1], gamma, beta, eps)
        y = _stacked(y)
    else:
        _check_affine(x, gamma, beta, eps)
        y = _apply_moments(x, running_mean, running_var, gamma, beta, eps)
    y = _write(y, out)
    if training and running_mean is not None and x.size:
        m = x.size // x.shape[1]
        running_mean[...] = (1 - momentum) * running_mean + momentum * mean
        running_var[...] = (1 - momentum) * running_var + momentum * var * (m / (m - 1))
    return y


def instance_norm_backward(dy, x, gamma=None, *, eps=1e-5):
    """Gradients of a loss through `instance_norm`.

    With g = gamma * dy, s = sqrt(var + eps), x̂ = (x - mean) / s and bars for means over the plane,

        dx = (g - ḡ - x̂ · mean(g x̂)) / s,   dgamma[c] = Σ dy x̂,   dbeta[c] = Σ dy

    (the sums over images and positions). Two consequences are worth knowing: each plane of dx sums
    to 0 for every eps, since a shift of x changes nothing; and at eps = 0 each plane of dx is
    orthogonal to x̂, since neither does a gain.

    Source: Ioffe and Szegedy 2015, section 3, with the axes of instance norm.

    Parameters
    ----------
    dy, x : (N, C, *spatial) float arrays: the gradient at the output, and the input
    gamma : (C,) float array, or None for 1
    eps : float, as in the forward pass

    Returns
    -------
    dx : array like x
    dgamma, dbeta : (C,) float64 arrays

    Raises
    ------
    TypeError, ValueError : as `instance_norm`; also when dy and x differ in shape
    """
    check_activations("x", x, spatial=1)
    return _backward(dy, x, x.shape[1], gamma, eps, INSTANCE_SET)


def layer_norm_backward(dy, x, gamma=None, *, eps=1e-5):
    """Gradients of a loss through `layer_norm`: see `instance_norm_backward`."""
    check_activations("x", x, spatial=0)
    return _backward(dy, x, 1, gamma, eps, LAYER_SET)


def group_norm_backward(dy, x, num_groups, gamma=None, *, eps=1e-5):
    """Gradients of a loss through `group_norm`: see `instance_norm_backward`."""
    check_activations("x", x, spatial=0)
    check_num_groups(num_groups, x.shape[1])
    return _backward(dy, x, num_groups, gamma, eps, GROUP_SET)


def batch_norm_backward(
    dy, x, gamma=None, *, running_mean=None, running_var=None, training=True, eps=1e-5
):
    """Gradients of a loss through `batch_norm`: see `instance_norm_backward`.

    In training the batch moments depend on x and the gradient flows through them; otherwise the
    running moments are constants and dx = gamma * dy / sqrt(running_var + eps).
    """
    check_activations("x", x, spatial=0)
    _check_running(running_mean, running_var, training, x.shape[1])
    check_same_shape("dy", dy, "x", x)
    if training:
        _check(x, x.shape[1], gamma, None, eps, BATCH_SET)
        dx, dgamma, dbeta = _gradients(_side_by_side(dy), _side_by_side(x), x.shape[1], gamma, eps)
        return _stacked(dx), dgamma, dbeta
    _check_affine(x, gamma, None, eps)
    return _apply_moments_backward(dy, x, running_mean, running_var, gamma, eps)


def _forward(x, num_groups, gamma, beta, eps, out, what):
    _check(x, x.shape[0] * num_groups, gamma, beta, eps, what)
    check_out(out, x)
    y, _, _ = _standardise(x, num_groups, gamma, beta, eps, out)
    return y


def _standardise(x, num_groups, gamma, beta, eps, out=None):
    """Group norm, and so the whole family: one row for each image and group.

    Returns y and the moments of the rows (None for an empty array).
    """
    xp = rows.array_module(x)
    if x.size == 0:
        return xp.empty_like(x) if out is None else out, None, None
    scale, shift = (_per_row(p, num_groups) for p in (gamma, beta))
    direct = out is not None and out.flags.c_contiguous
    if direct and (out is x or not xp.may_share_memory(out, x)):
        into = _as_rows(out, num_groups)
        _, mean, var = rows.forward(_as_rows(x, num_groups), eps, scale, shift, into)
        return out, mean, var
    columns = num_groups == x.shape[1] and rows.is_channels_last(x)
    lying = _as_columns(x) if columns else _as_rows(x, num_groups)
    y, mean, var = rows.forward(lying, eps, scale, shift)
    return _write(_from_rows(y, x), out), mean, var


def _backward(dy, x, num_groups, gamma, eps, what):
    _check(x, x.shape[0] * num_groups, gamma, None, eps, what)
    check_same_shape("dy", dy, "x", x)
    return _gradients(dy, x, num_groups, gamma, eps)


def _gradients(dy, x, num_groups, gamma, eps):
    """The way back through `_standardise`."""
    xp = rows.array_module(x)
    channels = x.shape[1]
    if x.size == 0:
        return xp.empty_like(x), xp.zeros(channels), xp.zeros(channels)
    scale = _per_row(xp.ones(channels) if gamma is None else gamma, num_groups)
    columns = num_groups == channels and rows.is_channels_last(x)
    lying = [_as_columns(a) if columns else _as_rows(a, num_groups) for a in (dy, x)]
    dx, dscale, dshift = rows.backward(*lying, eps, scale)
    return _from_rows(dx, x), _per_channel(dscale, channels), _per_channel(dshift, channels)


def _apply_moments(x, mean, var, gamma, beta, eps):
    """Batch norm outside training: every plane is given the moments of its channel."""
    if x.size == 0:
        return rows.array_module(x).empty_like(x)
    channels = x.shape[1]
    mean, var = (rows.array_module(x).tile(p, len(x)) for p in (mean, var))
    scale, shift = (_per_row(p, channels) for p in (gamma, beta))
    y = rows.forward_given(_as_rows(x, channels), mean, var, eps, scale, shift)
    return y.reshape(x.shape)


def _apply_moments_backward(dy, x, mean, var, gamma, eps):
    xp = rows.array_module(x)
    channels = x.shape[1]
    if x.size == 0:
        return xp.empty_like(x), xp.zeros(channels), xp.zeros(channels)
    mean, var = (xp.tile(p, len(x)) for p in (mean, var))
    dx, dscale, dshift = rows.backward_given(
        _as_rows(dy, channels), _as_rows(x, channels), mean, var, eps, _per_row(gamma, channels)
    )
    return dx.reshape(x.shape), _per_channel(dscale, channels), _per_channel(dshift, channels)


def _as_columns(x):
    """(N, C, *spatial) in channels-last memory -> (N, M, C), as it lies there."""
    return rows.array_module(x).moveaxis(x, 1, -1).reshape(x.shape[0], -1, x.shape[1])


def _from_rows(y, x):
    """The way back from rows or columns, to the shape of x."""
    if y.ndim == 2:
        return y.reshape(x.shape)
    n, c, *spatial = x.shape
    return rows.array_module(x).moveaxis(y.reshape(n, *spatial, c), -1, 1)


def _as_rows(x, num_groups):
    """One contiguous row for each image and group: a view where memory allows, else a copy."""
    lying = x.reshape(x.shape[0] * num_groups, -1)
    return lying if lying.flags.c_contiguous else rows.array_module(x).ascontiguousarray(lying)


def _per_row(parameter, num_groups):
    """(C,) -> (G, C/G): the channels in each row, in the order in which the row holds them."""
    return None if parameter is None else parameter.reshape(num_groups, -1)


def _per_channel(row_values, channels):
    """The way back: (N·G, C/G) -> (C,), summed over the images."""
    return row_values.reshape(-1, channels).sum(0)


def _side_by_side(x):
    """(N, C, *spatial) -> (1, C, N, *spatial): the images of a batch as one long picture."""
    return x.swapaxes(0, 1)[None]


def _stacked(picture):
    """The inverse of `_side_by_side`."""
    return picture[0].swapaxes(0, 1)


def _write(y, out):
    if out is None:
        return y
    out[...] = y
    return out


def _check(x, sets, gamma, beta, eps, what):
    _check_affine(x, gamma, beta, eps)
    if x.shape[0] and x.shape[1]:
        check_set_size(what, x.shape, x.size // sets)


def _check_affine(x, gamma, beta, eps):
    check_per_channel("gamma", gamma, x.shape[1])
    check_per_channel("beta", beta, x.shape[1])
    check_eps(eps)


def _check_running(running_mean, running_var, training, channels):
    if (running_mean is None) != (running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise ValueError(f"running_mean and running_var go together; {missing} is missing")
    if running_mean is None and not training:
        raise ValueError("running_mean and running_var are needed when training is False")
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        check_per_channel(name, running, channels)
        if training and running is not None:
            check_writable(name, running)
