"""The geometry of instance norm: its derivative, and the surface that its outputs lie on.

For one plane of m values, with s = sqrt(var + eps) and x̂ = (x - mean) / s::

    J = ∂x̂/∂x = (I - 11ᵀ/m - x̂x̂ᵀ/m) / s

Two directions are special. Along 1 nothing happens: J 1 = 0, whatever eps is, and so every output
sums to 0. Along the deviations J (x - mean) = eps / s³ · (x - mean): at eps = 0 a gain has no
effect either, and every output has the squared norm m. With eps > 0 a trace of the gain stays.
"""

from . import rows
from .arguments import check_eps, check_floating
from .arrays import Array
from .norms import instance_norm, instance_norm_backward

__all__ = [
    "instance_norm_jacobian",
    "output_constraints",
]


def instance_norm_jacobian(x: Array, eps: float = 1e-5) -> Array:
    """How each output of one plane depends on each input: J[i, j] = ∂x̂[i] / ∂x[j].

    Source: the gradients of Ioffe and Szegedy 2015, section 3. J is symmetric, and its row i is the
    gradient of x̂[i]: `instance_norm_backward` of an upstream gradient that is 1 there and 0
    elsewhere.

    Parameters
    ----------
    x : (m,) float array, m >= 2
    eps : float, not negative, as in `instance_norm`

    Returns
    -------
    jacobian : (m, m) array, dtype of x

    Raises
    ------
    TypeError
        If x is not a floating-point array, or eps is not a number.
    ValueError
        If x is not (m,), eps is negative, or eps is 0 and x constant, where there is no derivative.
    """
    _check_planes(x, eps, ndim=1, wanted="(m,)")
    xp = rows.array_module(x)
    upstream = xp.eye(x.size, dtype=x.dtype)
    dx, _, _ = instance_norm_backward(upstream[:, None], xp.tile(x, (x.size, 1))[:, None], eps=eps)
    return dx[:, 0]


def output_constraints(x: Array, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """What all outputs have in common, and how many directions are left to them.

    ::

        total[b]  = Σ x̂[b]            0 for every plane
        sqnorm[b] = Σ x̂[b]²           m · var / (var + eps); at eps = 0 this is m for every plane
        rank[b]   = rank of J(x[b])   m - 1, and m - 2 at eps = 0

    So at eps = 0 the outputs lie on a sphere of dimension m - 2, of radius sqrt(m), around 0 in the
    plane Σ x̂ = 0. With eps > 0 they fill its inside.

    Parameters
    ----------
    x : (B, m) float array of B planes, m >= 2
    eps : float, not negative, as in `instance_norm`

    Returns
    -------
    total, sqnorm, rank : (B,) arrays, dtype of x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm_jacobian`, for planes (B, m).
    """
    _check_planes(x, eps, ndim=2, wanted="(B, m)")
    xp = rows.array_module(x)
    x_hat = instance_norm(x[:, None], eps=eps)[:, 0]
    planes, m = x.shape
    rank = xp.full(planes, m - (1 if eps > 0 else 2), x.dtype)
    return x_hat.sum(1), (x_hat * x_hat).sum(1), rank


def _check_planes(x, eps, *, ndim, wanted):
    check_floating("x", x)
    if x.ndim != ndim or x.shape[-1] < 2:
        raise ValueError(f"x must have shape {wanted} with m of at least 2; got {x.shape}")
    eps = check_eps(eps)
    if eps == 0 and (x == x[..., :1]).all(-1).any():
        raise ValueError(
            f"x must not hold a constant plane when eps is 0: there, instance norm has no "
            f"derivative; got x of shape {x.shape} and eps = {eps}"
        )
