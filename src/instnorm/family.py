"""The family by name: who made an output, and who looks at the other images of a batch."""

from . import rows
from .arguments import check_activations, check_floating, check_same_shape
from .arrays import Array
from .norms import batch_norm, instance_norm, layer_norm

__all__ = [
    "batch_leakage",
    "normalize",
    "which_norm",
]

MEMBERS = {"BN": batch_norm, "LN": layer_norm, "IN": instance_norm}


def normalize(x: Array, mode: str, eps: float = 1e-5) -> Array:
    """`batch_norm` in training, `layer_norm` or `instance_norm`, for mode "BN", "LN" or "IN".

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    mode : "BN", "LN" or "IN"
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also ValueError for any other mode.
    """
    if mode not in MEMBERS:
        raise ValueError(f"mode must be one of {', '.join(MEMBERS)}; got {mode!r}")
    return MEMBERS[mode](x, eps=eps)


def which_norm(x: Array, y: Array, eps: float = 1e-5, *, tolerance: float = 1e-6) -> Array:
    """Which members turn x into y, as (3,) zeros and ones for BN, LN and IN.

    With one image batch norm and instance norm are the same function, with one channel layer norm
    and instance norm are; then several entries are 1. If y came from none of the three, none is.

    Parameters
    ----------
    x, y : (N, C, *spatial) float arrays of one shape: a black box's input and output
    eps : float, not negative
    tolerance : float, the largest difference that is put down to rounding

    Returns
    -------
    fits : (3,) float64 array

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when x and y differ in shape.
    """
    check_same_shape("y", y, "x", x)
    xp = rows.array_module(x)
    fits = [xp.allclose(member(x, eps=eps), y, tolerance, tolerance) for member in MEMBERS.values()]
    return xp.asarray(fits, dtype="float64")


def batch_leakage(x: Array, others: Array, weight: Array, mode: str, eps: float = 1e-5) -> Array:
    """How far the score of an image depends on the images that are judged beside it.

    The judge is the smallest discriminator with a norm in it: the score of an image is the sum of
    weight * normalize(batch, mode), over the channels and positions of that image. Each image of x
    is judged in several batches, beside each company of `others` in turn. Its leak is the largest
    of its scores minus the smallest. It is 0 for instance and layer norm.

    Parameters
    ----------
    x : (N, C, *spatial) float array: the images that are judged, one at a time
    others : (K, B, C, *spatial) float array: K companies of B images each
    weight : (C, *spatial) float array
    mode : "BN", "LN" or "IN"
    eps : float, not negative

    Returns
    -------
    leak : (N,) float64 array

    Raises
    ------
    TypeError, ValueError
        As `normalize`; also when the shapes do not fit, or there is no company.
    """
    check_activations("x", x, spatial=1)
    check_floating("others", others)
    check_floating("weight", weight)
    image = x.shape[1:]
    if others.ndim != x.ndim + 1 or others.shape[2:] != image or not len(others):
        wanted = ", ".join(map(str, image))
        raise ValueError(
            f"others must have shape (K, B, {wanted}), K of 1 or more; got {others.shape}"
        )
    if weight.shape != image:
        raise ValueError(f"weight must have the shape of an image, {image}; got {weight.shape}")
    xp = rows.array_module(x)
    x, others, weight = (a.astype("float64") for a in (x, others, weight))
    scores = xp.empty((len(x), len(others)))
    for n in range(len(x)):
        for k in range(len(others)):
            batch = xp.concatenate([x[n : n + 1], others[k]])
            scores[n, k] = (weight * normalize(batch, mode, eps)[0]).sum()
    return scores.max(1) - scores.min(1)
