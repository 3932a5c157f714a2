"""Modulation: what a network is told becomes the scale and shift behind a norm.

All of it is one line, y = (1 + scale) * norm(x) + shift. The functions differ in the norm and in
how finely scale and shift may vary: per image and channel, or at each pixel as well.
"""

from .arguments import check_activations, check_eps, check_floating, check_same_shape
from .arrays import Array
from .norms import batch_norm, group_norm, layer_norm

__all__ = ["ada_group_norm", "ada_layer_norm", "ada_layer_norm_zero", "film", "spade"]


def film(x: Array, gamma: Array, beta: Array) -> Array:
    """Feature-wise linear modulation: y[n,c] = gamma[n,c] * x[n,c] + beta[n,c], without a norm.

    Source: Perez, Strub, de Vries, Dumoulin and Courville 2018, arXiv:1709.07871, equation 2.

    Parameters
    ----------
    x : (N, C, *spatial) float array
    gamma, beta : (N, C) float arrays

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers.
    ValueError
        If a shape does not fit.
    """
    check_activations("x", x, spatial=0)
    _check_told(x, gamma=gamma, beta=beta)
    tail = (...,) + (None,) * (x.ndim - 2)
    return (gamma[tail] * x + beta[tail]).astype(x.dtype)


def ada_group_norm(
    x: Array, scale: Array, shift: Array, num_groups: int, *, eps: float = 1e-5
) -> Array:
    """Adaptive group norm: y[n,c] = (1 + scale[n,c]) * GN(x)[n,c] + shift[n,c].

    With num_groups = C it is adaptive instance norm, with 1 adaptive layer norm of pictures.

    Source: Dhariwal and Nichol 2021, arXiv:2105.05233, section 3.

    Parameters
    ----------
    x : (N, C, *spatial) float array
    scale, shift : (N, C) float arrays, made from what the network is told about each image
    num_groups : int that divides C
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `group_norm`; also where scale or shift does not fit.
    """
    check_activations("x", x, spatial=0)
    _check_told(x, scale=scale, shift=shift)
    return film(group_norm(x, num_groups, eps=eps), 1 + scale, shift)


def ada_layer_norm(x: Array, scale: Array, shift: Array, *, eps: float = 1e-6) -> Array:
    """Adaptive layer norm of tokens: y[n,t] = (1 + scale[n]) * LN(x[n,t]) + shift[n].

    Each token is standardised over its own D numbers, and all tokens of an image get the same
    scale and shift.

    Source: Peebles and Xie 2023, arXiv:2212.09748, section 3.2.

    Parameters
    ----------
    x : (N, T, D) float array: N images of T tokens
    scale, shift : (N, D) float arrays
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers, or eps is not a number.
    ValueError
        If a shape does not fit, eps is negative, or D < 2.
    """
    check_floating("x", x)
    check_eps(eps)
    if x.ndim != 3:
        raise ValueError(f"x must have shape (N, T, D); got {x.shape}")
    images, tokens, width = x.shape
    for name, each in (("scale", scale), ("shift", shift)):
        check_floating(name, each)
        if each.shape != (images, width):
            raise ValueError(
                f"{name} must have shape ({images}, {width}), one value per image and feature; "
                f"got {each.shape}"
            )
    xhat = layer_norm(x.reshape(images * tokens, width), eps=eps).reshape(x.shape)
    return ((1 + scale[:, None]) * xhat + shift[:, None]).astype(x.dtype)


def ada_layer_norm_zero(
    x: Array, scale: Array, shift: Array, gate: Array, branch: Array, *, eps: float = 1e-6
) -> Array:
    """A gated branch around which x passes: y = x + gate * branch(ada_layer_norm(x, scale, shift)).

    Networks begin with scale = shift = gate = 0, where y = x whatever the branch does.

    Source: Peebles and Xie 2023, arXiv:2212.09748, section 3.2 (adaLN-Zero).

    Parameters
    ----------
    x : (N, T, D) float array
    scale, shift, gate : (N, D) float arrays
    branch : function of an array (N, T, D) that returns one
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `ada_layer_norm`; also where gate does not fit, or what the branch returns.
    """
    h = ada_layer_norm(x, scale, shift, eps=eps)
    check_floating("gate", gate)
    check_same_shape("gate", gate, "scale", scale)
    change = branch(h)
    check_same_shape("what branch returns", change, "x", x)
    return (x + gate[:, None] * change).astype(x.dtype)


def spade(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
    """Spatially adaptive normalisation: y = gamma * BN(x) + beta, with a value at each pixel.

    gamma and beta come from a label map, by a convolution. They are applied behind the norm, which
    cannot take them away again.

    Source: Park, Liu, Wang and Zhu 2019, arXiv:1903.07291, equation 1.

    Parameters
    ----------
    x, gamma, beta : (N, C, H, W) float arrays
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `batch_norm`; also where gamma or beta does not have the shape of x.
    """
    check_activations("x", x, spatial=2)
    for name, each in (("gamma", gamma), ("beta", beta)):
        check_same_shape(name, each, "x", x)
    return (gamma * batch_norm(x, eps=eps) + beta).astype(x.dtype)


def _check_told(x, **told):
    for name, each in told.items():
        check_floating(name, each)
        if each.shape != x.shape[:2]:
            raise ValueError(
                f"{name} must have shape {x.shape[:2]}, one value per image and channel; "
                f"got {each.shape}"
            )
