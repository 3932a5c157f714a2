"""Instance, layer, group and batch normalisation: one function over four choices of axes; RMSNorm.

All four standardise: subtract a mean, divide by sqrt(variance + eps), then apply a learned gain
`gamma` and offset `beta` per channel. They differ in one thing only, the set of activations that
share a mean and a variance. For activations x of shape (N, C, H, W):

    instance   one set for each image and channel             N·C sets of H·W values
    layer      one set for each image                         N sets of C·H·W values
    group      one set for each image and group of channels   N·G sets of (C/G)·H·W values
    batch      one set for each channel                       C sets of N·H·W values

Instance norm is group norm with G = C and layer norm is group norm with G = 1. Batch norm (in
training) is instance norm of a single long picture: the one in which the images of the batch lie
side by side. RMSNorm is layer norm that leaves the mean where it is. So each function reshapes x to
sets (`instnorm.layout`), standardises them (`instnorm.rows`), and reshapes back.

Any number of spatial axes is accepted: (N, C, L), (N, C, H, W), (N, C, D, H, W), ... The dtype is
float16, bfloat16 (from ml_dtypes), float32 or float64; means and variances are taken in float32 at
least, and the result has the dtype of x.
"""

from functools import partial

from . import rows
from .arguments import (
    check_activations,
    check_both_running,
    check_eps,
    check_moments,
    check_momentum,
    check_num_groups,
    check_out,
    check_per_channel,
    check_same_shape,
    check_set_size,
    check_writable,
)
from .arrays import Array
from .layout import Layout

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "rms_norm",
    "rms_norm_backward",
]

# What one mean and one variance are taken over, for the messages.
INSTANCE_SET = "each plane (the spatial axes)"
LAYER_SET = "each image (all axes but the first)"
GROUP_SET = "each group (its channels and positions)"
BATCH_SET = "each channel (the batch and the spatial axes)"
RMS_SET = None  # one value will do: nothing is subtracted


def instance_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
    moments: tuple[Array, Array] | None = None,
) -> Array:
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
    moments : (mean, var), two float64 arrays of shape (N, C), or None. The mean and variance of
        each plane are written into them, so that the way back need not calculate them again

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError
        If x, gamma or beta is not a floating-point array, or moments are not two arrays.
    ValueError
        If a shape does not fit, out or moments do not fit x or are read-only, eps is negative, or a
        plane has fewer than 2 values.
    """
    check_activations("x", x, spatial=1)
    return _forward(x, x.shape[1], gamma, beta, eps, out, INSTANCE_SET, moments)


def layer_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
    moments: tuple[Array, Array] | None = None,
) -> Array:
    """Standardise each image over all its channels and positions together.

    This is the convolutional form, over (C, H, W); in transformers the name means normalising the
    last axis only, which is this function with x of shape (tokens, features).

    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450. Parameters, results and errors are those
    of `instance_norm`, but x may also be (N, C), and moments are (N, 1).
    """
    check_activations("x", x, spatial=0)
    return _forward(x, 1, gamma, beta, eps, out, LAYER_SET, moments)


def group_norm(
    x: Array,
    num_groups: int,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
    moments: tuple[Array, Array] | None = None,
) -> Array:
    """Standardise each group of C / num_groups neighbouring channels of each image.

    `num_groups` is the number of groups, not their size: num_groups = C is instance norm,
    num_groups = 1 is layer norm.

    Source: Wu and He 2018, arXiv:1803.08494. Parameters, results and errors are those of
    `layer_norm`, but moments are (N, num_groups); also ValueError when num_groups does not divide
    C.
    """
    check_activations("x", x, spatial=0)
    num_groups = check_num_groups(num_groups, x.shape[1])
    return _forward(x, num_groups, gamma, beta, eps, out, GROUP_SET, moments)


def rms_norm(
    x: Array,
    gamma: Array | None = None,
    *,
    eps: float = 1e-6,
    out: Array | None = None,
    moments: tuple[Array, Array] | None = None,
) -> Array:
    """Divide each image by the root of its mean square, over all channels and positions.

    y[n] = gamma * x[n] / sqrt(mean(x[n]²) + eps)

    Layer norm without the subtraction: scaling the input changes nothing (at eps = 0), shifting it
    does. In transformers x has shape (tokens, features). At eps = 0 an image of zeros stays as it
    is.

    Source: Zhang and Sennrich 2019, arXiv:1910.07467. Parameters, results and errors are those of
    `layer_norm`, without beta; a single value is enough for a root mean square. Of the moments the
    mean is 0, and var is the mean square.
    """
    check_activations("x", x, spatial=0)
    return _forward(x, 1, gamma, None, eps, out, RMS_SET, moments, centre=False)


def batch_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    out: Array | None = None,
    moments: tuple[Array, Array] | None = None,
) -> Array:
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
    moments : as in `instance_norm`, (1, C), in training

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when only one running array is given, none is given outside
        training, moments are given there, or momentum is not a number from 0 to 1.
    """
    check_activations("x", x, spatial=0)
    _check_running(running_mean, running_var, training, x.shape[1], moments)
    momentum = check_momentum(momentum)
    check_out(out, x)
    moments = check_moments(moments, (1, x.shape[1]), x, writable=True)
    layout = Layout(x, x.shape[1], over_batch=training)
    if not training:
        eps = _check_affine(x, gamma, beta, eps)
        running = running_mean[None], running_var[None]
        lines = layout.lines(gamma), layout.lines(beta)
        y, _ = layout.apply(
            lambda x, out: (rows.forward_given(x, *running, eps, *lines, out),), out
        )
        return y
    eps = _check(x, x.shape[1], gamma, beta, eps, BATCH_SET)
    y, mean, var = _standardise(layout, gamma, beta, eps, out)
    _keep(mean, var, moments)
    if running_mean is not None and x.size:
        m = x.size // x.shape[1]
        running_mean[...] = (1 - momentum) * running_mean + momentum * mean[0]
        running_var[...] = (1 - momentum) * running_var + momentum * var[0] * (m / (m - 1))
    return y


def instance_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array | None = None,
    *,
    eps: float = 1e-5,
    moments: tuple[Array, Array] | None = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of a loss through `instance_norm`.

    With g = gamma * dy, s = sqrt(var + eps), x̂ = (x - mean) / s, bars for means over the plane and
    sums over images and positions::

        dx = (g - ḡ - x̂ · mean(g x̂)) / s
        dgamma[c] = Σ dy x̂
        dbeta[c] = Σ dy

    Two consequences are worth knowing. Each plane of dx sums to 0 for every eps, because shifting x
    changes nothing. At eps = 0 each plane of dx is also orthogonal to x̂, because scaling x changes
    nothing either.

    Source: Ioffe and Szegedy 2015, section 3, with the axes of instance norm.

    Parameters
    ----------
    dy, x : (N, C, *spatial) float arrays: the gradient at the output, and the input
    gamma : (C,) float array, or None for 1
    eps : float, as in the forward pass
    moments : (mean, var) that the forward pass wrote for this x, or None. They save work where x is
        float32 and a plane lies in one piece of memory; elsewhere they are calculated again. Those
        of another array give a wrong gradient
    out : array like x to write dx into (x and dy are allowed), or None for a new one

    Returns
    -------
    dx : array like x
    dgamma, dbeta : (C,) float64 arrays

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when dy and x differ in shape.
    """
    check_activations("x", x, spatial=1)
    return _backward(dy, x, x.shape[1], gamma, eps, INSTANCE_SET, moments, out)


def layer_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array | None = None,
    *,
    eps: float = 1e-5,
    moments: tuple[Array, Array] | None = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of a loss through `layer_norm`: see `instance_norm_backward`."""
    check_activations("x", x, spatial=0)
    return _backward(dy, x, 1, gamma, eps, LAYER_SET, moments, out)


def group_norm_backward(
    dy: Array,
    x: Array,
    num_groups: int,
    gamma: Array | None = None,
    *,
    eps: float = 1e-5,
    moments: tuple[Array, Array] | None = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of a loss through `group_norm`: see `instance_norm_backward`."""
    check_activations("x", x, spatial=0)
    num_groups = check_num_groups(num_groups, x.shape[1])
    return _backward(dy, x, num_groups, gamma, eps, GROUP_SET, moments, out)


def rms_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array | None = None,
    *,
    eps: float = 1e-6,
    moments: tuple[Array, Array] | None = None,
    out: Array | None = None,
) -> tuple[Array, Array]:
    """Gradients of a loss through `rms_norm`: dx and dgamma, as in `instance_norm_backward`.

    With g = gamma * dy, s = sqrt(mean(x²) + eps) and x̂ = x / s, dx = (g - x̂ · mean(g x̂)) / s.
    """
    check_activations("x", x, spatial=0)
    dx, dgamma, _ = _backward(dy, x, 1, gamma, eps, RMS_SET, moments, out, centre=False)
    return dx, dgamma


def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array | None = None,
    *,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = True,
    eps: float = 1e-5,
    moments: tuple[Array, Array] | None = None,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients of a loss through `batch_norm`: see `instance_norm_backward`.

    In training the batch moments depend on x and the gradient flows through them; otherwise the
    running moments are constants and dx = gamma * dy / sqrt(running_var + eps). `moments` are those
    of the batch, and refused without training.
    """
    check_activations("x", x, spatial=0)
    _check_running(running_mean, running_var, training, x.shape[1], moments)
    if training:
        return _backward(dy, x, x.shape[1], gamma, eps, BATCH_SET, moments, out, over_batch=True)
    check_same_shape("dy", dy, "x", x)
    check_out(out, x)
    eps = _check_affine(x, gamma, None, eps)
    given = {"mean": running_mean[None], "var": running_var[None], "eps": eps}
    layout = Layout(x, x.shape[1])
    return layout.backward(partial(rows.backward_given, **given), dy, gamma, out)


def _forward(x, num_groups, gamma, beta, eps, out, what, moments, centre=True):
    eps = _check(x, x.shape[0] * num_groups, gamma, beta, eps, what)
    check_out(out, x)
    moments = check_moments(moments, (x.shape[0], num_groups), x, writable=True)
    y, mean, var = _standardise(Layout(x, num_groups), gamma, beta, eps, out, centre)
    _keep(mean, var, moments)
    return y


def _keep(mean, var, moments):
    if moments is not None:
        moments[0][...], moments[1][...] = mean, var


def _standardise(layout, gamma, beta, eps, out=None, centre=True):
    """Reshape to sets, standardise, reshape back. Returns y, and mean and variance of each set."""
    lines = {"scale": layout.lines(gamma), "shift": layout.lines(beta)}
    return layout.forward(partial(rows.forward, eps=eps, centre=centre, **lines), out)


def _backward(
    dy, x, num_groups, gamma, eps, what, moments=None, out=None, centre=True, over_batch=False
):
    images = 1 if over_batch else x.shape[0]
    eps = _check(x, images * num_groups, gamma, None, eps, what)
    check_same_shape("dy", dy, "x", x)
    moments = check_moments(moments, (images, num_groups), x)
    check_out(out, x)
    return _gradients(dy, Layout(x, num_groups, over_batch), gamma, eps, centre, moments, out)


def _gradients(dy, layout, gamma, eps, centre=True, moments=None, out=None):
    """The way back through `_standardise`."""
    kernel = partial(rows.backward, eps=eps, centre=centre, moments=moments)
    return layout.backward(kernel, dy, gamma, out)


def _check(x, sets, gamma, beta, eps, what):
    """eps as a float; raises unless all arguments fit."""
    eps = _check_affine(x, gamma, beta, eps)
    if what and x.shape[0] and x.shape[1]:
        check_set_size(what, x.shape, x.size // sets)
    return eps


def _check_affine(x, gamma, beta, eps):
    if gamma is not None:
        check_per_channel("gamma", gamma, x.shape[1])
    if beta is not None:
        check_per_channel("beta", beta, x.shape[1])
    return check_eps(eps)


def _check_running(running_mean, running_var, training, channels, moments):
    if training not in (True, False):
        raise TypeError(f"training must be True or False; got {training!r}")
    if moments is not None and not training:
        raise ValueError("moments are those of a batch, and training is False; give running_mean")
    check_both_running(running_mean, running_var, training)
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        check_per_channel(name, running, channels)
        if training and running is not None:
            check_writable(name, running)
