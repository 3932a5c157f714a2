"""Mixtures: of members of the family, of two images' statistics, of stored and measured ones."""

import math

from . import rows
from .arguments import (
    as_number,
    check_activations,
    check_eps,
    check_floating,
    check_per_channel,
    check_same_shape,
)
from .arrays import Array
from .norms import batch_norm, instance_norm
from .planes import norm_per_plane, plane_moments

__all__ = [
    "adapt_batch_norm",
    "batch_instance_norm",
    "ibn",
    "mixstyle",
    "switchable_norm",
]


def switchable_norm(
    x: Array,
    mean_logits: Array,
    var_logits: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """Standardise by weighted means of the moments of instance, layer and batch norm.

    y = gamma * (x - Σ_k w_k mean_k) / sqrt(Σ_k w'_k var_k + eps) + beta, for k in that order, with
    w = softmax(mean_logits) and w' = softmax(var_logits). Batch norm's moments are those of this
    batch, as in training.

    Source: Luo, Ren, Peng, Zhang and Li 2019, ICLR, arXiv:1806.10779.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    mean_logits, var_logits : (3,) float arrays: instance, layer, batch
    gamma, beta : (C,) float arrays, or None for 1 and 0
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when logits are not of shape (3,).
    """
    check_activations("x", x, spatial=1)
    check_per_channel("gamma", gamma, x.shape[1])
    check_per_channel("beta", beta, x.shape[1])
    mean_weights = _softmax("mean_logits", mean_logits)
    var_weights = _softmax("var_logits", var_logits)
    if x.size == 0:
        return rows.array_module(x).empty_like(x)
    plane = plane_moments(x)
    moments = plane, _pooled(*plane, axis=1), _pooled(*plane, axis=0)
    mean = sum(w * m for w, (m, _) in zip(mean_weights, moments, strict=True))
    var = sum(w * v for w, (_, v) in zip(var_weights, moments, strict=True))
    return norm_per_plane(x, gamma, beta, (mean, var), eps=eps)


def batch_instance_norm(
    x: Array,
    rho: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """A gate for each channel between batch norm (rho = 1) and instance norm (rho = 0).

    y = gamma * (rho * BN(x) + (1 - rho) * IN(x)) + beta, batch norm as in training.

    Source: Nam and Kim 2018, NeurIPS, arXiv:1805.07925.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    rho : (C,) float array, from 0 to 1
    gamma, beta : (C,) float arrays, or None for 1 and 0
    eps : float, not negative

    Returns
    -------
    y : array like x, computed in float64

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when a value of rho is not from 0 to 1.
    """
    check_activations("x", x, spatial=1)
    check_floating("rho", rho)
    check_per_channel("rho", rho, x.shape[1])
    check_per_channel("gamma", gamma, x.shape[1])
    if not ((rho >= 0) & (rho <= 1)).all():
        raise ValueError(f"rho must hold values from 0 to 1; got {rho.min()} to {rho.max()}")
    wide, rho = x.astype("float64"), rho.astype("float64")
    gain = 1.0 if gamma is None else gamma.astype("float64")
    y = batch_norm(wide, gain * rho, beta, eps=eps)
    return (y + instance_norm(wide, gain * (1 - rho), eps=eps)).astype(x.dtype)


def ibn(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """Instance norm for the first C // 2 channels, batch norm (as in training) for the others.

    Source: Pan, Luo, Shi and Tang 2018, ECCV, arXiv:1807.09441: the norm of a block "IBN-a".

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    gamma, beta : (C,) float arrays, or None for 1 and 0
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`.
    """
    check_activations("x", x, spatial=1)
    channels = x.shape[1]
    check_per_channel("gamma", gamma, channels)
    check_per_channel("beta", beta, channels)
    y = rows.array_module(x).empty_like(x)
    half = channels // 2
    for norm, part in ((instance_norm, slice(half)), (batch_norm, slice(half, channels))):
        y[:, part] = norm(
            x[:, part], *(p if p is None else p[part] for p in (gamma, beta)), eps=eps
        )
    return y


def adapt_batch_norm(
    x: Array,
    running_mean: Array,
    running_var: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    prior: float,
    eps: float = 1e-5,
) -> Array:
    """Batch norm whose stored moments are adapted to the batch that it is given, without labels.

    With n images in x, a moment is prior / (prior + n) of the stored one and n / (prior + n) of
    the batch's, as if the stored one came from `prior` images. That holds for the mean and for the
    (biased) variance, so what lies between the two means is not counted as spread. prior = 0 is
    batch norm as in training; with a very large prior it is batch norm as in use.

    Source: Schneider, Rusak, Eck, Bringmann, Brendel and Bethge 2020, NeurIPS, arXiv:2006.16971.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    running_mean, running_var : (C,) float arrays, the stored moments; they are not changed
    gamma, beta : (C,) float arrays, or None for 1 and 0
    prior : float, not negative: how many images the stored moments count for
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when prior is not a finite number of 0 or more.
    """
    check_activations("x", x, spatial=1)
    for name, moment in (("running_mean", running_mean), ("running_var", running_var)):
        check_floating(name, moment)
        check_per_channel(name, moment, x.shape[1])
    prior = as_number("prior", prior)
    if not (math.isfinite(prior) and prior >= 0):
        raise ValueError(f"prior must be finite and not negative; got {prior!r}")
    if x.size == 0:
        return rows.array_module(x).empty_like(x)
    stored = prior / (prior + len(x))
    mean, var = (
        stored * moment.astype("float64") + (1 - stored) * measured[0]
        for moment, measured in zip(
            (running_mean, running_var), _pooled(*plane_moments(x), axis=0), strict=True
        )
    )
    return batch_norm(x, gamma, beta, running_mean=mean, running_var=var, training=False, eps=eps)


def mixstyle(x: Array, partner: Array, weight: Array, *, eps: float = 1e-5) -> Array:
    """Give every plane a mean and a deviation between its own and those of a partner.

    y = (w s + (1 - w) s') * (x - mean) / s + w mean + (1 - w) mean', with s = sqrt(var + eps) and a
    dash for the partner's: x for w = 1, and AdaIN for w = 0. In training each image's partner is
    another image of the batch, in another order, and w is drawn anew from a beta distribution.

    Source: Zhou, Yang, Qiao and Xiang 2021, ICLR, arXiv:2104.02008.

    Parameters
    ----------
    x, partner : (N, C, *spatial) float arrays of one shape
    weight : (N,) float array with values from 0 to 1
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when the shapes differ, or a weight is not from 0 to 1.
    """
    check_activations("x", x, spatial=1)
    check_same_shape("partner", partner, "x", x)
    check_floating("weight", weight)
    eps = check_eps(eps)
    if weight.shape != x.shape[:1]:
        raise ValueError(
            f"weight must have shape {x.shape[:1]}, one value per image; got {weight.shape}"
        )
    if not ((weight >= 0) & (weight <= 1)).all():
        raise ValueError(
            f"weight must hold values from 0 to 1; got {weight.min()} to {weight.max()}"
        )
    (mean, var), (other_mean, other_var) = plane_moments(x), plane_moments(partner)
    own = weight.astype("float64")[:, None]
    gain = own * (var + eps) ** 0.5 + (1 - own) * (other_var + eps) ** 0.5
    return norm_per_plane(x, gain, own * mean + (1 - own) * other_mean, eps=eps)


def _pooled(mean, var, axis):
    """Moments (N, C) of planes -> moments of all the planes along `axis` taken together.

    The planes are equally large, so the mean of the whole is the mean of their means, and its
    variance the mean of their variances plus the variance of their means.
    """
    pooled_var = var.mean(axis, keepdims=True) + mean.var(axis, keepdims=True)
    return mean.mean(axis, keepdims=True), pooled_var


def _softmax(name, logits):
    check_floating(name, logits)
    if logits.shape != (3,):
        raise ValueError(f"{name} must have shape (3,): instance, layer, batch; got {logits.shape}")
    xp = rows.array_module(logits)
    powers = xp.exp(logits.astype("float64") - logits.max().astype("float64"))
    return powers / powers.sum()
