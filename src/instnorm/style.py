"""Style as statistics: conditional instance norm, AdaIN and Gram matrices.

Instance norm takes the mean and the spread of each channel away. These functions put others in
their place, image by image: those a network has learned for a style, or those of another picture.
"""

import math

from .arguments import check_activations, check_eps, check_floating, check_style
from .arrays import Array
from .planes import norm_per_plane, plane_moments

__all__ = [
    "adain",
    "conditional_instance_norm",
    "gram_matrix",
]


def conditional_instance_norm(
    x: Array, gamma: Array, beta: Array, style: Array, *, eps: float = 1e-5
) -> Array:
    """Instance norm with the gain and offset of one style, or of a mixture of styles.

    y[n] = gamma[s_n] * IN(x[n]) + beta[s_n]; with weights w in place of labels, gamma[s_n] becomes
    Σ_s w[n,s] gamma[s] and beta likewise.

    Source: Dumoulin, Shlens and Kudlur 2017, arXiv:1610.07629.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    gamma, beta : (S, C) float arrays, one row per style
    style : (N,) integer array or (N, S) float array
        A label from 0 to S - 1 for each image, or weights, which need not sum to 1.
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError
        If an array holds the wrong kind of numbers.
    ValueError
        If a shape does not fit, a label is not a row of gamma, eps is negative, or a plane has
        fewer than 2 values.
    """
    check_activations("x", x, spatial=1)
    images, channels = x.shape[:2]
    for name, table in (("gamma", gamma), ("beta", beta)):
        check_floating(name, table)
        if table.ndim != 2 or table.shape[1] != channels:
            raise ValueError(
                f"{name} must have shape (S, {channels}), one row per style and one value per "
                f"channel; got {table.shape}"
            )
    if beta.shape != gamma.shape:
        raise ValueError(f"beta must have the shape of gamma, {gamma.shape}; got {beta.shape}")
    labels = _check_style_choice(style, images, len(gamma))
    gamma, beta = (
        table[style] if labels else style.astype("float64") @ table.astype("float64")
        for table in (gamma, beta)
    )
    return norm_per_plane(x, gamma, beta, eps=eps)


def adain(content: Array, style: Array, *, eps: float = 1e-5) -> Array:
    """Adaptive instance norm: give each channel of `content` the mean and spread it has in `style`.

    AdaIN(x, y) = sigma(y) * (x - mu(x)) / sigma(x) + mu(y), with sigma = sqrt(var + eps) on both
    sides and the biased variance, so that AdaIN(x, x) = x.

    Source: Huang and Belongie 2017, arXiv:1703.06868, equation 8.

    Parameters
    ----------
    content : (N, C, *spatial) float array with at least one spatial axis
    style : (N, C, *spatial) float array; its spatial axes may differ from those of `content`
    eps : float, not negative

    Returns
    -------
    y : array like content

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when N and C of the two arrays differ.
    """
    check_activations("content", content, spatial=1)
    check_style(style, content)
    eps = check_eps(eps)
    mean, var = plane_moments(style)
    return norm_per_plane(content, (var + eps) ** 0.5, mean, eps=eps)


def gram_matrix(x: Array) -> Array:
    """How strongly each two channels of an image respond at the same places.

    G[n,i,j] = (1/M) Σ_p x[n,i,p] x[n,j,p] over the M = H·W positions: a mean, so that its size does
    not depend on the size of the picture. The mean is not subtracted. Gatys, Ecker and Bethge 2016
    take the sum, M·G, and divide by 4 C² M² in the loss; Johnson, Alahi and Fei-Fei 2016 divide
    the sum by C·M. After instance norm the diagonal is var / (var + eps), nearly 1, and G is the
    correlation matrix of the channels.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one position

    Returns
    -------
    gram : (N, C, C) float64 array, symmetric

    Raises
    ------
    TypeError
        If x is not a floating-point array.
    ValueError
        If x has no spatial axis or no position.
    """
    check_activations("x", x, spatial=1)
    images, channels, positions = *x.shape[:2], math.prod(x.shape[2:])
    if positions == 0:
        raise ValueError(f"x must have at least one position; got shape {x.shape}")
    f = x.reshape(images, channels, positions).astype("float64")
    return f @ f.swapaxes(1, 2) / positions


def _check_style_choice(style, images, styles):
    """Raise unless `style` is (N,) labels or (N, S) weights. Returns whether it is labels."""
    labels = hasattr(style, "dtype") and style.dtype.kind in "iu"
    if not labels:
        check_floating("style", style)
    wanted = (images,) if labels else (images, styles)
    if style.shape != wanted:
        meaning = "one label per image" if labels else "one weight per image and style"
        raise ValueError(f"style must have shape {wanted}, {meaning}; got {style.shape}")
    if labels and images and not (style.min() >= 0 and style.max() < styles):
        raise ValueError(
            f"style must hold labels from 0 to {styles - 1}, the rows of gamma; "
            f"got labels from {style.min()} to {style.max()}"
        )
    return labels
