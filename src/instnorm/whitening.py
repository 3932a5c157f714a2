"""Whitening and colouring: what instance norm does, for the correlations between channels too.

Instance norm makes every channel's variance 1 and leaves the correlations between channels alone.
Whitening makes the whole covariance matrix the identity. It can be done in many ways, since any
rotation of a white result is white as well; each method below is one choice of that rotation.

All of it is computed in float64.
"""

import math

from . import rows
from .arguments import (
    check_activations,
    check_eps,
    check_floating,
    check_per_channel,
    check_style,
)
from .arrays import Array

__all__ = [
    "colour",
    "wct",
    "whiten",
    "whitening_matrix",
]

METHODS = ("zca", "pca", "cholesky", "zca-cor", "pca-cor")
# By how much of its size a covariance computed in float32 may miss being symmetric and positive.
TOLERANCE = 1e-6


def whiten(x: Array, method: str = "zca", *, eps: float = 0.0) -> tuple[Array, Array]:
    """Remove the mean of each channel, the variances, and the correlations between channels.

    z = W (x - mean) with W from `whitening_matrix` of Σ + eps·I, where Σ is the biased covariance.
    At eps = 0 the covariance of z is the identity. With eps, 'zca-cor' is R^(-1/2) IN(x): instance
    norm is its first half, R being the correlation matrix that belongs to Σ + eps·I.

    Source: Kessy, Lewin and Strimmer 2018, arXiv:1512.00809.

    Parameters
    ----------
    x : (C, M) float array: C channels, M positions
    method : one of 'zca', 'pca', 'cholesky', 'zca-cor', 'pca-cor'; see `whitening_matrix`
    eps : float, not negative; must be positive where Σ is singular, as it is whenever M <= C

    Returns
    -------
    z : (C, M) array, dtype of x
    w : (C, C) float64 array, the matrix W

    Raises
    ------
    TypeError
        If x is not a floating-point array, or eps not a number.
    ValueError
        If x is not a (C, M) matrix, the method is unknown, eps is negative, or Σ + eps·I is
        singular.
    """
    _check_matrix("x", x, 2)
    eps = check_eps(eps)
    # Over a power of two about as large as x, so that its squares stay in range.
    size = float(max(abs(x).max(initial=0.0), eps**0.5))
    unit = 2.0 ** (math.frexp(size)[1] - 1) if size and math.isfinite(size) else 1.0
    _, centred, covariance = _moments("x", x.astype("float64") / unit, eps / unit / unit)
    w = whitening_matrix(covariance, method)
    return (w @ centred).astype(x.dtype), w / unit


def whitening_matrix(covariance: Array, method: str = "zca") -> Array:
    """A matrix W with W Σ Wᵀ = I.

    With Σ = U Λ Uᵀ::

        zca        W = Σ^(-1/2) = U Λ^(-1/2) Uᵀ   symmetric; keeps z as close to x as can be
        pca        W = Λ^(-1/2) Uᵀ                z in order of decreasing variance explained
        cholesky   W = Lᵀ with L Lᵀ = Σ^(-1)      upper triangular
        zca-cor    W = R^(-1/2) V^(-1/2)          keeps z as correlated with x as can be
        pca-cor    W = Θ^(-1/2) Gᵀ V^(-1/2)       pca, after standardising

    Here V holds the variances and R = G Θ Gᵀ is the correlation matrix: the last two standardise
    first, and then do as the first two. Each eigenvector is given the sign that makes its entry
    on the diagonal of U (or G) positive.

    Source: Kessy, Lewin and Strimmer 2018, arXiv:1512.00809.

    Parameters
    ----------
    covariance : (C, C) float array Σ, symmetric and positive definite
    method : str, one of the names above

    Returns
    -------
    w : (C, C) float64 array

    Raises
    ------
    TypeError
        If covariance is not a floating-point array.
    ValueError
        If covariance is not symmetric or is singular, or the method is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    sigma = _symmetric("covariance", covariance)
    xp = rows.array_module(sigma)
    if method.endswith("-cor"):
        scale = _invertible(xp.diagonal(sigma), 0.0) ** -0.5
        return whitening_matrix(scale[:, None] * sigma * scale, method[:-4]) * scale
    variances, u = _eigen(sigma)
    _invertible(variances)
    if method == "cholesky":
        return xp.linalg.cholesky(xp.linalg.inv(sigma)).T
    pca = variances[:, None] ** -0.5 * u.T
    return u @ pca if method == "zca" else pca


def colour(z: Array, covariance: Array, mean: Array | None = None) -> Array:
    """Give white data a covariance and a mean: Σ^(1/2) z + mean, the way back from 'zca'.

    Parameters
    ----------
    z : (C, M) float array
    covariance : (C, C) float array Σ, symmetric and positive semidefinite; it may be singular
    mean : (C,) float array, or None for 0

    Returns
    -------
    y : (C, M) array, dtype of z

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers.
    ValueError
        If a shape does not fit, or covariance is not symmetric and positive semidefinite.
    """
    _check_matrix("z", z, 1)
    sigma = _symmetric("covariance", covariance)
    channels = len(z)
    if len(sigma) != channels:
        raise ValueError(
            f"covariance must have shape {(channels, channels)}, the channels of z; "
            f"got {sigma.shape}"
        )
    check_per_channel("mean", mean, channels)
    xp = rows.array_module(z)
    variances, u = _eigen(sigma)
    if channels and variances[-1] < -TOLERANCE * variances[0]:
        raise ValueError(
            "covariance must be positive semidefinite; "
            f"got an eigenvalue of {float(variances[-1]):.3g}"
        )
    y = (u * xp.sqrt(xp.maximum(variances, 0))) @ (u.T @ z.astype("float64"))
    if mean is not None:
        y += mean.astype("float64")[:, None]
    return y.astype(z.dtype)


def wct(content: Array, style: Array, *, eps: float = 1e-5) -> Array:
    """Whitening and colouring transform: give `content` the mean and covariance of `style`.

    y = Σs^(1/2) Σc^(-1/2) (x - mean_c) + mean_s, image by image, with eps·I added to both
    covariances, so that WCT(x, x) = x. AdaIN is the special case of diagonal covariances.

    Source: Li, Fang, Yang, Wang, Lu and Yang 2017, arXiv:1705.08086.

    Parameters
    ----------
    content, style : (N, C, *spatial) float arrays; the spatial axes of the two may differ
    eps : float, not negative; must be positive when there are as many channels as positions

    Returns
    -------
    y : array like content

    Raises
    ------
    TypeError, ValueError
        As `adain`; also when the covariance of content plus eps·I is singular.
    """
    check_activations("content", content, spatial=1)
    check_style(style, content)
    y = rows.array_module(content).empty_like(content)
    if content.size:
        for target, c, s in zip(y, content, style, strict=True):
            _, centred, covariance = _moments("content", c.reshape(len(c), -1), eps)
            mean, _, wanted = _moments("style", s.reshape(len(s), -1), eps)
            z = whitening_matrix(covariance) @ centred
            target[...] = colour(z, wanted, mean).reshape(c.shape)
    return y


def _moments(name, x, eps):
    """Mean (C,), deviations from it (C, M), and covariance plus eps·I (C, C), in float64."""
    _check_matrix(name, x, 2)
    eps = check_eps(eps)
    xp = rows.array_module(x)
    xhat, mean, var = rows.forward(x.astype("float64")[None, :, None], 0.0)
    mean, centred = mean[0], xhat[0, :, 0] * xp.sqrt(var[0])[:, None]
    return mean, centred, centred @ centred.T / x.shape[1] + eps * xp.eye(len(x))


def _eigen(sigma):
    """Eigenvalues in decreasing order; eigenvectors, in columns, with a positive diagonal."""
    xp = rows.array_module(sigma)
    values, u = xp.linalg.eigh(sigma)
    values, u = values[::-1], u[:, ::-1]
    return values, u * xp.where(xp.diagonal(u) < 0, -1.0, 1.0)


def _invertible(variances, smallest=None):
    """Refuse variances or eigenvalues of 0: by default, all that rounding can't tell from it."""
    smallest = _rounding(variances) if smallest is None else smallest
    rank = int((variances > smallest).sum())
    if rank < variances.size:
        raise ValueError(
            f"the covariance has rank {rank} for {variances.size} channels, so it has no inverse; "
            "add a (larger) eps to its diagonal"
        )
    return variances


def _rounding(variances):
    """What rounding may leave of an eigenvalue that should be 0."""
    xp = rows.array_module(variances)
    return xp.abs(variances).max() * variances.size * xp.finfo(variances.dtype).eps


def _symmetric(name, matrix):
    """`matrix` in float64, exactly symmetric; raises unless it is so but for rounding."""
    check_floating(name, matrix)
    xp = rows.array_module(matrix)
    wide = matrix.astype("float64")
    if wide.ndim != 2 or wide.shape[0] != wide.shape[1]:
        raise ValueError(f"{name} must have shape (C, C); got {matrix.shape}")
    if not xp.isfinite(wide).all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinity")
    if wide.size and xp.abs(wide - wide.T).max() > TOLERANCE * xp.abs(wide).max():
        raise ValueError(f"{name} must be symmetric; it differs from its transpose")
    return (wide + wide.T) / 2


def _check_matrix(name, x, positions):
    check_floating(name, x)
    if x.ndim != 2 or x.shape[1] < positions:
        raise ValueError(
            f"{name} must have shape (C, M), channels by positions, with M of at least "
            f"{positions}; got {x.shape}"
        )
