"""Weight demodulation: normalise the weights by the statistics their output is expected to have."""

from .arguments import check_eps, check_floating
from .arrays import Array

__all__ = [
    "demodulate",
]


def demodulate(weight: Array, style: Array, *, eps: float = 1e-8) -> Array:
    """Weights of a convolution, scaled by a style and then brought back to unit norm.

    With k for the positions of the kernel::

        w'[n,o,i,k]  = style[n,i] * weight[o,i,k]
        w''[n,o,i,k] = w'[n,o,i,k] / sqrt(Σ_ik w'[n,o,i,k]² + eps)

    If the inputs are independent, with mean 0 and variance 1, the root is the standard deviation of
    output o, so w'' yields outputs of unit variance. Instance norm measures the variance and
    divides by it; this divides by the variance that is to be expected. At eps = 0 multiplying
    style[n] by a positive number changes nothing; multiplying the input does.

    Source: Karras et al. 2020, arXiv:1912.04958, equations 1 and 3.

    Parameters
    ----------
    weight : (O, I, *kernel) float array
    style : (N, I) float array, a factor for each image and input channel
    eps : float, not negative

    Returns
    -------
    weights : (N, O, I, *kernel) array like weight, a set for each image

    Raises
    ------
    TypeError
        If weight or style is not a floating-point array, or eps is not a number.
    ValueError
        If a shape does not fit, or eps is negative.
    """
    check_floating("weight", weight)
    check_floating("style", style)
    eps = check_eps(eps)
    if weight.ndim < 2:
        raise ValueError(f"weight must have shape (O, I, *kernel); got {weight.shape}")
    inputs, kernel = weight.shape[1], weight.ndim - 2
    if style.ndim != 2 or style.shape[1] != inputs:
        raise ValueError(
            f"style must have shape (N, {inputs}), one factor per image and input channel of "
            f"weight; got {style.shape}"
        )
    factors = style.astype("float64").reshape(len(style), 1, inputs, *(1,) * kernel)
    scaled = factors * weight.astype("float64")
    axes = tuple(range(2, scaled.ndim))
    # In units of the largest weight, or of sqrt(eps) if that is larger: squares stay in range.
    unit = abs(scaled).max(axis=axes, keepdims=True, initial=eps**0.5)
    unit = unit + (unit == 0)  # nothing to divide: weights of 0 stay 0 at eps = 0
    scaled = scaled / unit
    power = (scaled**2).sum(axis=axes, keepdims=True) + eps / unit / unit
    return (scaled / (power + (power == 0)) ** 0.5).astype(weight.dtype)
